//! The handlers and cron entries of a configuration file.

use std::time::Duration;

use serde_json::Value;

use super::file::ConfigFile;
use super::section::Section;
use crate::cli::exit::Failure;
use crate::cli::retry_options::retry_policy;
use crate::cli::value_parsers::{at_least_one, parse_retry_max, parse_timeout};
use crate::cron::Cron;
use crate::error::Error;
use crate::job::{NewJob, Retry, Ttl, parse_duration};

const CRON_KEYS: [&str; 20] = [
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
const HANDLER_KEYS: [&str; 6] =
    ["exec", "exec-server", "timeout", "retry-max", "retry-interval", "concurrency"];

/// A section `[handlers.NAME]`.
pub(crate) struct HandlerConfig {
    pub(crate) name: String,
    pub(crate) exec: Option<String>,
    pub(crate) exec_server: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<Retry>,
    pub(crate) concurrency: Option<usize>,
}

impl HandlerConfig {
    /// Returns whether the file has a program for this handler.
    pub(super) fn has_program(&self) -> bool {
        self.exec.is_some() || self.exec_server.is_some()
    }
}

/// Reads all sections `[handlers.NAME]`.
pub(crate) fn read_handlers(file: &ConfigFile) -> Result<Vec<HandlerConfig>, Failure> {
    let Some(all) = Section::root(file).table("handlers")? else { return Ok(Vec::new()) };
    all.pairs().iter().map(|(name, _)| read_handler(name, &all)).collect()
}

fn read_handler(name: &str, all: &Section<'_>) -> Result<HandlerConfig, Failure> {
    let Some(section) = all.table(name)? else { unreachable!("it is one of its own keys") };
    section.check_keys(&HANDLER_KEYS)?;
    let handler = HandlerConfig {
        name: name.to_owned(),
        exec: section.text("exec")?,
        exec_server: section.text("exec-server")?,
        timeout: section.parse_one("timeout", parse_timeout)?,
        retry: retry(&section)?,
        concurrency: section.parse_one("concurrency", at_least_one)?,
    };
    if handler.exec.is_some() && handler.exec_server.is_some() {
        return Err(section.error_at(
            section.item.line,
            "exec and exec-server exclude each other",
            "remove one of them",
        ));
    }
    Ok(handler)
}

/// Reads all `[[cron]]` entries: returns the valid ones, and the errors of the others.
pub(crate) fn read_crons(file: &ConfigFile) -> Result<(Vec<Cron>, Vec<Failure>), Failure> {
    let (mut valid, mut errors) = (Vec::new(), Vec::new());
    for section in Section::root(file).tables("cron")? {
        match read_cron(&section) {
            Ok(cron) => valid.push(cron),
            Err(failure) => errors.push(failure),
        }
    }
    Ok((valid, errors))
}

fn read_cron(section: &Section<'_>) -> Result<Cron, Failure> {
    section.check_keys(&CRON_KEYS)?;
    let (name, schedule) = (required(section, "name")?, required(section, "schedule")?);
    let mut cron = Cron::new(name, schedule, read_job(required(section, "handler")?, section)?);
    if let Some(queue) = section.text("queue")? {
        cron = cron.queue(queue);
    }
    if let Some(zone) = section.text("tz")? {
        cron = cron.tz(zone);
    }
    if let Some(catchup) = section.parse_one("catchup", str::parse)? {
        cron = cron.catchup(catchup);
    }
    if let Some(overlap) = section.parse_one("overlap", str::parse)? {
        cron = cron.overlap(overlap);
    }
    if let Some(jitter) = section.parse_one("jitter", parse_duration)? {
        cron = cron.jitter(jitter);
    }
    match cron.check() {
        Ok(_) => Ok(cron),
        Err(error) => Err(invalid_cron(section, &error)),
    }
}

/// Reads a key that each cron entry must have.
fn required(section: &Section<'_>, key: &str) -> Result<String, Failure> {
    let missing = || {
        let what = format!("a cron entry has no {key}");
        section.error_at(section.item.line, &what, "it needs name, schedule and handler")
    };
    section.text(key)?.ok_or_else(missing)
}

fn invalid_cron(section: &Section<'_>, error: &Error) -> Failure {
    let failure = section.error_at(section.item.line, &error.to_string(), &error.hint().unwrap_or_default());
    // A missing time zone database is a problem of the machine, not of the file.
    match (error, failure) {
        (Error::Unsupported { .. }, Failure::Usage(what, hint)) => Failure::Other(what, hint),
        (_, failure) => failure,
    }
}

fn read_job(handler: String, section: &Section<'_>) -> Result<NewJob, Failure> {
    let args = match section.json_value("args")? {
        None => Vec::new(),
        Some((_, Value::Array(args))) => args,
        Some((line, _)) => return Err(section.error_at(line, "args is not a list", "as in [1, \"two\"]")),
    };
    let mut job = NewJob::call(handler, args, section.object("kwargs")?);
    let ttl = |key| section.parse_one(key, str::parse::<Ttl>);
    if let Some(timeout) = section.parse_one("timeout", parse_timeout)? {
        job = job.timeout(timeout);
    }
    job = ttl(section.either("result-ttl", "results-ttl")?)?.into_iter().fold(job, NewJob::result_ttl);
    job = ttl("failure-ttl")?.into_iter().fold(job, NewJob::failure_ttl);
    job = ttl("ttl")?.into_iter().fold(job, NewJob::ttl);
    job = retry(section)?.into_iter().fold(job, NewJob::retry);
    if let Some(text) = section.text("description")? {
        job = job.description(text);
    }
    if section.parse_one("at-front", parse_flag)? == Some(true) {
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
    let max = section.parse_one("retry-max", parse_retry_max)?.unwrap_or(0);
    let intervals = section.parse_all("retry-interval", parse_duration)?;
    retry_policy(max, &intervals).map_err(|failure| {
        section.error_at(
            section.item.line,
            &failure.message_and_hint().unwrap_or_default().0,
            "give retry-max",
        )
    })
}
