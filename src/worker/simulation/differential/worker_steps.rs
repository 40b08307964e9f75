//! The calls of workers, on both sides.

use std::time::Duration;

use super::super::model::Place;
use super::pair::{KnownRun, LEASE, Pair, same, worker_name};
use super::step::{JOBS, RecoveryCourse, Step};
use crate::Retry;
use crate::claim::{ClaimRequest, ClaimedJob, PoppedId};
use crate::client::scripts::SetField;
use crate::client::{RedisCommand, reply};
use crate::completion::{Completion, Retention};
use crate::finish;
use crate::job::{Outcome, RawHash, RetryDirective, RetryState, Ttl, Verdict, decide, iso};
use crate::orphaned_ids;
use crate::recover;
use crate::worker::heartbeat::HeartbeatRequest;
use crate::worker::lost_claim_reader;
use crate::worker::maintenance::encode_promote_due;

const RETENTION: Retention = Retention { finished: Ttl::seconds(500), failed: Ttl::seconds(31_536_000) };
/// Number of deliveries after which a lost job fails.
const MAX_DELIVERIES: u32 = 2;

impl Pair {
    /// Returns `None` for a step of another kind.
    pub(super) fn apply_worker_step(&mut self, step: &Step) -> Option<Result<(), String>> {
        Some(match step {
            Step::Pop { queue } => self.pop(*queue),
            Step::Claim { worker, slots, excluded, stray } => self.claim(*worker, *slots, *excluded, *stray),
            Step::Finish { runs, outcome, has_default_retry } => {
                self.finish(runs, *outcome, *has_default_retry)
            }
            Step::FinishAgain { batch } => self.finish_again(*batch),
            Step::Recover { queue, course } => self.recover(*queue, *course),
            Step::SetField { job, run } => self.set_field(JOBS[*job], *run),
            Step::Reclaim { worker } => self.reclaim(*worker),
            Step::Heartbeat { worker, runs } => self.heartbeat(*worker, runs),
            Step::PutBack { queue, jobs } => self.put_back(*queue, jobs),
            Step::Promote { queue } => self.promote(*queue),
            _ => return None,
        })
    }

    fn pop(&mut self, queue: usize) -> Result<(), String> {
        let modeled = self.model.pop_to_intermediate(queue);
        // An empty queue would block.
        let Some(id) = &modeled else { return Ok(()) };
        let (keys, (command, ends)) = (&self.queues[queue], self.client.dialect.blocking_move);
        let command = RedisCommand::new(command).arg(&keys.list).arg(&keys.intermediate).arg(ends).arg(1);
        let real = reply::text(self.call(&command)).unwrap();
        self.popped.push((queue, id.clone()));
        same(&modeled, &real)
    }

    fn claim(
        &mut self,
        worker: usize,
        slots: usize,
        excluded: Option<usize>,
        stray: Option<(usize, usize)>,
    ) -> Result<(), String> {
        let popped = std::mem::take(&mut self.popped).into_iter();
        let stray = stray.map(|(queue, job)| (queue, JOBS[job].to_owned()));
        let popped = popped.chain(stray).map(|(queue, id)| PoppedId { queue, id: id.into_bytes() });
        let request = ClaimRequest {
            slots,
            executions: self.executions[worker].take(slots, || 0),
            claimed_at: self.now,
            checks_keys: true,
            excluded_queues: excluded.into_iter().collect(),
            popped_ids: popped.collect(),
        };
        self.claims[worker].push(request.executions.clone());
        let records = JOBS.map(|id| self.model.record(id).cloned());
        let modeled = self.model.claim(&request, &worker_name(worker), LEASE);
        let claimer = &self.claimers[worker];
        let real = self.call(&claimer.encode(&self.client, &request));
        let real = claimer.decode_reply(real, request.claimed_at).unwrap();
        for job in modeled.jobs.iter().flatten() {
            let at = JOBS.iter().position(|id| *id == job.record.id).unwrap();
            self.runs.push(KnownRun::of(job, worker, records[at].clone().unwrap_or_default()));
        }
        same(&modeled, &real)
    }

    fn finish(&mut self, runs: &[usize], outcome: usize, has_default_retry: bool) -> Result<(), String> {
        let runs = runs.iter().filter_map(|run| self.run(*run));
        let mut completions: Vec<Completion> = runs
            .map(|run| {
                let mut job = run.claimed_job();
                if has_default_retry {
                    job.record.apply_default_retry(&Retry::every(Duration::ZERO, 2), || 0.5);
                }
                let verdict =
                    decide(some_outcome(outcome), &RetryState::from_record(&job.record), MAX_DELIVERIES);
                Completion::new(job, verdict, RETENTION, self.client.dialect, self.now)
            })
            .collect();
        finish::sort_for_batches(&mut completions);
        self.send(completions)
    }

    fn finish_again(&mut self, batch: usize) -> Result<(), String> {
        let Some(at) = self.batches.len().checked_sub(batch + 1) else { return Ok(()) };
        let batch = self.batches.remove(at);
        self.send(batch)
    }

    /// Sends completions, and keeps them to be sent once more.
    fn send(&mut self, completions: Vec<Completion>) -> Result<(), String> {
        let mut result = Ok(());
        for batch in finish::batches(&completions) {
            let modeled = self.model.finish(batch);
            let real = self.call(&finish::encode(&self.client, &self.queues, batch));
            result = result.and(same(&modeled, &finish::decode_acks(real).unwrap()));
        }
        self.batches.push(completions);
        result
    }

