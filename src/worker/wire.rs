//! Threads that carry what the loop sends to Redis and bring back the answers, so that the loop hands out and
//! takes in jobs meanwhile: Redis and the handlers work at the same time.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use super::message::Message;
use super::redis_thread;
use crate::store::{Call, Store};

/// How many exchanges may be on their way at a time: one that Redis works on, and the next one.
pub(crate) const WIRES: usize = 2;

/// One thread for each exchange that is on its way, made when it is needed.
pub(crate) struct Wires {
    store: Arc<Store>,
    inbox: Sender<Message>,
    threads: [Option<Sender<Vec<Call>>>; WIRES],
}

impl Wires {
    pub(crate) fn new(store: &Arc<Store>, inbox: &Sender<Message>) -> Self {
        Wires { store: Arc::clone(store), inbox: inbox.clone(), threads: Default::default() }
    }

    /// The answer comes as a message, always.
    pub(crate) fn carry(&mut self, wire: usize, calls: Vec<Call>) {
        let thread = self.threads[wire].get_or_insert_with(|| start(wire, &self.store, &self.inbox));
        // The thread ends only after the loop that holds this.
        let _ = thread.send(calls);
    }
}

fn start(wire: usize, store: &Arc<Store>, inbox: &Sender<Message>) -> Sender<Vec<Call>> {
    let (sender, loads) = channel::<Vec<Call>>();
    let (store, inbox) = (Arc::clone(store), inbox.clone());
    redis_thread("rq-rs wire", move || {
        for calls in loads {
            if inbox.send(Message::Answered { wire, answers: store.exchange(&calls) }).is_err() {
                return;
            }
        }
    });
    sender
}
