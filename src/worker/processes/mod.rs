//! Handlers in processes of their own: `--exec` (one for each job), `--exec-server` and `--isolate` (one for
//! many jobs). All are started, timed, killed and explained by the same code.
//!
//! | file | is |
//! |---|---|
//! | `supervise` | one process: its pipes, its time, its end with all its children |
//! | `reasons` | how its end is told |
//! | `crew` | processes that wait for the next job |
//! | `program`, `server`, `horse` | the three kinds, and what is said to them |
//! | `keeper` | what ends them when the worker is killed with -9 |

mod crew;
mod horse;
mod keeper;
mod program;
mod reasons;
mod server;
mod supervise;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use horse::{can_be_horse, serve_if_horse};
pub(crate) use program::Program;
pub(crate) use server::Server;

use self::crew::Crew;
use self::keeper::Keeper;
use super::{Context, Options};
use crate::job::Outcome;

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
    horses: Crew,
    keeper: Arc<Keeper>,
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
            horses: Crew::default(),
            keeper: Arc::new(Keeper::new()),
        }
    }

    /// Nothing more runs: ends what is idle.
    pub(crate) fn end(&self) {
        self.horses.dismiss();
        self.keeper.end();
    }

    /// Runs a function in a work horse.
    pub(crate) fn run_in_horse(&self, context: &Context, handler: &str, payload: &[u8]) -> Outcome {
        horse::run(self, context, handler, payload)
    }
}

/// A command without anything of Redis in its environment.
fn bare(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.contains("REDIS") || text.starts_with("RQ_") {
            command.env_remove(&name);
        }
    }
    command
}
