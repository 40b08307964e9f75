//! One thread that carries what the loop sends to Redis and brings back the answers, so that the loop
//! hands out and takes in jobs meanwhile: Redis and the handlers work at the same time.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use super::message::Message;
use super::redis_thread;
use crate::store::{Call, Store};

pub(crate) struct Wire(Sender<Vec<Call>>);

impl Wire {
    pub(crate) fn start(store: &Arc<Store>, inbox: &Sender<Message>) -> Self {
        let (wire, batches) = channel::<Vec<Call>>();
        let (store, inbox) = (Arc::clone(store), inbox.clone());
        redis_thread("rq-rs wire", move || {
            for calls in batches {
                if inbox.send(Message::Answered(store.exchange(&calls))).is_err() {
                    return;
                }
            }
        });
        Wire(wire)
    }

    /// The answer comes as a message, always.
    pub(crate) fn carry(&self, calls: Vec<Call>) {
        // The thread ends only after the loop that holds this.
        let _ = self.0.send(calls);
    }
}
