//! The router on Linux: the same runtime as on a board, in real time. The line is an Ethernet
//! interface, the session's IP traffic a TUN device, the ledger a file.
//!
//! ```text
//!   modem ══ WAN ══ packet socket ─┐                          ┌─ TUN ══ the host: ping, curl, iperf3
//!            (or a TAP device) ────┴─► run_port ─► run_router ┴─► ledger file, timeline, pcap
//! ```

use std::process::ExitCode;

pub mod args;
pub mod interface;
pub mod packet_socket;
pub mod port;
pub mod tuntap;

pub use args::{Args, Attach};

/// Dials the line until Ctrl-C.
pub fn run(args: &Args) -> ExitCode {
    eprintln!("gatelet-sim: {}: not joined to the runtime yet", args.wan);
    ExitCode::FAILURE
}
