//! The `rq-rs` binary: the whole command line. Its handlers are programs (`--exec`).

fn main() -> std::process::ExitCode {
    rq_rs::App::new().main()
}
