//! Handlers in processes of their own: `--exec` (one for each job), `--exec-server` and `--isolate` (one for
//! many jobs). All are started, timed, killed and explained by the same code.
//!
//! | file | is |
//! |---|---|
//! | `supervise`, `traffic`, `pipes` | one process: its pipes, its time, its end with all its children |
//! | `reasons` | how its end is told |
//! | `crew` | processes that wait for the next job |
//! | `program`, `server`, `horse` | the three kinds, and what is said to them |
//! | `keeper` | what ends them when the worker is killed with -9 |

mod child_process;
mod cleanup_shell;
mod exec_program;
mod exec_server;
mod exit_message;
mod horse;
mod job_io;
mod pipes;
mod pool;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use exec_program::ExecProgram;
pub(crate) use exec_server::ExecServer;
pub(crate) use horse::{can_be_horse, serve_if_horse};
pub(crate) use pool::ExitingProcess;

use nix::errno::Errno;

use self::cleanup_shell::CleanupShell;
use self::pool::ProcessPool;
use super::{Context, Options};
use crate::job::{Outcome, RetryDirective};

/// Limits that concern handlers.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_result: usize,
    kill_after: Duration,
    horse_memory: Option<u64>,
    horse_recycle: Option<u64>,
    horse_max_jobs: Option<u32>,
}

/// What the processes of one worker share.
pub(crate) struct Processes {
    pub(crate) limits: Limits,
    /// Whether functions run in work horses.
    pub(crate) is_isolated: bool,
    horses: ProcessPool,
    keeper: Arc<CleanupShell>,
}

impl Processes {
    pub(crate) fn new(options: &Options) -> Self {
        Processes {
            limits: Limits {
                max_result: options.max_result,
                kill_after: options.kill_after,
                horse_memory: options.horse_memory,
                horse_recycle: options.horse_recycle,
                horse_max_jobs: options.horse_max_jobs,
            },
            is_isolated: options.is_isolated,
            horses: ProcessPool::default(),
            keeper: Arc::new(CleanupShell::new()),
        }
    }

    /// Nothing more runs: ends what is idle, all together.
    pub(crate) fn end(&self, servers: Vec<ExitingProcess>) {
        let horses = self.horses.begin_shutdown();
        drop((servers, horses));
        self.keeper.kill_all();
    }

    /// Runs a function in a work horse.
    pub(crate) fn run_in_horse(&self, context: &Context, handler: &str, payload: &[u8]) -> Outcome {
        horse::run(self, context, handler, payload)
    }
}

/// How long a slot waits when the system has no room for a process.
const RESOURCE_RETRY_DELAY: Duration = Duration::from_secs(1);

/// The process of a job could not be started. Where the system has no descriptor, process or memory left now,
/// the job has not begun and waits for better times.
fn spawn_failed(handler: &str, what: &str, error: &std::io::Error) -> Outcome {
    let errno = error.raw_os_error().map(Errno::from_raw);
    if matches!(errno, Some(Errno::EMFILE | Errno::ENFILE | Errno::EAGAIN | Errno::ENOMEM)) {
        log::warn!(target: "rq_rs", "{handler}: cannot start {what} now: {error}");
        std::thread::sleep(RESOURCE_RETRY_DELAY);
        return Outcome::NotStarted;
    }
    Outcome::Failed {
        error: format!("{handler}: cannot start {what}: {error}"),
        directive: RetryDirective::UsePolicy,
    }
}

/// A command without anything of Redis in its environment.
fn command_without_redis_env(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.contains("REDIS") || text.starts_with("RQ_") {
            command.env_remove(&name);
        }
    }
    command
}
