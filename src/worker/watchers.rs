//! Watchers: while there is nothing to do, one thread for each queue blocks in
//! `BRPOPLPUSH queue intermediate`. The first push wakes exactly one worker, and an id that a dead
//! watcher took lies in the intermediate list, not nowhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::background::spawn_signal_masked;
use super::message::Message;
use crate::claim::PoppedId;
use crate::client::{Client, DedicatedConnection, RedisCommand, reply};
use crate::dialect::QueueKeys;
use crate::error::Result;

/// How long one blocking call lasts. Bounds how late a half-dead connection is noticed.
const BLOCK: Duration = Duration::from_secs(5);

/// How often, and how many times, waits are ended when the worker leaves.
const CALL_EVERY: Duration = Duration::from_millis(20);
const CALLS: usize = 300;

/// The watchers of a worker. Each is armed for one id at a time.
pub(crate) struct Watchers {
    all: Vec<Watcher>,
    is_calling: bool,
}

struct Watcher {
    arm: Sender<()>,
    armed: bool,
    /// The id of its connection on the server, for `CLIENT UNBLOCK`; 0 before it has one.
    client_id: Arc<AtomicI64>,
}

impl Watchers {
    pub(crate) fn start(client: &Arc<Client>, queues: &[QueueKeys], inbox: &Sender<Message>) -> Self {
        let watch = |(number, queue): (usize, &QueueKeys)| {
            let (arm, armed) = channel();
            let client_id = Arc::new(AtomicI64::new(0));
            let thread = Thread {
                client: Arc::clone(client),
                number,
                queue: queue.clone(),
                armed,
                inbox: inbox.clone(),
                client_id: Arc::clone(&client_id),
            };
            spawn_signal_masked("rq-rs watch", move || thread.run());
            Watcher { arm, armed: false, client_id }
        };
        Watchers { all: queues.iter().enumerate().map(watch).collect(), is_calling: false }
    }

    /// Lets the watcher of a queue wait for an id, if it does not already.
    pub(crate) fn arm(&mut self, queue: usize) {
        let watcher = &mut self.all[queue];
        if !watcher.armed {
            watcher.armed = watcher.arm.send(()).is_ok();
        }
    }

    /// The watcher has said how its wait ended.
    pub(crate) fn disarmed(&mut self, queue: usize) {
        self.all[queue].armed = false;
    }

    pub(crate) fn any_armed(&self) -> bool {
        self.all.iter().any(|watcher| watcher.armed)
    }

    /// Ends the waits that are under way, on a thread of its own: a silent Redis must not hold up the
    /// worker. It goes on for a while, because a wait may only just have begun.
    pub(crate) fn call_back(&mut self, client: &Arc<Client>) {
        if self.is_calling {
            return;
        }
        self.is_calling = true;
        let client_ids: Vec<Arc<AtomicI64>> =
            self.all.iter().map(|watcher| Arc::clone(&watcher.client_id)).collect();
        let client = Arc::clone(client);
        spawn_signal_masked("rq-rs unblock", move || {
            for _ in 0..CALLS {
                let ids =
                    client_ids.iter().map(|client_id| client_id.load(Ordering::Relaxed)).filter(|id| *id > 0);
                let calls: Vec<RedisCommand> =
                    ids.map(|id| RedisCommand::new("CLIENT").arg("UNBLOCK").arg(id)).collect();
                // Nothing depends on it: a wait ends by itself after a few seconds.
                let is_over = client_ids.iter().all(|client_id| Arc::strong_count(client_id) == 1);
                if is_over || (!calls.is_empty() && client.query_all_no_retry(&calls).is_err()) {
                    return;
                }
                std::thread::sleep(CALL_EVERY);
            }
        });
    }
}

struct Thread {
    client: Arc<Client>,
    number: usize,
    queue: QueueKeys,
    armed: Receiver<()>,
    inbox: Sender<Message>,
    client_id: Arc<AtomicI64>,
}

impl Thread {
    fn run(self) {
        let mut line = None;
        while self.armed.recv().is_ok() {
            let message = match self.wait(&mut line) {
                Ok(Some(id)) => Message::Popped(PoppedId { queue: self.number, id }),
                Ok(None) => Message::PopTimedOut { queue: self.number },
                Err(error) => {
                    line = None;
                    self.client_id.store(0, Ordering::Relaxed);
                    Message::PopFailed { queue: self.number, error }
                }
            };
            if self.inbox.send(message).is_err() {
                return;
            }
        }
    }

    fn wait<'a>(&'a self, line: &mut Option<DedicatedConnection<'a>>) -> Result<Option<Vec<u8>>> {
        let line = match line {
            Some(line) => line,
            None => line.insert(self.connect()?),
        };
        let (command, options) = self.client.dialect.blocking_move;
        let call = RedisCommand::new(command)
            .arg(&self.queue.list)
            .arg(&self.queue.intermediate)
            .arg(options)
            .arg(BLOCK.as_secs());
        reply::bytes(line.query(&call)?)
    }

    fn connect(&self) -> Result<DedicatedConnection<'_>> {
        let mut line = self.client.dedicated(BLOCK)?;
        let id = line.query(&RedisCommand::new("CLIENT").arg("ID")).and_then(|id| reply::int(&id));
        // Without the right to ask, stopping takes a few seconds longer.
        self.client_id.store(id.unwrap_or(0), Ordering::Relaxed);
        Ok(line)
    }
}
