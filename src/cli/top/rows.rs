//! Rows of each pane, and the selection among them.

use chrono::{DateTime, Utc};

use super::model::Pane;
use super::state::State;
use super::text::{compact_duration, compact_number, sanitize};
use crate::cli::format::clock_time;
use crate::job::from_iso;
use crate::program;
use crate::snapshot::{FailureGroup, FailureGroups, QueueView, RunningJob, WORKER_SILENCE_LIMIT, WorkerView};

/// Running jobs of a worker that its details name.
const MAX_NAMED_JOBS: usize = 5;

/// Urgency of a row; it becomes a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowStyle {
    Plain,
    Busy,
    Warning,
    Problem,
}

pub(super) struct Row {
    /// Identifies the row across polls.
    pub(super) key: String,
    pub(super) cells: Vec<String>,
    pub(super) style: RowStyle,
    /// Details of the selected row, which have no space in its cells.
    pub(super) details: String,
}

impl State {
    /// Rows of the current pane, and the index of the selected one. The selection follows its row.
    pub(super) fn rows(&mut self) -> (Vec<Row>, Option<usize>) {
        let rows = rows_of(self.pane, self);
        let selection = self.selection();
        let same = selection.key.as_ref().and_then(|key| rows.iter().position(|row| row.key == *key));
        let index = same.or(selection.table.selected()).unwrap_or(0).min(rows.len().saturating_sub(1));
        selection.key = rows.get(index).map(|row| row.key.clone());
        selection.table.select(selection.key.is_some().then_some(index));
        (rows, selection.table.selected())
    }

    /// Moves the selection: `target` gets the index of the selected row and that of the last one.
    pub(super) fn select(&mut self, target: impl FnOnce(usize, usize) -> usize) {
        let (rows, selected) = self.rows();
        let Some(last) = rows.len().checked_sub(1) else { return };
        let index = target(selected.unwrap_or(0), last).min(last);
        let selection = self.selection();
        selection.key = Some(rows[index].key.clone());
        selection.table.select(Some(index));
    }

    /// Key of the selected row: the name of a queue or worker, the id of a job, or the key of a group.
    pub(super) fn selected_key(&mut self) -> Option<String> {
        self.rows();
        self.selection().key.clone()
    }

    pub(super) fn selected_group(&mut self) -> Option<FailureGroup> {
        let key = self.selected_key()?;
        self.failed.iter().flat_map(|failed| &failed.groups).find(|group| group_key(group) == key).cloned()
    }

    /// Text that stands in place of the rows while there are none.
    pub(super) fn empty_text(&self) -> String {
        match self.pane {
            _ if self.sample.is_none() => "looking …".into(),
            Pane::Queues => {
                let (deployment, program) = (&self.deployment, program::name());
                format!("no queues yet {deployment}: the first `{program} enqueue` makes one")
            }
            Pane::Workers => format!("no workers: `{} worker` starts one", program::name()),
            Pane::Running if self.running.is_none() => "looking …".into(),
            Pane::Failed if self.failed.is_none() => "looking …".into(),
            Pane::Running => "nothing runs".into(),
            Pane::Failed => "no failed jobs".into(),
        }
    }
}

fn rows_of(pane: Pane, state: &State) -> Vec<Row> {
    let Some(sample) = &state.sample else { return Vec::new() };
    let (now, snapshot) = (state.now(), &sample.snapshot);
    match pane {
        Pane::Queues => snapshot.queues.iter().map(queue_row).collect(),
        Pane::Workers => {
            let running = state.running.as_deref().unwrap_or_default();
            snapshot.workers.iter().map(|worker| worker_row(worker, running, now)).collect()
        }
        Pane::Running => state.running.iter().flatten().map(|job| job_row(job, now)).collect(),
        Pane::Failed => state.failed.iter().flat_map(group_rows).collect(),
    }
}

fn queue_row(queue: &QueueView) -> Row {
    let hour = queue.last_hour;
    let cells = vec![
        sanitize(&queue.name),
        compact_number(queue.queued + queue.intermediate),
        compact_number(queue.started),
        compact_number(queue.failed),
        compact_number(queue.scheduled),
        compact_number(queue.deferred),
        compact_number(queue.finished),
        queue.oldest_waiting.map_or_else(String::new, compact_duration),
        compact_number(hour.finished),
        compact_number(hour.failed),
        compact_number(queue.workers),
        if queue.suspended { "suspended".into() } else { String::new() },
    ];
    let style = match queue {
        _ if queue.suspended => RowStyle::Warning,
        _ if queue.queued > 0 && queue.workers == 0 => RowStyle::Problem,
        _ if queue.started > 0 => RowStyle::Busy,
        _ => RowStyle::Plain,
    };
    Row { key: queue.name.clone(), cells, style, details: queue_details(queue) }
}

