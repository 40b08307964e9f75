//! Duties that any worker does for all: a table of functions, walked by one thread. Each is short,
//! works in batches, and is safe to run in many workers at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use chrono::Utc;

use super::event::{Event, Listener};
use super::heartbeat::{Board, hostname};
use super::{Helper, Options};
use crate::dialect::QueueKeys;
use crate::error::{Error, Result};
use crate::job::iso;
use crate::recover::{self, OrphanTracker, Recovered};
use crate::registry::statuses_of;
use crate::server;
use crate::store::{
    Call, EXPIRE, MAINTAIN_RATE_LIMIT, PROMOTE_DUE, PRUNE_GROUP, RELEASE_SCHEDULER_LOCK, Reply, Store, TRIM,
    reply,
};

/// The name under which all workers of rq-rs together hold the locks of RQ's schedulers.
const SCHEDULER: &str = "rq-rs";
/// How many entries one script call moves.
const BATCH: usize = 100;
/// How many slots of a rate limit are looked at.
const SLOTS: usize = 1000;
/// Seconds after which groups are looked after again, by whichever worker, as in RQ.
const GROUPS_EVERY: u64 = 599;
/// How many calls one duty makes for a queue before the next duty has its turn.
const ROUNDS: usize = 100;

struct Duty {
    every: fn(&Options) -> Duration,
    /// For one queue; returns whether nothing is left to be done.
    run: fn(&mut Carer, usize) -> Result<bool>,
}

const DUTIES: [Duty; 8] = [
    Duty { every: |_| Duration::from_secs(1), run: Carer::release },
    Duty { every: |options| options.recover_interval, run: Carer::let_go },
    Duty { every: |options| options.recover_interval, run: Carer::recover },
    Duty { every: |options| options.recover_interval, run: Carer::put_back },
    Duty { every: |_| Duration::from_secs(30), run: Carer::expire },
    Duty { every: |_| Duration::from_secs(5), run: Carer::trim },
    Duty { every: |_| Duration::from_secs(30), run: Carer::look_after_limits },
    Duty { every: |_| Duration::from_secs(60), run: Carer::look_after_groups },
];

pub(super) fn start(
    store: &Arc<Store>,
    options: &Arc<Options>,
    queues: &[QueueKeys],
    (board, listener): (&Arc<Board>, &Listener),
) -> Helper {
    let mut carer = Carer {
        store: Arc::clone(store),
        options: Arc::clone(options),
        queues: queues.to_vec(),
        listener: listener.clone(),
        seen: queues.iter().map(|_| OrphanTracker::default()).collect(),
        board: Arc::clone(board),
        record: record_of_scheduler(options),
        limits: "0".to_owned(),
        told: HashMap::new(),
    };
    // Before the first claim, so that a burst worker finds what an earlier one was lost with.
    carer.walk_once(&mut DUTIES.map(|_| Instant::now()));
    Helper::start("rq-rs care", move |stop| carer.walk(stop))
}

struct Carer {
    store: Arc<Store>,
    options: Arc<Options>,
    queues: Vec<QueueKeys>,
    listener: Listener,
    seen: Vec<OrphanTracker>,
    board: Arc<Board>,
    /// What Python's tools read of us as a scheduler.
    record: Vec<(&'static str, String)>,
    /// Where the look at rate limits goes on.
    limits: String,
    /// Errors of duties (by their number and the queue's) that people were told of and that have not ended.
    told: HashMap<(usize, usize), String>,
}

fn record_of_scheduler(options: &Options) -> Vec<(&'static str, String)> {
    vec![
        ("name", SCHEDULER.to_owned()),
        ("hostname", hostname()),
        ("pid", std::process::id().to_string()),
        ("queues", options.queues.join(",")),
        ("created_at", iso(Utc::now())),
    ]
}

impl Carer {
    fn walk(mut self, stop: &Receiver<()>) {
        let mut due = DUTIES.map(|duty| Instant::now() + self.spread((duty.every)(&self.options)));
        loop {
            let next = due.iter().min().copied().unwrap_or_else(Instant::now);
            let wait = next.saturating_duration_since(Instant::now());
            if stop.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                self.trim_all();
                return self.unlock();
            }
            self.walk_once(&mut due);
        }
    }

    /// Before it ends: what a burst has left is not there until the next one comes.
    fn trim_all(&mut self) {
        for queue in 0..self.queues.len() {
            while {
                let result = self.trim(queue);
                !self.note((DUTIES.len(), queue), result)
            } {}
        }
    }

    /// So that many workers do not come in step; never later than asked for.
    fn spread(&self, every: Duration) -> Duration {
        every.mul_f64(0.6 + 0.3 * fastrand::f64())
    }

    fn walk_once(&mut self, due: &mut [Instant; DUTIES.len()]) {
        for (number, (duty, due)) in DUTIES.iter().zip(due).enumerate() {
            if *due > Instant::now() {
                continue;
            }
            let mut is_done = true;
            for queue in 0..self.queues.len() {
                let result = (duty.run)(self, queue);
                is_done &= self.note((number, queue), result);
            }
            // Where there is more, the other duties have their turn first.
            let pause = if is_done { self.spread((duty.every)(&self.options)) } else { Duration::ZERO };
            *due = Instant::now() + pause;
        }
    }

