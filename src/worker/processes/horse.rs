//! The worker's side of work horses (RQ's word for the process that runs a job). A work horse is the worker's
//! own program, started again; it runs one job at a time and many in its life, and never talks to Redis.
//! The code that runs in the work horse is `worker::horse_main`.

use std::os::unix::process::CommandExt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::child_process::ChildProcess;
use super::frame::{ChildMessage, RunRequest, WORK_HORSE_ENV, encode_frame, split_frame};
use super::job_io::JobIo;
use super::pool::{JobRequest, JobResponse, ProcessPool};
use super::spawn::command_without_redis_env;
use super::supervisor::Supervisor;
use super::transport::Transport;
use crate::job::Outcome;
use crate::worker::context::Context;

/// Maximum size in bytes of a frame without its result, for example of a meta. Memory is allocated only when it is
/// needed.
const FRAME_OVERHEAD: usize = 64 * 1024 * 1024;

/// Runs a job in an idle work horse, or in a new one.
pub(crate) fn run_in_work_horse(
    horses: &ProcessPool,
    supervisor: &Supervisor,
    context: &Context,
    handler: &str,
    payload: &[u8],
) -> Outcome {
    let limits = supervisor.limits;
    let message = RunRequest {
        info: context.info().clone(),
        seconds_left: context.time_left().map(|left| left.as_secs_f64()),
        payload: STANDARD.encode(payload),
        max_result: limits.max_result,
        memory: limits.horse_memory,
    };
    let max_output = limits.max_result.saturating_mul(2) + FRAME_OVERHEAD;
    let memory = limits.horse_memory;
    let request = JobRequest { handler, context, input: encode_frame(&message), max_output, memory };
    horses.run(request, limits, || start(supervisor, context.worker()), read_frames)
}

/// Starts the worker's own program, even if its file was replaced after the worker started.
fn start(supervisor: &Supervisor, worker: &str) -> std::io::Result<ChildProcess> {
    let mut command = match cfg!(target_os = "linux") {
        true => command_without_redis_env("/proc/self/exe"),
        false => command_without_redis_env(&std::env::current_exe()?.to_string_lossy()),
    };
    command.arg0(format!("rq-rs horse of {worker}")).env(WORK_HORSE_ENV, std::process::id().to_string());
    supervisor.start(command, Transport::Socket)
}

/// Handles every complete frame in the output. Returns the response once the job has ended.
fn read_frames(io: &mut JobIo<'_>) -> Result<Option<JobResponse>, String> {
    let mut consumed = 0;
    let mut response = None;
    while let Some(body) = split_frame(&io.output[consumed..], &mut consumed) {
        match serde_json::from_slice(body).map_err(|error| error.to_string())? {
            ChildMessage::SaveField { field, value } => {
                io.context.save_field(&field, STANDARD.decode(value).map_err(|error| error.to_string())?);
            }
            ChildMessage::Ended { outcome, peak_memory } => {
                response = Some(JobResponse { outcome, peak_memory, echoed_id: false });
            }
        }
    }
    io.discard_output(consumed);
    match io.buffer_is_full() {
        true => Err("a frame is too large".to_owned()),
        false => Ok(response),
    }
}