fn queue_details(queue: &QueueView) -> String {
    let (name, today) = (sanitize(&queue.name), queue.today);
    let rate_limited = match queue.rate_limited {
        0 => String::new(),
        count => format!("{count} rate limited, "),
    };
    format!(
        "{name}: {} deferred, {}{} finished, {} canceled, {} unreadable; today {} ok, {} failed, {} tried again",
        queue.deferred,
        rate_limited,
        queue.finished,
        queue.canceled,
        queue.unreadable,
        today.finished,
        today.failed,
        today.retried,
    )
}

fn worker_row(worker: &WorkerView, running: &[RunningJob], now: DateTime<Utc>) -> Row {
    let jobs: Vec<&RunningJob> =
        running.iter().filter(|job| job.worker_name.as_deref() == Some(&worker.name)).collect();
    let last_heartbeat = worker.last_heartbeat.as_deref().and_then(from_iso);
    let silence = last_heartbeat.map(|at| (now - at).as_seconds_f64());
    let cells = vec![
        sanitize(&worker.name),
        sanitize(&worker.state),
        sanitize(&worker.joined_queues(",")),
        compact_number(jobs.len() as u64),
        worker.concurrency.map_or_else(|| "?".into(), |slots| slots.to_string()),
        compact_number(worker.successful_job_count),
        compact_number(worker.failed_job_count),
        silence.map_or_else(|| "?".into(), compact_duration),
        sanitize(&worker.hostname),
    ];
    let style = worker_style(worker, silence, !jobs.is_empty());
    Row { key: worker.name.clone(), cells, style, details: worker_details(worker, &jobs) }
}

fn worker_style(worker: &WorkerView, silence: Option<f64>, is_busy: bool) -> RowStyle {
    // Python RQ's workers (without `runs_in`) send no heartbeat for minutes while they are idle.
    let is_lost =
        worker.runs_in.is_some() && silence.is_none_or(|silence| silence > WORKER_SILENCE_LIMIT as f64);
    match worker {
        _ if is_lost || worker.stuck_threads > 0 => RowStyle::Problem,
        _ if worker.state == "suspended" => RowStyle::Warning,
        _ if is_busy => RowStyle::Busy,
        _ => RowStyle::Plain,
    }
}

fn worker_details(worker: &WorkerView, jobs: &[&RunningJob]) -> String {
    let pid = worker.pid.map_or_else(String::new, |pid| format!(" {pid}"));
    let (name, host) = (sanitize(&worker.name), sanitize(&worker.hostname));
    let mut details = format!("{name}{pid} on {host}, {}", sanitize(&worker.version));
    if worker.stuck_threads > 0 {
        details += &format!("; {} threads past the time of their jobs", worker.stuck_threads);
    }
    let names: Vec<String> = jobs.iter().take(MAX_NAMED_JOBS).map(|job| job_name(job)).collect();
    if !names.is_empty() {
        details += &format!("; runs {}", names.join(", "));
    }
    details
}

/// Description of a job, or its handler if it has none.
fn job_name(job: &RunningJob) -> String {
    match job.handler.as_deref().filter(|_| job.description.is_empty()) {
        Some(handler) => sanitize(handler),
        None => sanitize(&job.description),
    }
}

fn job_row(job: &RunningJob, now: DateTime<Utc>) -> Row {
    let run_time = job.started_at.map(|since| (now - since).as_seconds_f64());
    let cells = vec![
        job_name(job),
        run_time.map_or_else(|| "?".into(), compact_duration),
        sanitize(&job.queue),
        job.worker_name.as_deref().map_or_else(|| "?".into(), sanitize),
        sanitize(&job.id),
    ];
    let handler = job.handler.as_deref().map_or_else(String::new, |name| format!(" {}", sanitize(name)));
    let started = clock_time(job.started_at);
    let details = format!("{}{handler} since {started}: {}", sanitize(&job.id), job_name(job));
    Row { key: job.id.clone(), cells, style: RowStyle::Plain, details }
}

fn group_rows(failed: &FailureGroups) -> Vec<Row> {
    let mut rows: Vec<Row> = failed.groups.iter().map(group_row).collect();
    if failed.scanned < failed.total {
        let scope = format!("the newest {} of {}: ", failed.scanned, failed.total);
        rows.iter_mut().for_each(|row| row.details.insert_str(0, &scope));
    }
    rows
}

fn group_row(group: &FailureGroup) -> Row {
    let error = group.error.as_deref().map_or_else(|| "without a record or an error".into(), sanitize);
    let (first, last) = (clock_time(group.first), clock_time(group.last));
    let details = format!("{error}; first {first}, last {last}, newest {}", sanitize(&group.id));
    let cells = vec![
        compact_number(group.count as u64),
        error,
        group.handler.as_deref().map_or_else(|| "?".into(), sanitize),
        sanitize(&group.queue),
        last,
    ];
    Row { key: group_key(group), cells, style: RowStyle::Plain, details }
}

/// Identifies a group of failed jobs.
fn group_key(group: &FailureGroup) -> String {
    format!("{:?}", (&group.queue, &group.handler, &group.kind))
}
