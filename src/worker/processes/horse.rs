//! Work horses, RQ's word for the process that runs a job: here the worker's own program once more, which
//! runs one job at a time and many in its life. It speaks with its worker over a socket, in frames of JSON
//! behind their length (four bytes, the highest first), and with Redis never.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::resource::{Resource, UsageWho, getrusage, setrlimit};
use nix::sys::signal::{SigSet, Signal, killpg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::child_process::{ChildProcess, Transport};
use super::job_io::JobIo;
use super::pool::{JobRequest, JobResponse};
use super::{Processes, command_without_redis_env};
use crate::job::{Outcome, read_call, read_trusted_json};
use crate::worker::context::RunInfo;
use crate::worker::handlers::Handlers;
use crate::worker::{Context, panics};

/// Tells a process that it is a horse: the number of the worker's process, so that its own children, which
/// inherit this, do not take themselves for horses.
const WORK_HORSE_ENV: &str = "RQ_RS_HORSE";
/// What a frame may have beside its result: a meta, above all. Room is taken only when it is needed.
const FRAME_OVERHEAD: usize = 64 * 1024 * 1024;
const LENGTH: usize = 4;
/// How often a horse looks whether its socket is still its own; that the worker is gone it hears at once.
const SOCKET_CHECK_MS: u16 = 1000;

/// A program that has asked whether it is a horse can be started as one.
static CAN_BE_HORSE: AtomicBool = AtomicBool::new(false);

pub(crate) fn can_be_horse() -> bool {
    CAN_BE_HORSE.load(Ordering::Relaxed)
}

/// What a worker says: run this.
#[derive(Serialize, Deserialize)]
struct RunRequest {
    facts: RunInfo,
    /// Seconds until its deadline.
    left: Option<f64>,
    /// Its payload as it lies in Redis, in base64.
    payload: String,
    max_result: usize,
    memory: Option<u64>,
}

/// What a horse says.
#[derive(Serialize, Deserialize)]
enum ChildMessage {
    /// A field of its job is to be written.
    Save { field: String, value: String },
    /// The job has ended.
    Ended { outcome: Outcome, resident: u64 },
}

fn encode_frame(word: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![0; LENGTH];
    // What is written here is plain data, which always can be.
    let _ = serde_json::to_writer(&mut bytes, word);
    let length = u32::try_from(bytes.len() - LENGTH).unwrap_or(u32::MAX);
    bytes[..LENGTH].copy_from_slice(&length.to_be_bytes());
    bytes
}

// ---- the worker's side ----

/// Has a horse run a job.
pub(super) fn run(processes: &Processes, context: &Context, handler: &str, payload: &[u8]) -> Outcome {
    let limits = processes.limits;
    let order = RunRequest {
        facts: context.info().clone(),
        left: context.time_left().map(|left| left.as_secs_f64()),
        payload: STANDARD.encode(payload),
        max_result: limits.max_result,
        memory: limits.horse_memory,
    };
    let room = limits.max_result.saturating_mul(2) + FRAME_OVERHEAD;
    let memory = limits.horse_memory;
    let errand = JobRequest { handler, context, input: encode_frame(&order), max_output: room, memory };
    processes.horses.run(errand, processes, || start(processes, context.worker()), read_frames)
}

/// The same program, also when its file was replaced meanwhile.
fn start(processes: &Processes, worker: &str) -> std::io::Result<ChildProcess> {
    let mut command = match cfg!(target_os = "linux") {
        true => command_without_redis_env("/proc/self/exe"),
        false => command_without_redis_env(&std::env::current_exe()?.to_string_lossy()),
    };
    command.arg0(format!("rq-rs horse of {worker}")).env(WORK_HORSE_ENV, std::process::id().to_string());
    ChildProcess::start(command, Transport::Socket, &processes.keeper)
}

/// Hears what a horse says, frame by frame.
fn read_frames(traffic: &mut JobIo<'_>) -> Result<Option<JobResponse>, String> {
    let mut taken = 0;
    let mut answer = None;
    while let Some(word) = next_frame(&traffic.output[taken..], &mut taken)? {
        match serde_json::from_slice(word).map_err(|error| error.to_string())? {
            ChildMessage::Save { field, value } => {
                traffic
                    .context
                    .save_field(&field, STANDARD.decode(value).map_err(|error| error.to_string())?);
            }
            ChildMessage::Ended { outcome, resident } => {
                answer = Some(JobResponse { outcome, resident, echoed_id: false });
            }
        }
    }
    traffic.discard_output(taken);
    match traffic.buffer_is_full() {
        true => Err("a frame is too large".to_owned()),
        false => Ok(answer),
    }
}

fn next_frame<'a>(bytes: &'a [u8], taken: &mut usize) -> Result<Option<&'a [u8]>, String> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    let Some(frame) = rest.get(..length) else { return Ok(None) };
    *taken += LENGTH + length;
    Ok(Some(frame))
}

// ---- the horse's side ----

