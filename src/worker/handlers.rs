//! Handlers by name. Whatever one does (return, raise, panic, not exist), the result is an `Outcome`.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Context;
use super::panics;
use super::processes::{self, ExecProgram, ExecServer, ExitingProcess, Processes};
use crate::error::{Error, Result};
use crate::job::{ArgumentError, Call, GiveUp, Later, Outcome, Record, RetryDirective, bind};

type Function = Box<dyn Fn(&Context, Call) -> Outcome + Send + Sync>;

enum Handler {
    Function(Function),
    Program(ExecProgram),
    Server(ExecServer),
}

/// A job that was claimed, as those who run it need it.
pub(crate) struct RunnableJob {
    pub(crate) record: Record,
    /// The payload as it lies in Redis.
    pub(crate) payload: Vec<u8>,
}

/// Handlers by name: what a worker can run.
///
/// [`App`](crate::App) and [`Worker::handler`](crate::Worker::handler) make one by themselves. A program
/// that has a `main` of its own and wants [`Run::Processes`](crate::Run::Processes) makes it first of all, so
/// that its work horses, which are the same program, have the same:
///
/// ```no_run
/// use rq_rs::{Context, Handlers, Run, Worker};
///
/// fn main() -> anyhow::Result<()> {
///     let handlers = Handlers::new()
///         .handler("add", |_: &Context, (a, b): (i64, i64)| Ok(a + b))
///         .serve_if_horse();
///     Worker::connect("redis://127.0.0.1/", ["default"])?.handlers(handlers).isolate(Run::Processes).run()?;
///     Ok(())
/// }
/// ```
#[derive(Default)]
pub struct Handlers {
    by_name: HashMap<String, Handler>,
    any: Option<Handler>,
}

impl Handlers {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// See [`Worker::handler`](crate::Worker::handler).
    #[must_use]
    pub fn handler<T, R, F>(mut self, name: impl Into<String>, function: F) -> Self
    where
        T: DeserializeOwned,
        R: Serialize,
        F: Fn(&Context, T) -> anyhow::Result<R> + Send + Sync + 'static,
    {
        self.add_function(name.into(), function);
        self
    }

    /// Belongs at the beginning of `main`, before anything is opened, started or printed. In a work horse
    /// it runs jobs until the worker ends, and never returns; everywhere else it returns at once, and from
    /// then on workers of this program can start horses.
    #[must_use = "these are the handlers"]
    pub fn serve_if_horse(self) -> Self {
        processes::serve_if_horse(&self);
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.any.is_none()
    }

    pub(crate) fn add_function<T, R, F>(&mut self, name: String, function: F)
    where
        T: DeserializeOwned,
        R: Serialize,
        F: Fn(&Context, T) -> anyhow::Result<R> + Send + Sync + 'static,
    {
        let run = move |context: &Context, call: Call| {
            let (handler, serializer) = (call.handler.clone(), call.serializer);
            let arguments = match bind(call) {
                Ok(arguments) => arguments,
                Err(ArgumentError(reason)) => {
                    let id = context.id();
                    let error = format!("{reason}: the arguments of job {id} do not fit handler {handler}");
                    return Outcome::Unreadable { error };
                }
            };
            match panics::catch_panic(|| function(context, arguments).map(|result| serializer.write(&result)))
            {
                Ok(Ok(Ok(result))) => Outcome::Returned(result),
                Ok(Ok(Err(error))) => Outcome::Failed {
                    error: format!("the result of {handler} cannot be written as {serializer}: {error}"),
                    directive: RetryDirective::UsePolicy,
                },
                Ok(Err(error)) => failed_outcome(&handler, &error),
                Err(panic) => Outcome::Crashed { error: format!("{handler} {panic}") },
            }
        };
        self.by_name.insert(name, Handler::Function(Box::new(run)));
    }

    pub(crate) fn add_command(&mut self, name: String, command: &str) -> Result<()> {
        self.add(name, Handler::Program(ExecProgram::parse(command)?))
    }

    pub(crate) fn add_server(&mut self, name: String, command: &str) -> Result<()> {
        self.add(name, Handler::Server(ExecServer::parse(command)?))
    }

    fn add(&mut self, name: String, handler: Handler) -> Result<()> {
        let is_taken = if name == "*" { self.any.is_some() } else { self.by_name.contains_key(&name) };
        if is_taken {
            let what = format!("there are two handlers named {name:?}");
            return Err(Error::invalid(what, "give each name one handler"));
        }
        if name == "*" {
            self.any = Some(handler);
        } else {
            self.by_name.insert(name, handler);
        }
        Ok(())
    }

    /// Whether some jobs run in programs of their own.
    pub(crate) fn has_programs(&self) -> bool {
        self.by_name.values().chain(&self.any).any(|handler| !matches!(handler, Handler::Function(_)))
    }

    /// Their names; `*` for all others.
    #[cfg(feature = "cli")]
    pub(crate) fn names(&self) -> Vec<&str> {
        self.by_name.keys().map(String::as_str).chain(self.any.as_ref().map(|_| "*")).collect()
    }

    fn get(&self, name: Option<&str>) -> Option<&Handler> {
        name.and_then(|name| self.by_name.get(name)).or(self.any.as_ref())
    }

