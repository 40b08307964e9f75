//! The threads that run beside the driver: their start, and their end with the worker.

use std::sync::mpsc;
use std::time::Duration;

/// Time for which a worker that ends waits for a background thread. The thread may wait for a Redis that is silent.
const JOIN_TIMEOUT: Duration = Duration::from_secs(2);

/// A thread that runs beside the driver until it is stopped.
pub(super) struct BackgroundThread {
    stop: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
}

impl BackgroundThread {
    /// Starts a thread. Its `body` has to return when the receiver is disconnected.
    pub(super) fn start(name: &str, body: impl FnOnce(&mpsc::Receiver<()>) + Send + 'static) -> Self {
        let (stop, stopped) = mpsc::channel();
        let (still_running, ended) = mpsc::channel();
        spawn_signal_masked(name, move || {
            body(&stopped);
            drop(still_running);
        });
        BackgroundThread { stop, ended }
    }

    /// Stops the thread and waits until it has ended, at most [`JOIN_TIMEOUT`].
    pub(super) fn stop(self) {
        drop(self.stop);
        let _ = self.ended.recv_timeout(JOIN_TIMEOUT);
    }
}

/// Starts a thread with all signals blocked, for work with Redis: a signal would interrupt a read and lose the
/// reply, and perhaps a job with it.
pub(super) fn spawn_signal_masked<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            // Fails only for an invalid `how`, which this call does not take.
            let _ = nix::sys::signal::SigSet::all().thread_block();
            body()
        })
        .expect("the system has a thread left")
}
