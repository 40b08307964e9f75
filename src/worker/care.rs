//! Duties that any worker does for all: a table of names and functions, walked by one thread.
//! Each is short, works in batches, and is safe to run in many workers at once.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chrono::Utc;

use super::event::{Event, Listener};
use super::redis_thread;
use crate::dialect::QueueKeys;
use crate::error::{Error, Result};
use crate::job::iso;
use crate::store::{Call, EXPIRE, RELEASE, Store, reply};

/// How many entries one script call moves.
const BATCH: usize = 200;
/// How many calls one duty makes for a queue before the next duty has its turn.
const ROUNDS: usize = 50;

struct Duty {
    every: Duration,
    run: fn(&Store, &QueueKeys) -> Result<()>,
}

const DUTIES: [Duty; 2] = [
    Duty { every: Duration::from_secs(1), run: release },
    Duty { every: Duration::from_secs(30), run: expire },
];

/// The running thread.
pub(crate) struct Care {
    news: Sender<()>,
    thread: JoinHandle<()>,
}

pub(crate) fn start(store: &Arc<Store>, queues: &[QueueKeys], listener: &Listener) -> Care {
    let (store, queues, listener) = (Arc::clone(store), queues.to_vec(), listener.clone());
    let (news, stop) = channel();
    let thread = redis_thread("rq-rs care", move || walk(&store, &queues, &listener, &stop));
    Care { news, thread }
}

impl Care {
    pub(crate) fn stop(self) {
        drop(self.news);
        let _ = self.thread.join();
    }
}

fn walk(store: &Store, queues: &[QueueKeys], listener: &Listener, stop: &Receiver<()>) {
    let mut due = DUTIES.map(|_| Instant::now());
    loop {
        let next = due.iter().min().copied().unwrap_or_else(Instant::now);
        match stop.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return,
        }
        for (duty, due) in DUTIES.iter().zip(&mut due) {
            if *due > Instant::now() {
                continue;
            }
            for queue in queues {
                match (duty.run)(store, queue) {
                    // The dispatcher tells people about an outage.
                    Ok(()) | Err(Error::Unreachable { .. }) => {}
                    Err(error) => listener.tell(&Event::Warning(format!("{}: {error}", queue.list))),
                }
            }
            // Spread, so that many workers do not come in step.
            *due = Instant::now() + duty.every.mul_f64(0.8 + 0.4 * fastrand::f64());
        }
    }
}

/// Jobs that are due go from scheduled to their queue.
fn release(store: &Store, queue: &QueueKeys) -> Result<()> {
    let queues = store.keys.queues();
    in_batches(store, || {
        Call::script(&RELEASE, &[&queue.scheduled, &queue.list, &queues])
            .arg(store.dialect.push)
            .arg(store.dialect.push_front)
            .arg(store.keys.job_prefix())
            .arg(iso(Utc::now()))
            .arg(BATCH)
    })
}

/// Registries forget what has expired.
fn expire(store: &Store, queue: &QueueKeys) -> Result<()> {
    for registry in [&queue.finished, &queue.failed] {
        in_batches(store, || Call::script(&EXPIRE, &[registry]).arg(BATCH))?;
    }
    Ok(())
}

/// Repeats a call until it moves less than a whole batch.
fn in_batches(store: &Store, call: impl Fn() -> Call) -> Result<()> {
    for _ in 0..ROUNDS {
        let mut answers = store.exchange(&[call()])?;
        let moved = answers.pop().map_or(Ok(0), |answer| reply::int(&answer?))?;
        if moved < BATCH as i64 {
            break;
        }
    }
    Ok(())
}
