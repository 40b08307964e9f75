//! Emits the events of a worker to the log and to the callbacks.

use std::sync::Arc;

use super::event::Event;
use super::panics;

type Callback = Box<dyn Fn(&Event) + Send + Sync>;

/// The callbacks for the events of a worker. The log gets every event too.
#[derive(Clone, Default)]
pub(crate) struct EventBus(Arc<Vec<Callback>>);

impl EventBus {
    /// Adds a callback. The bus must not be cloned yet.
    pub(crate) fn subscribe(&mut self, callback: Callback) {
        if let Some(callbacks) = Arc::get_mut(&mut self.0) {
            callbacks.push(callback);
        }
    }

    /// Logs the event and calls the callbacks.
    pub(crate) fn emit(&self, event: &Event) {
        log::log!(target: "rq_rs", event.level(), "{event}");
        for callback in self.0.iter() {
            if let Err(panic) = panics::catch_panic(|| callback(event)) {
                log::error!(target: "rq_rs", "a listener {panic}");
            }
        }
    }
}
