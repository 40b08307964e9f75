//! One picture.

use chrono::{Local, Utc};
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row as TableRow, Sparkline, Table, Wrap};

use super::keys::KEYS;
use super::pane::{Column, Pane, Row, Tone};
use super::state::State;
use super::text::{bytes, clean, number, span};
use crate::cli::format::{clock_time, pluralize};
use crate::program;
use crate::stats::Counts;

/// More warnings are counted.
const WARNINGS: usize = 3;
/// Higher bars cannot be reckoned with.
const MOST: u64 = 1 << 40;
/// The last hour is drawn on screens at least that high.
const HIGH: u16 = 18;

pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State) {
    let area = frame.area();
    let warnings = warnings(state, area.height);
    let status = status_line(state);
    let has_hour = state.pane == Pane::Queues && area.height >= HIGH && state.look.is_some();
    let heights = [
        2,
        warnings.iter().map(|line| height(line, area)).sum(),
        1,
        0,
        if has_hour { 4 } else { 0 },
        match area.height {
            0..8 => 0,
            8..16 => 1,
            _ => 2,
        },
        height(&status, area),
        u16::from(area.height >= 6),
    ];
    let heights = heights.iter().enumerate().map(|(n, height)| match n {
        3 => Constraint::Min(1),
        _ => Constraint::Length(*height),
    });
    let [head, warned, tabs, body, hour, detail, said, keys] = Layout::vertical(heights).areas(area);
    frame.render_widget(Paragraph::new(header(state)), head);
    frame.render_widget(Paragraph::new(warnings).wrap(Wrap { trim: true }), warned);
    frame.render_widget(Paragraph::new(tab_line(state)), tabs);
    let told = draw_rows(frame, state, body);
    if has_hour {
        draw_hour(frame, state, hour);
    }
    frame.render_widget(Paragraph::new(told).wrap(Wrap { trim: true }).style(faint()), detail);
    frame.render_widget(Paragraph::new(status).wrap(Wrap { trim: true }), said);
    frame.render_widget(Paragraph::new(hints(state)).style(faint()), keys);
    if state.shows_help {
        draw_help(frame, state);
    }
}

/// A long line has a second one where there is space.
fn height(line: &Line<'_>, area: Rect) -> u16 {
    if line.width() > usize::from(area.width) && area.height >= 12 { 2 } else { 1 }
}

fn colour(state: &State, colour: Color) -> Style {
    if state.has_colours { Style::new().fg(colour) } else { Style::new() }
}

fn faint() -> Style {
    // The colour that is called dark grey is the background's in some terminals.
    Style::new().add_modifier(Modifier::DIM)
}

fn bold(style: Style) -> Style {
    style.add_modifier(Modifier::BOLD)
}

fn header(state: &State) -> Vec<Line<'static>> {
    let mut first = vec![
        Span::styled(format!("{} top", program::name()), bold(Style::new())),
        Span::raw(format!("  {}  {}", state.now().with_timezone(&Local).format("%H:%M:%S"), state.address)),
    ];
    let Some(look) = &state.look else {
        return vec![Line::from(first)];
    };
    let (shot, server) = (&look.shot, &look.shot.server);
    let mut about = format!("  {} {}", clean(server.name), clean(&server.version));
    if let Some(used) = server.used_memory {
        about += &format!("  {}", bytes(used));
    }
    if let Some(most @ 1..) = server.maxmemory {
        about += &format!(" of {}", bytes(most));
    }
    first.push(Span::raw(about));
    let total =
        |of: fn(&crate::snapshot::QueueView) -> u64| shot.queues.iter().map(of).fold(0, u64::saturating_add);
    let waiting = total(|queue| queue.queued + queue.intermediate);
    let (running, failed) = (total(|queue| queue.started), total(|queue| queue.failed));
    let mut second = vec![
        Span::raw(format!("{} waiting  {} running  ", number(waiting), number(running))),
        Span::styled(
            format!("{} failed", number(failed)),
            if failed > 0 { colour(state, Color::Red) } else { Style::new() },
        ),
        Span::raw(format!("  {}", pluralize(shot.worker_count, "worker"))),
    ];
    let mut flag = |is_set: bool, text: &'static str| {
        if is_set {
            second.push(Span::raw("  "));
            second.push(Span::styled(text, bold(colour(state, Color::Yellow))));
        }
    };
    flag(shot.suspended, "SUSPENDED");
    flag(state.is_paused, "PAUSED");
    flag(state.is_read_only, "read-only");
    vec![Line::from(first), Line::from(second)]
}