    /// Whether a process runs the job. Its supervisor keeps the time, and can end it.
    pub(crate) fn is_supervised(&self, name: Option<&str>, processes: &Processes) -> bool {
        match self.get(name) {
            Some(Handler::Function(_)) => processes.is_isolated,
            Some(Handler::Program(_) | Handler::Server(_)) => true,
            None => false,
        }
    }

    /// Tells the servers that wait for a job to end.
    pub(crate) fn dismiss_servers(&self) -> Vec<ExitingProcess> {
        let dismiss = |handler: &Handler| match handler {
            Handler::Server(server) => server.dismiss(),
            Handler::Function(_) | Handler::Program(_) => Vec::new(),
        };
        self.by_name.values().chain(&self.any).flat_map(dismiss).collect()
    }

    /// Runs a job to its end, whatever that is.
    pub(crate) fn run(&self, context: &Context, work: &mut RunnableJob, processes: &Processes) -> Outcome {
        let RunnableJob { record, payload } = work;
        if !record.needs.is_empty() {
            let what = record.needs.join(", ");
            let error = format!(
                "not run: this job asks for {what}, which rq-rs does not have yet; requeue it for a Python worker"
            );
            return Outcome::Unreadable { error };
        }
        let call = if record.problems.is_empty() { record.take_call() } else { None };
        let handler = self.get(record.handler.as_deref());
        if let Some(Handler::Server(server)) = handler {
            // What it is sent includes the payload itself, which it may read where rq-rs cannot.
            let name = record.handler.as_deref().unwrap_or("the job");
            return enforce_result_limit(
                name,
                server.run(context, (call, payload), processes),
                processes.limits.max_result,
            );
        }
        let Some(call) = call else {
            let error = format!("the record cannot be read: {}", record.problems.join("; "));
            return Outcome::Unreadable { error };
        };
        let name = call.handler.clone();
        let outcome = match handler {
            Some(Handler::Function(_)) if processes.is_isolated => {
                processes.run_in_horse(context, &name, payload)
            }
            Some(Handler::Function(function)) => enforce_deadline(&name, context, function(context, call)),
            Some(Handler::Program(program)) => program.run(context, call, processes),
            Some(Handler::Server(_)) | None => return self.no_handler(&name),
        };
        enforce_result_limit(&name, outcome, processes.limits.max_result)
    }

    /// What a work horse does. Its worker keeps the time.
    pub(crate) fn run_function(&self, context: &Context, call: Call, max_result: usize) -> Outcome {
        let name = call.handler.clone();
        match self.by_name.get(&name) {
            Some(Handler::Function(function)) => {
                // The arguments' own code may panic too.
                let outcome = panics::catch_panic(|| function(context, call));
                let crashed = |panic| Outcome::Crashed { error: format!("{name} {panic}") };
                enforce_result_limit(&name, outcome.unwrap_or_else(crashed), max_result)
            }
            _ => self.no_handler(&name),
        }
    }

    fn no_handler(&self, name: &str) -> Outcome {
        let mut known: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        known.sort_unstable();
        let error = format!("this worker has no handler named {name:?}; it has {}", known.join(", "));
        Outcome::NoHandler { error }
    }
}

fn enforce_result_limit(handler: &str, outcome: Outcome, most: usize) -> Outcome {
    match outcome {
        Outcome::Returned(result) if result.len() > most => {
            let size = result.len();
            let error = format!("the result of {handler} is {size} bytes, over the limit of {most}");
            Outcome::Failed { error, directive: RetryDirective::GiveUp }
        }
        outcome => outcome,
    }
}

/// Seconds, with a fraction where there is one.
pub(crate) fn rounded_secs(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// What is kept of a thread's job whose time is over, whoever notices first.
pub(crate) fn timeout_message(handler: &str, allowed: Duration) -> String {
    let seconds = rounded_secs(allowed);
    format!("{handler} timed out after {seconds} s; its thread was told to stop but may still run")
}

/// What a function says after its time is over changes nothing, also when it is heard at once. (A
/// program's supervisor keeps the time itself.)
fn enforce_deadline(handler: &str, context: &Context, outcome: Outcome) -> Outcome {
    match (context.timeout(), context.time_left()) {
        (Some(allowed), Some(left)) if left.is_zero() => {
            Outcome::TimedOut { error: timeout_message(handler, allowed) }
        }
        _ => outcome,
    }
}

/// An error with its chain of causes, and what it asks for.
fn failed_outcome(handler: &str, error: &anyhow::Error) -> Outcome {
    let directive = match (error.downcast_ref::<Later>(), error.downcast_ref::<GiveUp>()) {
        (Some(Later { delay, is_counted: true }), _) => RetryDirective::RetryAfter(Some(*delay)),
        (Some(Later { delay, is_counted: false }), _) => RetryDirective::Snooze(*delay),
        (_, Some(_)) => RetryDirective::GiveUp,
        _ => RetryDirective::UsePolicy,
    };
    // A hostile `Display` must not take the worker down.
    let text = panics::catch_panic(|| format!("{error:?}"));
    let error = format!("{handler} failed: {}", text.unwrap_or_else(|panic| format!("its error {panic}")));
    Outcome::Failed { error, directive }
}
