//! One thread that carries what the loop sends to Redis and brings back the answers, so that the loop
//! hands out and takes in jobs meanwhile: Redis and the handlers work at the same time.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use super::message::Message;
use super::redis_thread;
use crate::store::{Call, Store};

/// The calls of one exchange, and how often exchanges had failed before it.
type Load = (u64, Vec<Call>);

pub(crate) struct Wire(Sender<Load>);

impl Wire {
    pub(crate) fn start(store: &Arc<Store>, inbox: &Sender<Message>) -> Self {
        let (wire, loads) = channel::<Load>();
        let (store, inbox) = (Arc::clone(store), inbox.clone());
        redis_thread("rq-rs wire", move || {
            let mut failed = None;
            for (failures, calls) in loads {
                if failed == Some(failures) {
                    // It was sent before its sender knew, who takes all of them back: what follows must
                    // not come before what failed.
                    continue;
                }
                let answers = store.exchange(&calls);
                failed = answers.is_err().then_some(failures);
                if inbox.send(Message::Answered { failures, answers }).is_err() {
                    return;
                }
            }
        });
        Wire(wire)
    }

    /// The answer comes as a message; unless one before it failed, and the sender did not know yet.
    pub(crate) fn carry(&self, failures: u64, calls: Vec<Call>) {
        // The thread ends only after the loop that holds this.
        let _ = self.0.send((failures, calls));
    }
}
