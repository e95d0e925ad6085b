//! `gatelet-sim`: see `gatelet-sim --help`.

fn main() {}
