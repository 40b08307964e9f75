//! Child processes that run jobs: `--exec` (one process per job), `--exec-server` and work horses
//! (`--isolate`; one process for many jobs). One supervisor starts, times, kills and explains all of them.
//!
//! | file | contents |
//! |---|---|
//! | `supervisor`, `limits`, `spawn` | shared by all child processes of a worker: start-up and limits |
//! | `child_process`, `transport`, `job_io`, `pipes` | one process: its pipes, its deadline, its end |
//! | `exit_message` | the outcome of a process that ended without an answer |
//! | `pool` | idle processes that wait for the next job |
//! | `exec_program`, `exec_server`, `horse`, `frame` | the three kinds of process and their protocols |
//! | `cleanup_shell` | kills the process groups when the worker itself is killed with SIGKILL |

mod child_process;
mod cleanup_shell;
pub(super) mod exec_program;
pub(super) mod exec_server;
mod exit_message;
pub(super) mod frame;
pub(super) mod horse;
mod job_io;
mod limits;
mod pipes;
pub(super) mod pool;
mod spawn;
pub(super) mod supervisor;
mod transport;
