//! Bare-metal images need to be told where the memory of their machine is.

use std::env;

fn main() {
    let script = match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        _ if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") => return,
        Ok("riscv32") => "riscv32.x",
        Ok("arm") => "cortex_m.x",
        _ => return,
    };
    let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo:rustc-link-arg-bins=-T{folder}/link/{script}");
    println!("cargo:rerun-if-changed=link");
}
