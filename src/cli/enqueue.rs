//! `rq-rs enqueue HANDLER [ARGS…]`

use std::time::Duration;

use chrono::offset::LocalResult;
use chrono::{DateTime, Local, NaiveDateTime, TimeZone, Utc};
use clap::Args;
use serde_json::Value;

use super::arguments::{STORE_ELSEWHERE_HINT, parse_arguments};
use super::exit::{Exit, Failure};
use super::output;
use super::output::{print, print_json, print_raw};
use super::redis_options::RedisOptions;
use super::retry_options::retry_policy;
use crate::error::Error;
use crate::job::{NewJob, PyValue, Repeat, Serializer, Ttl, is_over_limit, parse_duration, parse_json};
use crate::job_handle::Job;
use crate::queue::Queue;

/// Enqueue a job, and print its id
#[derive(Args)]
pub(crate) struct EnqueueCommand {
    /// The handler's name
    handler: String,
    /// The arguments: text, :json, key=text, key:=json; a value of @file is read from that file
    #[arg(allow_negative_numbers = true)]
    args: Vec<String>,
    /// The queue
    #[arg(short, long, default_value = "default")]
    queue: String,
    /// Format of the arguments: json or pickle [default: json, in the dialect rq: pickle]
    #[arg(short = 'S', long, value_name = "NAME")]
    serializer: Option<Serializer>,
    /// The id [default: a random UUID]; an id that exists is refused
    #[arg(long, value_name = "ID")]
    job_id: Option<String>,
    /// Put the job before those that wait
    #[arg(long)]
    at_front: bool,
    /// Time limit of a run; -1 for no limit [default: 180s]
    #[arg(long, value_name = "DURATION", allow_negative_numbers = true)]
    timeout: Option<Ttl>,
    /// Time limit of the wait in the queue [default: no limit]
    #[arg(long, value_name = "DURATION", allow_negative_numbers = true)]
    ttl: Option<Ttl>,
    /// Time to keep the result; 0 to discard it, -1 for ever [default: the worker's, 500s]
    #[arg(long, alias = "results-ttl", value_name = "DURATION", allow_negative_numbers = true)]
    result_ttl: Option<Ttl>,
    /// Time to keep the job if it fails; -1 for ever [default: 1y]
    #[arg(long, value_name = "DURATION", allow_negative_numbers = true)]
    failure_ttl: Option<Ttl>,
    /// The text that lists show [default: the call]
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Data to keep with the job: a JSON object
    #[arg(long, value_name = "JSON")]
    meta: Option<String>,
    /// Delay before the job goes to its queue, as in 90, 10s, 5m, 2d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "schedule_at")]
    schedule_in: Option<Duration>,
    /// Time at which the job goes to its queue, as in 2026-12-24T18:00:00Z; without a zone it is local time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    schedule_at: Option<DateTime<Utc>>,
    /// Number of retries if the job fails, at most 100
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    retry_max: u32,
    /// Delays before retries, may be given several times [default: 10s, doubling, at most 1h; in the dialect rq none, as in RQ]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    retry_interval: Vec<Duration>,
    /// Number of further runs once the job has finished
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    repeat: Option<u32>,
    /// Intervals between these runs, may be given several times; the last one is for all others [default: none]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "repeat")]
    repeat_interval: Vec<Duration>,
    /// Refuse arguments of more bytes than this
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024)]
    max_payload: usize,
    /// Wait for the result and print that; exit code 1 if the job fails or the time is over
    #[arg(long)]
    wait: bool,
    /// Time to wait for the result
    #[arg(long, value_name = "DURATION", requires = "wait", default_value = "180s", value_parser = parse_duration)]
    wait_timeout: Duration,
    /// Print the job as JSON
    #[arg(long)]
    json: bool,
    /// Print nothing
    #[arg(long)]
    quiet: bool,
}

impl EnqueueCommand {
    pub(crate) fn run(self, redis: &RedisOptions) -> Result<Exit, Failure> {
        let job = self.new_job()?;
        if self.wait && self.result_ttl == Some(Ttl::NONE) {
            let what = "--wait cannot see a result that is not kept".to_owned();
            return Err(Failure::Usage(what, "leave --result-ttl 0 out, or --wait".into()));
        }
        let mut queue = Queue::with_client(&redis.connect()?, &self.queue)?.max_payload(self.max_payload);
        if let Some(serializer) = self.serializer {
            queue = queue.serializer(serializer)?;
        }
        let job = queue.enqueue_job(job)?;
        if self.wait {
            return self.wait_for_result(job);
        }
        let printed = match (self.json, self.quiet) {
            (true, _) => print_json(&*job),
            (_, true) => Ok(()),
            _ => print(job.id()),
        };
        // The error says that the job is enqueued, lest a script runs the command again and enqueues it twice.
        printed.map_err(|failure| match failure {
            Failure::Other(why, hint) => {
                Failure::Other(format!("job {} is enqueued, but {why}", job.id()), hint)
            }
            other => other,
        })?;
        Ok(Exit::Done)
    }

