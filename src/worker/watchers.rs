//! Watchers: while a worker has nothing to do, one thread for each queue blocks in `BRPOPLPUSH queue intermediate`
//! (RQ's dialect: `BLMOVE`). A push wakes exactly one worker, and an id that a watcher has moved before the worker
//! died is still in the intermediate list.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::background::spawn_signal_masked;
use super::input::Input;
use crate::claim::PoppedId;
use crate::client::{Client, DedicatedConnection, RedisCommand, reply};
use crate::dialect::QueueKeys;
use crate::error::Result;

/// Time limit of one blocking pop. A half-dead connection is noticed within this time.
const POP_TIMEOUT: Duration = Duration::from_secs(5);

/// Time between two attempts to end the blocking pops while the worker drains.
const UNBLOCK_INTERVAL: Duration = Duration::from_millis(20);
const UNBLOCK_ATTEMPTS: usize = 300;

/// The watchers of a worker. Arming a watcher lets it pop one id.
pub(crate) struct Watchers {
    by_queue: Vec<Watcher>,
}

struct Watcher {
    arm: Sender<()>,
    /// The id of the watcher's connection on the server, for `CLIENT UNBLOCK`; 0 while it is not connected.
    client_id: Arc<AtomicI64>,
}

impl Watchers {
    pub(crate) fn start(client: &Arc<Client>, queues: &[QueueKeys], inbox: &Sender<Input>) -> Self {
        let watch = |(number, queue): (usize, &QueueKeys)| {
            let (arm, armed) = channel();
            let client_id = Arc::new(AtomicI64::new(0));
            let thread = WatcherThread {
                client: Arc::clone(client),
                number,
                queue: queue.clone(),
                armed,
                inbox: inbox.clone(),
                client_id: Arc::clone(&client_id),
            };
            spawn_signal_masked("rq-rs watch", move || thread.run());
            Watcher { arm, client_id }
        };
        Watchers { by_queue: queues.iter().enumerate().map(watch).collect() }
    }

    /// Lets the watcher of a queue wait for one id. An input reports the end of the wait.
    pub(crate) fn arm(&self, queue: usize) {
        // Cannot fail: the thread runs until its sender, held here, is dropped.
        let _ = self.by_queue[queue].arm.send(());
    }

    /// Ends the pops under way, from a thread of its own: a silent Redis must not hold up the worker. The thread
    /// repeats `CLIENT UNBLOCK` for a while, because a pop may be about to begin.
    pub(crate) fn unblock_all(&self, client: &Arc<Client>) {
        let client_ids: Vec<_> = self.by_queue.iter().map(|watcher| Arc::clone(&watcher.client_id)).collect();
        let client = Arc::clone(client);
        spawn_signal_masked("rq-rs unblock", move || unblock(&client, &client_ids));
    }
}

/// Best effort: a pop ends by itself after [`POP_TIMEOUT`].
fn unblock(client: &Client, client_ids: &[Arc<AtomicI64>]) {
    for _ in 0..UNBLOCK_ATTEMPTS {
        let ids = client_ids.iter().map(|id| id.load(Ordering::Relaxed)).filter(|id| *id > 0);
        let commands: Vec<RedisCommand> =
            ids.map(|id| RedisCommand::new("CLIENT").arg("UNBLOCK").arg(id)).collect();
        let all_have_ended = client_ids.iter().all(|id| Arc::strong_count(id) == 1);
        if all_have_ended || (!commands.is_empty() && client.call_all_single_attempt(&commands).is_err()) {
            return;
        }
        std::thread::sleep(UNBLOCK_INTERVAL);
    }
}

struct WatcherThread {
    client: Arc<Client>,
    number: usize,
    queue: QueueKeys,
    armed: Receiver<()>,
    inbox: Sender<Input>,
    client_id: Arc<AtomicI64>,
}

impl WatcherThread {
    fn run(self) {
        let mut connection = None;
        while self.armed.recv().is_ok() {
            let message = match self.pop(&mut connection) {
                Ok(Some(id)) => Input::Popped(PoppedId { queue: self.number, id }),
                Ok(None) => Input::PopTimedOut { queue: self.number },
                Err(error) => {
                    connection = None;
                    self.client_id.store(0, Ordering::Relaxed);
                    Input::PopFailed { queue: self.number, error }
                }
            };
            if self.inbox.send(message).is_err() {
                return;
            }
        }
    }

    fn pop<'a>(&'a self, connection: &mut Option<DedicatedConnection<'a>>) -> Result<Option<Vec<u8>>> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(self.connect()?),
        };
        let (command, options) = self.client.dialect.blocking_move;
        let command = RedisCommand::new(command)
            .arg(&self.queue.list)
            .arg(&self.queue.intermediate)
            .arg(options)
            .arg(POP_TIMEOUT.as_secs());
        reply::bytes(connection.call(&command)?)
    }

    fn connect(&self) -> Result<DedicatedConnection<'_>> {
        let mut connection = self.client.dedicated(POP_TIMEOUT)?;
        let id = connection.call(&RedisCommand::new("CLIENT").arg("ID")).and_then(|id| reply::int(&id));
        // If an ACL denies CLIENT ID, the pop cannot be unblocked, and stopping takes a few seconds longer.
        self.client_id.store(id.unwrap_or(0), Ordering::Relaxed);
        Ok(connection)
    }
}
