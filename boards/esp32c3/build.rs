//! Hands the linker the chip's memory map.

use std::{env, fs, path::PathBuf};

fn main() {
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(folder.join("limits.x"), include_str!("limits.x")).expect("cargo's folder is writable");
    println!("cargo:rustc-link-search={}", folder.display());
    for script in ["linkall.x", "limits.x"] {
        println!("cargo:rustc-link-arg-bins=-T{script}");
    }
    println!("cargo:rerun-if-changed=limits.x");
}
