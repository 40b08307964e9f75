//! A worker for jobs that a Python application enqueues: see docs/from-python-rq.md.

use rq_rs::{App, Context};

#[derive(serde::Deserialize)]
struct Resize {
    path: String,
    width: u32,
    height: u32,
}

fn resize(_: &Context, job: Resize) -> anyhow::Result<String> {
    Ok(format!("{} resized to {}x{} by Rust", job.path, job.width, job.height))
}

fn main() -> std::process::ExitCode {
    App::new().handler("tasks.resize", resize).main()
}
