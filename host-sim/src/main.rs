//! `gatelet-sim`: see `gatelet-sim --help`.

fn main() -> std::process::ExitCode {
    gatelet_sim::cli::main()
}
