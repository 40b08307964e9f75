//! A real redis-server on a Unix socket, which ends with this process even if the process is killed.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::WAIT_LIMIT;

pub(crate) struct RedisServer {
    /// The first guard removes the folder.
    guards: Mutex<Vec<Child>>,
    folder: TempDir,
    settings: Vec<String>,
}

/// Starts the server and kills it when standard input closes, as it does when the test process is killed.
const GUARD: &str = r#"folder=$1; shift
"$@" >>"$folder/log" 2>&1 & echo $! >"$folder/pid.new"; mv "$folder/pid.new" "$folder/pid"
cat >/dev/null
kill -9 $(cat "$folder/pid" 2>/dev/null) 2>/dev/null; rm -rf "$folder""#;

impl RedisServer {
    /// The server that most tests of this process share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: LazyLock<RedisServer> = LazyLock::new(|| RedisServer::start(&[]));
        &SHARED
    }

    pub(crate) fn start(settings: &[&str]) -> Self {
        let server = RedisServer {
            guards: Mutex::default(),
            folder: tempfile::Builder::new().prefix("rq-rs-").tempdir_in("/tmp").unwrap(),
            settings: settings.iter().map(ToString::to_string).collect(),
        };
        server.launch();
        server
    }

    /// Starts the server program; with `--appendonly yes` it loads its earlier data.
    /// `$RQ_RS_TEST_REDIS` names another program: valkey-server, an older redis-server.
    pub(crate) fn launch(&self) {
        let named = std::env::var("RQ_RS_TEST_REDIS").ok();
        let program = named.unwrap_or_else(|| {
            if is_there("redis-server") { "redis-server" } else { "valkey-server" }.into()
        });
        let folder = self.folder.path().display().to_string();
        let _ = std::fs::remove_file(self.folder.path().join("pid"));
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &folder])
            .args([&program, "--port", "0", "--save", "", "--unixsocketperm", "700", "--dir", &folder])
            .args(["--unixsocket", &self.socket().display().to_string()])
            .args(&self.settings)
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh runs");
        self.guards.lock().unwrap().push(guard);
        self.wait_until_ready();
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.folder.path().join("pid")).unwrap();
        assert!(Command::new("kill").args(["-s", name, pid.trim()]).status().unwrap().success());
    }

    /// Kills the server with -9 and waits until it no longer accepts connections.
    pub(crate) fn kill(&self) {
        self.signal("KILL");
        super::eventually("Redis is gone", || {
            redis::Client::open(self.url()).unwrap().get_connection().is_err()
        });
    }

    /// Kills the server and starts it again, with its data loaded.
    pub(crate) fn restart(&self) {
        self.kill();
        self.launch();
    }

    /// Deletes the data on disk, so that the next start is empty.
    pub(crate) fn forget_data(&self) {
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    fn wait_until_ready(&self) {
        let until = Instant::now() + WAIT_LIMIT;
        let answers = || {
            let mut connection = redis::Client::open(self.url()).ok()?.get_connection().ok()?;
            let answer = redis::cmd("PING").query::<redis::Value>(&mut connection);
            // A server that asks for a password is ready too.
            match answer {
                Err(error) if error.is_io_error() || error.code() == Some("LOADING") => None,
                _ => Some(()),
            }
        };
        // The guard writes the file with the process id, which `signal` needs, beside the server's start.
        let is_started = || self.socket().exists() && self.folder.path().join("pid").exists();
        while !is_started() || answers().is_none() && !self.asks_for_password() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "redis-server does not start (sh scripts/setup.sh): {log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn asks_for_password(&self) -> bool {
        let opened = redis::Client::open(self.url()).map(|client| client.get_connection());
        matches!(opened, Ok(Err(error)) if error.to_string().contains("NOAUTH"))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        for mut guard in self.guards.lock().unwrap().drain(..) {
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
    }
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
