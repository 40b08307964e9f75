//! Threads that carry out exchanges with Redis, so that the driver begins and ends runs while Redis works.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use super::background::spawn_signal_masked;
use super::engine::ExchangeId;
use super::exchange_codec::{EncodedExchange, ExchangeCodec};
use super::input::Input;
use super::panics;
use crate::error::Error;

/// One thread for each exchange in flight, started when the first exchange needs it.
pub(super) struct IoThreads {
    codec: Arc<ExchangeCodec>,
    inbox: Sender<Input>,
    threads: Vec<IoThread>,
}

struct IoThread {
    exchanges: Sender<(ExchangeId, EncodedExchange)>,
    /// The exchange that the thread carries out now; `None` while it is free.
    busy_with: Option<ExchangeId>,
}

impl IoThreads {
    pub(super) fn new(codec: &Arc<ExchangeCodec>, inbox: &Sender<Input>) -> Self {
        IoThreads { codec: Arc::clone(codec), inbox: inbox.clone(), threads: Vec::new() }
    }

    /// Sends an exchange from a free thread. [`Input::Replied`] follows in any case, and the thread is busy until
    /// [`release`](Self::release).
    pub(super) fn send(&mut self, id: ExchangeId, exchange: EncodedExchange) {
        let free = self.threads.iter().position(|thread| thread.busy_with.is_none());
        let free = free.unwrap_or_else(|| {
            self.threads.push(start(&self.codec, &self.inbox));
            self.threads.len() - 1
        });
        let thread = &mut self.threads[free];
        thread.busy_with = Some(id);
        // Cannot fail: the thread runs until its sender, held here, is dropped.
        let _ = thread.exchanges.send((id, exchange));
    }

    /// Frees the thread of an exchange whose reply has come.
    pub(super) fn release(&mut self, exchange: ExchangeId) {
        for thread in &mut self.threads {
            if thread.busy_with == Some(exchange) {
                thread.busy_with = None;
            }
        }
    }
}

fn start(codec: &Arc<ExchangeCodec>, inbox: &Sender<Input>) -> IoThread {
    let (exchanges, requests) = channel::<(ExchangeId, EncodedExchange)>();
    let (codec, inbox) = (Arc::clone(codec), inbox.clone());
    spawn_signal_masked("rq-rs exchange", move || {
        for (id, exchange) in requests {
            // Without a reply the engine would wait for ever.
            let replies = panics::catch_panic(|| codec.send(&exchange));
            let replies =
                replies.unwrap_or_else(|panic| Err(Error::Corrupt { what: format!("the replies: {panic}") }));
            if inbox.send(Input::Replied { exchange: id, replies }).is_err() {
                return;
            }
        }
    });
    IoThread { exchanges, busy_with: None }
}
