//! A pool of processes that run many jobs each: work horses, or the processes of one `--exec-server` command.
//! Idle processes wait here. A process that has died or reached a limit is replaced when the next job needs a process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::child_process::ChildProcess;
use super::exit_message::ExitDescriber;
use super::job_io::JobIo;
use super::limits::Limits;
use super::spawn::spawn_failed;
use crate::job::Outcome;
use crate::worker::context::Context;

/// The response of a process to its job.
pub(super) struct JobResponse {
    pub(super) outcome: Outcome,
    /// Largest resident memory of the process so far in bytes; 0 if it does not report it.
    pub(super) peak_memory: u64,
    /// `true` if the response names its job. A process that has named a job once must name every job.
    pub(super) echoed_id: bool,
}

/// Idle processes of one kind.
#[derive(Default)]
pub(crate) struct ProcessPool(Mutex<Vec<PooledProcess>>);

struct PooledProcess {
    process: ChildProcess,
    /// Number of jobs that the process has run.
    jobs: u32,
    echoes_ids: bool,
}

/// A process that was asked to exit. Dropping it waits for the exit.
pub(crate) struct ExitingProcess(#[expect(dead_code, reason = "it is there to be dropped")] PooledProcess);

/// A job for a process of a pool.
pub(super) struct JobRequest<'a> {
    pub(super) handler: &'a str,
    pub(super) context: &'a Context,
    pub(super) input: Vec<u8>,
    /// Maximum size of the response in bytes.
    pub(super) max_output: usize,
    /// Memory limit of the process in bytes, for error texts.
    pub(super) memory: Option<u64>,
}

impl ProcessPool {
    /// Runs a job in an idle process, or in a new one from `start`. `read` finds the response in the output.
    pub(super) fn run(
        &self,
        request: JobRequest<'_>,
        limits: Limits,
        start: impl FnOnce() -> std::io::Result<ChildProcess>,
        read: impl FnMut(&mut JobIo<'_>) -> Result<Option<JobResponse>, String>,
    ) -> Outcome {
        let JobRequest { handler, context, input, max_output, memory } = request;
        let mut pooled = match self.checkout(start) {
            Ok(pooled) => pooled,
            Err(error) => return spawn_failed(handler, "a process for it", &error),
        };
        let mut io = JobIo::new(context, input, false, limits, max_output);
        io.must_echo_id = pooled.echoes_ids;
        let result = pooled.process.run_job(&mut io, read);
        io.save_final_log();
        match result {
            Ok(Ok(response)) => {
                self.check_in(pooled, limits, &response);
                response.outcome
            }
            Ok(Err(exit)) => {
                let log = io.log();
                let allowed = context.timeout();
                let describer =
                    ExitDescriber { handler, log: &log, limits, is_shared: true, memory, allowed };
                describer.outcome(&exit)
            }
            Err(error) => {
                Outcome::Crashed { error: format!("{handler}: lost sight of its process: {error}") }
            }
        }
    }

    /// Asks the idle processes to exit.
    pub(crate) fn begin_shutdown(&self) -> Vec<ExitingProcess> {
        let mut idle = std::mem::take(&mut *self.lock());
        idle.iter_mut().for_each(|pooled| pooled.process.begin_shutdown());
        idle.into_iter().map(ExitingProcess).collect()
    }

    /// Removes the idle process that was busy last, so that processes which are not needed stay idle.
    fn checkout(
        &self,
        start: impl FnOnce() -> std::io::Result<ChildProcess>,
    ) -> std::io::Result<PooledProcess> {
        loop {
            let Some(mut pooled) = self.lock().pop() else {
                return Ok(PooledProcess { process: start()?, jobs: 0, echoes_ids: false });
            };
            if pooled.process.prepare_for_reuse() {
                return Ok(pooled);
            }
        }
    }

    /// Keeps the process for the next job, or ends it if it has reached a limit.
    fn check_in(&self, mut pooled: PooledProcess, limits: Limits, response: &JobResponse) {
        pooled.jobs += 1;
        pooled.echoes_ids |= response.echoed_id;
        match pooled.should_be_replaced(limits, response.peak_memory) {
            true => pooled.exit_in_background(),
            false => self.lock().push(pooled),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<PooledProcess>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PooledProcess {
    fn should_be_replaced(&self, limits: Limits, peak_memory: u64) -> bool {
        let is_large = limits.horse_recycle.is_some_and(|limit| peak_memory > limit);
        is_large || limits.horse_max_jobs.is_some_and(|limit| self.jobs >= limit)
    }

    /// Ends the process without delaying the outcome of its last job.
    fn exit_in_background(mut self) {
        self.process.begin_shutdown();
        let name = "rq-rs retire".to_owned();
        // If no thread can be started, dropping the process here waits for its exit.
        let _ = std::thread::Builder::new().name(name).stack_size(64 * 1024).spawn(move || drop(self));
    }
}
