//! Scenarios: a world, a script of faults, and what is expected, from a TOML file.
//!
//! The files under `host-sim/scenarios` are part of the program; [`File`] says how they are written.

mod access;
mod console;
mod expect;
mod fault;
mod file;
mod ipv6;
mod lan;
mod library;
mod run;
mod script;
pub mod values;

pub use self::console::ConsoleFile;
pub use self::expect::{Check, Expectation};
pub use self::fault::{Fault, FaultFile, When};
pub use self::file::{ConcentratorFile, File, RouterFile};
pub use self::ipv6::{BrokerFile, FarFile, Ipv6File, OwnTunnelFile};
pub use self::lan::{ForwardFile, LanFile, NatFile};
pub use self::library::{Bundled, bundled, find, topology};
pub use self::run::{Options, Report, Visit, run};
pub use self::script::Script;
