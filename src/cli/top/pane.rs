//! What each pane shows, as rows of text.

use chrono::{DateTime, Utc};

use super::state::State;
use super::text::{clean, number, span};
use crate::cli::format::clock_time;
use crate::job::from_iso;
use crate::program;
use crate::snapshot::{FailureGroup, FailureGroups, QueueView, RunningJob, WorkerView};

/// A worker without a sign of life for longer is shown as lost.
const SILENT: f64 = 90.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    Queues,
    Workers,
    Running,
    Failed,
}

/// What a row says at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Busy,
    WrongTypeKeys,
    Bad,
}

pub(super) struct Column {
    pub(super) title: &'static str,
    /// How wide it is; 0 shares what is left.
    pub(super) width: u16,
    pub(super) is_number: bool,
    /// Only on terminals at least that wide.
    pub(super) from: u16,
}

pub(super) struct Row {
    /// Tells it from the others, wherever it stands after the next look.
    pub(super) key: String,
    pub(super) cells: Vec<String>,
    pub(super) tone: Tone,
    /// A line for what has no space in cells.
    pub(super) detail: String,
}

const fn text(title: &'static str, width: u16, from: u16) -> Column {
    Column { title, width, is_number: false, from }
}

const fn digits(title: &'static str, width: u16, from: u16) -> Column {
    Column { title, width, is_number: true, from }
}

const QUEUES: &[Column] = &[
    text("queue", 0, 0),
    digits("queued", 6, 0),
    digits("running", 7, 30),
    digits("failed", 6, 36),
    digits("later", 6, 50),
    digits("deferred", 8, 104),
    digits("done", 6, 96),
    digits("oldest", 7, 60),
    digits("ok/h", 6, 68),
    digits("failed/h", 8, 72),
    digits("workers", 7, 84),
    text("", 9, 44),
];
const WORKERS: &[Column] = &[
    text("worker", 0, 0),
    text("state", 9, 30),
    text("queues", 18, 64),
    digits("running", 7, 40),
    digits("slots", 5, 50),
    digits("done", 6, 76),
    digits("failed", 6, 76),
    digits("heard", 6, 40),
    text("host", 16, 104),
];
const RUNNING: &[Column] = &[
    text("job", 0, 0),
    digits("for", 7, 0),
    text("queue", 12, 44),
    text("worker", 20, 72),
    text("id", 36, 110),
];
const FAILED: &[Column] = &[
    digits("jobs", 6, 0),
    text("error", 0, 0),
    text("handler", 16, 60),
    text("queue", 12, 44),
    text("last", 16, 76),
];

impl Pane {
    pub(super) const ALL: [Pane; 4] = [Pane::Queues, Pane::Workers, Pane::Running, Pane::Failed];

    pub(super) fn title(self) -> &'static str {
        ["Queues", "Workers", "Running", "Failed"][self as usize]
    }

    pub(super) fn beside(self, steps: usize) -> Self {
        Pane::ALL[(self as usize + steps) % Pane::ALL.len()]
    }

    pub(super) fn columns(self) -> &'static [Column] {
        [QUEUES, WORKERS, RUNNING, FAILED][self as usize]
    }

    /// What a pane without rows says.
    pub(super) fn nothing(self, state: &State) -> String {
        match self {
            _ if state.look.is_none() => "looking …".into(),
            Pane::Queues => {
                let (place, me) = (&state.deployment, program::name());
                format!("no queues yet {place}: the first `{me} enqueue` makes one")
            }
            Pane::Workers => format!("no workers: `{} worker` starts one", program::name()),
            Pane::Running if state.running.is_none() => "looking …".into(),
            Pane::Failed if state.failed.is_none() => "looking …".into(),
            Pane::Running => "nothing runs".into(),
            Pane::Failed => "no failed jobs".into(),
        }
    }

    pub(super) fn rows(self, state: &State) -> Vec<Row> {
        let Some(look) = &state.look else { return Vec::new() };
        let now = state.now();
        match self {
            Pane::Queues => look.shot.queues.iter().map(queue).collect(),
            Pane::Workers => {
                let running = state.running.as_deref().unwrap_or_default();
                look.shot.workers.iter().map(|one| worker(one, running, now)).collect()
            }
            Pane::Running => state.running.iter().flatten().map(|one| run(one, now)).collect(),
            Pane::Failed => state.failed.iter().flat_map(groups).collect(),
        }
    }
}

