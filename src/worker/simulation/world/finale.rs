//! The end of a schedule: the faults stop, a healthy worker starts, and after a while every job is settled and every
//! worker that is told to stop has stopped.

use super::super::clock::{MILLISECOND, Micros, SECOND};
use super::super::events::{LastJob, WorldEvent};
use super::super::ledger::{Check, hold, id_of};
use super::super::model::Place;
use super::super::plan::{JobPlan, JobSetup, WorkerPlan};
use super::World;
use crate::job::{RawHash, Status};
use crate::worker::phase::Phase;

/// Time from the end of the faults to the last jobs, in which most workers get idle.
const LAST_JOBS_DELAY: Micros = 2 * SECOND;
/// Numbers from here on are of workers that are in no plan.
const FIRST_LAST_WORKER: usize = 90;
/// Interval of the looks whether all is settled.
const CHECK_INTERVAL: Micros = 500 * MILLISECOND;
/// Time in which a worker without runs stops: it flushes its outbox, waits for its watchers, and settles lost claims.
const STOP_TIME: Micros = 20 * SECOND;

impl World<'_> {
    pub(super) fn on_faults_stop(&mut self) {
        self.have_faults_stopped = true;
        self.lookup.forget_faults();
        self.redis.come_back();
        self.redis.model.all_suspended = false;
        (0..self.plan.queues).for_each(|queue| self.suspend(queue, false));
        for worker in 0..self.processes.len() {
            self.resume(worker);
        }
        self.enqueue_last_jobs();
        if !self.has_healthy_worker() {
            self.start_last_worker();
        }
        self.events.add(self.now + LAST_JOBS_DELAY + SECOND, WorldEvent::CheckEnd);
    }

    /// Returns whether there is a worker that takes jobs until it is told to stop.
    fn has_healthy_worker(&self) -> bool {
        let mut workers = self.processes.iter().zip(&self.redis.ledger.workers);
        workers.any(|(process, health)| {
            let plan = &process.plan;
            let ends_by_itself = plan.burst || plan.max_jobs.is_some() || plan.max_idle.is_some();
            let may_give_up = plan.max_attempts > 0;
            let is_told = process.phase != Phase::Running || process.is_quiet;
            health.is_alive && !ends_by_itself && !may_give_up && !is_told
        })
    }

    /// Jobs that idle workers have to notice.
    fn enqueue_last_jobs(&mut self) {
        let next = self.lookup.next_number();
        for queue in 0..self.plan.queues {
            let job = LastJob { number: next + queue, queue };
            self.events.add(self.now + LAST_JOBS_DELAY, WorldEvent::EnqueueLast(job));
        }
    }

    pub(super) fn on_enqueue_last(&mut self, LastJob { number, queue }: LastJob) -> Check {
        let options = JobSetup { handler: 0, retry: None, timeout: None, result_ttl: None, repeats: None };
        let job = JobPlan { number, queue, at_front: false, delay: None, options, runs: Vec::new() };
        self.enqueue(&job, number as u64)
    }

    fn start_last_worker(&mut self) {
        let plan = WorkerPlan {
            number: FIRST_LAST_WORKER + self.processes.len(),
            slots: 4,
            max_deliveries: 3,
            recover_interval: 2 * SECOND,
            ..WorkerPlan::default()
        };
        self.start_worker(&plan, None);
    }

    /// Longest time in which all jobs are settled: losses up to the limit of deliveries, orphaned ids, delays, and all
    /// runs one after the other.
    fn settling_time(&self) -> Micros {
        let orphans = self.plan.dialect.orphan_after.as_micros() as Micros;
        4 * self.plan.lease + 2 * orphans + 90 * SECOND + self.lookup.longest_work()
    }

    pub(super) fn on_check_end(&mut self) -> Check {
        self.events.add(self.now + CHECK_INTERVAL, WorldEvent::CheckEnd);
        match self.stopped_at {
            None => {
                if !self.has_healthy_worker() {
                    self.start_last_worker();
                }
                let unsettled = self.unsettled();
                if unsettled.is_none() {
                    return self.stop_all();
                }
                let is_in_time = self.now < self.plan.end + self.settling_time();
                hold(is_in_time, "every job is settled in bounded time", || unsettled.unwrap_or_default())
            }
            Some(at) => {
                let alive = self.redis.ledger.workers.iter().position(|worker| worker.is_alive);
                if alive.is_none() {
                    self.is_over = true;
                    return self.check_all();
                }
                // A worker may have to wait for a long delay before it can save its last ends.
                let delays = self.redis.ledger.workers.iter().map(|worker| worker.backs_off_until);
                let from = delays.max().unwrap_or(0).max(at);
                hold(
                    self.now < from + STOP_TIME,
                    "a worker that is told to stop stops in bounded time",
                    || format!("worker {alive:?} {:?}", self.redis.ledger.workers[alive.unwrap_or(0)]),
                )
            }
        }
    }

    /// A job that is not settled, an id that waits in an intermediate list, or a run that goes on.
    fn unsettled(&self) -> Option<String> {
        let status_of = |number: usize| self.redis.model.status(&id_of(number));
        let is_settled = |number: &usize| {
            let status = status_of(*number).and_then(|status| status.parse::<Status>().ok());
            !matches!(status, Some(Status::Queued | Status::Started | Status::Scheduled | Status::Created))
        };
        let job = (0..self.redis.ledger.jobs.len()).find(|number| !is_settled(number));
        if let Some(number) = job {
            let status = (status_of(number), self.redis.model.places(&id_of(number)));
            return Some(format!("j{number} {status:?} {:?}", self.redis.ledger.jobs[number]));
        }
        let has_runs = |worker: &usize| {
            let process = &self.processes[*worker];
            let has_runs = !process.runs.is_empty() || process.pool.has_ended();
            self.redis.ledger.workers[*worker].is_alive && has_runs
        };
        let busy = (0..self.processes.len()).find(has_runs);
        let listed = (0..self.plan.queues).find(|queue| {
            !self.redis.model.ids(*queue, Place::Intermediate).is_empty()
                || self.redis.model.entries(*queue, Place::Wip).next().is_some()
        });
        let busy = busy.map(|worker| format!("worker {worker} has runs"));
        busy.or(listed.map(|queue| format!("queue {queue} has leases or popped ids")))
    }

    /// Tells all workers to stop. None has a slot that is not free.
    fn stop_all(&mut self) -> Check {
        self.stopped_at = Some(self.now);
        for worker in 0..self.processes.len() {
            if !self.redis.ledger.workers[worker].is_alive {
                continue;
            }
            let engine = &self.processes[worker].engine;
            let occupied = (engine.occupied_slots(), engine.abandoned_threads());
            hold(occupied == (0, 0), "no slot is occupied at the end", || {
                format!("worker {worker}: {occupied:?} at {} s", self.end_in_seconds())
            })?;
            self.change_stopper(worker, Phase::Draining, None);
        }
        Ok(())
    }

    fn check_all(&self) -> Check {
        let rule = "each job is in one place";
        let places = self.redis.model.check_all();
        hold(places.is_ok(), rule, || places.err().unwrap_or_default())?;
        for number in 0..self.redis.ledger.jobs.len() {
            let id = id_of(number);
            let has_reason = |record: &RawHash| {
                let error = self.plan.dialect.error_field.and_then(|field| record.get(field));
                // In the dialect rq, the reason is in the results.
                error.is_some_and(|error| !error.is_empty()) || self.redis.model.results(&id) > 0
            };
            let record = self.redis.model.record(&id);
            let record =
                record.map(|record| (self.redis.model.status(&id).unwrap_or("?"), has_reason(record)));
            self.redis.ledger.check_settled(number, record)?;
        }
        Ok(())
    }
}