    fn wait_for_result(&self, mut job: Job) -> Result<Exit, Failure> {
        if !self.quiet {
            output::eprint(format_args!("waiting for {}", job.id()));
        }
        let result = job.wait::<PyValue>(self.wait_timeout).map(|value| value.to_json());
        match &result {
            Err(Error::JobFailed { .. }) | Ok(_) if self.json => {
                job.refresh()?;
                print_json(&*job)?;
            }
            Ok(value) if !self.quiet => drop(print_raw(&(display_value(value) + "\n"))?),
            // With --quiet a result is not printed; errors are printed below.
            _ => {}
        }
        if let Err(error) = result {
            output::print_error(&error.into());
            return Ok(Exit::Failed);
        }
        Ok(Exit::Done)
    }

    /// Builds the job from the options.
    fn new_job(&self) -> Result<NewJob, Failure> {
        let mut job = NewJob::with_arguments(&self.handler, parse_arguments(&self.args)?);
        if let Some(id) = &self.job_id {
            job = job.id(id);
        }
        if let Some(text) = &self.description {
            job = job.description(text);
        }
        if let Some(text) = &self.meta {
            job = job.meta(parse_meta(text)?);
        }
        if let Some(ttl) = self.ttl {
            job = job.ttl(ttl);
        }
        if let Some(ttl) = self.result_ttl {
            job = job.result_ttl(ttl);
        }
        if let Some(ttl) = self.failure_ttl {
            job = job.failure_ttl(ttl);
        }
        if let Some(timeout) = self.timeout {
            job = with_timeout(job, timeout)?;
        }
        if self.at_front {
            job = job.at_front();
        }
        if let Some(delay) = self.schedule_in {
            job = job.after(delay);
        }
        if let Some(time) = self.schedule_at {
            job = job.at(time);
        }
        if let Some(times) = self.repeat {
            job = job.repeat(Repeat::list(self.repeat_interval.iter().copied(), times));
        }
        Ok(match retry_policy(self.retry_max, &self.retry_interval)? {
            Some(retry) => job.retry(retry),
            None => job,
        })
    }
}

fn with_timeout(job: NewJob, timeout: Ttl) -> Result<NewJob, Failure> {
    match timeout {
        Ttl::FOREVER => Ok(job.no_timeout()),
        Ttl::NONE => {
            let hint = "--timeout -1 is for ever";
            Err(Failure::Usage("a job cannot run in no time".into(), hint.into()))
        }
        timeout => Ok(job.timeout(Duration::from_secs(timeout.as_seconds().unsigned_abs()))),
    }
}

fn parse_meta(text: &str) -> Result<PyValue, Failure> {
    let error = |what: &str| {
        Failure::Usage(format!("--meta is not a JSON object{what}"), r#"as in '{"user": 42}'"#.into())
    };
    let meta = parse_json(text).map_err(|cause| match is_over_limit(&cause) {
        true => Failure::Usage(format!("--meta: {cause}"), STORE_ELSEWHERE_HINT.into()),
        false => error(&format!(": {cause}")),
    })?;
    if meta.is_dict() { Ok(meta) } else { Err(error("")) }
}

/// Parses a time in ISO 8601. A time without a zone is local time, which a note says.
fn parse_time(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)) {
        return Ok(time.to_utc());
    }
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    let naive = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let naive = naive.ok_or_else(|| {
        format!("{text:?} is not a time: give it as in 2026-12-24T18:00:00Z or 2026-12-24T18:00:00+01:00")
    })?;
    match Local.from_local_datetime(&naive) {
        LocalResult::Single(time) => {
            output::eprint(format_args!("{text} is taken as local time: {}", time.to_rfc3339()));
            Ok(time.to_utc())
        }
        _ => Err(format!(
            "{text:?} does not exist, or occurs twice, where clocks change: give a zone, as in …+01:00"
        )),
    }
}

/// Formats a result: a string as it is, any other value as JSON.
fn display_value(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
