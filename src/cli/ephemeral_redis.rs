//! A private Redis for the demo: on a socket in a temporary directory, removed at the end.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::exit::Failure;
use crate::client::Client;

const STARTUP_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct EphemeralRedis {
    server: Child,
    folder: TempDir,
    pub(crate) program: &'static str,
}

impl EphemeralRedis {
    pub(crate) fn start() -> Result<Self, Failure> {
        // Directly under /tmp, because the path of a socket is limited to 107 bytes.
        let folder = tempfile::Builder::new().prefix("rq-rs-demo-").tempdir_in("/tmp")?;
        let socket = folder.path().join("redis.sock");
        for program in ["redis-server", "valkey-server"] {
            let started = Command::new(program)
                .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocketperm", "700"])
                .arg("--unixsocket")
                .arg(&socket)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            if let Ok(server) = started {
                let redis = EphemeralRedis { server, folder, program };
                redis.wait_until_ready()?;
                return Ok(redis);
            }
        }
        Err(Failure::Other(
            "neither redis-server nor valkey-server is installed".to_owned(),
            "sh scripts/setup.sh installs one; or give another with --url".to_owned(),
        ))
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}/redis.sock", self.folder.path().display())
    }

    fn wait_until_ready(&self) -> Result<(), Failure> {
        let started = Instant::now();
        loop {
            match Client::connect(&self.url()) {
                Err(error) if started.elapsed() > STARTUP_TIMEOUT => return Err(error.into()),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
                Ok(_) => return Ok(()),
            }
        }
    }
}

impl Drop for EphemeralRedis {
    fn drop(&mut self) {
        // The data is not needed any more, so the server is killed without a shutdown.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