/// That Redis is away comes before what was known while it was there.
fn warnings(state: &State, height: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(away) = &state.away {
        let seconds = span((Utc::now() - away.since).as_seconds_f64());
        let text = format!(
            "Redis is away since {} ({seconds}): {}",
            clock_time(Some(away.since)),
            clean(&away.reason)
        );
        let style = bold(colour(state, Color::Red)).add_modifier(Modifier::REVERSED);
        lines.push(Line::styled(text, style));
    }
    if let Some(seconds) = state.slow_for() {
        let text = format!("looking for {} now: Redis is slow, or does not answer", span(seconds));
        lines.push(Line::styled(text, bold(colour(state, Color::Yellow)).add_modifier(Modifier::REVERSED)));
    }
    if height < 12 {
        return lines;
    }
    let mark = |text: String| Line::styled(format!("! {text}"), colour(state, Color::Yellow));
    lines.extend(state.warnings.iter().take(WARNINGS).cloned().map(mark));
    if state.warnings.len() > WARNINGS {
        lines.push(mark(format!("and {} more", state.warnings.len() - WARNINGS)));
    }
    lines
}

fn tab_line(state: &State) -> Line<'static> {
    let mut spans = Vec::with_capacity(Pane::ALL.len());
    for (n, pane) in Pane::ALL.into_iter().enumerate() {
        let style = if pane == state.pane {
            bold(Style::new()).add_modifier(Modifier::REVERSED)
        } else {
            Style::new()
        };
        spans.push(Span::styled(format!(" {} {} ", n + 1, pane.title()), style));
    }
    Line::from(spans)
}

fn tone(state: &State, tone: Tone) -> Style {
    match tone {
        _ if state.away.is_some() => faint(),
        Tone::Plain => Style::new(),
        Tone::Busy => colour(state, Color::Green),
        Tone::WrongTypeKeys => colour(state, Color::Yellow),
        Tone::Bad => colour(state, Color::Red),
    }
}

/// The rows of the pane; returns what is to be told of the selected one.
fn draw_rows(frame: &mut Frame<'_>, state: &mut State, area: Rect) -> String {
    let (rows, selected) = state.rows();
    state.page = usize::from(area.height.saturating_sub(1));
    if rows.is_empty() {
        let text = state.pane.nothing(state);
        frame.render_widget(Paragraph::new(text).style(faint()).wrap(Wrap { trim: true }), area);
        return String::new();
    }
    let columns: Vec<(usize, &Column)> =
        state.pane.columns().iter().enumerate().filter(|(_, column)| column.from <= area.width).collect();
    let align = |column: &Column, text: &str| {
        let side = if column.is_number { Alignment::Right } else { Alignment::Left };
        Cell::from(Line::from(text.to_owned()).alignment(side))
    };
    let heading = TableRow::new(columns.iter().map(|(_, column)| align(column, column.title))).style(faint());
    let line = |row: &Row| {
        TableRow::new(columns.iter().map(|(n, column)| align(column, &row.cells[*n])))
            .style(tone(state, row.tone))
    };
    let widths = columns.iter().map(|(_, column)| match column.width {
        0 => Constraint::Fill(1),
        width => Constraint::Length(width),
    });
    // Only what can be seen is made, however many there are.
    let table = Table::new(rows.iter().map(line), widths)
        .header(heading)
        .column_spacing(1)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let at = state.pane as usize;
    frame.render_stateful_widget(table, area, &mut state.selections[at].table);
    selected.map_or_else(String::new, |n| rows[n].detail.clone())
}

/// Runs by minute.
fn draw_hour(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let Some(look) = &state.look else { return };
    let minutes: Vec<u64> =
        look.shot.minutes.iter().map(|one| one.finished.saturating_add(one.failed).min(MOST)).collect();
    let sum = |of: fn(&Counts) -> u64| look.shot.minutes.iter().map(of).fold(0, u64::saturating_add);
    let (ok, failed) = (sum(|one| one.finished), sum(|one| one.failed));
    let most = minutes.iter().max().copied().unwrap_or(0);
    let title = format!(
        " last hour, by minute: {} ok, {} failed, {} a minute at most ",
        number(ok),
        number(failed),
        number(most)
    );
    let fit = minutes.len().saturating_sub(usize::from(area.width));
    let style = if state.away.is_some() { faint() } else { colour(state, Color::Green) };
    let block = Block::new().title(Line::styled(title, faint()));
    frame.render_widget(Sparkline::default().block(block).data(&minutes[fit..]).style(style), area);
}

fn status_line(state: &State) -> Line<'static> {
    if let Some(question) = &state.question {
        let style = bold(colour(state, Color::Yellow));
        return Line::from(vec![
            Span::styled("y: yes, other keys: no  ", style),
            Span::styled(question.text.clone() + "?", style),
        ]);
    }
    match &state.said {
        Some(said) if said.is_error => Line::styled(said.text.clone(), bold(colour(state, Color::Red))),
        Some(said) => Line::styled(said.text.clone(), bold(Style::new())),
        None => Line::default(),
    }
}

