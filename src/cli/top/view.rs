//! Layout of the screen, and its tabs, status line and help.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use super::header::{header_lines, warning_lines};
use super::keys::KEYS;
use super::model::Pane;
use super::rows::RowStyle;
use super::state::State;
use super::style::{self, bold, coloured, faint, reversed};
use super::table::{draw_hour, draw_rows};

/// Height of the screen below which the last hour is not drawn.
const MIN_HEIGHT_FOR_HOUR: u16 = 18;
/// Height of the screen below which no line wraps.
const MIN_HEIGHT_FOR_WRAPPING: u16 = 12;
const HELP_WIDTH: u16 = 78;

pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State) {
    let area = frame.area();
    let warnings = warning_lines(state, area.height);
    let status = status_line(state);
    let has_hour = state.pane == Pane::Queues && area.height >= MIN_HEIGHT_FOR_HOUR && state.sample.is_some();
    let layout = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(warnings.iter().map(|line| height(line, area)).sum()),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(if has_hour { 4 } else { 0 }),
        Constraint::Length(details_height(area.height)),
        Constraint::Length(height(&status, area)),
        Constraint::Length(u16::from(area.height >= 6)),
    ]);
    let [head_area, warning_area, tab_area, body_area, hour_area, details_area, status_area, keys_area] =
        layout.areas(area);
    frame.render_widget(Paragraph::new(header_lines(state)), head_area);
    frame.render_widget(Paragraph::new(warnings).wrap(Wrap { trim: true }), warning_area);
    frame.render_widget(Paragraph::new(tab_line(state)), tab_area);
    let details = draw_rows(frame, state, body_area);
    if has_hour {
        draw_hour(frame, state, hour_area);
    }
    frame.render_widget(Paragraph::new(details).wrap(Wrap { trim: true }).style(faint()), details_area);
    frame.render_widget(Paragraph::new(status).wrap(Wrap { trim: true }), status_area);
    frame.render_widget(Paragraph::new(key_hints(state)).style(faint()), keys_area);
    if state.shows_help {
        draw_help(frame, state);
    }
}

/// Height of a line: two rows if it is too long for one and the screen has space.
fn height(line: &Line<'_>, area: Rect) -> u16 {
    if line.width() > usize::from(area.width) && area.height >= MIN_HEIGHT_FOR_WRAPPING { 2 } else { 1 }
}

fn details_height(screen_height: u16) -> u16 {
    match screen_height {
        0..8 => 0,
        8..16 => 1,
        _ => 2,
    }
}

fn tab_line(state: &State) -> Line<'static> {
    let mut spans = Vec::with_capacity(Pane::ALL.len());
    for (n, pane) in Pane::ALL.into_iter().enumerate() {
        let style = if pane == state.pane { reversed(bold(Style::new())) } else { Style::new() };
        spans.push(Span::styled(format!(" {} {} ", n + 1, pane.title()), style));
    }
    Line::from(spans)
}

fn status_line(state: &State) -> Line<'static> {
    if let Some(confirmation) = &state.confirmation {
        let style = bold(coloured(state, Color::Yellow));
        return Line::from(vec![
            Span::styled("y: yes, other keys: no  ", style),
            Span::styled(confirmation.text.clone() + "?", style),
        ]);
    }
    match &state.status {
        Some(status) if status.is_error => {
            Line::styled(status.text.clone(), bold(coloured(state, Color::Red)))
        }
        Some(status) => Line::styled(status.text.clone(), bold(Style::new())),
        None => Line::default(),
    }
}

fn key_hints(state: &State) -> String {
    let pane_keys = match state.pane {
        _ if state.is_read_only => "",
        Pane::Queues => "p suspend/resume  ",
        Pane::Workers => "z quiet  Z go on  S shutdown  ",
        Pane::Running => "c cancel  s stop  ",
        Pane::Failed => "r requeue  d delete  ",
    };
    format!("{pane_keys}? help  q quit  Tab panes  Space pause")
}

