//! A real Redis for unit tests, on a socket in a temporary directory.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::Client;
use crate::dialect::Dialect;

/// Ends the server when standard input closes, as it does when the test process is killed.
const GUARD: &str = r#""$@" >/dev/null 2>&1 & read -r _; kill -9 $!"#;

pub(crate) struct RedisServer {
    guard: Child,
    folder: TempDir,
}

impl RedisServer {
    /// `$RQ_RS_TEST_REDIS` names another program than `redis-server`.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("rq-rs-").tempdir_in("/tmp").unwrap();
        let program = std::env::var("RQ_RS_TEST_REDIS").unwrap_or_else(|_| "redis-server".to_owned());
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &program, "--port", "0", "--save", "", "--unixsocketperm", "700"])
            .arg("--unixsocket")
            .arg(folder.path().join("s"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        RedisServer { guard, folder }
    }

    /// Waits until the server is ready, and connects to it.
    pub(crate) fn client(&self, dialect: Dialect) -> Arc<Client> {
        self.client_with(dialect, "")
    }

    /// Connects with parameters of the URL.
    pub(crate) fn client_with(&self, dialect: Dialect, parameters: &str) -> Arc<Client> {
        let url = format!("unix://{}/s{parameters}", self.folder.path().display());
        for _ in 0..1000 {
            if let Ok(client) = Client::connect(&url) {
                return client.with_dialect(dialect);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server does not start (sh scripts/setup.sh)");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
