//! The `rq-rs` binary as a user runs it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use super::WAIT_LIMIT;

/// A running process.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
}

/// Exit code and output of a process.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Standard output; panics unless the exit code is 0.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout.trim_end().to_owned()
    }

    /// Standard error; panics unless the exit code is `code` and an error was printed.
    #[track_caller]
    pub(crate) fn expect_failure(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains("error:"), "{self:?}");
        self.stderr
    }

    /// JSON on standard output, whatever the exit code.
    #[track_caller]
    pub(crate) fn stdout_json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.ok()).unwrap()
    }
}

impl Process {
    pub(crate) fn start(words: &[&str], environment: &[(String, String)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rq-rs"));
        command.args(words);
        Self::spawn(command, environment)
    }

    pub(crate) fn spawn(mut command: Command, environment: &[(String, String)]) -> Self {
        for name in ["RQ_REDIS_URL", "REDIS_URL", "RQ_KEY_PREFIX", "RQ_RS_DIALECT", "NO_COLOR"] {
            command.env_remove(name);
        }
        // Variables of the tests themselves.
        for name in ["RQ_RS_TEST_DIALECT", "RQ_RS_TEST_REDIS"] {
            command.env_remove(name);
        }
        command.envs(environment.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (tell, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Process { child, lines, heard: Vec::new() }
    }

    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Waits for a line on standard error that contains `part`.
    #[track_caller]
    pub(crate) fn wait_for_stderr(&mut self, part: &str) -> String {
        let until = Instant::now() + WAIT_LIMIT;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(_) => panic!("never said {part:?}, but: {:#?}", self.heard),
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn finish(mut self, input: &str) -> Output {
        let mut stdin = self.child.stdin.take().unwrap();
        let input = input.to_owned();
        let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let mut stdout = Vec::new();
        self.child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
        let code = self.child.wait().unwrap().code();
        writer.join().unwrap();
        let mut heard = std::mem::take(&mut self.heard);
        heard.extend(self.lines.iter());
        Output { code, stdout: String::from_utf8_lossy(&stdout).into_owned(), stderr: heard.join("\n") }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a shell command in a folder, with `rq-rs` first on PATH.
pub(crate) fn run_in(folder: &Path, script: &str, environment: &[(String, String)]) -> Output {
    let bin = Path::new(env!("CARGO_BIN_EXE_rq-rs")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-euc", script]).current_dir(folder).env("PATH", path);
    Process::spawn(command, environment).finish("")
}
