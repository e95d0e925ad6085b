//! `cargo xtask`: sets a machine up, tests the whole workspace, counts instructions and bytes, keeps the peer lab.

mod bench;
mod lab;
mod qemu;
mod rp2040js;
mod run;
mod setup;
mod size;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Set-up, tests and the peer lab of Gatelet.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing: Rust targets, Debian packages, the lab's image
    Setup,
    /// Everything: setup, builds without std, host tests, interoperability with a real concentrator
    Test,
    /// Build the firmware crates for the boards' targets, and check that no allocator is needed
    Firmware,
    /// Dial the lab's concentrator with the real binary and judge it
    Interop(test::Interop),
    /// Count what a packet costs in instructions, and what the router takes of flash
    Bench(bench::Bench),
    /// Build the boards' images and weigh them: flash by crate, static RAM by variable (docs/size.md)
    Size(size::Weigh),
    /// Build the image for QEMU's virt machine and start it, with a simulated provider on the line
    Qemu(qemu::Qemu),
    /// Build the RP2040's image and start it on an emulated chip: it has to come on line, and its log has to be readable
    Rp2040js(rp2040js::Rp2040js),
    /// The peer lab: a virtual machine that plays the provider of a PPPoE line
    Lab {
        #[command(subcommand)]
        command: lab::Command,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Setup => setup::all(),
        Task::Test => test::everything(),
        Task::Firmware => setup::rust_targets().and_then(|()| test::firmware()),
        Task::Interop(arguments) => setup::all().and_then(|()| test::interop(&arguments)),
        Task::Bench(arguments) => setup::tools().and_then(|()| bench::run(&arguments)),
        Task::Size(arguments) => setup::rust_targets().and_then(|()| size::run(&arguments)),
        Task::Qemu(arguments) => setup::tools().and_then(|()| qemu::run(&arguments)),
        Task::Rp2040js(arguments) => rp2040js::run(&arguments),
        Task::Lab { command } => lab::run(&command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
