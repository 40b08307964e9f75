//! Threads that carry out the dispatcher's exchanges with Redis, so that the dispatcher begins and ends runs while
//! Redis works.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use super::background::spawn_signal_masked;
use super::message::{ExchangeId, Message};
use crate::client::{Client, RedisCommand};

/// One thread for each exchange in flight, started when the first exchange needs it.
pub(crate) struct IoThreads {
    client: Arc<Client>,
    inbox: Sender<Message>,
    threads: Vec<IoThread>,
}

struct IoThread {
    exchanges: Sender<(ExchangeId, Vec<RedisCommand>)>,
    /// The exchange that the thread carries out now; `None` while it is free.
    busy_with: Option<ExchangeId>,
}

impl IoThreads {
    pub(crate) fn new(client: &Arc<Client>, inbox: &Sender<Message>) -> Self {
        IoThreads { client: Arc::clone(client), inbox: inbox.clone(), threads: Vec::new() }
    }

    /// Sends the commands from a free thread. [`Message::Replied`] follows in any case, and the thread is busy
    /// until [`release`](Self::release).
    pub(crate) fn send(&mut self, exchange: ExchangeId, commands: Vec<RedisCommand>) {
        let free = self.threads.iter().position(|thread| thread.busy_with.is_none());
        let free = free.unwrap_or_else(|| {
            self.threads.push(start(&self.client, &self.inbox));
            self.threads.len() - 1
        });
        let thread = &mut self.threads[free];
        thread.busy_with = Some(exchange);
        // Cannot fail: the thread runs until its sender, held here, is dropped.
        let _ = thread.exchanges.send((exchange, commands));
    }

    /// Frees the thread of an exchange whose reply has come.
    pub(crate) fn release(&mut self, exchange: ExchangeId) {
        for thread in &mut self.threads {
            if thread.busy_with == Some(exchange) {
                thread.busy_with = None;
            }
        }
    }
}

fn start(client: &Arc<Client>, inbox: &Sender<Message>) -> IoThread {
    let (exchanges, requests) = channel::<(ExchangeId, Vec<RedisCommand>)>();
    let (client, inbox) = (Arc::clone(client), inbox.clone());
    spawn_signal_masked("rq-rs exchange", move || {
        for (exchange, commands) in requests {
            let replies = client.call_all_at_most_once(&commands);
            if inbox.send(Message::Replied { exchange, replies }).is_err() {
                return;
            }
        }
    });
    IoThread { exchanges, busy_with: None }
}
