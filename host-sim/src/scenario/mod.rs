//! Scenarios: a world, a script of faults, and what is expected.

pub mod values;
