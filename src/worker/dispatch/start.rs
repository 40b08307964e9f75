//! Handing out what a claim has brought.
//!
//! A handler may have a limit of its own. A job above it goes back to the head of its queue, which is then passed
//! over until one of that handler has ended here: nothing waits under a lease, another worker may take it at once,
//! and no job goes round in circles.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use chrono::{DateTime, Utc};

use super::{Dispatcher, Held, LOOK_SUSPENDED, Look};
use crate::claim::{ClaimReply, ClaimedJob};
use crate::job::Outcome;
use crate::worker::context::{Context, RunPlacement};
use crate::worker::event::Event;
use crate::worker::handlers::RunnableJob;
use crate::worker::stop::Phase;

impl Dispatcher {
    pub(super) fn take(&mut self, claimed: ClaimReply, now: DateTime<Utc>) {
        for id in claimed.dropped {
            self.tell(Event::Dropped { id });
        }
        for id in claimed.quarantined {
            self.tell(Event::SetAside { id });
        }
        self.arrived.extend(claimed.jobs.into_iter().map(|job| (now, job)));
        if claimed.all_suspended && !self.is_suspended {
            self.tell(Event::Suspended);
        }
        self.is_suspended = claimed.all_suspended;
        self.tell_paused(&claimed.suspended_queues, &claimed.mistyped_queues);
        let gives_nothing = !claimed.suspended_queues.is_empty() || !claimed.mistyped_queues.is_empty();
        if gives_nothing {
            self.claimer.request_key_check();
        }
        let again = claimed.all_suspended || gives_nothing;
        let again = again.then(|| Instant::now() + LOOK_SUSPENDED);
        self.look = match claimed.queues_are_empty || claimed.all_suspended {
            true => Look::Later(again),
            false => Look::Now,
        };
        self.is_to_watch = claimed.queues_are_empty;
    }

    /// Hands out what a claim has brought.
    pub(super) fn unpack(&mut self) {
        let is_news = !self.arrived.is_empty() || self.flights.is_empty();
        let mut above = Vec::new();
        for (claimed_at, job) in std::mem::take(&mut self.arrived) {
            match self.claimer.decode_job(job, claimed_at) {
                // It came too late to be begun.
                Ok(running) if self.worker.stopper.phase() == Phase::Terminating => {
                    self.conclude(running, Outcome::Interrupted);
                }
                Ok(running) if self.is_full_of(&running) => above.push(running),
                Ok(running) => self.hand_out(running),
                // Its lease ends, and then it is looked at by those who take over.
                Err(error) => self.tell(Event::Warning(format!("a job that was claimed: {error}"))),
            }
        }
        self.slots.hand_out();
        self.hand_back(above);
        self.watch();
        if is_news && !self.orders.is_empty() {
            for (order, tries) in std::mem::take(&mut self.orders) {
                self.hear_order(order, tries);
            }
        }
    }

    /// After what was claimed has been handed out: a job that is handed back would wake the watcher of its queue.
    fn watch(&mut self) {
        if std::mem::take(&mut self.is_to_watch) && !self.worker.options.burst && !self.is_leaving() {
            let gives = |queue: &usize| !self.paused.contains(queue) && !self.full.contains_key(queue);
            let queues: Vec<usize> = (0..self.worker.queues.len()).filter(gives).collect();
            queues.into_iter().for_each(|queue| self.watchers.arm(queue));
        }
    }

    fn tell_paused(&mut self, paused: &[usize], taken: &[usize]) {
        let name = |queue: usize| self.worker.options.queues.get(queue).cloned().unwrap_or_default();
        for queue in paused.iter().filter(|queue| !self.paused.contains(queue)) {
            self.tell(Event::QueueSuspended { queue: name(*queue) });
        }
        for queue in taken.iter().filter(|queue| !self.paused.contains(queue)) {
            self.tell(Event::Warning(format!(
                "queue {} gives no jobs: a key of it has a wrong type, because another program uses it; \
                 look at the keys that end in :{} with redis-cli, or choose another --prefix",
                name(*queue),
                name(*queue),
            )));
        }
        self.paused = [paused, taken].concat();
    }

    fn hand_out(&mut self, mut running: ClaimedJob) {
        let ticket = self.tickets;
        self.tickets += 1;
        self.begun += 1;
        let options = &self.worker.options;
        let flag = Arc::new(AtomicBool::new(false));
        options.apply_handler_timeout(&mut running.record);
        let timeout = running.timeout();
        let queue = options.queues.get(running.queue).map_or("", String::as_str);
        let place = RunPlacement { queue, worker: &options.name, timeout };
        let context = Context::new(&running, place, Arc::clone(&flag), self.inbox.clone());
        let deadline = context.deadline();
        self.worker.state.track_lease(running.lease_member(), running.queue, &flag);
        self.tell(Event::Started {
            id: running.record.id.clone(),
            queue: queue.to_owned(),
            description: running.record.description.clone(),
        });
        let work = RunnableJob {
            record: running.record.take_for_run(),
            payload: std::mem::take(&mut running.payload),
        };
        let is_supervised = self.slots.is_supervised(&running.record);
        let thread = self.slots.assign(ticket, context, work);
        // A supervisor keeps the time itself.
        let deadline = deadline.filter(|_| !is_supervised);
        self.held.insert(ticket, Held { running, thread, flag, deadline, is_supervised, ordered: None });
    }
    /// Whether as many jobs of its handler run here as may at once.
    fn is_full_of(&self, running: &ClaimedJob) -> bool {
        let handler = running.record.handler.as_deref();
        let is_same = |held: &&Held| held.running.record.handler.as_deref() == handler;
        let limit = self.worker.options.handler_limit(&running.record);
        limit.is_some_and(|most| self.held.values().filter(is_same).count() >= most)
    }

    /// Jobs above the limit of their handler.
    fn hand_back(&mut self, jobs: Vec<ClaimedJob>) {
        let full: Vec<_> = jobs.iter().map(|job| (job.queue, job.record.handler.clone())).collect();
        let pace = self.pace;
        // The youngest first, so that the eldest is at the head.
        jobs.into_iter().rev().for_each(|job| self.conclude(job, Outcome::NotStarted));
        self.pace = pace;
        self.full.extend(full);
    }

    /// A job of this handler has ended: the next one may begin.
    pub(super) fn make_room(&mut self, handler: Option<&str>) {
        let before = self.full.len();
        self.full.retain(|_, waited_for| waited_for.as_deref() != handler);
        if self.full.len() < before {
            self.look_now();
        }
    }
}
