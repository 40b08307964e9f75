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
use super::text::{bytes, clean, number};
use crate::cli::output::{clock, count};
use crate::cli::words;
use crate::stats::Counts;

/// More warnings are counted.
const WARNINGS: usize = 3;
/// The last hour is drawn on screens at least that high.
const HIGH: u16 = 18;

pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State) {
    let area = frame.area();
    let warnings = warnings(state, area.height);
    let has_hour = state.pane == Pane::Queues && area.height >= HIGH && state.look.is_some();
    let heights = [
        2,
        warnings.len() as u16,
        1,
        0,
        if has_hour { 4 } else { 0 },
        u16::from(area.height >= 8),
        1,
        u16::from(area.height >= 6),
    ];
    let heights = heights.iter().enumerate().map(|(n, height)| match n {
        3 => Constraint::Min(1),
        _ => Constraint::Length(*height),
    });
    let [head, warned, tabs, body, hour, detail, status, keys] = Layout::vertical(heights).areas(area);
    frame.render_widget(Paragraph::new(header(state)), head);
    frame.render_widget(Paragraph::new(warnings), warned);
    frame.render_widget(Paragraph::new(tab_line(state)), tabs);
    let told = draw_rows(frame, state, body);
    if has_hour {
        draw_hour(frame, state, hour);
    }
    frame.render_widget(Paragraph::new(told).style(faint(state)), detail);
    frame.render_widget(Paragraph::new(status_line(state)), status);
    frame.render_widget(Paragraph::new(hints(state)).style(faint(state)), keys);
    if state.shows_help {
        draw_help(frame, state);
    }
}

fn colour(state: &State, colour: Color) -> Style {
    if state.has_colours { Style::new().fg(colour) } else { Style::new() }
}

fn faint(state: &State) -> Style {
    if state.has_colours {
        Style::new().fg(Color::DarkGray)
    } else {
        Style::new().add_modifier(Modifier::DIM)
    }
}

fn bold(style: Style) -> Style {
    style.add_modifier(Modifier::BOLD)
}

fn header(state: &State) -> Vec<Line<'static>> {
    let mut first =
        vec![Span::styled("rq-rs top", bold(Style::new())), Span::raw(format!("  {}", state.address))];
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
    first.push(Span::raw(format!("  {}", state.now().with_timezone(&Local).format("%H:%M:%S"))));
    let total = |of: fn(&crate::snapshot::QueueView) -> u64| shot.queues.iter().map(of).sum::<u64>();
    let waiting = total(|queue| queue.queued + queue.intermediate);
    let (running, failed) = (total(|queue| queue.started), total(|queue| queue.failed));
    let mut second = vec![
        Span::raw(format!("{} waiting  {} running  ", number(waiting), number(running))),
        Span::styled(
            format!("{} failed", number(failed)),
            if failed > 0 { colour(state, Color::Red) } else { Style::new() },
        ),
        Span::raw(format!("  {}", count(shot.workers.len(), "worker"))),
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
        let seconds = super::text::span((Utc::now() - away.since).as_seconds_f64());
        let text =
            format!("Redis is away since {} ({seconds}): {}", clock(Some(away.since)), clean(&away.reason));
        let style = bold(colour(state, Color::Red)).add_modifier(Modifier::REVERSED);
        lines.push(Line::styled(text, style));
    }
    let notes = state.look.as_ref().map_or(&[][..], |look| &look.shot.warnings);
    if height < 12 {
        return lines;
    }
    let mark = |text: String| Line::styled(format!("! {text}"), colour(state, Color::Yellow));
    lines.extend(notes.iter().take(WARNINGS).map(|note| mark(clean(&words::of("warn", note)))));
    if notes.len() > WARNINGS {
        lines.push(mark(format!("and {} more", notes.len() - WARNINGS)));
    }
    lines
}

fn tab_line(state: &State) -> Line<'static> {
    let mut spans = Vec::new();
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
        _ if state.away.is_some() => faint(state),
        Tone::Plain => Style::new(),
        Tone::Busy => colour(state, Color::Green),
        Tone::Odd => colour(state, Color::Yellow),
        Tone::Bad => colour(state, Color::Red),
    }
}

/// The rows of the pane; returns what is to be told of the selected one.
fn draw_rows(frame: &mut Frame<'_>, state: &mut State, area: Rect) -> String {
    let (rows, selected) = state.rows();
    state.page = usize::from(area.height.saturating_sub(1));
    if rows.is_empty() {
        let text = state.pane.nothing(state);
        frame.render_widget(Paragraph::new(text).style(faint(state)).wrap(Wrap { trim: true }), area);
        return String::new();
    }
    let columns: Vec<(usize, &Column)> =
        state.pane.columns().iter().enumerate().filter(|(_, column)| column.from <= area.width).collect();
    let align = |column: &Column, text: &str| {
        let side = if column.is_number { Alignment::Right } else { Alignment::Left };
        Cell::from(Line::from(text.to_owned()).alignment(side))
    };
    let heading =
        TableRow::new(columns.iter().map(|(_, column)| align(column, column.title))).style(faint(state));
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
    let minutes: Vec<u64> = look.shot.minutes.iter().map(|one| one.finished + one.failed).collect();
    let sum = |of: fn(&Counts) -> u64| look.shot.minutes.iter().map(of).sum::<u64>();
    let (ok, failed) = (sum(|one| one.finished), sum(|one| one.failed));
    let most = minutes.iter().max().copied().unwrap_or(0);
    let title = format!(
        " last hour, by minute: {} ok, {} failed, {} a minute at most ",
        number(ok),
        number(failed),
        number(most)
    );
    let fit = minutes.len().saturating_sub(usize::from(area.width));
    let style = if state.away.is_some() { faint(state) } else { colour(state, Color::Green) };
    let block = Block::new().title(Line::styled(title, faint(state)));
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
    format!("{own}Tab panes  Space pause  ? help  q quit")
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
