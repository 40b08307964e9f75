//! Handlers by name. Whatever one does (return, raise, panic, not exist), the result is an `Outcome`.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Context;
use super::panics;
use super::processes::{Limits, Program};
use crate::error::{Error, Result};
use crate::job::{Call, GiveUp, Later, Mismatch, Outcome, Record, Steer, fit};

type Function = Box<dyn Fn(&Context, Call) -> Outcome + Send + Sync>;

enum Handler {
    Function(Function),
    Program(Program),
}

/// What a worker can run.
#[derive(Default)]
pub(crate) struct Handlers {
    by_name: HashMap<String, Handler>,
    any: Option<Handler>,
}

impl Handlers {
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
            let arguments = match fit(call) {
                Ok(arguments) => arguments,
                Err(Mismatch(reason)) => {
                    let id = context.id();
                    let error = format!("{reason}: the arguments of job {id} do not fit handler {handler}");
                    return Outcome::Unreadable { error };
                }
            };
            match panics::guard(|| function(context, arguments).map(|result| serializer.write(&result))) {
                Ok(Ok(Ok(result))) => Outcome::Returned(result),
                Ok(Ok(Err(error))) => Outcome::Failed {
                    error: format!("the result of {handler} cannot be written as {serializer}: {error}"),
                    steer: Steer::Policy,
                },
                Ok(Err(error)) => failed(&handler, &error),
                Err(panic) => Outcome::Crashed { error: format!("{handler} {panic}") },
            }
        };
        self.by_name.insert(name, Handler::Function(Box::new(run)));
    }

    pub(crate) fn add_command(&mut self, name: String, command: &str) -> Result<()> {
        let program = Handler::Program(Program::parse(command)?);
        let is_taken = if name == "*" { self.any.is_some() } else { self.by_name.contains_key(&name) };
        if is_taken {
            let what = format!("there are two handlers named {name:?}");
            return Err(Error::invalid(what, "give each name one handler"));
        }
        if name == "*" {
            self.any = Some(program);
        } else {
            self.by_name.insert(name, program);
        }
        Ok(())
    }

    pub(crate) fn is_program(&self, name: &str) -> bool {
        matches!(self.by_name.get(name).or(self.any.as_ref()), Some(Handler::Program(_)))
    }

    /// Runs a job to its end, whatever that is.
    pub(crate) fn run(&self, context: &Context, record: &Record, limits: Limits) -> Outcome {
        let Some(call) = record.call().filter(|_| record.problems.is_empty()) else {
            let error = format!("the record cannot be read: {}", record.problems.join("; "));
            return Outcome::Unreadable { error };
        };
        if !record.needs.is_empty() {
            let what = record.needs.join(", ");
            let error = format!(
                "not run: this job asks for {what}, which rq-rs does not have yet; requeue it for a Python worker"
            );
            return Outcome::Unreadable { error };
        }
        let name = call.handler.clone();
        let outcome = match self.by_name.get(&name).or(self.any.as_ref()) {
            Some(Handler::Function(function)) => in_time(&name, context, function(context, call)),
            Some(Handler::Program(program)) => program.run(context, call, limits),
            None => return self.no_handler(&name),
        };
        match outcome {
            Outcome::Returned(result) if result.len() > limits.max_result => Outcome::Failed {
                error: format!(
                    "the result of {name} is {} bytes, over the limit of {}",
                    result.len(),
                    limits.max_result
                ),
                steer: Steer::GiveUp,
            },
            outcome => outcome,
        }
    }

    fn no_handler(&self, name: &str) -> Outcome {
        let mut known: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        known.sort_unstable();
        let error = format!("this worker has no handler named {name:?}; it has {}", known.join(", "));
        Outcome::NoHandler { error }
    }
}

/// What is kept of a thread's job whose time is over, whoever notices first.
pub(crate) fn time_over(handler: &str, allowed: Duration) -> String {
    let seconds = allowed.as_secs();
    format!("{handler} timed out after {seconds} s; its thread was told to stop but may still run")
}

/// What a function says after its time is over changes nothing, also when it is heard at once. (A
/// program's supervisor keeps the time itself.)
fn in_time(handler: &str, context: &Context, outcome: Outcome) -> Outcome {
    match (context.timeout(), context.time_left()) {
        (Some(allowed), Some(left)) if left.is_zero() => {
            Outcome::TimedOut { error: time_over(handler, allowed) }
        }
        _ => outcome,
    }
}

/// An error with its chain of causes, and what it asks for.
fn failed(handler: &str, error: &anyhow::Error) -> Outcome {
    let steer = match (error.downcast_ref::<Later>(), error.downcast_ref::<GiveUp>()) {
        (Some(Later(delay)), _) => Steer::Later(Some(*delay)),
        (_, Some(_)) => Steer::GiveUp,
        _ => Steer::Policy,
    };
    // A hostile `Display` must not take the worker down.
    let text = panics::guard(|| format!("{error:?}"));
    let error = format!("{handler} failed: {}", text.unwrap_or_else(|panic| format!("its error {panic}")));
    Outcome::Failed { error, steer }
}
