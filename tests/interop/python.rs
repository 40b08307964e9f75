//! Python, told what to do through `python/drive.py`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rq_rs::{Context, PyValue, Queue, Serializer, Worker};
use serde_json::{Value, json};

use crate::support::TestEnv;

/// Which release of RQ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rq {
    Three,
    Two,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/python")
}

/// A Redis of its own that both sides use, under RQ's own key prefix.
pub(crate) struct Both {
    pub(crate) env: TestEnv,
    pub(crate) rq: Rq,
    pub(crate) serializer: Serializer,
}

impl Both {
    pub(crate) fn new() -> Self {
        Self::with(Rq::Three, Serializer::Pickle)
    }

    pub(crate) fn with(rq: Rq, serializer: Serializer) -> Self {
        let mut env = TestEnv::with_own_redis(&[]).in_rq_dialect();
        env.prefix = "rq".to_owned();
        Both { env, rq, serializer }
    }

    /// The Python that has this release of RQ.
    pub(crate) fn interpreter(&self) -> PathBuf {
        let name = if self.rq == Rq::Three { "rq3" } else { "rq2" };
        let python =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("target/interop").join(name).join("bin/python");
        assert!(python.exists(), "no Python RQ here: sh tests/interop/python/setup.sh");
        python
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new(self.interpreter());
        command.arg(folder().join(script)).arg(self.env.url());
        command
            .env("RQ_KEY_PREFIX", &self.env.prefix)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(folder());
        command
    }

    fn arguments(&self, mut arguments: Value) -> String {
        if arguments.get("serializer").is_none() {
            arguments["serializer"] = json!(self.serializer.to_string());
        }
        arguments.to_string()
    }

    /// `drive.py COMMAND`, and what it answers or complains.
    pub(crate) fn tries(&self, command: &str, arguments: Value) -> Result<Value, String> {
        let done = self.command("drive.py").args([command, &self.arguments(arguments)]).output().unwrap();
        match done.status.success() {
            true => Ok(serde_json::from_slice(&done.stdout).unwrap()),
            false => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
        }
    }

    #[track_caller]
    pub(crate) fn python(&self, command: &str, arguments: Value) -> Value {
        self.tries(command, arguments).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// A Python worker that goes on until it is dropped.
    pub(crate) fn python_worker(&self, arguments: Value) -> Living {
        let mut command = self.command("drive.py");
        command.args(["work", &self.arguments(arguments)]);
        Living(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn pages(&self, arguments: &Value) -> Value {
        self.script("pages.py", &[&arguments.to_string()])
    }

    /// Another script of ours, and the JSON that it prints.
    pub(crate) fn script(&self, name: &str, words: &[&str]) -> Value {
        let done = self.command(name).args(words).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// What a Python worker and a Rust worker do with all there is.
    pub(crate) fn drain(&self, worker: Side) {
        match worker {
            Side::Python => drop(self.python("work", json!({ "queues": ["default"] }))),
            Side::Rust => drop(self.env.drain(self.worker())),
        }
    }

    pub(crate) fn queue(&self) -> Queue {
        self.env.queue("default").serializer(self.serializer).unwrap()
    }

    /// The functions of tasks.py, in Rust.
    pub(crate) fn worker(&self) -> Worker {
        use std::io::Write as _;
        self.env
            .worker(&["default"])
            .handler("tasks.add", |_: &Context, (a, b): (i64, i64)| Ok(a + b))
            .handler("tasks.echo", |_: &Context, value: PyValue| Ok(value))
            .handler("tasks.fail", |_: &Context, why: String| -> anyhow::Result<()> { anyhow::bail!(why) })
            .handler("tasks.slow", |job: &Context, seconds: f64| {
                let until = std::time::Instant::now() + std::time::Duration::from_secs_f64(seconds);
                while std::time::Instant::now() < until && !job.is_canceled() {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                Ok(seconds)
            })
            .handler("tasks.flaky", |_: &Context, (path, times): (PathBuf, usize)| {
                let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path)?;
                writeln!(file, "called")?;
                let calls = std::fs::read_to_string(path)?.lines().count();
                anyhow::ensure!(calls >= times, "call {calls} of {times}");
                Ok(calls)
            })
    }
}

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Side {
    Python,
    Rust,
}

pub(crate) const SIDES: [Side; 2] = [Side::Python, Side::Rust];
pub(crate) const SERIALIZERS: [Serializer; 2] = [Serializer::Pickle, Serializer::Json];

/// A process that ends with the test.
pub(crate) struct Living(Child);

impl Drop for Living {
    fn drop(&mut self) {
        // A worker that is killed leaves its horse; this one is told first.
        let _ = Command::new("kill").args(["-s", "TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}