fn draw_help(frame: &mut Frame<'_>, state: &State) {
    let help_line = |(keys, meaning): &(&'static str, &'static str)| {
        Line::from(vec![Span::styled(format!("{keys:<24}"), bold(Style::new())), Span::raw(*meaning)])
    };
    let lines: Vec<Line<'_>> = KEYS.iter().map(help_line).collect();
    let screen = frame.area();
    let (width, height) = (screen.width.min(HELP_WIDTH), screen.height.min(lines.len() as u16 + 2));
    let area = Rect { x: (screen.width - width) / 2, y: (screen.height - height) / 2, width, height };
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(" keys ").style(style::of_row(state, RowStyle::Plain));
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use chrono::Utc;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::model::{Confirmation, Pane, Sample, StatusLine, UserAction};
    use super::super::state::State;
    use crate::client::Client;
    use crate::redis::Timeouts;
    use crate::snapshot::{
        Diagnostic, FailureGroup, FailureGroups, QueueView, RunningJob, ServerView, Snapshot, WorkerView,
    };
    use crate::stats::Counts;
    use crate::wrong_type::WrongTypeKeys;

    const HOSTILE: &str = "작업 \u{1b}[2J👩\u{200d}👩\u{200d}👧 e\u{301}\u{301}\u{301} \u{202e}\t\n";

    fn queue() -> QueueView {
        QueueView {
            name: HOSTILE.repeat(9),
            suspended: true,
            queued: u64::MAX / 4,
            intermediate: 0,
            started: 1,
            finished: 2,
            failed: 3,
            scheduled: 4,
            deferred: 5,
            rate_limited: 0,
            canceled: 6,
            unreadable: 7,
            workers: 0,
            oldest_waiting: Some(1e12),
            last_hour: Counts::default(),
            today: Counts::default(),
        }
    }

    fn worker() -> WorkerView {
        WorkerView {
            name: HOSTILE.into(),
            state: HOSTILE.into(),
            queues: vec![HOSTILE.into(); 20],
            queues_cut: false,
            hostname: HOSTILE.into(),
            pid: Some(1),
            concurrency: None,
            version: HOSTILE.into(),
            birth: None,
            last_heartbeat: None,
            last_fetch: None,
            successful_job_count: 1,
            failed_job_count: 1,
            total_working_time: 1.0,
            runs_in: None,
            quiet: true,
            memory: Some(1),
            stuck_threads: 1,
            recovered_count: 0,
            stale_count: 0,
            lease: None,
            handler_limits: Default::default(),
            reconnect_count: 0,
        }
    }

    fn sample() -> Sample {
        let job = RunningJob {
            id: HOSTILE.into(),
            queue: HOSTILE.into(),
            handler: Some(HOSTILE.into()),
            description: HOSTILE.repeat(30),
            worker_name: Some(HOSTILE.into()),
            started_at: None,
        };
        let group = FailureGroup {
            queue: HOSTILE.into(),
            handler: None,
            error: Some(HOSTILE.repeat(30)),
            kind: None,
            count: 7,
            first: None,
            last: Some(Utc::now()),
            id: HOSTILE.into(),
        };
        let server = ServerView {
            address: "here".into(),
            name: "Redis",
            version: HOSTILE.into(),
            used_memory: Some(1),
            maxmemory: Some(2),
            maxmemory_policy: None,
        };
        let snapshot = Snapshot {
            server,
            suspended: true,
            queues: (0..12).map(|_| queue()).collect(),
            workers: (0..12).map(|_| worker()).collect(),
            worker_count: 3,
            warnings: vec![Diagnostic::new("no_worker").with("queue", HOSTILE); 9],
            wrong_type_keys: WrongTypeKeys::default(),
            minutes: vec![Counts { finished: u64::MAX / 100, ..Counts::default() }; 60],
            now: Utc::now(),
        };
        let failed = FailureGroups {
            total: 7,
            scanned: 7,
            groups: vec![group; 12],
            wrong_type_keys: WrongTypeKeys::default(),
        };
        let (duration, taken_at) = (Duration::ZERO, Instant::now());
        Sample { snapshot, running: Some(vec![job; 12]), failed: Some(failed), duration, taken_at }
    }

    fn draw(state: &mut State, (width, height): (u16, u16)) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| super::draw(frame, state)).unwrap();
        let cells = terminal.backend().buffer().content().iter();
        cells.map(ratatui::buffer::Cell::symbol).collect()
    }

    #[test]
    fn a_frame_is_drawn_for_every_size_and_text() {
        let mut state =
            State::new(&Client::lazy(("redis://127.0.0.1:1", &[]), Timeouts::UI).unwrap(), false, true);
        draw(&mut state, (1, 1));
        state.on_polled(Ok(sample()));
        for n in 0..Pane::ALL.len() * 3 {
            state.pane = Pane::ALL[n % 4];
            state.shows_help = n == 4;
            match n {
                5 => state.ask(Confirmation {
                    text: HOSTILE.repeat(30),
                    action: UserAction::StopJob(HOSTILE.into()),
                }),
                8 => {
                    state.on_status(StatusLine { text: HOSTILE.repeat(30), is_error: true, is_final: true });
                    state.on_polled(Err(HOSTILE.repeat(30)));
                }
                _ => {}
            }
            state.select(|_, last| if n % 2 == 0 { last } else { 0 });
            let heights = |width| [1, 2, 5, 7, 10, 12, 18, 30].map(|height| (width, height));
            for size in [1, 7, 40, 80, 130].into_iter().flat_map(heights) {
                let text = draw(&mut state, size);
                assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{size:?}");
            }
        }
    }
}
