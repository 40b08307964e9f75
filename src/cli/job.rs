//! `rq-rs job show|logs|explain|enqueue|cancel|stop|delete ID…`

use std::sync::Arc;

use clap::{Args, Subcommand};

use super::exit::{Exit, Failure};
use super::job_logs;
use super::job_text::print_job;
use super::output::{print, print_error, print_json};
use super::redis_options::RedisOptions;
use super::reports::job_failure;
use crate::client::Client;
use crate::error::Error;
use crate::job::Status;
use crate::job_handle::{self, Job as Handle};
use crate::snapshot::{self, messages};
use crate::wrong_type::is_wrong_type;

#[derive(Subcommand)]
pub(crate) enum JobCommand {
    /// Show all that is known of a job
    Show {
        /// The job's id
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print what a job wrote: standard output and error of its work horse, standard error of its program; the last 64 KiB
    Logs {
        /// The job's id
        id: String,
        /// Go on until the job has ended
        #[arg(short, long)]
        follow: bool,
    },
    /// Explain why a job is not running, or how it ended
    Explain {
        /// The job's id
        id: String,
        /// Print JSON: a list of reasons
        #[arg(long)]
        json: bool,
    },
    /// Put jobs that wait for their time, or for their next try, into their queue now; also jobs that are in no list
    Enqueue(JobIds),
    /// Cancel jobs that have not ended; a running job is told to stop, and its result is discarded
    Cancel(JobIds),
    /// Stop running jobs: their workers end them, and they go to the failed registry as stopped
    Stop(JobIds),
    /// Delete jobs with their results, wherever they are
    Delete(JobIds),
}

#[derive(Args)]
pub(crate) struct JobIds {
    /// Ids of jobs
    #[arg(required = true)]
    ids: Vec<String>,
}

impl JobCommand {
    pub(crate) fn run(self, redis: &RedisOptions) -> Result<Exit, Failure> {
        let client = redis.connect()?;
        match self {
            JobCommand::Show { id, json } => {
                if json {
                    print_json(&snapshot::fetch_job(&client, &id)?)?;
                } else {
                    print_job(&Handle::fetch(&client, &id)?)?;
                }
                Ok(Exit::Done)
            }
            JobCommand::Explain { id, json } => {
                let diagnostics = snapshot::fetch_job(&client, &id)?.why;
                if json {
                    print_json(&diagnostics)?;
                } else {
                    diagnostics.iter().try_for_each(|diagnostic| print(messages::explanation(diagnostic)))?;
                }
                Ok(Exit::Done)
            }
            JobCommand::Logs { id, follow } => job_logs::run(&client, &id, follow),
            JobCommand::Enqueue(JobIds { ids }) => for_each_id(&client, &ids, enqueue),
            JobCommand::Cancel(JobIds { ids }) => for_each_id(&client, &ids, cancel),
            JobCommand::Stop(JobIds { ids }) => for_each_id(&client, &ids, stop),
            JobCommand::Delete(JobIds { ids }) => for_each_id(&client, &ids, delete),
        }
    }
}

/// Applies an action to each job, and prints its message or its error.
fn for_each_id(
    client: &Arc<Client>,
    ids: &[String],
    action: fn(&Arc<Client>, &str) -> Result<String, Error>,
) -> Result<Exit, Failure> {
    let mut failed = 0;
    for id in ids {
        match action(client, id) {
            Ok(message) => print(message)?,
            // A key of a wrong type concerns one job; other errors of Redis concern all.
            Err(error) if error.is_redis_error() && !is_wrong_type(&error) => return Err(error.into()),
            Err(error) => {
                failed += 1;
                print_error(&job_failure(client, id, error));
            }
        }
    }
    Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
}

fn cancel(client: &Arc<Client>, id: &str) -> Result<String, Error> {
    let mut job = Handle::fetch_partial(client, id)?;
    let is_python = job.is_run_by_python_worker()?;
    let status = job.cancel()?;
    Ok(match status {
        Status::Started if is_python => {
            format!(
                "{id} canceled, but its Python worker goes on and will store its result: `job stop` ends it"
            )
        }
        Status::Started => {
            let what = match snapshot::fetch_runs_in(client, job.worker_name.as_deref())?.as_deref() {
                Some("processes") => "its process is ended",
                _ => "its program is ended, or its thread told to stop",
            };
            format!("{id} canceled while it ran: {what} within seconds, its result will be dropped")
        }
        _ => format!("{id} canceled"),
    })
}

fn enqueue(client: &Arc<Client>, id: &str) -> Result<String, Error> {
    Handle::fetch_partial(client, id)?.enqueue_now()?;
    Ok(format!("{id} enqueued"))
}

fn stop(client: &Arc<Client>, id: &str) -> Result<String, Error> {
    Handle::fetch_partial(client, id)?.stop()?;
    Ok(format!("{id}: its worker is told to stop it"))
}

fn delete(client: &Arc<Client>, id: &str) -> Result<String, Error> {
    let origin = match Handle::fetch_partial(client, id) {
        Ok(job) => job.origin.clone(),
        // A key that is not a hash has no origin; the rest of the job is deleted all the same.
        Err(Error::Refused { .. }) => "default".to_owned(),
        Err(error) => return Err(error),
    };
    job_handle::delete(client, id, &origin)?;
    Ok(format!("{id} deleted"))
}
