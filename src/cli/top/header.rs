//! Top of the screen: the server, totals, and warnings.

use chrono::{Local, Utc};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};

use super::model::Sample;
use super::state::State;
use super::style::{bold, coloured, reversed};
use super::text::{byte_size, compact_duration, compact_number, sanitize};
use crate::cli::format::{clock_time, pluralize};
use crate::program;
use crate::snapshot::QueueView;

/// Number of warnings shown; the others are counted.
const MAX_WARNINGS: usize = 3;
/// Height of the screen below which the warnings of the sample are left out.
const MIN_HEIGHT_FOR_WARNINGS: u16 = 12;

pub(super) fn header_lines(state: &State) -> Vec<Line<'static>> {
    let time = state.now().with_timezone(&Local).format("%H:%M:%S");
    let mut server = vec![
        Span::styled(format!("{} top", program::name()), bold(Style::new())),
        Span::raw(format!("  {time}  {}", state.address)),
    ];
    let Some(sample) = &state.sample else {
        return vec![Line::from(server)];
    };
    server.push(Span::raw(server_text(sample)));
    let mut totals = total_spans(state, sample);
    let mut push_flag = |is_set: bool, text: &'static str| {
        if is_set {
            totals.push(Span::raw("  "));
            totals.push(Span::styled(text, bold(coloured(state, Color::Yellow))));
        }
    };
    push_flag(sample.snapshot.suspended, "SUSPENDED");
    push_flag(state.is_paused, "PAUSED");
    push_flag(state.is_read_only, "read-only");
    vec![Line::from(server), Line::from(totals)]
}

/// Name, version and memory of the server.
fn server_text(sample: &Sample) -> String {
    let server = &sample.snapshot.server;
    let mut text = format!("  {} {}", sanitize(server.name), sanitize(&server.version));
    if let Some(used) = server.used_memory {
        text += &format!("  {}", byte_size(used));
    }
    if let Some(limit @ 1..) = server.maxmemory {
        text += &format!(" of {}", byte_size(limit));
    }
    text
}

fn total_spans(state: &State, sample: &Sample) -> Vec<Span<'static>> {
    let snapshot = &sample.snapshot;
    let total = |count: fn(&QueueView) -> u64| snapshot.queues.iter().map(count).fold(0, u64::saturating_add);
    let waiting = total(|queue| queue.queued + queue.intermediate);
    let (running, failed) = (total(|queue| queue.started), total(|queue| queue.failed));
    let failed_style = if failed > 0 { coloured(state, Color::Red) } else { Style::new() };
    vec![
        Span::raw(format!("{} waiting  {} running  ", compact_number(waiting), compact_number(running))),
        Span::styled(format!("{} failed", compact_number(failed)), failed_style),
        Span::raw(format!("  {}", pluralize(snapshot.worker_count, "worker"))),
    ]
}

/// An outage comes before the warnings of the last sample, which are older.
pub(super) fn warning_lines(state: &State, screen_height: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(outage) = &state.outage {
        let duration = compact_duration((Utc::now() - outage.since).as_seconds_f64());
        let (since, reason) = (clock_time(Some(outage.since)), sanitize(&outage.reason));
        let text = format!("Redis is away since {since} ({duration}): {reason}");
        lines.push(Line::styled(text, reversed(bold(coloured(state, Color::Red)))));
    }
    if let Some(seconds) = state.slow_poll_seconds() {
        let duration = compact_duration(seconds);
        let text = format!("looking for {duration} now: Redis is slow, or does not answer");
        lines.push(Line::styled(text, reversed(bold(coloured(state, Color::Yellow)))));
    }
    if screen_height < MIN_HEIGHT_FOR_WARNINGS {
        return lines;
    }
    let warning = |text: String| Line::styled(format!("! {text}"), coloured(state, Color::Yellow));
    lines.extend(state.warnings.iter().take(MAX_WARNINGS).cloned().map(warning));
    if state.warnings.len() > MAX_WARNINGS {
        lines.push(warning(format!("and {} more", state.warnings.len() - MAX_WARNINGS)));
    }
    lines
}
