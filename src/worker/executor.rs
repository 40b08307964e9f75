//! Runs a claimed job with its handler: a function in this thread or in a work horse, a program, or a server.

use super::context::Context;
use super::handlers::{Handler, Handlers};
use super::options::Options;
use super::outcome_limits::{enforce_deadline, enforce_result_limit};
use super::processes::horse::run_in_work_horse;
use super::processes::pool::{ExitingProcess, ProcessPool};
use super::processes::supervisor::Supervisor;
use super::run::RunnableJob;
use crate::job::{Outcome, Record};

/// The handlers of a worker, and the processes that run some of them.
pub(crate) struct Executor {
    handlers: Handlers,
    supervisor: Supervisor,
    work_horses: ProcessPool,
    /// `true` if functions run in work horses.
    is_isolated: bool,
}

impl Executor {
    pub(crate) fn new(handlers: Handlers, options: &Options) -> Self {
        Executor {
            handlers,
            supervisor: Supervisor::new(options),
            work_horses: ProcessPool::default(),
            is_isolated: options.is_isolated,
        }
    }

    /// Returns whether jobs of this handler run in a process, whose supervisor enforces their deadline and can end them.
    pub(crate) fn is_supervised(&self, handler: Option<&str>) -> bool {
        match self.handlers.get(handler) {
            Some(Handler::Function(_)) => self.is_isolated,
            Some(Handler::Program(_) | Handler::Server(_)) => true,
            None => false,
        }
    }

    /// Runs a job to its end.
    pub(crate) fn run(&self, context: &Context, job: &mut RunnableJob) -> Outcome {
        let RunnableJob { record, payload } = job;
        if !record.needs.is_empty() {
            return unsupported(record);
        }
        let call = if record.problems.is_empty() { record.take_call() } else { None };
        let handler = self.handlers.get(record.handler.as_deref());
        let (supervisor, max_result) = (&self.supervisor, self.supervisor.limits.max_result);
        if let Some(Handler::Server(server)) = handler {
            // A server gets the payload itself, and may be able to read it when rq-rs is not.
            let name = record.handler.as_deref().unwrap_or("the job");
            return enforce_result_limit(name, server.run(context, (call, payload), supervisor), max_result);
        }
        let Some(call) = call else {
            let error = format!("the record cannot be read: {}", record.problems.join("; "));
            return Outcome::NotRunnable { error };
        };
        let name = call.handler.clone();
        let outcome = match handler {
            Some(Handler::Function(_)) if self.is_isolated => {
                run_in_work_horse(&self.work_horses, supervisor, context, &name, payload)
            }
            Some(Handler::Function(function)) => enforce_deadline(&name, context, function(context, call)),
            Some(Handler::Program(program)) => program.run(context, call, supervisor),
            Some(Handler::Server(_)) | None => return self.handlers.no_handler(&name),
        };
        enforce_result_limit(&name, outcome, max_result)
    }

    /// Ends the idle processes, all at the same time, and kills those that are left.
    pub(crate) fn end_processes(&self) {
        let servers: Vec<ExitingProcess> =
            self.handlers.servers().flat_map(|server| server.begin_shutdown()).collect();
        let horses = self.work_horses.begin_shutdown();
        drop((servers, horses));
        self.supervisor.kill_all();
    }
}

/// The outcome of a job that uses features of RQ which rq-rs does not have.
fn unsupported(record: &Record) -> Outcome {
    let features = record.needs.join(", ");
    let error = format!(
        "not run: this job asks for {features}, which rq-rs does not have yet; requeue it for a Python worker"
    );
    Outcome::NotRunnable { error }
}
