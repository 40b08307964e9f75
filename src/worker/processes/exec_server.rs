//! `--exec-server`: a command that stays alive and answers one line of JSON per job, so that a handler in
//! Python or Node does not pay its start-up time for each job.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::exec_program::{ExecProgram, job_as_json};
use super::job_io::JobIo;
use super::pool::{ExitingProcess, JobRequest, JobResponse, ProcessPool};
use super::supervisor::Supervisor;
use super::transport::Transport;
use crate::error::Result;
use crate::job::{Call, Outcome, RetryDirective, Serializer, parse_json};
use crate::worker::context::Context;

/// Maximum size in bytes of a reply without its result, for example of the text of an error.
const REPLY_OVERHEAD: usize = 1024 * 1024;

/// A command, and its idle processes.
pub(crate) struct ExecServer {
    program: ExecProgram,
    pool: ProcessPool,
}

/// The line with which a server answers. It has `ok`, `data`, `error` or `again_in`; none of them means
/// `null`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerReply<'a> {
    /// The result as JSON.
    #[serde(borrow)]
    ok: Option<&'a RawValue>,
    /// The result as the job's serializer writes it, in base64.
    data: Option<String>,
    error: Option<String>,
    /// Seconds until the next attempt; a negative number means no retry.
    retry_in: Option<f64>,
    /// Seconds until the next call; no failure is counted.
    again_in: Option<f64>,
    /// The job's id; optional, but a process that has sent it once must always send it.
    id: Option<String>,
}

impl ExecServer {
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) when the command cannot be split, or its program is not
    /// found.
    pub(crate) fn parse(command: &str) -> Result<Self> {
        Ok(ExecServer { program: ExecProgram::parse(command)?, pool: ProcessPool::default() })
    }

    /// Asks the idle processes to exit.
    pub(crate) fn begin_shutdown(&self) -> Vec<ExitingProcess> {
        self.pool.begin_shutdown()
    }

    /// Runs one job. `call` is `None` for a payload that only the server can read.
    pub(crate) fn run(
        &self,
        context: &Context,
        (call, payload): (Option<Call>, &[u8]),
        supervisor: &Supervisor,
    ) -> Outcome {
        let serializer = context.info().serializer;
        let handler = call.as_ref().map_or_else(|| "the job".to_owned(), |call| call.handler.clone());
        let input = job_as_json(context, &call.unwrap_or_else(Call::unknown), Some(payload));
        let limits = supervisor.limits;
        let max_output = limits.max_result.saturating_mul(2) + REPLY_OVERHEAD;
        let request = JobRequest { handler: &handler, context, input, max_output, memory: None };
        let start = || supervisor.start(self.program.command(), Transport::Pipes);
        self.pool.run(request, limits, start, |io| read_reply(io, &handler, serializer))
    }
}

/// Reads the reply once its line is complete. Nothing may follow it.
fn read_reply(
    io: &mut JobIo<'_>,
    handler: &str,
    serializer: Serializer,
) -> Result<Option<JobResponse>, String> {
    let blank = io.output.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    io.discard_output(blank);
    if !io.output.ends_with(b"\n") {
        return if io.buffer_is_full() { Err("a line is too long".to_owned()) } else { Ok(None) };
    }
    let reply: ServerReply<'_> = serde_json::from_slice(&io.output).map_err(|error| error.to_string())?;
    let echoed_id = reply.id.is_some();
    match &reply.id {
        Some(id) if id != io.context.id() => return Err(format!("it answers for another job, {id}")),
        None if io.must_echo_id => return Err("it does not name the job any more".to_owned()),
        _ => {}
    }
    let outcome = outcome(reply, handler, serializer)?;
    Ok(Some(JobResponse { outcome, peak_memory: 0, echoed_id }))
}

fn outcome(reply: ServerReply<'_>, handler: &str, serializer: Serializer) -> Result<Outcome, String> {
    Ok(match reply {
        ServerReply { again_in: Some(seconds), .. } => Outcome::Failed {
            error: format!("{handler} asked to be called again in {seconds} s"),
            directive: match Duration::try_from_secs_f64(seconds) {
                Ok(delay) => RetryDirective::Snooze(delay),
                // A reply with a negative delay is a failure without a retry.
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
            let text = ok.map_or("null", RawValue::get);
            returned(handler, serializer, parse_json(text).and_then(|value| serializer.write(&value)))
        }
    })
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
