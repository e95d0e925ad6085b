//! What a fresh machine lacks: Rust targets, Debian packages, the lab's image.

use std::process::Command;

use crate::lab;
use crate::run::{Outcome, has_program, output, run};

/// The boards' targets: RP2040, ESP32-C3 (and its QEMU stand-in with atomics).
pub(crate) const TARGETS: [&str; 3] =
    ["thumbv6m-none-eabi", "riscv32imc-unknown-none-elf", "riscv32imac-unknown-none-elf"];

/// Programs the tests run, and the Debian package each comes in.
const PROGRAMS: [(&str, &str); 22] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("qemu-system-riscv32", "qemu-system-misc"),
    ("qemu-system-arm", "qemu-system-arm"),
    ("valgrind", "valgrind"),
    ("tshark", "tshark"),
    ("mergecap", "wireshark-common"),
    ("iperf3", "iperf3"),
    ("tmux", "tmux"),
    ("ip", "iproute2"),
    ("ping", "iputils-ping"),
    ("curl", "curl"),
    ("dig", "dnsutils"),
    ("traceroute", "traceroute"),
    ("udhcpc", "udhcpc"),
    ("dhclient", "isc-dhcp-client"),
    ("dnsmasq", "dnsmasq-base"),
    // On a desktop it takes the place of systemd-timesyncd, and keeps the clock as that did.
    ("chronyd", "chrony"),
    // What building the lab's image takes.
    ("apt-get", "apt"),
    ("dpkg-deb", "dpkg"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
    ("python3", "python3-minimal"),
];

/// Installs all that is missing.
pub(crate) fn all() -> Outcome {
    tools()?;
    lab::image().map(|image| println!("   lab image: {}", image.display()))
}

/// Installs the Rust targets and the Debian packages that are missing.
pub(crate) fn tools() -> Outcome {
    rust_targets()?;
    packages()
}

/// Installs the Rust targets that are missing.
pub(crate) fn rust_targets() -> Outcome {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let library = std::path::Path::new(sysroot.trim()).join("lib/rustlib");
    let missing: Vec<_> =
        TARGETS.into_iter().filter(|target| !library.join(target).join("lib").is_dir()).collect();
    if missing.is_empty() {
        println!("   Rust targets: all installed");
        return Ok(());
    }
    println!("   Rust targets: installing {}", missing.join(", "));
    if !has_program("rustup") {
        return Err(format!(
            "the Rust targets {} are missing, and there is no rustup to install them with;\n\
             install rustup, or these targets with whatever installed Rust here",
            missing.join(", ")
        ));
    }
    run(Command::new("rustup").args(["target", "add"]).args(&missing))
}

/// Installs the Debian packages that are missing; who is not root gets the command to type.
fn packages() -> Outcome {
    let missing =
        |()| -> Vec<_> { PROGRAMS.into_iter().filter(|(program, _)| !has_program(program)).collect() };
    let lacking = missing(());
    if lacking.is_empty() {
        println!("   Debian packages: all installed");
        return Ok(());
    }
    let names: Vec<_> = lacking.iter().map(|(_, package)| *package).collect();
    let by_hand = format!("apt-get install --no-install-recommends {}", names.join(" "));
    if !has_program("apt-get") {
        return Err(format!(
            "these programs are missing, and this is no Debian: {}\n\
             install them with your system's package manager, then run this again",
            lacking.iter().map(|(program, _)| *program).collect::<Vec<_>>().join(", ")
        ));
    }
    if !is_root() {
        return Err(format!("packages are missing; type this, then run this again:\n\n    sudo {by_hand}\n"));
    }
    println!("   Debian packages: installing {}", names.join(", "));
    // The lists may be absent or too old to name what the mirror still has: only then fetch them.
    if install(&names).is_err() {
        update_package_lists()?;
        install(&names)?;
    }
    match missing(()).as_slice() {
        [] => Ok(()),
        still => Err(format!("installed, but still not found: {still:?}")),
    }
}

fn install(packages: &[&str]) -> Outcome {
    output(
        Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "-q", "-y", "--no-install-recommends"])
            .args(packages),
    )
    .map(drop)
}

/// `apt-get update`, as root.
pub(crate) fn update_package_lists() -> Outcome {
    if !is_root() {
        return Err("the package lists are missing or old; type this, then run this again:\n\n    \
                    sudo apt-get update\n"
            .into());
    }
    println!("   Debian packages: fetching the lists");
    output(Command::new("apt-get").args(["update", "-q"])).map(drop)
}

/// Whether this process may install packages.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