    /// Whether nothing is left to be done now.
    fn note(&mut self, (duty, queue): (usize, usize), result: Result<bool>) -> bool {
        match result {
            Ok(is_done) => {
                let told = self.told.remove(&(duty, queue));
                if let Some(error) = told.filter(|error| !self.is_told(queue, error)) {
                    let list = &self.queues[queue].list;
                    self.listener.tell(&Event::Warning(format!("{list}: no more: {error}")));
                }
                is_done
            }
            // The dispatcher tells people about an outage.
            Err(Error::Unreachable { .. }) => true,
            Err(error) => {
                let (text, list) = (error.to_string(), &self.queues[queue].list);
                if !self.is_told(queue, &text) {
                    self.listener.tell(&Event::Warning(format!("{list}: {text}")));
                }
                self.told.insert((duty, queue), text);
                true
            }
        }
    }

    /// Whether people know of this error of a queue, and have not been told that it has ended.
    fn is_told(&self, queue: usize, error: &str) -> bool {
        self.told.iter().any(|((_, one), told)| *one == queue && told == error)
    }

    /// Jobs that are due go from scheduled to their queue.
    fn release(&mut self, queue: usize) -> Result<bool> {
        let (store, queue) = (&self.store, &self.queues[queue]);
        let (queues, record) = (store.keys.queues(), store.keys.scheduler(SCHEDULER));
        let (lock, unreadable) = (&queue.scheduler_lock, &queue.unreadable);
        in_batches(store, || {
            let keys = [&queue.scheduled, &queue.list, &queues, unreadable, lock, &record];
            let call = Call::script(&PROMOTE_DUE, &keys.map(String::as_str))
                .arg(store.facts.push)
                .arg(store.facts.push_front)
                .arg(store.keys.job_prefix())
                .arg(iso(Utc::now()))
                .arg(BATCH)
                .arg(&store.books);
            if !store.facts.keeps_books {
                return call.arg("");
            }
            let call = call.arg(SCHEDULER).arg("last_heartbeat").arg(iso(Utc::now()));
            self.record.iter().fold(call, |call, (field, value)| call.arg(field).arg(value))
        })
    }

    /// RQ lets a job go that waited for another one in two steps, and what has died between them leaves it in a
    /// registry of its own. Whoever takes it out puts it into its queue: the other one sees that it is gone. So
    /// nobody needs to wait for anybody, as in RQ's own maintenance.
    fn let_go(&mut self, queue: usize) -> Result<bool> {
        let (store, queue) = (&self.store, &self.queues[queue]);
        if !store.facts.keeps_books {
            return Ok(true);
        }
        in_batches(store, || {
            let keys = [&queue.ready, &queue.list, &store.keys.queues(), &queue.unreadable];
            Call::script(&PROMOTE_DUE, &keys.map(String::as_str))
                .arg(store.facts.push)
                .arg(store.facts.push_front)
                .arg(store.keys.job_prefix())
                .arg(iso(Utc::now()))
                .arg(BATCH)
                .arg(&store.books)
                .arg("")
        })
    }

