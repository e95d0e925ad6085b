//! Hands the linker the machine's memory map.

use std::{env, fs, path::PathBuf};

fn main() {
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(folder.join("memory.x"), include_str!("memory.x")).expect("cargo's folder is writable");
    println!("cargo:rustc-link-search={}", folder.display());
    // In this order: the second needs what the first defines.
    println!("cargo:rustc-link-arg-bins=-Tmemory.x");
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rerun-if-changed=memory.x");
}
