//! The loop of a pool thread: it runs one job after the other.

use std::sync::mpsc::Sender;
use std::time::Duration;

use super::run_queue::{QueuedRun, RunQueue};
use crate::job::Outcome;
use crate::worker::context::Context;
use crate::worker::executor::Executor;
use crate::worker::input::Input;
use crate::worker::panics;
use crate::worker::run::RunnableJob;

/// When signals are sent to a worker and its processes together, all of them arrive within this time.
const GROUP_SIGNAL_GRACE: Duration = Duration::from_millis(200);

/// Runs jobs until the thread is retired or the pool is closed.
pub(super) fn run_jobs(run_queue: &RunQueue, executor: &Executor, inbox: &Sender<Input>) {
    // Fails when the dispatcher has ended already.
    let notify = || drop(inbox.send(Input::Wake));
    let (mut ended, mut is_retired) = (None, false);
    while let Some(QueuedRun { run_id, context, mut job, retire_flag, .. }) =
        run_queue.next_run(ended, is_retired, notify)
    {
        let outcome = run(executor, &context, &mut job);
        if matches!(outcome, Outcome::KilledFromOutside { .. }) {
            // Perhaps the whole service was told to end. Then the worker's own signal has to be handled first, or
            // the dispatcher would take the end of the process for a failure.
            std::thread::sleep(GROUP_SIGNAL_GRACE);
        }
        is_retired = retire_flag.is_set();
        ended = Some((run_id, outcome));
    }
}

/// Runs a job. Every panic becomes an outcome, also one in the code of the arguments, so that every run has an outcome.
fn run(executor: &Executor, context: &Context, job: &mut RunnableJob) -> Outcome {
    let outcome = panics::catch_panic(|| match context.is_canceled() {
        // Stopped, past its deadline, or without its lease before the thread took it.
        true => Outcome::Interrupted,
        false => executor.run(context, job),
    });
    outcome.unwrap_or_else(|panic| Outcome::Crashed {
        error: format!("{} {panic}", job.record.handler.as_deref().unwrap_or("the job")),
    })
}
