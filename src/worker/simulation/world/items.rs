//! The items of a plan: jobs, workers, and what befalls them.

use super::super::clock::{MILLISECOND, Micros, SECOND, utc_at};
use super::super::coverage::Mark;
use super::super::events::WorldEvent;
use super::super::jobs;
use super::super::ledger::{Check, WorkerTruth, id_of};
use super::super::model::Place;
use super::super::plan::{JobPlan, Planned, RedisEvent, UserEvent, WorkerEvent, WorkerPlan};
use super::World;
use super::process::Process;
use crate::registry::Requeued;
use crate::worker::input::{ControlMessage, Input};
use crate::worker::phase::Phase;

impl World<'_> {
    pub(super) fn on_item(&mut self, index: usize) -> Check {
        self.trace.note(self.now, || format!("{:?}", self.plan.items[index]));
        match &self.plan.items[index] {
            Planned::Enqueue { .. } | Planned::User { .. } if !self.redis.is_up => self.postpone(index),
            Planned::Enqueue { job, .. } => return self.enqueue(job, job.number as u64),
            Planned::Start { worker, .. } => self.start_worker(worker, Some(index)),
            Planned::Worker { worker, event, .. } => {
                let number = *worker;
                let found = self.processes.iter().position(|process| process.plan.number == number);
                if let Some(worker) = found.filter(|worker| self.redis.ledger.workers[*worker].is_alive) {
                    self.befall(worker, *event);
                }
            }
            Planned::Redis { event, .. } => self.befall_redis(*event),
            Planned::User { event, .. } => return self.on_user(*event),
            Planned::Exchange { .. } | Planned::Heartbeat { .. } => {}
        }
        Ok(())
    }

    /// Lets an item happen once Redis is back.
    fn postpone(&mut self, item: usize) {
        self.events.add(self.now + 300 * MILLISECOND, WorldEvent::Item(item));
    }

    pub(super) fn enqueue(&mut self, job: &JobPlan, made_at: u64) -> Check {
        let was_there = self.redis.model.record(&id_of(job.number)).is_some();
        if !was_there {
            self.drop_leftovers(job);
        }
        let encoded = jobs::encode(job, self.plan.dialect, made_at);
        let is_stored = self.redis.model.enqueue(job.queue, &encoded);
        self.count(if was_there { Mark::EnqueuedAgain } else { Mark::JobsEnqueued });
        self.redis.ledger.on_enqueued(job.number, made_at, (was_there, is_stored))
    }

    /// An id that is enqueued anew may have left an entry behind; maintenance removes it.
    fn drop_leftovers(&mut self, job: &JobPlan) {
        for place in [Place::Finished, Place::Failed, Place::Canceled] {
            self.redis.model.delete_entry(job.queue, place, &id_of(job.number));
        }
    }

    pub(super) fn start_worker(&mut self, plan: &WorkerPlan, item: Option<usize>) {
        if let (Some(item), false) = (item, self.redis.is_up) {
            return self.postpone(item);
        }
        let worker = self.processes.len();
        self.processes.push(Process::new(plan, self.plan));
        let health = WorkerTruth { started_at: self.now, is_alive: true, ..WorkerTruth::default() };
        self.redis.ledger.workers.push(health);
        self.processes[worker].heartbeat_at = self.now;
        self.events.add(self.now, WorldEvent::Promote(worker));
        self.events.add(self.now, WorldEvent::Recover(worker));
        self.events.add(self.now, WorldEvent::PutBackOrphans(worker));
        self.events.add(self.now + MILLISECOND, WorldEvent::HeartbeatTick(worker));
        self.wake(worker, self.now + 400 * MILLISECOND);
    }

    fn befall(&mut self, worker: usize, event: WorkerEvent) {
        match event {
            WorkerEvent::Kill => {
                self.count(Mark::WorkerKilled);
                if !self.processes[worker].runs.is_empty() {
                    self.count(Mark::KilledWithRuns);
                }
                self.end_process(worker);
            }
            WorkerEvent::Freeze(lasts) => self.freeze(worker, lasts),
            WorkerEvent::Stop => self.change_stopper(worker, Phase::Draining, None),
            WorkerEvent::StopNow => self.change_stopper(worker, Phase::Terminating, None),
            WorkerEvent::Quiet => {
                self.count(Mark::WorkerQuieted);
                self.change_stopper(worker, Phase::Running, Some(true));
            }
            WorkerEvent::Continue => self.change_stopper(worker, Phase::Running, Some(false)),
            WorkerEvent::Cut => self.cut_connection(worker),
            WorkerEvent::KillHorse => {
                self.count(Mark::KillHorse);
                self.deliver(worker, Input::Control(ControlMessage::Kill));
            }
        }
    }

    fn freeze(&mut self, worker: usize, lasts: Micros) {
        let health = &mut self.redis.ledger.workers[worker];
        if !health.is_frozen {
            health.is_frozen = true;
            self.count(Mark::WorkerFrozen);
            self.events.add(self.now + lasts, WorldEvent::Resume(worker));
        }
    }

    pub(super) fn resume(&mut self, worker: usize) {
        let health = &mut self.redis.ledger.workers[worker];
        if health.is_frozen {
            (health.is_frozen, health.thawed_at) = (false, self.now);
            for event in std::mem::take(&mut self.processes[worker].frozen) {
                self.events.add(self.now, event);
            }
        }
    }

    fn befall_redis(&mut self, event: RedisEvent) {
        if !self.redis.is_up {
            return;
        }
        let (lasts, is_restart, mark) = match event {
            RedisEvent::Restart(lasts) => (lasts, true, Mark::RedisRestarted),
            RedisEvent::Flush(lasts) => (lasts, true, Mark::RedisFlushed),
            RedisEvent::Away(lasts) => (lasts, false, Mark::RedisAway),
        };
        self.count(mark);
        self.redis.go_away(lasts, is_restart);
        if matches!(event, RedisEvent::Flush(_)) {
            self.redis.flush();
        }
        self.break_watchers();
        (0..self.processes.len()).for_each(|worker| self.cut_connection(worker));
        self.events.add(self.now + lasts, WorldEvent::RedisIsBack);
    }

    pub(super) fn on_redis_is_back(&mut self) {
        self.redis.come_back();
    }

    fn on_user(&mut self, event: UserEvent) -> Check {
        match event {
            UserEvent::Suspend(_) | UserEvent::SuspendAll if self.have_faults_stopped => {}
            UserEvent::Suspend(queue) => self.suspend(queue, true),
            UserEvent::Resume(queue) => self.suspend(queue, false),
            UserEvent::SuspendAll => self.redis.model.all_suspended = true,
            UserEvent::ResumeAll => self.redis.model.all_suspended = false,
            UserEvent::StopJob(number) => self.stop_job(number),
            UserEvent::Cancel(number)
            | UserEvent::Delete(number)
            | UserEvent::Forget(number)
            | UserEvent::PushCopy(number)
            | UserEvent::Requeue(number)
            | UserEvent::EnqueueNow(number)
            | UserEvent::EnqueueAgain(number)
            | UserEvent::EnqueueOther(number) => {
                return self.change_job(event, number);
            }
        }
        Ok(())
    }

    pub(super) fn suspend(&mut self, queue: usize, is_suspended: bool) {
        if is_suspended {
            self.count(Mark::Suspended);
        }
        self.redis.model.set_suspended(queue, is_suspended);
        self.redis.suspended[queue] = is_suspended;
    }

    fn stop_job(&mut self, number: usize) {
        self.count(Mark::StopJob);
        for worker in 0..self.processes.len() {
            if self.redis.ledger.workers[worker].is_alive {
                let stop = ControlMessage::Stop { job: id_of(number), execution: None };
                self.deliver(worker, Input::Control(stop));
            }
        }
    }

    fn change_job(&mut self, event: UserEvent, number: usize) -> Check {
        let Some(job) = self.lookup.job(number) else { return Ok(()) };
        let (id, queue, now) = (id_of(number), job.queue, utc_at(self.now));
        let is_known =
            self.redis.ledger.jobs.get(number).is_some_and(|job| job.made_at.is_some() && !job.is_forgotten);
        match event {
            UserEvent::EnqueueAgain(_) if is_known => return self.enqueue(job, number as u64),
            UserEvent::EnqueueOther(_) if is_known => return self.enqueue(job, self.now),
            _ if !is_known => {}
            UserEvent::Cancel(_) => {
                let status = self.redis.model.cancel(queue, &id, now);
                let ended = ["finished", "failed", "stopped", "canceled"];
                if let Some(status) = status.filter(|status| !ended.contains(&status.as_str())) {
                    self.count(if status == "started" { Mark::CanceledWhileRunning } else { Mark::Canceled });
                    self.redis.ledger.on_canceled(number);
                }
            }
            UserEvent::Forget(_) => {
                if self.redis.model.forget_record(&id) {
                    self.count(Mark::Forgotten);
                    self.redis.ledger.on_forgotten(number);
                }
            }
            UserEvent::PushCopy(_) => {
                self.count(Mark::CopyPushed);
                self.redis.model.push_copy(queue, &id);
                self.redis.ledger.jobs[number].has_copies = true;
            }
            UserEvent::Delete(_) => {
                if self.redis.model.delete(queue, &id) {
                    self.count(Mark::Deleted);
                    self.redis.ledger.on_deleted(number);
                }
            }
            UserEvent::Requeue(_) => self.requeue(queue, number),
            _ => {
                let replies = self.redis.model.enqueue_now(queue, &[&id], now);
                if replies.iter().any(|reply| matches!(reply, Requeued::Back)) {
                    self.count(Mark::EnqueuedNow);
                    self.redis.ledger.on_enqueued_now(number);
                }
            }
        }
        Ok(())
    }

    fn requeue(&mut self, queue: usize, number: usize) {
        let id = id_of(number);
        let place = self.redis.model.places(&id).first().map(|(_, place)| *place);
        let Some(place) =
            place.filter(|place| matches!(place, Place::Failed | Place::Finished | Place::Canceled))
        else {
            return;
        };
        let replies = self.redis.model.requeue((queue, place), &[&id], utc_at(self.now));
        if replies.iter().any(|reply| matches!(reply, Requeued::Back)) {
            self.count(Mark::Requeued);
            self.redis.ledger.on_requeued(number);
        }
    }

    /// Time of the end of the plan, in seconds.
    pub(super) fn end_in_seconds(&self) -> u64 {
        self.plan.end / SECOND
    }
}
