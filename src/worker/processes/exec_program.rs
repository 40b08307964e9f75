//! `--exec`: a program that runs one job, gets it on standard input and answers by its standard output and
//! its exit code.

use std::convert::Infallible;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::wait::WaitStatus;
use serde::Serialize;
use serde_json::{Map, Value};

use super::child_process::{ChildProcess, Transport};
use super::exit_message::ExitDescriber;
use super::job_io::{JobIo, ProcessExit};
use super::{Processes, command_without_redis_env, spawn_failed};
use crate::error::{Error, Result};
use crate::job::{ArgsAsJson, Call, KwargsAsJson, Outcome, RetryDirective, Serializer, iso, json_or_text};
use crate::worker::Context;

/// A command line, split once.
pub(crate) struct ExecProgram {
    words: Vec<String>,
}

impl ExecProgram {
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

    pub(super) fn name(&self) -> &str {
        &self.words[0]
    }

    /// The command, which has no business with Redis, and its own children even less.
    pub(super) fn command(&self) -> Command {
        let mut command = command_without_redis_env(&self.words[0]);
        command.args(&self.words[1..]);
        command
    }

    pub(crate) fn run(&self, context: &Context, call: Call, processes: &Processes) -> Outcome {
        let (handler, serializer) = (call.handler.clone(), call.serializer);
        let input = job_as_json(context, &call, None);
        drop(call);
        let mut command = self.command();
        command
            .env("RQ_RS_JOB_ID", context.id())
            .env("RQ_RS_QUEUE", context.queue())
            .env("RQ_RS_ATTEMPT", context.attempt().to_string());
        let limits = processes.limits;
        let mut traffic = JobIo::new(context, input, true, limits, limits.max_result);
        let started = ChildProcess::start(command, Transport::Pipes, &processes.keeper);
        let mut process = match started {
            Ok(process) => process,
            Err(error) => return spawn_failed(&handler, self.name(), &error),
        };
        let end = match process.run_job(&mut traffic, |_| Ok(None::<Infallible>)) {
            Ok(Err(end)) => end,
            Err(error) => {
                return Outcome::Crashed { error: format!("{handler}: lost sight of its program: {error}") };
            }
        };
        traffic.save_final_log();
        let log = traffic.log();
        let allowed = context.timeout();
        let teller =
            ExitDescriber { handler: &handler, log: &log, limits, is_shared: false, memory: None, allowed };
        outcome(&teller, &end, &traffic, serializer)
    }
}

fn outcome(
    teller: &ExitDescriber<'_>,
    end: &ProcessExit,
    traffic: &JobIo<'_>,
    serializer: Serializer,
) -> Outcome {
    let (size, most) = (traffic.output_size, teller.limits.max_result);
    match (end.kill_reason, end.status) {
        (None, WaitStatus::Exited(_, 0)) if size > most => Outcome::Failed {
            error: teller.describe(&format!("wrote a result of {size} bytes, over the limit of {most}")),
            directive: RetryDirective::GiveUp,
        },
        (None, WaitStatus::Exited(_, 0)) => match parse_result(&traffic.output, serializer) {
            Ok(result) => Outcome::Returned(result),
            Err(error) => Outcome::Failed {
                error: teller
                    .describe(&format!("wrote a result that cannot be kept as {serializer}: {error}")),
                directive: RetryDirective::GiveUp,
            },
        },
        _ => teller.outcome(end),
    }
}

/// JSON if it parses, else text without the last line end; nothing is `null`.
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

/// The job as other programs get it: a line of JSON.
pub(super) fn job_as_json(context: &Context, call: &Call, payload: Option<&[u8]>) -> Vec<u8> {
    let deadline = context.time_left().and_then(|left| {
        let left = chrono::Duration::from_std(left).ok()?;
        Some(iso(chrono::Utc::now() + left))
    });
    let line = JobJson {
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
    // It is plain data, which always can be written.
    let mut text = serde_json::to_vec(&line).unwrap_or_default();
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
