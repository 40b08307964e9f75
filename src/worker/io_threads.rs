//! Threads that carry what the loop sends to Redis and bring back the answers, so that the loop hands out and
//! takes in jobs meanwhile: Redis and the handlers work at the same time.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use super::background::spawn_signal_masked;
use super::message::Message;
use crate::client::{Client, RedisCommand};

/// How many exchanges may be on their way at a time: one that Redis works on, and the next one.
pub(crate) const MAX_EXCHANGES: usize = 2;

/// One thread for each exchange that is on its way, made when it is needed.
pub(crate) struct IoThreads {
    client: Arc<Client>,
    inbox: Sender<Message>,
    threads: [Option<Sender<Vec<RedisCommand>>>; MAX_EXCHANGES],
}

impl IoThreads {
    pub(crate) fn new(client: &Arc<Client>, inbox: &Sender<Message>) -> Self {
        IoThreads { client: Arc::clone(client), inbox: inbox.clone(), threads: Default::default() }
    }

    /// The answer comes as a message, always.
    pub(crate) fn send(&mut self, wire: usize, calls: Vec<RedisCommand>) {
        let thread = self.threads[wire].get_or_insert_with(|| start(wire, &self.client, &self.inbox));
        // The thread ends only after the loop that holds this.
        let _ = thread.send(calls);
    }
}

fn start(wire: usize, client: &Arc<Client>, inbox: &Sender<Message>) -> Sender<Vec<RedisCommand>> {
    let (sender, loads) = channel::<Vec<RedisCommand>>();
    let (client, inbox) = (Arc::clone(client), inbox.clone());
    spawn_signal_masked("rq-rs wire", move || {
        for calls in loads {
            if inbox.send(Message::Replied { wire, answers: client.pipeline_once(&calls) }).is_err() {
                return;
            }
        }
    });
    sender
}