    fn recover(&mut self, queue: usize, course: RecoveryCourse) -> Result<(), String> {
        let modeled = self.model.expired_leases(queue);
        let real = recover::fetch_expired_leases(&self.client, &self.queues[queue]).unwrap();
        let (modeled, real) = (with_sorted_fields(modeled), with_sorted_fields(real));
        let complete = |(member, fields): &(String, RawHash)| {
            let limits = (MAX_DELIVERIES, RETENTION);
            let completion = recover::complete_lost(member, fields, limits, self.client.dialect, self.now);
            Completion { queue, ..completion }
        };
        let mut completions: Vec<Completion> = modeled.iter().map(complete).collect();
        finish::sort_for_batches(&mut completions);
        same(&modeled, &real)?;
        match course {
            RecoveryCourse::Whole => return self.send(completions),
            RecoveryCourse::Interrupted => self.batches.push(completions),
            RecoveryCourse::Renewed => {
                for (member, _) in &modeled {
                    self.set_score((queue, Place::Wip), member, 1000);
                }
                return self.send(completions);
            }
        }
        Ok(())
    }

    /// Puts the jobs of the newest claims back, as if the replies to them were lost.
    fn reclaim(&mut self, worker: usize) -> Result<(), String> {
        let (claims, name) = (&self.claims[worker], worker_name(worker));
        let claims = &claims[claims.len().saturating_sub(2)..];
        let modeled = self.model.jobs_of_lost_claims(&name, claims, self.now);
        let real = lost_claim_reader::fetch_jobs(&self.client, &self.queues, &name, claims).unwrap();
        let parts = |jobs: &[ClaimedJob]| -> Vec<_> {
            jobs.iter().map(|job| (job.queue, job.lease_member(), job.record.deliveries)).collect()
        };
        same(&parts(&modeled), &parts(&real))?;
        let put_back = |job| {
            let verdict = Verdict::PutBack { has_begun: false };
            Completion::new(job, verdict, RETENTION, self.client.dialect, self.now)
        };
        let mut completions: Vec<Completion> = modeled.into_iter().map(put_back).collect();
        finish::sort_for_batches(&mut completions);
        self.send(completions)
    }

    fn set_field(&mut self, id: &str, run: Option<usize>) -> Result<(), String> {
        let run = run.and_then(|run| self.run(run));
        let (id, execution) = run.map_or((id, ""), |run| (&run.id, &run.execution));
        let (id, execution) = (id.to_owned(), execution.to_owned());
        let modeled = self.model.set_field(&id, ("meta", b"{}"), &execution);
        let key = self.client.keys.job(&id);
        let call =
            self.client.evalsha(&SetField { job: &key, field: "meta", value: b"{}", execution: &execution });
        same(&i64::from(modeled), &reply::int(&self.call(&call)).unwrap())
    }

    fn heartbeat(&mut self, worker: usize, runs: &[usize]) -> Result<(), String> {
        let of_worker = runs.iter().filter_map(|run| self.run(*run)).filter(|run| run.worker == worker);
        let mut leases: Vec<(usize, String)> = of_worker.map(|run| (run.queue, run.lease_member())).collect();
        leases.dedup();
        let leases: Vec<(usize, &str)> =
            leases.iter().map(|(queue, member)| (*queue, member.as_str())).collect();
        let name = worker_name(worker);
        let modeled = self.model.heartbeat(&name, LEASE, self.now, leases.iter().copied());
        let fields = [("state", "busy".to_owned())];
        let request = HeartbeatRequest {
            worker: &name,
            record_ttl: 1000,
            fields: &fields,
            lease: LEASE,
            sent_at: self.now,
            leases,
        };
        let real = self.call(&request.encode(&self.client, &self.queues));
        same(&modeled, &reply::texts(real).unwrap())
    }

    fn put_back(&mut self, queue: usize, jobs: &[usize]) -> Result<(), String> {
        let ids: Vec<&str> = jobs.iter().map(|job| JOBS[*job]).collect();
        let modeled = self.model.put_back_orphaned_ids(queue, &ids);
        let ids: Vec<Vec<u8>> = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
        let call = orphaned_ids::encode_put_back(&self.client, &self.queues[queue], &ids);
        same(&modeled, &reply::int(&self.call(&call)).unwrap())
    }

    fn promote(&mut self, queue: usize) -> Result<(), String> {
        let modeled = self.model.promote_due(queue, self.now);
        let record = [("state", "started".to_owned())];
        let call = encode_promote_due(&self.client, &self.queues[queue], &record, &iso(self.now));
        same(&modeled, &reply::int(&self.call(&call)).unwrap())
    }
}

fn with_sorted_fields(mut leases: Vec<(String, RawHash)>) -> Vec<(String, RawHash)> {
    for (_, fields) in &mut leases {
        fields.0.sort();
    }
    leases
}

fn some_outcome(n: usize) -> Outcome {
    let error = "boom".to_owned();
    match n {
        0 | 1 => Outcome::Returned(b"5".to_vec()),
        2 | 3 => Outcome::Failed { error, directive: RetryDirective::UsePolicy },
        4 => Outcome::Failed { error, directive: RetryDirective::Snooze(LEASE) },
        5 => Outcome::Stopped { error },
        _ => Outcome::Interrupted,
    }
}
