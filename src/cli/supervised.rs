//! What supervisors want to know: systemd's messages, and a file for probes.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use sd_notify::{NotifyState, notify};

use super::exit::Failure;
use crate::worker::Event;

/// Tells those that watch this process. Silent where nobody does.
#[derive(Clone)]
pub(crate) struct Supervised {
    health_file: Option<PathBuf>,
    /// Whether the file could not be touched, which is told when it begins and when it ends.
    is_old: Arc<AtomicBool>,
}

impl Supervised {
    /// A health file that cannot be written is known now.
    pub(crate) fn new(health_file: Option<PathBuf>) -> Result<Self, Failure> {
        if let Some(path) = &health_file {
            File::create(path).map_err(|error| {
                let what = format!("cannot write {}: {error}", path.display());
                Failure::Other(what, "choose another --health-file".to_owned())
            })?;
        }
        Ok(Supervised { health_file, is_old: Arc::default() })
    }

    pub(crate) fn tell(&self, event: &Event) {
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

    /// Called about once a second.
    pub(crate) fn is_well(&self) {
        let _ = notify(&[NotifyState::Watchdog]);
        if let Some(path) = &self.health_file {
            let touched = File::options().write(true).create(true).truncate(false).open(path);
            let touched = touched.and_then(|file| file.set_modified(SystemTime::now()));
            let was_old = self.is_old.swap(touched.is_err(), Ordering::Relaxed);
            match touched {
                Err(error) if !was_old => {
                    log::warn!(
                        "cannot touch {}: {error}; probes may take this worker for dead",
                        path.display()
                    );
                }
                Ok(()) if was_old => log::warn!("{} is touched again", path.display()),
                _ => {}
            }
        }
    }

    /// A probe must not find a worker well that has ended.
    pub(crate) fn end(&self) {
        if let Some(path) = &self.health_file {
            let _ = std::fs::remove_file(path);
        }
    }
}
