//! `--exec-server`: a command that stays alive and answers a line of JSON for each job, so that a handler in
//! Python or Node costs no start-up a job.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Processes;
use super::child_process::{ChildProcess, Transport};
use super::exec_program::{ExecProgram, job_as_json};
use super::job_io::JobIo;
use super::pool::{ExitingProcess, JobRequest, JobResponse, ProcessPool};
use crate::error::Result;
use crate::job::{Call, Outcome, RetryDirective, Serializer, parse_json};
use crate::worker::Context;

/// More than a line has beside its result: an error's text.
const REPLY_OVERHEAD: usize = 1024 * 1024;

/// A command, and its processes that are idle.
pub(crate) struct ExecServer {
    program: ExecProgram,
    crew: ProcessPool,
}

/// What a line says: one of the three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerReply<'a> {
    /// The result, as JSON.
    #[serde(borrow)]
    ok: Option<&'a RawValue>,
    /// The result, as the job's own serializer writes it, in base64.
    data: Option<String>,
    error: Option<String>,
    /// Seconds until another try; -1 or below for none at all.
    retry_in: Option<f64>,
    /// Seconds until another call; no failure is counted.
    again_in: Option<f64>,
    /// The job's id, if the server likes to say it.
    id: Option<String>,
}

impl ExecServer {
    pub(crate) fn parse(command: &str) -> Result<Self> {
        Ok(ExecServer { program: ExecProgram::parse(command)?, crew: ProcessPool::default() })
    }

    pub(crate) fn dismiss(&self) -> Vec<ExitingProcess> {
        self.crew.begin_shutdown()
    }

    /// Without a call when only the server can read the payload.
    pub(crate) fn run(
        &self,
        context: &Context,
        (call, payload): (Option<Call>, &[u8]),
        processes: &Processes,
    ) -> Outcome {
        let serializer = context.info().serializer;
        let handler = call.as_ref().map_or_else(|| "the job".to_owned(), |call| call.handler.clone());
        let input = job_as_json(context, &call.unwrap_or_else(Call::unknown), Some(payload));
        let limits = processes.limits;
        let room = limits.max_result.saturating_mul(2) + REPLY_OVERHEAD;
        let errand = JobRequest { handler: &handler, context, input, max_output: room, memory: None };
        let start = || ChildProcess::start(self.program.command(), Transport::Pipes, &processes.keeper);
        self.crew.run(errand, processes, start, |traffic| read(traffic, &handler, serializer))
    }
}

/// A whole line, and nothing behind it.
fn read(
    traffic: &mut JobIo<'_>,
    handler: &str,
    serializer: Serializer,
) -> Result<Option<JobResponse>, String> {
    let blank = traffic.output.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    traffic.discard_output(blank);
    if !traffic.output.ends_with(b"\n") {
        return if traffic.buffer_is_full() { Err("a line is too long".to_owned()) } else { Ok(None) };
    }
    let line: ServerReply<'_> = serde_json::from_slice(&traffic.output).map_err(|error| error.to_string())?;
    let names_job = line.id.is_some();
    match &line.id {
        Some(id) if id != traffic.context.id() => return Err(format!("it answers for another job, {id}")),
        None if traffic.must_echo_id => return Err("it does not name the job any more".to_owned()),
        _ => {}
    }
    let outcome = match line {
        ServerReply { again_in: Some(seconds), .. } => Outcome::Failed {
            error: format!("{handler} asked to be called again in {seconds} s"),
            directive: match Duration::try_from_secs_f64(seconds) {
                Ok(delay) => RetryDirective::Snooze(delay),
                // Below zero nobody can be called again: an error like any other.
                Err(_) if seconds < 0.0 => RetryDirective::UsePolicy,
                Err(_) => RetryDirective::RetryAfter(None),
            },
        },
        ServerReply { error: Some(error), retry_in, .. } => {
            let directive = match retry_in {
                None => RetryDirective::UsePolicy,
                Some(seconds) if seconds < 0.0 => RetryDirective::GiveUp,
                Some(seconds) => RetryDirective::RetryAfter(Duration::try_from_secs_f64(seconds).ok()),
            };
            Outcome::Failed { error: format!("{handler} failed: {error}"), directive }
        }
        ServerReply { data: Some(data), .. } => {
            let data = STANDARD.decode(data).map_err(|error| error.to_string())?;
            returned(handler, serializer, serializer.check(&data).map(|()| data))
        }
        ServerReply { ok, .. } => {
            // What says neither has returned nothing.
            let text = ok.map_or("null", RawValue::get);
            returned(handler, serializer, parse_json(text).and_then(|value| serializer.write(&value)))
        }
    };
    Ok(Some(JobResponse { outcome, resident: 0, echoed_id: names_job }))
}

fn returned(handler: &str, serializer: Serializer, result: Result<Vec<u8>, String>) -> Outcome {
    match result {
        Ok(result) => Outcome::Returned(result),
        Err(error) => Outcome::Failed {
            error: format!("{handler} returned what cannot be kept as {serializer}: {error}"),
            directive: RetryDirective::GiveUp,
        },
    }
}