/// Returns at once in a process that is no horse. A horse runs jobs for as long as its worker lives.
pub(crate) fn serve_if_horse(handlers: &Handlers) {
    CAN_BE_HORSE.store(true, Ordering::Relaxed);
    if !is_horse() {
        return;
    }
    let code = match serve(handlers) {
        Ok(()) => 0,
        Err(error) => {
            // It has no other log than its job's.
            let _ = writeln!(std::io::stderr(), "the work horse ends: {error}");
            1
        }
    };
    std::process::exit(code);
}

fn is_horse() -> bool {
    let parent = std::os::unix::process::parent_id().to_string();
    let is_asked = std::env::var(WORK_HORSE_ENV).is_ok_and(|pid| pid == parent);
    let stdin = || std::io::stdin().as_fd().try_clone_to_owned().map(File::from);
    let is_socket = |file: File| file.metadata().is_ok_and(|about| about.file_type().is_socket());
    // An orphan whose parent is a worker with the number 1, in a container, leads no group of its own.
    let leads = nix::unistd::getpgrp() == nix::unistd::getpid();
    is_asked && leads && stdin().is_ok_and(is_socket)
}

fn serve(handlers: &Handlers) -> std::io::Result<()> {
    let mut socket = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    // A handler that reads finds nothing there, and its own children cannot speak for it.
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
    SigSet::empty().thread_set_mask()?;
    exit_when_worker_dies(socket.try_clone()?)?;
    panics::install_panic_hook();
    let voice = Arc::new(ChildSocket { socket: Mutex::new(socket.try_clone()?), job: AtomicU64::new(0) });
    let mut memory = None;
    loop {
        let order: RunRequest = read_frame(&mut socket)?;
        if order.memory != memory
            && let Some(bytes) = order.memory
        {
            setrlimit(Resource::RLIMIT_AS, bytes, bytes)?;
            memory = order.memory;
        }
        let outcome = run_request(handlers, order, &voice);
        let _ = std::io::stdout().flush();
        voice.end(&ChildMessage::Ended { outcome, resident: peak_resident_memory() })?;
    }
}

fn run_request(handlers: &Handlers, order: RunRequest, voice: &Arc<ChildSocket>) -> Outcome {
    let (told, job) = (Arc::clone(voice), voice.job.load(Ordering::Relaxed));
    let tell = move |field: &'static str, value: Vec<u8>| {
        told.send(job, &ChildMessage::Save { field: field.to_owned(), value: STANDARD.encode(value) });
    };
    let left = order.left.map(Duration::from_secs_f64);
    let context = Context::for_work_horse(order.facts, left, Box::new(tell));
    let payload = STANDARD.decode(order.payload).map_err(|error| error.to_string());
    match payload.and_then(|payload| read_call(&payload, false)) {
        Ok(call) => handlers.run_function(&context, call, order.max_result).cut(),
        Err(error) => Outcome::Unreadable { error },
    }
}

fn read_frame<T: DeserializeOwned>(socket: &mut File) -> std::io::Result<T> {
    let mut length = [0; LENGTH];
    socket.read_exact(&mut length)?;
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    socket.read_exact(&mut bytes)?;
    read_trusted_json(&bytes).map_err(std::io::Error::other)
}

/// What a horse speaks with. A thread that a handler has left behind says nothing of a job that has ended.
struct ChildSocket {
    socket: Mutex<File>,
    /// The number of the job that runs.
    job: AtomicU64,
}

impl ChildSocket {
    fn send(&self, job: u64, word: &ChildMessage) {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        if self.job.load(Ordering::Relaxed) == job {
            // A worker that is gone wants nothing saved.
            let _ = socket.write_all(&encode_frame(word));
        }
    }

    fn end(&self, word: &ChildMessage) -> std::io::Result<()> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        self.job.fetch_add(1, Ordering::Relaxed);
        socket.write_all(&encode_frame(word))
    }
}

/// The socket closes with the worker, whatever ends it, and then everything here ends.
fn exit_when_worker_dies(socket: File) -> std::io::Result<()> {
    std::thread::Builder::new().name("rq-rs lifeline".to_owned()).stack_size(64 * 1024).spawn(move || {
        loop {
            // No events are asked for: only that the other end is gone is told.
            let mut fds = [PollFd::new(socket.as_fd(), PollFlags::empty())];
            let told = poll(&mut fds, SOCKET_CHECK_MS);
            match fds[0].revents() {
                // Whoever waits for a socket keeps it open: the worker hears only now that a handler closed it.
                Some(events) if events.contains(PollFlags::POLLNVAL) => return std::mem::forget(socket),
                Some(events) if told.is_ok() && !events.is_empty() => {
                    let _ = killpg(nix::unistd::getpgrp(), Signal::SIGKILL);
                }
                _ => {}
            }
        }
    })?;
    Ok(())
}

/// The most memory this process had resident, in bytes.
fn peak_resident_memory() -> u64 {
    // What getrusage says on Linux may be the worker's, from before the horse was one.
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
        return kibibytes.unwrap_or(0) * 1024;
    }
    let most = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    u64::try_from(most).unwrap_or(0) * unit
}
