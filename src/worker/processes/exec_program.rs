//! `--exec`: a program that runs one job, reads it on standard input, and answers with its standard output and
//! its exit code.

use std::convert::Infallible;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::wait::WaitStatus;
use serde::Serialize;
use serde_json::{Map, Value};

use super::exit_message::ExitDescriber;
use super::job_io::{JobIo, ProcessExit};
use super::spawn::{command_without_redis_env, spawn_failed};
use super::supervisor::Supervisor;
use super::transport::Transport;
use crate::error::{Error, Result};
use crate::job::{ArgsAsJson, Call, KwargsAsJson, Outcome, RetryDirective, Serializer, iso, json_or_text};
use crate::worker::context::Context;

/// A command line, split into words.
pub(crate) struct ExecProgram {
    words: Vec<String>,
}

impl ExecProgram {
    /// # Errors
    /// [`Error::Invalid`] when the command cannot be split, or its program is not found.
    pub(crate) fn parse(command: &str) -> Result<Self> {
        let words = shlex::split(command).filter(|words| !words.is_empty()).ok_or_else(|| {
            Error::invalid(
                format!("the command {command:?} cannot be split into words"),
                "quote as in a shell; no shell runs, so pipes and variables need `sh -c '…'`",
            )
        })?;
        if !program_exists(&words[0]) {
            return Err(Error::invalid(
                format!("no program {:?} for a handler", words[0]),
                "give its path, or put its folder on PATH",
            ));
        }
        Ok(ExecProgram { words })
    }

    /// The command, without the variables of Redis in its environment.
    pub(super) fn command(&self) -> Command {
        let mut command = command_without_redis_env(&self.words[0]);
        command.args(&self.words[1..]);
        command
    }

    /// Runs one job in a new process.
    pub(crate) fn run(&self, context: &Context, call: Call, supervisor: &Supervisor) -> Outcome {
        let (handler, serializer) = (call.handler.clone(), call.serializer);
        let input = job_as_json(context, &call, None);
        drop(call);
        let mut command = self.command();
        command
            .env("RQ_RS_JOB_ID", context.id())
            .env("RQ_RS_QUEUE", context.queue())
            .env("RQ_RS_ATTEMPT", context.attempt().to_string());
        let limits = supervisor.limits;
        let mut io = JobIo::new(context, input, true, limits, limits.max_result);
        let mut process = match supervisor.start(command, Transport::Pipes) {
            Ok(process) => process,
            Err(error) => return spawn_failed(&handler, &self.words[0], &error),
        };
        let exit = match process.run_job(&mut io, |_| Ok(None::<Infallible>)) {
            Ok(Err(exit)) => exit,
            Err(error) => {
                return Outcome::Crashed { error: format!("{handler}: lost sight of its program: {error}") };
            }
        };
        io.save_final_log();
        let log = io.log();
        let allowed = context.timeout();
        let describer =
            ExitDescriber { handler: &handler, log: &log, limits, is_shared: false, memory: None, allowed };
        outcome(&describer, &exit, &io, serializer)
    }
}

fn outcome(
    describer: &ExitDescriber<'_>,
    exit: &ProcessExit,
    io: &JobIo<'_>,
    serializer: Serializer,
) -> Outcome {
    if exit.kill_reason.is_some() || !matches!(exit.status, WaitStatus::Exited(_, 0)) {
        return describer.outcome(exit);
    }
    let give_up =
        |event: &str| Outcome::Failed { error: describer.describe(event), directive: RetryDirective::GiveUp };
    let (size, limit) = (io.output_size, describer.limits.max_result);
    if size > limit {
        return give_up(&format!("wrote a result of {size} bytes, over the limit of {limit}"));
    }
    match parse_result(&io.output, serializer) {
        Ok(result) => Outcome::Returned(result),
        Err(error) => give_up(&format!("wrote a result that cannot be kept as {serializer}: {error}")),
    }
}

/// The result in standard output: JSON if it parses, else text without the last line end; nothing is `null`.
fn parse_result(stdout: &[u8], serializer: Serializer) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(stdout).map_err(|error| {
        let at = error.valid_up_to();
        format!("byte {at} is not UTF-8 text: write JSON or text, bytes in base64")
    })?;
    match text.trim_end_matches(['\n', '\r']) {
        "" => serializer.write(&()),
        text => serializer.write(&json_or_text(text)?),
    }
}

/// The line of JSON that programs and servers read. With a payload, it also has the serializer and the
/// payload.
pub(super) fn job_as_json(context: &Context, call: &Call, payload: Option<&[u8]>) -> Vec<u8> {
    let deadline = context.time_left().and_then(|left| {
        let left = chrono::Duration::from_std(left).ok()?;
        Some(iso(chrono::Utc::now() + left))
    });
    let job = JobJson {
        id: context.id(),
        queue: context.queue(),
        handler: &call.handler,
        args: ArgsAsJson(call),
        kwargs: KwargsAsJson(call),
        attempt: context.attempt(),
        meta: context.meta(),
        deadline,
        serializer: payload.map(|_| context.info().serializer),
        data: payload.map(|payload| STANDARD.encode(payload)),
    };
    // Plain data always serializes.
    let mut text = serde_json::to_vec(&job).unwrap_or_default();
    text.push(b'\n');
    text
}

#[derive(Serialize)]
struct JobJson<'a> {
    id: &'a str,
    queue: &'a str,
    handler: &'a str,
    args: ArgsAsJson<'a>,
    kwargs: KwargsAsJson<'a>,
    attempt: u32,
    meta: &'a Map<String, Value>,
    deadline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serializer: Option<Serializer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

fn program_exists(name: &str) -> bool {
    if name.contains('/') {
        return Path::new(name).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}
