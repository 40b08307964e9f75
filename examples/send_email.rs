//! A worker in ten lines: this binary is the whole command line, with a handler of its own.
//!
//!     cargo run --example send_email -- worker
//!     cargo run --example send_email -- enqueue send_email to=ada@example.com subject=Welcome

use rq_rs::{App, Context, Retry};
use std::time::Duration;

#[derive(serde::Deserialize)]
struct Email {
    to: String,
    subject: String,
}

fn send_email(job: &Context, email: Email) -> anyhow::Result<String> {
    if email.to.ends_with("@busy.example.com") {
        // This error asks for another attempt in a minute; any other error fails the job.
        return Err(Retry::later(Duration::from_secs(60)).into());
    }
    Ok(format!("sent {:?} to {} (try {})", email.subject, email.to, job.attempt()))
}

fn main() -> std::process::ExitCode {
    App::new().handler("send_email", send_email).main()
}
