//! Signs of life for supervisors: systemd's notifications, and a health file for probes.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use sd_notify::{NotifyState, notify};

use super::exit::Failure;
use crate::worker::{Event, Stopper};

const WATCHDOG_INTERVAL: Duration = Duration::from_secs(1);

/// Notifies systemd and touches the health file, where these are in use.
#[derive(Clone)]
pub(crate) struct ServiceNotifier {
    health_file: Option<PathBuf>,
    /// Set once the worker has ended; the lock is held while a sign of life is given.
    stopped: Arc<Mutex<bool>>,
}

impl ServiceNotifier {
    /// Creates the health file, so that one that cannot be written is an error at the start.
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
        // This fails without NOTIFY_SOCKET or systemd, and then nothing is to be notified.
        let _ = notify(&states);
    }

    /// Gives a sign of life about once a second for as long as the worker's loop turns, even while Redis is
    /// unreachable: a restart of the worker would not help, and `/readyz` and `info` show it.
    pub(crate) fn start_watchdog(&self, stopper: Stopper) -> std::io::Result<()> {
        let this = self.clone();
        let watch = move || {
            let mut has_failed = false;
            loop {
                let stopped = this.stopped.lock().unwrap_or_else(PoisonError::into_inner);
                if *stopped {
                    return;
                }
                if !stopper.is_hanging() {
                    this.notify_healthy(&mut has_failed);
                }
                drop(stopped);
                std::thread::sleep(WATCHDOG_INTERVAL);
            }
        };
        std::thread::Builder::new().name("rq-rs watchdog".to_owned()).spawn(watch).map(drop)
    }

    fn notify_healthy(&self, has_failed: &mut bool) {
        let _ = notify(&[NotifyState::Watchdog]);
        let Some(path) = &self.health_file else { return };
        let touched = File::options().write(true).create(true).truncate(false).open(path);
        match touched.and_then(|file| file.set_modified(SystemTime::now())) {
            Ok(()) if std::mem::take(has_failed) => log::warn!("{} is touched again", path.display()),
            Ok(()) => {}
            // Only the first failure in a row is logged.
            Err(_) if *has_failed => {}
            Err(error) => {
                *has_failed = true;
                log::warn!("cannot touch {}: {error}; probes may take this worker for dead", path.display());
            }
        }
    }

    /// Ends the signs of life and removes the health file, so that probes do not find an ended worker healthy.
    pub(crate) fn stop(&self) {
        let _ = notify(&[NotifyState::Stopping]);
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        // Only a regular file: as root we could remove a device.
        if let Some(path) = self.health_file.as_ref().filter(|path| path.is_file()) {
            let _ = std::fs::remove_file(path);
        }
    }
}
