//! The simulator and the Linux runner.
