//! Threads beside the loop.

use std::sync::mpsc;
use std::time::Duration;

/// How long the worker waits for its helpers at the end. A silent Redis must not hold it up.
const JOIN_TIMEOUT: Duration = Duration::from_secs(2);

/// A helper thread, and how to hear that it has ended.
pub(super) struct BackgroundThread {
    stop: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
}

impl BackgroundThread {
    /// `body` runs until its receiver is cut off.
    pub(super) fn start(name: &str, body: impl FnOnce(&mpsc::Receiver<()>) + Send + 'static) -> Self {
        let (stop, stopped) = mpsc::channel();
        let (tell, ended) = mpsc::channel();
        spawn_signal_masked(name, move || {
            body(&stopped);
            drop(tell);
        });
        BackgroundThread { stop, ended }
    }

    pub(super) fn stop(self) {
        drop(self.stop);
        let _ = self.ended.recv_timeout(JOIN_TIMEOUT);
    }
}

/// A thread that talks to Redis: no signal may interrupt it, because an interrupted read loses
/// the reply, and with it perhaps a job.
pub(super) fn spawn_signal_masked<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            // Refused only for an invalid `how`, which the call does not take.
            let _ = nix::sys::signal::SigSet::all().thread_block();
            body()
        })
        .expect("the system has a thread left")
}
