//! The tasks on a small executor with a clock of its own: fairness, lost wakeups, what is dropped and counted.

mod device;
mod pump;
mod task;
mod vigil;
mod world;