    /// Slots that nobody needs are free again. Limits belong to no queue, so this is done once for all of them.
    fn look_after_limits(&mut self, queue: usize) -> Result<bool> {
        let store = &self.store;
        if queue > 0 || !store.facts.keeps_books {
            return Ok(true);
        }
        for _ in 0..ROUNDS {
            let look =
                Call::command("SSCAN").arg(store.keys.limits()).arg(&self.limits).arg("COUNT").arg(BATCH);
            let (next, limits) = scanned(store.ask(&look)?)?;
            let call = |limit: &String| {
                Call::script(&MAINTAIN_RATE_LIMIT, &[])
                    .arg(&store.books)
                    .arg(limit)
                    .arg(iso(Utc::now()))
                    .arg(SLOTS)
            };
            for answer in store.exchange(&limits.iter().map(call).collect::<Vec<_>>())? {
                answer?;
            }
            self.limits = next;
            if self.limits == "0" {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Jobs that have expired leave their groups, and groups without jobs are forgotten. One worker does it for all,
    /// under RQ's own lock.
    fn look_after_groups(&mut self, queue: usize) -> Result<bool> {
        let store = &self.store;
        if queue > 0 || !store.facts.keeps_books {
            return Ok(true);
        }
        let lock =
            Call::command("SET").arg(store.keys.clean_groups()).arg(1).arg("NX").arg("EX").arg(GROUPS_EVERY);
        if store.ask(&lock)? == Reply::Nil {
            return Ok(true);
        }
        let (names, mut from) = (store.keys.groups(), "0".to_owned());
        for _ in 0..ROUNDS {
            let look = Call::command("SSCAN").arg(&names).arg(&from).arg("COUNT").arg(BATCH);
            let (next, groups) = scanned(store.ask(&look)?)?;
            groups.iter().try_for_each(|group| look_after_group(store, &names, group))?;
            from = next;
            if from == "0" {
                break;
            }
        }
        Ok(true)
    }

    /// Python's schedulers need not wait until the locks end by themselves; other workers of ours take them again.
    fn unlock(&self) {
        if self.store.facts.keeps_books {
            let record = self.store.keys.scheduler(SCHEDULER);
            let call = |queue: &QueueKeys| {
                Call::script(&RELEASE_SCHEDULER_LOCK, &[&queue.scheduler_lock, &record]).arg(SCHEDULER)
            };
            let _ = self.store.ask_once(&self.queues.iter().map(call).collect::<Vec<_>>());
        }
    }

    /// Jobs whose worker is lost run again.
    fn recover(&mut self, queue: usize) -> Result<bool> {
        if self.is_held_off()? {
            return Ok(true);
        }
        let limits = (self.options.max_deliveries, self.options.retention());
        for _ in 0..ROUNDS {
            let taken = recover::recover_expired(&self.store, &self.queues[queue], limits, Utc::now())?;
            let is_all = taken.len() < recover::MAX_RECOVERED;
            for recovered in taken {
                self.listener.tell(&match recovered {
                    Recovered::Requeued { id } => Event::Recovered { id },
                    Recovered::Failed { id, error } => Event::Failed { id, error },
                });
            }
            if is_all {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Owners of leases could not renew them while Redis was away, or refused; they get one lease's time.
    fn is_held_off(&self) -> Result<bool> {
        if self.board.has_missed_a_beat(self.options.lease()) {
            return Ok(true);
        }
        let uptime = server::look(&self.store)?.uptime;
        Ok(uptime.is_some_and(|seconds| Duration::from_secs(seconds) < self.options.lease()))
    }

    /// Ids that a watcher took and nobody started go back.
    fn put_back(&mut self, queue: usize) -> Result<bool> {
        let back = self.seen[queue].requeue_orphans(&self.store, &self.queues[queue], Instant::now())?;
        if back > 0 {
            let list = &self.queues[queue].list;
            self.listener.tell(&Event::Warning(format!("{list}: {back} forgotten ids put back")));
        }
        Ok(true)
    }

    /// Registries forget what has expired.
    fn expire(&mut self, queue: usize) -> Result<bool> {
        let (store, queue) = (&self.store, &self.queues[queue]);
        // The canceled have the time of their cancel; where RQ's rule holds they are kept for ever.
        let canceled_for = store.facts.canceled_ttl.as_seconds();
        let canceled = (canceled_for >= 0).then_some((&queue.canceled, canceled_for));
        // A little later than the record itself, so that what hangs on it can be seen to be left.
        let ended = [(&queue.finished, 2), (&queue.failed, 2)];
        let mut is_done = true;
        for (registry, age) in ended.into_iter().chain(canceled) {
            is_done &= in_batches(store, || {
                let call = Call::script(&EXPIRE, &[registry]).arg(BATCH).arg(age);
                call.arg(store.keys.job_prefix()).arg(&store.books)
            })?;
        }
        Ok(is_done)
    }

    /// Registries have no more entries than they should.
    fn trim(&mut self, queue: usize) -> Result<bool> {
        let (store, queue) = (&self.store, &self.queues[queue]);
        let limits =
            [(&queue.finished, self.options.keep_finished), (&queue.failed, self.options.keep_failed)];
        let mut is_done = true;
        for (registry, kept) in limits.into_iter().filter_map(|(registry, kept)| Some((registry, kept?))) {
            is_done &= in_batches(store, || {
                let call = Call::script(&TRIM, &[registry]).arg(kept).arg(BATCH);
                call.arg(store.keys.job_prefix()).arg(&store.books).arg(statuses_of(queue, registry))
            })?;
        }
        Ok(is_done)
    }
}

fn look_after_group(store: &Store, names: &str, group: &str) -> Result<()> {
    let mut from = "0".to_owned();
    for _ in 0..ROUNDS {
        let call = Call::script(&PRUNE_GROUP, &[&store.keys.group(group), names]);
        let call = call.arg(group).arg(store.keys.job_prefix()).arg(&from).arg(BATCH);
        from = reply::text(store.ask(&call)?)?.unwrap_or_else(|| "0".to_owned());
        if from == "0" {
            break;
        }
    }
    Ok(())
}

/// Where a scan goes on, and what it has found.
fn scanned(answer: Reply) -> Result<(String, Vec<String>)> {
    let mut parts = reply::list(answer)?.into_iter();
    let mut part = || parts.next().unwrap_or_default();
    Ok((reply::text(part())?.unwrap_or_else(|| "0".to_owned()), reply::texts(part())?))
}

/// Repeats a call until it moves less than a whole batch. Returns whether it came so far.
fn in_batches(store: &Store, call: impl Fn() -> Call) -> Result<bool> {
    for _ in 0..ROUNDS {
        let mut answers = store.ask_once(&[call()])?;
        let moved = answers.pop().map_or(Ok(0), |answer| reply::int(&answer?))?;
        if moved < BATCH as i64 {
            return Ok(true);
        }
    }
    Ok(false)
}
