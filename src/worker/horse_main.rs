//! The main function of a work horse: reads jobs from the worker's socket and runs them, one at a time. It
//! never talks to Redis.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal, killpg};

use super::context::Context;
use super::handlers::Handlers;
use super::memory::peak_resident;
use super::panics;
use super::processes::frame::{ChildMessage, RunRequest, WORK_HORSE_ENV, encode_frame, read_frame};
use crate::job::{Outcome, read_call};

/// Interval, in milliseconds, at which a work horse checks that no handler has closed its socket. It notices the end of
/// the worker at once.
const SOCKET_CHECK_INTERVAL_MS: u16 = 1000;

/// `true` if this program has called [`Handlers::serve_if_horse`]: only then can it be started as a work horse.
static CAN_BE_WORK_HORSE: AtomicBool = AtomicBool::new(false);

/// Returns whether this program can be started again as a work horse.
pub(crate) fn can_be_work_horse() -> bool {
    CAN_BE_WORK_HORSE.load(Ordering::Relaxed)
}

impl Handlers {
    /// Turns the process into a work horse if a worker has started it as one. Call it at the beginning of
    /// `main`, before anything is opened, started or printed.
    ///
    /// In a work horse it runs jobs until the worker ends, and never returns. Elsewhere it returns the
    /// handlers at once, and workers of this program can use [`Run::Processes`](crate::Run::Processes) from
    /// then on.
    #[must_use = "pass the returned Handlers to Worker::handlers"]
    pub fn serve_if_horse(self) -> Self {
        CAN_BE_WORK_HORSE.store(true, Ordering::Relaxed);
        if is_work_horse() {
            std::process::exit(run_to_exit_code(&self));
        }
        self
    }
}

fn run_to_exit_code(handlers: &Handlers) -> i32 {
    match serve(handlers) {
        Ok(()) => 0,
        Err(error) => {
            // A work horse has no log but that of its job.
            let _ = writeln!(std::io::stderr(), "the work horse ends: {error}");
            1
        }
    }
}

fn is_work_horse() -> bool {
    let parent = std::os::unix::process::parent_id().to_string();
    let is_requested = std::env::var(WORK_HORSE_ENV).is_ok_and(|pid| pid == parent);
    let stdin = || std::io::stdin().as_fd().try_clone_to_owned().map(File::from);
    let is_socket = |file: File| file.metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    // In a container the worker may have pid 1, and then a child that lost its parent has pid 1 as parent
    // too. Only a work horse leads its process group.
    let leads_group = nix::unistd::getpgrp() == nix::unistd::getpid();
    is_requested && leads_group && stdin().is_ok_and(is_socket)
}

fn serve(handlers: &Handlers) -> std::io::Result<()> {
    let mut socket = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    // Handlers and their children must not read from the socket or write to it.
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
    SigSet::empty().thread_set_mask()?;
    exit_when_worker_dies(socket.try_clone()?)?;
    panics::install_panic_hook();
    let output = Arc::new(ChildSocket { socket: Mutex::new(socket.try_clone()?), job: AtomicU64::new(0) });
    let mut memory = None;
    loop {
        let request: RunRequest = read_frame(&mut socket)?;
        if request.memory != memory
            && let Some(bytes) = request.memory
        {
            setrlimit(Resource::RLIMIT_AS, bytes, bytes)?;
            memory = request.memory;
        }
        let outcome = run_request(handlers, request, &output);
        let _ = std::io::stdout().flush();
        output.end_job(&ChildMessage::Ended { outcome, peak_memory: peak_resident() })?;
    }
}

fn run_request(handlers: &Handlers, request: RunRequest, output: &Arc<ChildSocket>) -> Outcome {
    let (output, job) = (Arc::clone(output), output.job.load(Ordering::Relaxed));
    let sink = move |field: &'static str, value: Vec<u8>| {
        output.send(job, &ChildMessage::SaveField { field: field.to_owned(), value: STANDARD.encode(value) });
    };
    let left = request.seconds_left.map(Duration::from_secs_f64);
    let context = Context::for_work_horse(request.info, left, Box::new(sink));
    let payload = STANDARD.decode(request.payload).map_err(|error| error.to_string());
    match payload.and_then(|payload| read_call(&payload, false)) {
        Ok(call) => handlers.run_function(&context, call, request.max_result).with_truncated_error(),
        Err(error) => Outcome::NotRunnable { error },
    }
}

/// The sending half of the socket, shared with threads that handlers have started.
struct ChildSocket {
    socket: Mutex<File>,
    /// Sequence number of the current job. A thread that outlives its job still has the old number, and what
    /// it sends is dropped.
    job: AtomicU64,
}

impl ChildSocket {
    fn send(&self, job: u64, message: &ChildMessage) {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        if self.job.load(Ordering::Relaxed) == job {
            // This fails only when the worker is gone, and then nothing is saved any more.
            let _ = socket.write_all(&encode_frame(message));
        }
    }

    fn end_job(&self, message: &ChildMessage) -> std::io::Result<()> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        self.job.fetch_add(1, Ordering::Relaxed);
        socket.write_all(&encode_frame(message))
    }
}

/// Starts a thread that kills the whole process group when the worker's end of the socket closes, which
/// happens however the worker ends.
fn exit_when_worker_dies(socket: File) -> std::io::Result<()> {
    std::thread::Builder::new().name("rq-rs lifeline".to_owned()).stack_size(64 * 1024).spawn(move || {
        loop {
            // Without requested events, poll reports only that the other end is gone.
            let mut fds = [PollFd::new(socket.as_fd(), PollFlags::empty())];
            let polled = poll(&mut fds, SOCKET_CHECK_INTERVAL_MS);
            match fds[0].revents() {
                // A handler has closed the descriptor. It stays open in the kernel while poll waits for it,
                // so the worker sees the end of the socket only now. The number may be in use again: no drop.
                Some(events) if events.contains(PollFlags::POLLNVAL) => return std::mem::forget(socket),
                Some(events) if polled.is_ok() && !events.is_empty() => {
                    let _ = killpg(nix::unistd::getpgrp(), Signal::SIGKILL);
                }
                _ => {}
            }
        }
    })?;
    Ok(())
}