fn queue(queue: &QueueView) -> Row {
    let hour = queue.last_hour;
    let cells = vec![
        clean(&queue.name),
        number(queue.queued + queue.intermediate),
        number(queue.started),
        number(queue.failed),
        number(queue.scheduled),
        number(queue.deferred),
        number(queue.finished),
        queue.oldest_waiting.map_or_else(String::new, span),
        number(hour.finished),
        number(hour.failed),
        number(queue.workers),
        if queue.suspended { "suspended".into() } else { String::new() },
    ];
    let tone = match queue {
        _ if queue.suspended => Tone::WrongTypeKeys,
        _ if queue.queued > 0 && queue.workers == 0 => Tone::Bad,
        _ if queue.started > 0 => Tone::Busy,
        _ => Tone::Plain,
    };
    let (name, today) = (clean(&queue.name), queue.today);
    let limited = match queue.rate_limited {
        0 => String::new(),
        some => format!("{some} rate limited, "),
    };
    let detail = format!(
        "{name}: {} deferred, {}{} finished, {} canceled, {} unreadable; today {} ok, {} failed, {} tried again",
        queue.deferred,
        limited,
        queue.finished,
        queue.canceled,
        queue.unreadable,
        today.finished,
        today.failed,
        today.retried,
    );
    Row { key: queue.name.clone(), cells, tone, detail }
}

fn worker(worker: &WorkerView, running: &[RunningJob], now: DateTime<Utc>) -> Row {
    let jobs: Vec<&RunningJob> =
        running.iter().filter(|run| run.worker_name.as_deref() == Some(&worker.name)).collect();
    let heard = worker.last_heartbeat.as_deref().and_then(from_iso);
    let silence = heard.map(|heard| (now - heard).as_seconds_f64());
    let cells = vec![
        clean(&worker.name),
        clean(&worker.state),
        clean(&worker.joined_queues(",")),
        number(jobs.len() as u64),
        worker.concurrency.map_or_else(|| "?".into(), |slots| slots.to_string()),
        number(worker.successful_job_count),
        number(worker.failed_job_count),
        silence.map_or_else(|| "?".into(), span),
        clean(&worker.hostname),
    ];
    let tone = match worker {
        // Python's are silent for minutes while they are idle.
        _ if worker.runs_in.is_some() && silence.is_none_or(|silence| silence > SILENT) => Tone::Bad,
        _ if worker.stuck_threads > 0 => Tone::Bad,
        _ if worker.state == "suspended" => Tone::WrongTypeKeys,
        _ if !jobs.is_empty() => Tone::Busy,
        _ => Tone::Plain,
    };
    let pid = worker.pid.map_or_else(String::new, |pid| format!(" {pid}"));
    let mut detail =
        format!("{}{pid} on {}, {}", clean(&worker.name), clean(&worker.hostname), clean(&worker.version));
    if worker.stuck_threads > 0 {
        detail += &format!("; {} threads past the time of their jobs", worker.stuck_threads);
    }
    let names: Vec<String> = jobs.iter().take(5).map(|run| job(run)).collect();
    if !names.is_empty() {
        detail += &format!("; runs {}", names.join(", "));
    }
    Row { key: worker.name.clone(), cells, tone, detail }
}

/// What a job is called.
fn job(run: &RunningJob) -> String {
    match run.handler.as_deref().filter(|_| run.description.is_empty()) {
        Some(handler) => clean(handler),
        None => clean(&run.description),
    }
}

fn run(run: &RunningJob, now: DateTime<Utc>) -> Row {
    let since = run.started_at.map(|since| (now - since).as_seconds_f64());
    let cells = vec![
        job(run),
        since.map_or_else(|| "?".into(), span),
        clean(&run.queue),
        run.worker_name.as_deref().map_or_else(|| "?".into(), clean),
        clean(&run.id),
    ];
    let handler = run.handler.as_deref().map_or_else(String::new, |name| format!(" {}", clean(name)));
    let detail = format!("{}{handler} since {}: {}", clean(&run.id), clock_time(run.started_at), job(run));
    Row { key: run.id.clone(), cells, tone: Tone::Plain, detail }
}

fn groups(failed: &FailureGroups) -> Vec<Row> {
    let mut rows: Vec<Row> = failed.groups.iter().map(group).collect();
    if failed.scanned < failed.total {
        let part = format!("the newest {} of {}: ", failed.scanned, failed.total);
        rows.iter_mut().for_each(|row| row.detail.insert_str(0, &part));
    }
    rows
}

fn group(group: &FailureGroup) -> Row {
    let error = group.error.as_deref().map_or_else(|| "without a record or an error".into(), clean);
    let handler = group.handler.as_deref().map_or_else(|| "?".into(), clean);
    let cells =
        vec![number(group.count as u64), error.clone(), handler, clean(&group.queue), clock_time(group.last)];
    let (first, last) = (clock_time(group.first), clock_time(group.last));
    let detail = format!("{error}; first {first}, last {last}, newest {}", clean(&group.id));
    Row { key: key(group), cells, tone: Tone::Plain, detail }
}

/// What tells a group from the others.
pub(super) fn key(group: &FailureGroup) -> String {
    format!("{:?}", (&group.queue, &group.handler, &group.kind))
}
