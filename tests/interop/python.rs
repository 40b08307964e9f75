//! The environment of an interop test: Redis, rq-rs and Python, which `python/drive.py` controls.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rq_rs::{Context, PyValue, Queue, Serializer, Worker};
use serde_json::{Value, json};

use crate::support::TestEnv;

/// A release of RQ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum RqVersion {
    Three,
    Two,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/python")
}

/// A Redis that both sides use, under RQ's own key prefix.
pub(crate) struct InteropEnv {
    pub(crate) env: TestEnv,
    pub(crate) rq: RqVersion,
    pub(crate) serializer: Serializer,
}

impl InteropEnv {
    pub(crate) fn new() -> Self {
        Self::with(RqVersion::Three, Serializer::Pickle)
    }

    pub(crate) fn with(rq: RqVersion, serializer: Serializer) -> Self {
        let mut env = TestEnv::with_own_redis(&[]).in_rq_dialect();
        env.prefix = "rq".to_owned();
        InteropEnv { env, rq, serializer }
    }

    /// The interpreter of the environment that has this release of RQ.
    pub(crate) fn interpreter(&self) -> PathBuf {
        let name = if self.rq == RqVersion::Three { "rq3" } else { "rq2" };
        let python =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("target/interop").join(name).join("bin/python");
        assert!(python.exists(), "no Python environment: run sh tests/interop/python/setup.sh");
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

    /// Runs `drive.py COMMAND`. Returns the JSON it prints, or its stderr when it fails.
    pub(crate) fn try_python(&self, command: &str, arguments: Value) -> Result<Value, String> {
        let done = self.command("drive.py").args([command, &self.arguments(arguments)]).output().unwrap();
        match done.status.success() {
            true => Ok(serde_json::from_slice(&done.stdout).unwrap()),
            false => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
        }
    }

    /// Runs `drive.py COMMAND`, which must succeed, and returns the JSON it prints.
    #[track_caller]
    pub(crate) fn python(&self, command: &str, arguments: Value) -> Value {
        self.try_python(command, arguments).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Starts a Python worker, which is stopped when it is dropped.
    pub(crate) fn python_worker(&self, arguments: Value) -> PythonWorker {
        let mut command = self.command("drive.py");
        command.args(["work", &self.arguments(arguments)]);
        PythonWorker(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn fetch_pages(&self, arguments: &Value) -> Value {
        self.run_script("pages.py", &[&arguments.to_string()])
    }

    /// Runs a script in `python/`, which must succeed, and returns the JSON it prints.
    pub(crate) fn run_script(&self, name: &str, words: &[&str]) -> Value {
        let done = self.command(name).args(words).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// Runs a worker until the queue is empty.
    pub(crate) fn drain(&self, worker: Side) {
        match worker {
            Side::Python => drop(self.python("work", json!({ "queues": ["default"] }))),
            Side::Rust => drop(self.env.drain(self.worker())),
        }
    }

    pub(crate) fn queue(&self) -> Queue {
        self.env.queue("default").serializer(self.serializer).unwrap()
    }

    /// A worker with the functions of tasks.py as handlers.
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

/// One of the two implementations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Side {
    Python,
    Rust,
}

pub(crate) const SIDES: [Side; 2] = [Side::Python, Side::Rust];
pub(crate) const SERIALIZERS: [Serializer; 2] = [Serializer::Pickle, Serializer::Json];

/// A Python worker's process, which is stopped when this is dropped.
pub(crate) struct PythonWorker(Child);

impl Drop for PythonWorker {
    fn drop(&mut self) {
        // SIGKILL would leave the work horse behind.
        let _ = Command::new("kill").args(["-s", "TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}
