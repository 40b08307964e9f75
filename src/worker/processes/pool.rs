//! Processes that stay for many jobs: work horses, and the commands of `--exec-server`. One that is idle waits
//! here, warm; one that has died, or has had its time, is replaced when the next job needs it.

use std::sync::{Mutex, PoisonError};

use super::child_process::ChildProcess;
use super::exit_message::ExitDescriber;
use super::job_io::JobIo;
use super::{Limits, Processes, spawn_failed};
use crate::job::Outcome;
use crate::worker::Context;

/// What a process has answered.
pub(super) struct JobResponse {
    pub(super) outcome: Outcome,
    /// The most memory it had resident, where it says so.
    pub(super) resident: u64,
    /// It has named the job that it answers.
    pub(super) echoed_id: bool,
}

/// The idle processes of one kind.
#[derive(Default)]
pub(crate) struct ProcessPool(Mutex<Vec<PooledProcess>>);

struct PooledProcess {
    process: ChildProcess,
    jobs: u32,
    echoes_ids: bool,
}

/// A process that was told to end, and has ended when this is dropped.
pub(crate) struct ExitingProcess(#[expect(dead_code, reason = "it is there to be dropped")] PooledProcess);

/// One job for a process of a crew.
pub(super) struct JobRequest<'a> {
    pub(super) handler: &'a str,
    pub(super) context: &'a Context,
    pub(super) input: Vec<u8>,
    /// How many bytes an answer may have.
    pub(super) max_output: usize,
    /// How much memory it may have, if that is limited.
    pub(super) memory: Option<u64>,
}

impl ProcessPool {
    /// Has an idle process run the job, or a new one.
    pub(super) fn run(
        &self,
        errand: JobRequest<'_>,
        processes: &Processes,
        start: impl FnOnce() -> std::io::Result<ChildProcess>,
        read: impl FnMut(&mut JobIo<'_>) -> Result<Option<JobResponse>, String>,
    ) -> Outcome {
        let JobRequest { handler, context, input, max_output: room, memory } = errand;
        let limits = processes.limits;
        let mut member = match self.checkout(start) {
            Ok(member) => member,
            Err(error) => return spawn_failed(handler, "a process for it", &error),
        };
        let mut traffic = JobIo::new(context, input, false, limits, room);
        traffic.must_echo_id = member.echoes_ids;
        let attended = member.process.run_job(&mut traffic, read);
        traffic.save_final_log();
        match attended {
            Ok(Ok(answer)) => {
                member.jobs += 1;
                member.echoes_ids |= answer.echoed_id;
                match member.should_recycle(limits, answer.resident) {
                    true => member.retire_in_background(),
                    false => self.lock().push(member),
                }
                answer.outcome
            }
            Ok(Err(end)) => {
                let log = traffic.log();
                let allowed = context.timeout();
                ExitDescriber { handler, log: &log, limits, is_shared: true, memory, allowed }.outcome(&end)
            }
            Err(error) => {
                Outcome::Crashed { error: format!("{handler}: lost sight of its process: {error}") }
            }
        }
    }

    /// Tells those that are idle to end.
    pub(super) fn begin_shutdown(&self) -> Vec<ExitingProcess> {
        let mut members = std::mem::take(&mut *self.lock());
        members.iter_mut().for_each(|member| member.process.begin_shutdown());
        members.into_iter().map(ExitingProcess).collect()
    }

    /// The one that was busy last, so that those which are not needed rest.
    fn checkout(
        &self,
        start: impl FnOnce() -> std::io::Result<ChildProcess>,
    ) -> std::io::Result<PooledProcess> {
        loop {
            let Some(mut member) = self.lock().pop() else {
                return Ok(PooledProcess { process: start()?, jobs: 0, echoes_ids: false });
            };
            if member.process.prepare_for_reuse() {
                return Ok(member);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<PooledProcess>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PooledProcess {
    /// Whether another one is to take its place.
    fn should_recycle(&self, limits: Limits, resident: u64) -> bool {
        let is_large = limits.horse_recycle.is_some_and(|most| resident > most);
        is_large || limits.horse_max_jobs.is_some_and(|most| self.jobs >= most)
    }

    /// Ends it while its job's outcome is on its way.
    fn retire_in_background(mut self) {
        self.process.begin_shutdown();
        let name = "rq-rs retire".to_owned();
        // Without a thread to wait in it is waited for here.
        let _ = std::thread::Builder::new().name(name).stack_size(64 * 1024).spawn(move || drop(self));
    }
}
