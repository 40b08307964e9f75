//! An application whose handlers do what no handler should. The behaviour tests run it with `--isolate`.

#![allow(missing_docs, clippy::unwrap_used)]

use std::io::Write;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use rq_rs::{App, Context, GiveUp, Retry};
use serde_json::json;

const SOON: Duration = Duration::from_millis(5);

fn hang() -> ! {
    loop {
        std::thread::sleep(SOON);
    }
}

/// What it had before is gone, what it gets is leaked.
fn close_everything() -> anyhow::Result<()> {
    let names: Vec<_> =
        std::fs::read_dir("/proc/self/fd")?.flatten().map(|entry| entry.file_name()).collect();
    for fd in names.iter().filter_map(|name| name.to_string_lossy().parse::<i32>().ok()) {
        let _ = nix::unistd::close(fd);
    }
    hang()
}

fn main() -> ExitCode {
    App::new()
        .handler("add", |_: &Context, (a, b): (i64, i64)| Ok(a + b))
        .handler("pid", |_: &Context, (): ()| Ok(std::process::id()))
        .handler("parent", |_: &Context, (): ()| Ok(std::os::unix::process::parent_id()))
        .handler("environment", |_: &Context, (): ()| {
            let arguments = std::fs::read("/proc/self/cmdline")?;
            let environment: Vec<String> =
                std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
            Ok(json!([String::from_utf8_lossy(&arguments), environment]))
        })
        .handler("hang", |_: &Context, (): ()| -> anyhow::Result<()> { hang() })
        .handler("stubborn", |_: &Context, (): ()| -> anyhow::Result<()> {
            signal_hook::flag::register(Signal::SIGTERM as i32, Arc::new(AtomicBool::new(false)))?;
            hang()
        })
        .handler("spin", |_: &Context, (): ()| -> anyhow::Result<()> {
            loop {
                std::hint::spin_loop();
            }
        })
        .handler("abort", |_: &Context, (): ()| -> anyhow::Result<()> { std::process::abort() })
        .handler("signal", |_: &Context, number: i32| -> anyhow::Result<()> {
            // Rust looks at the first SIGSEGV itself, and lets it pass.
            loop {
                raise(Signal::try_from(number)?)?;
            }
        })
        .handler("exit", |_: &Context, code: i32| -> anyhow::Result<()> { std::process::exit(code) })
        .handler("panic", |_: &Context, (): ()| -> anyhow::Result<()> { panic!("at the disco") })
        .handler("devour", |_: &Context, (): ()| -> anyhow::Result<()> {
            let mut eaten = Vec::new();
            loop {
                eaten.push(vec![1_u8; 1 << 20]);
            }
        })
        .handler("grow", |_: &Context, megabytes: usize| {
            Ok(vec![1_u8; megabytes << 20].iter().map(|n| *n as usize).sum::<usize>())
        })
        .handler("shout", |_: &Context, bytes: usize| {
            let line = format!("{}\n", "x".repeat(99));
            let mut out = std::io::stdout().lock();
            for _ in 0..bytes / 100 {
                out.write_all(line.as_bytes())?;
            }
            drop(out);
            print!("the end");
            Ok(bytes)
        })
        .handler("say", |_: &Context, (lines, then): (u32, String)| {
            for n in 0..lines {
                println!("line {n}");
                std::thread::sleep(SOON);
            }
            if then == "hang" { hang() } else { Ok(()) }
        })
        .handler("fork", |_: &Context, (): ()| Ok(Command::new("sleep").arg("1000").spawn()?.id()))
        .handler("fork and hang", |_: &Context, file: String| -> anyhow::Result<()> {
            let child = Command::new("sleep").arg("1000").spawn()?.id();
            std::fs::write(file, format!("{} {child}", std::process::id()))?;
            hang()
        })
        .handler("close everything", |_: &Context, (): ()| close_everything())
        .handler("save", |job: &Context, n: u32| {
            job.save_meta(json!({ "n": n }))?;
            Ok(n)
        })
        .handler("wait for", |_: &Context, file: String| {
            while !std::path::Path::new(&file).exists() {
                std::thread::sleep(SOON);
            }
            Ok(())
        })
        .handler("later", |_: &Context, (): ()| -> anyhow::Result<()> {
            Err(Retry::later(Duration::from_secs(60)).into())
        })
        .handler("give up", |_: &Context, (): ()| -> anyhow::Result<()> {
            Err(GiveUp("no".to_owned()).into())
        })
        .handler("large error", |_: &Context, bytes: usize| -> anyhow::Result<()> {
            anyhow::bail!("x".repeat(bytes))
        })
        .handler("large meta", |job: &Context, bytes: usize| {
            job.save_meta(json!({"text": "x".repeat(bytes)}))
        })
        .handler("large", |_: &Context, bytes: usize| Ok("x".repeat(bytes)))
        .main()
}
