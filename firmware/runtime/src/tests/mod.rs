//! The tasks on a small executor with a clock of its own: fairness, lost wakeups, what is dropped and counted.

mod console;
mod device;
mod pump;
mod task;
mod tunnel_update;
mod vigil;
pub(crate) mod world;