fn hints(state: &State) -> String {
    let own = match state.pane {
        _ if state.is_read_only => "",
        Pane::Queues => "p suspend/resume  ",
        Pane::Workers => "z quiet  Z go on  S shutdown  ",
        Pane::Running => "c cancel  s stop  ",
        Pane::Failed => "r requeue  d delete  ",
    };
    format!("{own}? help  q quit  Tab panes  Space pause")
}

fn draw_help(frame: &mut Frame<'_>, state: &State) {
    let lines: Vec<Line<'_>> = KEYS
        .iter()
        .map(|(keys, what)| {
            Line::from(vec![Span::styled(format!("{keys:<24}"), bold(Style::new())), Span::raw(*what)])
        })
        .collect();
    let area = frame.area();
    let (width, height) = (area.width.min(78), area.height.min(lines.len() as u16 + 2));
    let place = Rect { x: (area.width - width) / 2, y: (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    let block = Block::bordered().title(" keys ").style(tone(state, Tone::Plain));
    frame.render_widget(Paragraph::new(lines).block(block), place);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use chrono::Utc;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::act::{Said, Task};
    use super::super::look::Look;
    use super::super::pane::Pane;
    use super::super::state::{Question, State};
    use crate::client::Client;
    use crate::redis::Timeouts;
    use crate::snapshot::{
        Diagnostic, FailureGroup, FailureGroups, QueueView, RunningJob, ServerView, Snapshot, WorkerView,
    };
    use crate::stats::Counts;
    use crate::wrong_type::WrongTypeKeys;

    const ODD: &str = "작업 \u{1b}[2J👩\u{200d}👩\u{200d}👧 e\u{301}\u{301}\u{301} \u{202e}\t\n";

    fn queue() -> QueueView {
        QueueView {
            name: ODD.repeat(9),
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
            name: ODD.into(),
            state: ODD.into(),
            queues: vec![ODD.into(); 20],
            queues_cut: false,
            hostname: ODD.into(),
            pid: Some(1),
            concurrency: None,
            version: ODD.into(),
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

    fn look() -> Look {
        let run = RunningJob {
            id: ODD.into(),
            queue: ODD.into(),
            handler: Some(ODD.into()),
            description: ODD.repeat(30),
            worker_name: Some(ODD.into()),
            started_at: None,
        };
        let group = FailureGroup {
            queue: ODD.into(),
            handler: None,
            error: Some(ODD.repeat(30)),
            kind: None,
            count: 7,
            first: None,
            last: Some(Utc::now()),
            id: ODD.into(),
        };
        let server = ServerView {
            address: "here".into(),
            name: "Redis",
            version: ODD.into(),
            used_memory: Some(1),
            maxmemory: Some(2),
            maxmemory_policy: None,
        };
        let shot = Snapshot {
            server,
            suspended: true,
            queues: (0..12).map(|_| queue()).collect(),
            workers: (0..12).map(|_| worker()).collect(),
            worker_count: 3,
            warnings: vec![Diagnostic::new("no_worker").with("queue", ODD); 9],
            odd_keys: WrongTypeKeys::default(),
            minutes: vec![Counts { finished: u64::MAX / 100, ..Counts::default() }; 60],
            now: Utc::now(),
        };
        let failed = FailureGroups {
            total: 7,
            scanned: 7,
            groups: vec![group; 12],
            odd_keys: WrongTypeKeys::default(),
        };
        let (took, at) = (Duration::ZERO, Instant::now());
        Look { shot, running: Some(vec![run; 12]), failed: Some(failed), took, at }
    }

    fn draw(state: &mut State, (width, height): (u16, u16)) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| super::draw(frame, state)).unwrap();
        let cells = terminal.backend().buffer().content().iter();
        cells.map(ratatui::buffer::Cell::symbol).collect()
    }

    #[test]
    fn there_is_a_picture_for_every_size_and_text() {
        let mut state = State::new(&Client::lazy("redis://127.0.0.1:1", Timeouts::UI).unwrap(), false, true);
        draw(&mut state, (1, 1));
        state.take(Ok(look()));
        for n in 0..Pane::ALL.len() * 3 {
            state.pane = Pane::ALL[n % 4];
            state.shows_help = n == 4;
            match n {
                5 => state.ask(Question { text: ODD.repeat(30), task: Task::Stop(ODD.into()) }),
                8 => {
                    state.hear(Said { text: ODD.repeat(30), is_error: true, is_over: true });
                    state.take(Err(ODD.repeat(30)));
                }
                _ => {}
            }
            state.go(|_, last| if n % 2 == 0 { last } else { 0 });
            let heights = |width| [1, 2, 5, 7, 10, 12, 18, 30].map(|height| (width, height));
            for size in [1, 7, 40, 80, 130].into_iter().flat_map(heights) {
                let picture = draw(&mut state, size);
                assert!(!picture.contains(|c: char| c.is_control() || c == '\u{202e}'), "{size:?}");
            }
        }
    }
}
