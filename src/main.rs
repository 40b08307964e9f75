//! The stock `rq-rs` binary: the whole command line, with programs as handlers (`--exec`).

fn main() -> std::process::ExitCode {
    rq_rs::App::new().main()
}
