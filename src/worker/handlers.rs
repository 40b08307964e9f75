//! The handlers of a worker, by name. A function may return, fail or panic: its run ends with an `Outcome` in any case.

use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context::Context;
use super::outcome_limits::enforce_result_limit;
use super::panics;
use super::processes::exec_program::ExecProgram;
use super::processes::exec_server::ExecServer;
use crate::error::{Error, Result};
use crate::job::{ArgumentError, Call, GiveUp, Later, Outcome, RetryDirective, bind};

type Function = Box<dyn Fn(&Context, Call) -> Outcome + Send + Sync>;

/// The handler of one name.
pub(super) enum Handler {
    Function(Function),
    Program(ExecProgram),
    Server(ExecServer),
}

/// The handlers of a worker, by name.
///
/// [`App`](crate::App) and [`Worker::handler`](crate::Worker::handler) build one by themselves. A program
/// with a `main` of its own that uses [`Run::Processes`](crate::Run::Processes) builds it first and calls
/// [`serve_if_horse`](Self::serve_if_horse): work horses are the same program and need the same handlers.
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
    /// Runs jobs of every other name (`*`).
    fallback: Option<Handler>,
}

impl Handlers {
    /// An empty registry of handlers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs jobs of this name with a function; see [`Worker::handler`](crate::Worker::handler).
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

    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.fallback.is_none()
    }

    pub(crate) fn add_function<T, R, F>(&mut self, name: String, function: F)
    where
        T: DeserializeOwned,
        R: Serialize,
        F: Fn(&Context, T) -> anyhow::Result<R> + Send + Sync + 'static,
    {
        let run = move |context: &Context, call: Call| call_function(&function, context, call);
        self.by_name.insert(name, Handler::Function(Box::new(run)));
    }

    pub(crate) fn add_command(&mut self, name: String, command: &str) -> Result<()> {
        self.add(name, Handler::Program(ExecProgram::parse(command)?))
    }

    pub(crate) fn add_server(&mut self, name: String, command: &str) -> Result<()> {
        self.add(name, Handler::Server(ExecServer::parse(command)?))
    }

    fn add(&mut self, name: String, handler: Handler) -> Result<()> {
        let is_taken = if name == "*" { self.fallback.is_some() } else { self.by_name.contains_key(&name) };
        if is_taken {
            let what = format!("there are two handlers named {name:?}");
            return Err(Error::invalid(what, "give each name one handler"));
        }
        if name == "*" {
            self.fallback = Some(handler);
        } else {
            self.by_name.insert(name, handler);
        }
        Ok(())
    }

    /// Returns whether a handler is a program or a server.
    pub(crate) fn has_programs(&self) -> bool {
        self.all().any(|handler| !matches!(handler, Handler::Function(_)))
    }

    /// The names of the handlers; `*` stands for all other names.
    #[cfg(feature = "cli")]
    pub(crate) fn names(&self) -> Vec<&str> {
        self.by_name.keys().map(String::as_str).chain(self.fallback.as_ref().map(|_| "*")).collect()
    }

    pub(super) fn get(&self, name: Option<&str>) -> Option<&Handler> {
        name.and_then(|name| self.by_name.get(name)).or(self.fallback.as_ref())
    }

    /// The handlers of `--exec-server`.
    pub(super) fn servers(&self) -> impl Iterator<Item = &ExecServer> {
        self.all().filter_map(|handler| match handler {
            Handler::Server(server) => Some(server),
            Handler::Function(_) | Handler::Program(_) => None,
        })
    }

    fn all(&self) -> impl Iterator<Item = &Handler> {
        self.by_name.values().chain(&self.fallback)
    }

    /// Runs a function inside this work horse. The worker enforces the deadline.
    pub(super) fn run_function(&self, context: &Context, call: Call, max_result: usize) -> Outcome {
        let name = call.handler.clone();
        match self.by_name.get(&name) {
            Some(Handler::Function(function)) => {
                // Decoding the arguments runs code of the handler's types, which may panic too.
                let outcome = panics::catch_panic(|| function(context, call));
                let crashed = |panic| Outcome::Crashed { error: format!("{name} {panic}") };
                enforce_result_limit(&name, outcome.unwrap_or_else(crashed), max_result)
            }
            _ => self.no_handler(&name),
        }
    }

    /// Returns the outcome of a job whose handler this worker does not have.
    pub(super) fn no_handler(&self, name: &str) -> Outcome {
        let mut known: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        known.sort_unstable();
        let error = format!("this worker has no handler named {name:?}; it has {}", known.join(", "));
        Outcome::NoHandler { error }
    }
}

/// Decodes the arguments, calls the function, and encodes the result.
fn call_function<T, R, F>(function: &F, context: &Context, call: Call) -> Outcome
where
    T: DeserializeOwned,
    R: Serialize,
    F: Fn(&Context, T) -> anyhow::Result<R>,
{
    let (handler, serializer) = (call.handler.clone(), call.serializer);
    let arguments = match bind(call) {
        Ok(arguments) => arguments,
        Err(ArgumentError(reason)) => {
            let id = context.id();
            let error = format!("{reason}: the arguments of job {id} do not fit handler {handler}");
            return Outcome::NotRunnable { error };
        }
    };
    match panics::catch_panic(|| function(context, arguments).map(|result| serializer.write(&result))) {
        Ok(Ok(Ok(result))) => Outcome::Returned(result),
        Ok(Ok(Err(error))) => Outcome::Failed {
            error: format!("the result of {handler} cannot be written as {serializer}: {error}"),
            directive: RetryDirective::UsePolicy,
        },
        Ok(Err(error)) => failed_outcome(&handler, &error),
        Err(panic) => Outcome::Crashed { error: format!("{handler} {panic}") },
    }
}

/// Returns the outcome of an error: the text with the chain of causes, and the retry that the error asks for.
fn failed_outcome(handler: &str, error: &anyhow::Error) -> Outcome {
    let directive = match (error.downcast_ref::<Later>(), error.downcast_ref::<GiveUp>()) {
        (Some(Later { delay, is_counted: true }), _) => RetryDirective::RetryAfter(Some(*delay)),
        (Some(Later { delay, is_counted: false }), _) => RetryDirective::Snooze(*delay),
        (_, Some(_)) => RetryDirective::GiveUp,
        _ => RetryDirective::UsePolicy,
    };
    // The error's `Debug` is user code and may panic.
    let text = panics::catch_panic(|| format!("{error:?}"));
    let error = format!("{handler} failed: {}", text.unwrap_or_else(|panic| format!("its error {panic}")));
    Outcome::Failed { error, directive }
}
