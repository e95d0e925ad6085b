//! What `cargo xtask test` runs.

use std::env;
use std::path::PathBuf;

use crate::lab;
use crate::qemu;
use crate::run::{Outcome, Steps, cargo, run};
use crate::setup::{self, TARGETS};

/// `cargo xtask interop …`
#[derive(clap::Args, Default)]
pub(crate) struct Interop {
    /// Run only the checks whose name contains one of these
    pub(crate) only: Vec<String>,
    /// All of them, also those that take minutes
    #[arg(long)]
    pub(crate) all: bool,
    /// Name the checks and end
    #[arg(long)]
    pub(crate) list: bool,
    /// Keep captures and logs in this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Another image of the lab than the one kept here: `build-image DIR` from another Debian release
    #[arg(long, value_name = "DIR")]
    pub(crate) image: Option<PathBuf>,
}

/// All steps, in the order in which they fail soonest.
pub(crate) fn everything() -> Outcome {
    let mut steps = Steps::new(4);
    let outcome = steps
        .step("set-up", setup::all)
        .and_then(|()| steps.step("firmware crates for the boards' targets, without std or heap", firmware))
        .and_then(|()| steps.step("tests on this host", host))
        .and_then(|()| {
            steps.step("interoperability with a real concentrator", || interop(&Interop::default()))
        });
    if outcome.is_ok() {
        steps.summary();
    }
    outcome
}

/// Builds the firmware crates for all targets of the boards, as one final product without an
/// allocator (`host-sim/no-heap`).
pub(crate) fn firmware() -> Outcome {
    let mut command = cargo(&["build", "--quiet", "--package", "gatelet-no-heap", "--profile", "no-heap"]);
    command.args(TARGETS.iter().flat_map(|target| ["--target", target]));
    run(&mut command)?;
    for target in TARGETS {
        println!("   {target}: built, without std or heap");
    }
    Ok(())
}

/// Unit, property, transcript and scenario tests, and the fuzz corpora.
fn host() -> Outcome {
    run(&mut cargo(&["test", "--workspace", "--no-fail-fast"]))
}

/// The suite against the lab's concentrator.
pub(crate) fn interop(arguments: &Interop) -> Outcome {
    // --workspace: with the features that the host tests were built with, so that nothing is built twice.
    let mut command = cargo(&["test", "--quiet", "--workspace", "--test", "lab", "--"]);
    command.args(&arguments.only);
    if arguments.all {
        command.arg("--all");
    }
    if arguments.list {
        command.arg("--list");
    }
    if let Some(keep) = &arguments.keep {
        let here = env::current_dir().map_err(|error| error.to_string())?;
        command.arg("--keep").arg(here.join(keep));
    }
    let image = match &arguments.image {
        Some(image) => image.canonicalize().map_err(|error| format!("{}: {error}", image.display()))?,
        None => lab::image()?,
    };
    command.env("GATELET_LAB_IMAGE", image);
    command.env("GATELET_LAB_SCRIPTS", lab::scripts());
    command.env("GATELET_BOARD_IMAGE", qemu::build()?);
    command.env("GATELET_BOARD_RUN", qemu::board().join("run"));
    run(&mut command)
}
