//! `rq-rs job show|logs|explain|enqueue|cancel|stop|delete ID…`

use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::exit::{Exit, Failure};
use super::format::{local_time, pluralize};
use super::job_logs;
use super::output::{print, print_error, print_json};
use super::redis_options::RedisOptions;
use super::reports::job_failure;
use crate::client::Client;
use crate::error::Error;
use crate::job::Status;
use crate::job_handle::{self, Job as Handle};
use crate::printable::first_line;
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
    /// Say why a job is not running, or what became of it
    Explain {
        /// The job's id
        id: String,
        /// Print JSON: a list of reasons
        #[arg(long)]
        json: bool,
    },
    /// Put jobs that wait for their time, or for their next try, into their queue now; also jobs that are in no list
    Enqueue(JobIds),
    /// Take back jobs that have not ended; one that runs is told to stop, and its result is dropped
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

/// Formats the failed attempts, and the current or last one, as a line each.
fn attempt_lines(job: &Handle) -> Vec<String> {
    let took = |from: DateTime<Utc>, to: DateTime<Utc>| format!("{:.1} s", (to - from).as_seconds_f64());
    let failed = job.attempts.iter().map(|attempt| {
        let next = attempt.retry_in.map(|seconds| format!(", again after {seconds} s")).unwrap_or_default();
        let took = took(attempt.started_at, attempt.ended_at);
        format!("{}  failed after {took}{next}: {}", local_time(attempt.started_at), attempt.error)
    });
    let last = match (job.status, job.started_at, job.ended_at) {
        (Status::Started, Some(started), _) => Some(format!("{}  runs", local_time(started))),
        (Status::Finished, Some(started), Some(ended)) => {
            Some(format!("{}  finished after {}", local_time(started), took(started, ended)))
        }
        _ => None,
    };
    failed.chain(last).collect()
}

/// Formats the time at which a scheduled job is due, and the number of its next attempt.
fn due_text(job: &Handle) -> Result<Option<String>, Failure> {
    let Some(time) = job.due()? else { return Ok(None) };
    let left = (time - Utc::now()).num_seconds().max(0);
    let attempt = match (job.number_of_retries, job.retries_left) {
        (0, _) => String::new(),
        (made, Some(left)) => format!(", attempt {} of {}", made + 1, made + 1 + left),
        (made, None) => format!(", attempt {}", made + 1),
    };
    Ok(Some(format!("{} (in {left} s{attempt})", local_time(time))))
}

fn print_job(job: &Handle) -> Result<(), Failure> {
    let due = due_text(job)?;
    let seconds =
        |ttl: Option<i64>| ttl.map(|ttl| if ttl < 0 { "for ever".to_owned() } else { format!("{ttl} s") });
    let meta = (!job.meta.is_empty()).then(|| serde_json::Value::Object(job.meta.clone()).to_string());
    let time = |time: Option<_>| time.map(local_time);
    let call = job.call().map(|call| call.describe());
    let lines = [
        ("id", Some(job.id.clone())),
        ("status", Some(job.status.to_string())),
        ("queue", Some(job.origin.clone())),
        (
            "description",
            Some(&job.description)
                .filter(|text| job.call().is_none_or(|call| call.describe() != **text))
                .map(|text| first_line(text, 300)),
        ),
        ("call", call.map(|call| first_line(&call, 300))),
        ("created", time(job.created_at)),
        ("enqueued", time(job.enqueued_at)),
        ("started", time(job.started_at)),
        ("ended", time(job.ended_at)),
        ("due", due),
        ("worker", job.worker_name.clone()),
        ("timeout", seconds(job.timeout)),
        ("result kept", seconds(job.result_ttl)),
        ("failure kept", seconds(job.failure_ttl)),
        ("retries left", job.retries_left.map(|n| n.to_string())),
        ("repeats left", job.repeats_left.map(|n| n.to_string())),
        (
            "tried again",
            (job.number_of_retries > 0).then(|| pluralize(job.number_of_retries as usize, "time")),
        ),
        ("meta", meta.map(|meta| first_line(&meta, 300))),
        ("result", job.result.as_ref().map(|result| first_line(&result.to_string(), 1000))),
        ("problems", (!job.problems.is_empty()).then(|| first_line(&job.problems.join("; "), 1000))),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            print(format_args!("{name:<13}{value}"))?;
        }
    }
    if !job.attempts.is_empty() {
        print("attempts:")?;
        for line in attempt_lines(job) {
            print(format_args!("  {}", first_line(&line, 300)))?;
        }
    }
    // The error of a program ends with its output, which is not printed twice.
    let log =
        job.log.as_deref().filter(|log| !job.exc_info.as_deref().is_some_and(|error| error.ends_with(log)));
    for (name, text) in [("error", job.exc_info.as_deref()), ("output", log)] {
        if let Some(text) = text {
            print(format_args!("{name}:"))?;
            for line in text.lines() {
                print(format_args!("  {}", first_line(line, 1000)))?;
            }
        }
    }
    Ok(())
}
