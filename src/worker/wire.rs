//! Threads that carry what the loop sends to Redis and bring back the answers, so that the loop hands out and
//! takes in jobs meanwhile: Redis and the handlers work at the same time.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use super::message::Message;
use super::redis_thread;
use crate::client::{Client, RedisCommand};

/// How many exchanges may be on their way at a time: one that Redis works on, and the next one.
pub(crate) const WIRES: usize = 2;

/// One thread for each exchange that is on its way, made when it is needed.
pub(crate) struct Wires {
    client: Arc<Client>,
    inbox: Sender<Message>,
    threads: [Option<Sender<Vec<RedisCommand>>>; WIRES],
}

impl Wires {
    pub(crate) fn new(client: &Arc<Client>, inbox: &Sender<Message>) -> Self {
        Wires { client: Arc::clone(client), inbox: inbox.clone(), threads: Default::default() }
    }

    /// The answer comes as a message, always.
    pub(crate) fn carry(&mut self, wire: usize, calls: Vec<RedisCommand>) {
        let thread = self.threads[wire].get_or_insert_with(|| start(wire, &self.client, &self.inbox));
        // The thread ends only after the loop that holds this.
        let _ = thread.send(calls);
    }
}

fn start(wire: usize, client: &Arc<Client>, inbox: &Sender<Message>) -> Sender<Vec<RedisCommand>> {
    let (sender, loads) = channel::<Vec<RedisCommand>>();
    let (client, inbox) = (Arc::clone(client), inbox.clone());
    redis_thread("rq-rs wire", move || {
        for calls in loads {
            if inbox.send(Message::Answered { wire, answers: client.pipeline_once(&calls) }).is_err() {
                return;
            }
        }
    });
    sender
}
