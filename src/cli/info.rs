//! `rq-rs info [QUEUES…]`

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;

use super::exit::{Exit, Failure};
use super::format::{clock_time, pluralize, table};
use super::output::{clear_screen, print, print_json, print_lines};
use super::redis_options::RedisOptions;
use super::reports::{report_unknown_queues, report_wrong_types};
use super::signals::on_stop_signal;
use super::value_parsers::at_least;
use crate::printable::{OneLine, ShortLine};
use crate::program;
use crate::queue::{Queue, check_existing_or_valid};
use crate::snapshot::{self, QueueView, Snapshot, WorkerView, messages};

/// Numbers of jobs that a full bar stands for, as in RQ: the longest queue decides which.
const SCALES: [u64; 8] = [20, 50, 100, 200, 400, 600, 800, 1000];
const BAR_WIDTH: u64 = 20;

/// Show queues, registries and workers; reads only
#[derive(Args)]
pub(crate) struct InfoCommand {
    /// Show only these queues
    queues: Vec<String>,
    /// Update at this interval, at least 0.1s
    #[arg(short, long, value_name = "DURATION", value_parser = at_least("0.1s"), conflicts_with = "json")]
    interval: Option<Duration>,
    /// Print plain lines without bars
    #[arg(short, long)]
    raw: bool,
    /// Show only queues
    #[arg(short = 'Q', long, conflicts_with = "only_workers")]
    only_queues: bool,
    /// Show only workers
    #[arg(short = 'W', long)]
    only_workers: bool,
    /// Group workers by queue
    #[arg(short = 'R', long)]
    by_queue: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl InfoCommand {
    /// Returns the lines about a queue that `rq-rs info QUEUE` prints.
    pub(crate) fn queue_overview(queue: &Queue) -> Result<Vec<String>, Failure> {
        let snapshot = snapshot::fetch(queue.client(), &[queue.name().to_owned()])?;
        Ok(queue_table(&snapshot))
    }

    pub(crate) fn run(self, redis: &RedisOptions) -> Result<Exit, Failure> {
        let client = redis.connect()?;
        self.queues.iter().try_for_each(|name| check_existing_or_valid(&client, name))?;
        report_unknown_queues(&client, &self.queues)?;
        let fetch = || snapshot::fetch(&client, &self.queues);
        let Some(interval) = self.interval else {
            let snapshot = fetch()?;
            match self.json {
                true => print_json(&snapshot)?,
                false => print_lines(self.render(&snapshot))?,
            }
            return Ok(report_wrong_types(&snapshot.wrong_type_keys));
        };
        // Ctrl-C is the way to leave this screen, so it is no failure.
        on_stop_signal(|hangup| std::process::exit(hangup.exit_or(Exit::Done) as i32))?;
        loop {
            let snapshot = fetch()?;
            clear_screen()?;
            print_lines(self.render(&snapshot))?;
            print("")?;
            print(format_args!("Updated: {}", clock_time(Some(Utc::now()))))?;
            std::thread::sleep(interval);
        }
    }

    fn render(&self, snapshot: &Snapshot) -> Vec<String> {
        let mut parts = Vec::new();
        if !snapshot.warnings.is_empty() && !self.raw {
            parts.push(snapshot.warnings.iter().map(messages::warning).collect());
        }
        if !self.only_workers {
            parts.push(if self.raw { queue_lines(snapshot) } else { queue_table(snapshot) });
        }
        if !self.only_queues {
            parts.push(match (self.by_queue, self.raw) {
                (true, _) => workers_by_queue(snapshot),
                (_, true) => worker_lines(snapshot),
                _ => worker_table(snapshot),
            });
        }
        parts.join(&String::new())
    }
}

fn queue_table(snapshot: &Snapshot) -> Vec<String> {
    if snapshot.queues.is_empty() {
        return vec![format!("No queues yet: the first `{} enqueue` makes one.", program::name())];
    }
    let longest = snapshot.queues.iter().map(|queue| queue.queued).max().unwrap_or(0);
    let scale = SCALES.into_iter().find(|scale| *scale >= longest).unwrap_or(longest);
    // Only the dialect rq has rate limits.
    let is_limited = snapshot.queues.iter().any(|queue| queue.rate_limited > 0);
    let mut heading = vec![
        "queue",
        "",
        ">queued",
        ">started",
        ">finished",
        ">failed",
        ">scheduled",
        ">deferred",
        ">canceled",
        ">workers",
        ">ended/h",
        ">failed/h",
        "",
    ];
    if is_limited {
        heading.insert(8, ">rate limited");
    }
    let rows = snapshot.queues.iter().map(|queue| queue_row(queue, scale, is_limited)).collect();
    let total: u64 = snapshot.queues.iter().map(|queue| queue.queued + queue.intermediate).sum();
    let mut lines = table(&heading, rows);
    lines.push(format!(
        "{}, {} waiting",
        pluralize(snapshot.queues.len(), "queue"),
        pluralize(total as usize, "job")
    ));
    lines
}

fn queue_row(queue: &QueueView, scale: u64, is_limited: bool) -> Vec<String> {
    let hour = queue.last_hour;
    let mut row = vec![queue.name.clone(), bar(queue.queued, scale)];
    let numbers = [
        Some(queue.queued + queue.intermediate),
        Some(queue.started),
        Some(queue.finished),
        Some(queue.failed),
        Some(queue.scheduled),
        Some(queue.deferred),
        is_limited.then_some(queue.rate_limited),
        Some(queue.canceled),
        Some(queue.workers),
        Some(hour.finished + hour.failed),
        Some(hour.failed),
    ];
    row.extend(numbers.into_iter().flatten().map(|number| number.to_string()));
    row.push(remarks(queue));
    row
}

/// Draws a bar for the number of queued jobs, on a terminal.
fn bar(queued: u64, scale: u64) -> String {
    if queued == 0 || !stdout().is_terminal() {
        return String::new();
    }
    "█".repeat((queued * BAR_WIDTH / scale).max(1) as usize)
}

fn remarks(queue: &QueueView) -> String {
    let mut remarks = Vec::new();
    if queue.suspended {
        remarks.push("suspended".to_owned());
    }
    if queue.unreadable > 0 {
        remarks.push(format!("{} unreadable", queue.unreadable));
    }
    remarks.join(", ")
}

/// Formats queues like `rq info --raw`, for scripts.
fn queue_lines(snapshot: &Snapshot) -> Vec<String> {
    let line = |q: &QueueView| {
        format!(
            "queue {} {}, {} executing, {} finished, {} failed",
            ShortLine(&q.name),
            q.queued,
            q.started,
            q.finished,
            q.failed
        )
    };
    snapshot.queues.iter().map(line).collect()
}

fn worker_lines(snapshot: &Snapshot) -> Vec<String> {
    let line = |w: &WorkerView| {
        let pid = w.pid.unwrap_or(0);
        let (name, host, state) = (ShortLine(&w.name), ShortLine(&w.hostname), ShortLine(&w.state));
        format!("worker {name} ({host} {pid}) {state} {}", OneLine(w.joined_queues(", ")))
    };
    snapshot.workers.iter().map(line).collect()
}

fn worker_table(snapshot: &Snapshot) -> Vec<String> {
    let workers = &snapshot.workers;
    if workers.is_empty() {
        return vec!["No workers.".to_owned()];
    }
    let row = |worker: &WorkerView| {
        vec![
            worker.name.clone(),
            worker.state.clone(),
            worker.joined_queues(", "),
            worker.hostname.clone(),
            worker.pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string()),
            worker.successful_job_count.to_string(),
            worker.failed_job_count.to_string(),
            age(worker.last_heartbeat.as_deref()),
            age(worker.last_fetch.as_deref()),
        ]
    };
    let heading =
        ["worker", "state", "queues", "host", ">pid", ">succeeded", ">failed", ">heartbeat", ">fetched"];
    let stuck = workers.iter().filter(|worker| worker.stuck_threads > 0).map(|worker| {
        let threads = pluralize(usize::try_from(worker.stuck_threads).unwrap_or(usize::MAX), "thread");
        format!("{}: {threads} past the time of their jobs; --isolate could end them", worker.name)
    });
    let mut lines = table(&heading, workers.iter().map(row).collect());
    let more = snapshot.worker_count - workers.len();
    let more = if more > 0 { format!(", and {more} more that are not shown") } else { String::new() };
    lines.push(format!("{}{more}", pluralize(workers.len(), "worker")));
    lines.extend(stuck);
    lines
}

fn workers_by_queue(snapshot: &Snapshot) -> Vec<String> {
    let line = |queue: &QueueView| {
        let listens = snapshot.workers.iter().filter(|worker| worker.listens_to(&queue.name));
        let names: Vec<String> =
            listens.map(|w| format!("{} ({})", ShortLine(&w.name), ShortLine(&w.state))).collect();
        format!(
            "{}: {}",
            ShortLine(&queue.name),
            if names.is_empty() { "–".to_owned() } else { names.join(", ") }
        )
    };
    let mut lines: Vec<String> = snapshot.queues.iter().map(line).collect();
    lines.push(format!(
        "{}, {}",
        pluralize(snapshot.workers.len(), "worker"),
        pluralize(snapshot.queues.len(), "queue")
    ));
    lines
}

fn age(time: Option<&str>) -> String {
    let time = time.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    time.map_or_else(
        || "?".to_owned(),
        |time| format!("{} s ago", (Utc::now() - time.with_timezone(&Utc)).num_seconds().max(0)),
    )
}
