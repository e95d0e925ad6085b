//! Hands the linker the chip's memory map.

use std::{env, fs, path::PathBuf};

fn main() {
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    for (name, text) in [("memory.x", include_str!("memory.x")), ("limits.x", include_str!("limits.x"))] {
        fs::write(folder.join(name), text).expect("cargo's folder is writable");
        println!("cargo:rerun-if-changed={name}");
    }
    println!("cargo:rustc-link-search={}", folder.display());
    println!("cargo:rustc-link-arg-bins=--nmagic");
    for script in ["link.x", "link-rp.x", "defmt.x", "limits.x"] {
        println!("cargo:rustc-link-arg-bins=-T{script}");
    }
}
