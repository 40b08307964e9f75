//! A real redis-server on a socket of its own, gone with this process whatever happens to it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::PATIENCE;

pub(crate) struct RedisServer {
    guard: Child,
    folder: TempDir,
}

/// Starts the server, and ends it when standard input closes, which a killed test also does.
const GUARD: &str = r#"folder=$1; shift
"$@" >"$folder/log" 2>&1 & server=$!
cat >/dev/null
kill -9 $server; rm -rf "$folder""#;

impl RedisServer {
    /// The one that most tests of this process share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: LazyLock<RedisServer> = LazyLock::new(|| RedisServer::start(&[]));
        &SHARED
    }

    /// `$RQ_RS_TEST_REDIS` names another server program: valkey-server, an older redis-server.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("rq-rs-").tempdir_in("/tmp").unwrap();
        let named = std::env::var("RQ_RS_TEST_REDIS").ok();
        let program = named.unwrap_or_else(|| {
            if is_there("redis-server") { "redis-server" } else { "valkey-server" }.into()
        });
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(folder.path())
            .args([&program, "--port", "0", "--save", "", "--appendonly", "no", "--unixsocketperm", "700"])
            .args([&"--dir".into(), &folder.path().display().to_string()])
            .args(["--unixsocket", &folder.path().join("s").display().to_string()])
            .args(settings)
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh runs");
        let server = RedisServer { guard, folder };
        server.wait_until_ready();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    fn wait_until_ready(&self) {
        let until = Instant::now() + PATIENCE;
        let answers = || {
            let mut connection = redis::Client::open(self.url()).ok()?.get_connection().ok()?;
            let answer = redis::cmd("PING").query::<redis::Value>(&mut connection);
            // A server that asks for a password is ready too.
            match answer {
                Err(error) if error.is_io_error() => None,
                _ => Some(()),
            }
        };
        while !self.socket().exists() || answers().is_none() && !self.asks_for_password() {
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
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
