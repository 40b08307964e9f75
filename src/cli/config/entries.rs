//! What a configuration file says of handlers and cron entries.

use std::time::Duration;

use serde_json::Value;

use super::file::{File, Section};
use crate::cli::exit::Failure;
use crate::cli::retry_options::retry_policy;
use crate::cli::value_parsers::{at_least_one, parse_retry_max, parse_timeout};
use crate::cron::Cron;
use crate::error::Error;
use crate::job::{NewJob, Retry, Ttl, parse_duration};

const CRON: [&str; 20] = [
    "name",
    "schedule",
    "handler",
    "args",
    "kwargs",
    "queue",
    "tz",
    "catchup",
    "overlap",
    "jitter",
    "timeout",
    "result-ttl",
    "results-ttl",
    "failure-ttl",
    "ttl",
    "retry-max",
    "retry-interval",
    "meta",
    "description",
    "at-front",
];
const HANDLER: [&str; 6] = ["exec", "exec-server", "timeout", "retry-max", "retry-interval", "concurrency"];

/// `[handlers.NAME]`
pub(crate) struct Handler {
    pub(crate) name: String,
    pub(crate) exec: Option<String>,
    pub(crate) exec_server: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<Retry>,
    pub(crate) concurrency: Option<usize>,
}

impl Handler {
    /// Whether the file says what runs it.
    pub(super) fn runs(&self) -> bool {
        self.exec.is_some() || self.exec_server.is_some()
    }
}

/// All `[handlers.NAME]`.
pub(crate) fn handlers(file: &File) -> Result<Vec<Handler>, Failure> {
    let Some(all) = file.root().table("handlers")? else { return Ok(Vec::new()) };
    all.pairs().iter().map(|(name, _)| handler(name, &all)).collect()
}

fn handler(name: &str, all: &Section<'_>) -> Result<Handler, Failure> {
    let Some(section) = all.table(name)? else { unreachable!("it is one of its own keys") };
    section.check_keys(&HANDLER)?;
    let handler = Handler {
        name: name.to_owned(),
        exec: section.text("exec")?,
        exec_server: section.text("exec-server")?,
        timeout: section.parsed("timeout", parse_timeout)?,
        retry: retry(&section)?,
        concurrency: section.parsed("concurrency", at_least_one)?,
    };
    if handler.exec.is_some() && handler.exec_server.is_some() {
        return Err(section.wrong(
            section.item.line,
            "exec and exec-server are two ways",
            "leave one of them",
        ));
    }
    Ok(handler)
}

/// The `[[cron]]` entries that can be read, and what is wrong with the others.
pub(crate) fn crons(file: &File) -> Result<(Vec<Cron>, Vec<Failure>), Failure> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for section in file.root().tables("cron")? {
        match cron(&section) {
            Ok(cron) => good.push(cron),
            Err(failure) => bad.push(failure),
        }
    }
    Ok((good, bad))
}

fn cron(section: &Section<'_>) -> Result<Cron, Failure> {
    section.check_keys(&CRON)?;
    let needed = |key: &str| {
        let lacks = || {
            section.wrong(
                section.item.line,
                &format!("a cron entry has no {key}"),
                "it needs name, schedule and handler",
            )
        };
        section.text(key)?.ok_or_else(lacks)
    };
    let (name, schedule) = (needed("name")?, needed("schedule")?);
    let mut cron = Cron::new(name, schedule, job(needed("handler")?, section)?);
    if let Some(queue) = section.text("queue")? {
        cron = cron.queue(queue);
    }
    if let Some(zone) = section.text("tz")? {
        cron = cron.tz(zone);
    }
    if let Some(catchup) = section.parsed("catchup", str::parse)? {
        cron = cron.catchup(catchup);
    }
    if let Some(overlap) = section.parsed("overlap", str::parse)? {
        cron = cron.overlap(overlap);
    }
    if let Some(jitter) = section.parsed("jitter", parse_duration)? {
        cron = cron.jitter(jitter);
    }
    match cron.check() {
        Ok(_) => Ok(cron),
        Err(error) => {
            let failure =
                section.wrong(section.item.line, &error.to_string(), &error.hint().unwrap_or_default());
            // The file is right; it is the machine that lacks something.
            Err(match (error, failure) {
                (Error::Unsupported { .. }, Failure::Usage(what, hint)) => Failure::Other(what, hint),
                (_, failure) => failure,
            })
        }
    }
}

fn job(handler: String, section: &Section<'_>) -> Result<NewJob, Failure> {
    let args = match section.data("args")? {
        None => Vec::new(),
        Some((_, Value::Array(args))) => args,
        Some((line, _)) => return Err(section.wrong(line, "args is not a list", "as in [1, \"two\"]")),
    };
    let mut job = NewJob::call(handler, args, section.object("kwargs")?);
    let ttl = |key| section.parsed(key, str::parse::<Ttl>);
    if let Some(timeout) = section.parsed("timeout", parse_timeout)? {
        job = job.timeout(timeout);
    }
    job = ttl(section.either("result-ttl", "results-ttl")?)?.into_iter().fold(job, NewJob::result_ttl);
    job = ttl("failure-ttl")?.into_iter().fold(job, NewJob::failure_ttl);
    job = ttl("ttl")?.into_iter().fold(job, NewJob::ttl);
    job = retry(section)?.into_iter().fold(job, NewJob::retry);
    if let Some(text) = section.text("description")? {
        job = job.description(text);
    }
    if section.parsed("at-front", parse_flag)? == Some(true) {
        job = job.at_front();
    }
    match section.object("meta")? {
        meta if meta.is_empty() => Ok(job),
        meta => Ok(job.meta(meta)),
    }
}

fn parse_flag(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("{text:?} is not true or false"))
}

fn retry(section: &Section<'_>) -> Result<Option<Retry>, Failure> {
    let max = section.parsed("retry-max", parse_retry_max)?.unwrap_or(0);
    let intervals = section.all("retry-interval", parse_duration)?;
    retry_policy(max, &intervals).map_err(|failure| {
        section.wrong(section.item.line, &failure.message_and_hint().unwrap_or_default().0, "give retry-max")
    })
}
