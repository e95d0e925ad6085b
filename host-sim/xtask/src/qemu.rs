//! `cargo xtask qemu`: the board that needs no board, on QEMU's virt machine (boards/qemu-virt).

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::run::{Failure, Outcome, cargo, run as run_command, target_dir, workspace};

/// `cargo xtask qemu …`
#[derive(clap::Args)]
pub(crate) struct Qemu {
    /// The carrier: `isp` for the simulated provider, or a wire as in boards/qemu-virt/run, such as tap:NAME
    #[arg(long, value_name = "WIRE", default_value = "isp")]
    wan: String,
    /// The home: `none`, or a wire such as tap:NAME (`ip tuntap add name NAME mode tap` makes one)
    #[arg(long, value_name = "WIRE", default_value = "none")]
    lan: String,
    /// Which concentrator the simulated provider has
    #[arg(long, value_name = "NAME", default_value = "open")]
    bras: String,
    /// The file that holds what survives; made if it is not there
    #[arg(long, value_name = "FILE")]
    flash: Option<PathBuf>,
    /// The console on a UNIX socket instead of the terminal
    #[arg(long, value_name = "PATH")]
    console: Option<PathBuf>,
    /// Further options for QEMU
    #[arg(last = true)]
    further: Vec<String>,
}

/// Builds the image and starts it, with a provider beside it if one is wanted.
pub(crate) fn run(arguments: &Qemu) -> Outcome {
    let image = build()?;
    let folder = target_dir().join("qemu-virt");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let (wan, _isp) = if arguments.wan == "isp" {
        let isp = Isp::start(&folder, &arguments.bras)?;
        println!("   the provider says what happens in {}", isp.log.display());
        (isp.wire.clone(), Some(isp))
    } else {
        (arguments.wan.clone(), None)
    };
    let flash = arguments.flash.clone().unwrap_or_else(|| folder.join("flash"));
    let mut command = Command::new(board().join("run"));
    command.arg(image).arg(&flash).args([&wan, &arguments.lan]);
    match &arguments.console {
        Some(console) => drop(command.arg("--console").arg(console)),
        None => println!("   Ctrl-A X ends the machine; what survives is in {}\n", flash.display()),
    }
    command.arg("--").args(&arguments.further);
    // With the terminal as it is: it is the console.
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the machine ended with {status}")),
        Err(error) => Err(format!("cannot start {}: {error}", board().join("run").display())),
    }
}

/// The image, built.
///
/// # Errors
/// What the build said.
pub(crate) fn build() -> Result<PathBuf, Failure> {
    run_command(cargo(&["build", "--quiet", "--profile", "firmware"]).current_dir(board()))?;
    Ok(target_dir().join("riscv32imac-unknown-none-elf/firmware/gatelet-qemu-virt"))
}

/// Its folder.
pub(crate) fn board() -> PathBuf {
    workspace().join("boards/qemu-virt")
}

/// The simulated provider, which ends with this value.
struct Isp {
    process: Child,
    wire: String,
    log: PathBuf,
}

impl Isp {
    fn start(folder: &std::path::Path, bras: &str) -> Result<Self, Failure> {
        run_command(&mut cargo(&["build", "--quiet", "--package", "gatelet-sim"]))?;
        let [theirs, ours, log] = ["isp.wire", "wan.wire", "isp.log"].map(|name| folder.join(name));
        let output = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let process = Command::new(target_dir().join("debug/gatelet-sim"))
            .args(["isp", &format!("unix:{}:{}", theirs.display(), ours.display()), "--bras", bras])
            .stdin(Stdio::null())
            .stdout(output)
            .spawn()
            .map_err(|error| format!("cannot start the provider: {error}"))?;
        Ok(Self { process, wire: format!("unix:{}:{}", ours.display(), theirs.display()), log })
    }
}

impl Drop for Isp {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
