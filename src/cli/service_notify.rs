//! What supervisors want to know: systemd's messages, and a file for probes.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use sd_notify::{NotifyState, notify};

use super::exit::Failure;
use crate::worker::{Event, Stopper};

/// How often a sign of life is given.
const WATCHDOG_INTERVAL: Duration = Duration::from_secs(1);

/// Tells those that watch this process. Silent where nobody does.
#[derive(Clone)]
pub(crate) struct ServiceNotifier {
    health_file: Option<PathBuf>,
    /// No sign of life is given any more.
    stopped: Arc<Mutex<bool>>,
}

impl ServiceNotifier {
    /// A health file that cannot be written is known now.
    pub(crate) fn new(health_file: Option<PathBuf>) -> Result<Self, Failure> {
        if let Some(path) = &health_file {
            File::create(path).map_err(|error| {
                let what = format!("cannot write {}: {error}", path.display());
                Failure::Other(what, "choose another --health-file".to_owned())
            })?;
        }
        Ok(ServiceNotifier { health_file, stopped: Arc::default() })
    }

    pub(crate) fn on_event(&self, event: &Event) {
        let change = match event {
            Event::Ready { .. } => Some(NotifyState::Ready),
            Event::Stopping { .. } => Some(NotifyState::Stopping),
            Event::Trouble { .. } | Event::Back | Event::Suspended | Event::Quieted | Event::GoesOn => None,
            _ => return,
        };
        let status = event.to_string();
        let states: Vec<NotifyState<'_>> = change.into_iter().chain([NotifyState::Status(&status)]).collect();
        // Without NOTIFY_SOCKET, and when systemd has gone, nobody listens.
        let _ = notify(&states);
    }

    /// Gives a sign of life about once a second, for as long as the worker's loop turns. That Redis is away is no
    /// reason to end a worker: `/readyz` and `info` say so.
    pub(crate) fn start_watchdog(&self, stopper: Stopper) -> std::io::Result<()> {
        let this = self.clone();
        let watch = move || {
            let mut is_told = false;
            loop {
                let has_ended = this.stopped.lock().unwrap_or_else(PoisonError::into_inner);
                if *has_ended {
                    return;
                }
                if !stopper.is_loop_stuck() {
                    this.notify_healthy(&mut is_told);
                }
                drop(has_ended);
                std::thread::sleep(WATCHDOG_INTERVAL);
            }
        };
        std::thread::Builder::new().name("rq-rs watchdog".to_owned()).spawn(watch).map(drop)
    }

    fn notify_healthy(&self, is_told: &mut bool) {
        let _ = notify(&[NotifyState::Watchdog]);
        let Some(path) = &self.health_file else { return };
        let touched = File::options().write(true).create(true).truncate(false).open(path);
        match touched.and_then(|file| file.set_modified(SystemTime::now())) {
            Ok(()) if std::mem::take(is_told) => log::warn!("{} is touched again", path.display()),
            Ok(()) => {}
            Err(_) if *is_told => {}
            Err(error) => {
                *is_told = true;
                log::warn!("cannot touch {}: {error}; probes may take this worker for dead", path.display());
            }
        }
    }

    /// A probe must not find a worker well that has ended.
    pub(crate) fn stop(&self) {
        let _ = notify(&[NotifyState::Stopping]);
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        // Root could remove a device.
        if let Some(path) = self.health_file.as_ref().filter(|path| path.is_file()) {
            let _ = std::fs::remove_file(path);
        }
    }
}
