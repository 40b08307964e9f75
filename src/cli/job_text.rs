//! The text of `rq-rs job show`.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::exit::Failure;
use super::format::{local_time, pluralize};
use super::output::{PrintResult, print};
use crate::job::Status;
use crate::job_handle::Job;
use crate::printable::first_line;

/// Maximum number of characters of a field, of a result, and of a line of an error or output.
const MAX_FIELD: usize = 300;
const MAX_RESULT: usize = 1000;
const MAX_LINE: usize = 1000;

/// Prints all that is known about a job: its fields, its attempts, its error and its output.
pub(crate) fn print_job(job: &Job) -> PrintResult {
    for (name, value) in fields(job)? {
        if let Some(value) = value {
            print(format_args!("{name:<13}{value}"))?;
        }
    }
    if !job.attempts.is_empty() {
        print("attempts:")?;
        for line in attempt_lines(job) {
            print(format_args!("  {}", first_line(&line, MAX_FIELD)))?;
        }
    }
    let error = job.exc_info.as_deref();
    // The error of a program ends with its output, which is not printed twice.
    let output = job.log.as_deref().filter(|log| !error.is_some_and(|error| error.ends_with(log)));
    print_text("error", error)?;
    print_text("output", output)
}

/// Returns the name and the text of each field that fits into a line. A field that is not set has no text.
fn fields(job: &Job) -> Result<[(&'static str, Option<String>); 20], Failure> {
    let call = job.call().map(|call| call.describe());
    let description = Some(&job.description).filter(|text| call.as_ref() != Some(text));
    let meta = (!job.meta.is_empty()).then(|| Value::Object(job.meta.clone()).to_string());
    let problems = (!job.problems.is_empty()).then(|| job.problems.join("; "));
    let retries = (job.number_of_retries > 0).then(|| pluralize(job.number_of_retries as usize, "time"));
    let time = |time: Option<_>| time.map(local_time);
    Ok([
        ("id", Some(job.id.clone())),
        ("status", Some(job.status.to_string())),
        ("queue", Some(job.origin.clone())),
        ("description", description.map(|text| first_line(text, MAX_FIELD))),
        ("call", call.as_ref().map(|call| first_line(call, MAX_FIELD))),
        ("created", time(job.created_at)),
        ("enqueued", time(job.enqueued_at)),
        ("started", time(job.started_at)),
        ("ended", time(job.ended_at)),
        ("due", due_text(job)?),
        ("worker", job.worker_name.clone()),
        ("timeout", job.timeout.map(seconds)),
        ("result kept", job.result_ttl.map(seconds)),
        ("failure kept", job.failure_ttl.map(seconds)),
        ("retries left", job.retries_left.map(|n| n.to_string())),
        ("repeats left", job.repeats_left.map(|n| n.to_string())),
        ("tried again", retries),
        ("meta", meta.map(|meta| first_line(&meta, MAX_FIELD))),
        ("result", job.result.as_ref().map(|result| first_line(&result.to_string(), MAX_RESULT))),
        ("problems", problems.map(|problems| first_line(&problems, MAX_RESULT))),
    ])
}

/// Formats a duration in seconds, where a negative one has no end.
fn seconds(seconds: i64) -> String {
    if seconds < 0 { "for ever".to_owned() } else { format!("{seconds} s") }
}

fn print_text(name: &str, text: Option<&str>) -> PrintResult {
    let Some(text) = text else { return Ok(()) };
    print(format_args!("{name}:"))?;
    text.lines().try_for_each(|line| print(format_args!("  {}", first_line(line, MAX_LINE))))
}

/// Formats the failed attempts, and the current or last one, as a line each.
fn attempt_lines(job: &Job) -> Vec<String> {
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
fn due_text(job: &Job) -> Result<Option<String>, Failure> {
    let Some(time) = job.due()? else { return Ok(None) };
    let left = (time - Utc::now()).num_seconds().max(0);
    let attempt = match (job.number_of_retries, job.retries_left) {
        (0, _) => String::new(),
        (retries, Some(left)) => format!(", attempt {} of {}", retries + 1, retries + 1 + left),
        (retries, None) => format!(", attempt {}", retries + 1),
    };
    Ok(Some(format!("{} (in {left} s{attempt})", local_time(time))))
}
