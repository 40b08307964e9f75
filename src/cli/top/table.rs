//! Body of the screen: the table of the pane, and the chart of the last hour.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Paragraph, Row as TableRow, Sparkline, Table, Wrap};

use super::columns::{self, Column};
use super::rows::Row;
use super::state::State;
use super::style::{self, coloured, faint, reversed};
use super::text::compact_number;
use crate::stats::Counts;

/// Bars are capped at this height: ratatui's arithmetic overflows above it.
const MAX_BAR: u64 = 1 << 40;

/// Draws the rows of the pane. Returns the details of the selected row.
pub(super) fn draw_rows(frame: &mut Frame<'_>, state: &mut State, area: Rect) -> String {
    let (rows, selected) = state.rows();
    state.page_size = usize::from(area.height.saturating_sub(1));
    if rows.is_empty() {
        let text = state.empty_text();
        frame.render_widget(Paragraph::new(text).style(faint()).wrap(Wrap { trim: true }), area);
        return String::new();
    }
    let table = table(state, &rows, area.width);
    frame.render_stateful_widget(table, area, &mut state.selection().table);
    selected.map_or_else(String::new, |n| rows[n].details.clone())
}

fn table(state: &State, rows: &[Row], width: u16) -> Table<'static> {
    let columns: Vec<(usize, &Column)> = columns::of_pane(state.pane)
        .iter()
        .enumerate()
        .filter(|(_, column)| column.min_terminal_width <= width)
        .collect();
    let heading = TableRow::new(columns.iter().map(|(_, column)| cell(column, column.title))).style(faint());
    let table_row = |row: &Row| {
        TableRow::new(columns.iter().map(|(n, column)| cell(column, &row.cells[*n])))
            .style(style::of_row(state, row.style))
    };
    let widths = columns.iter().map(|(_, column)| match column.width {
        0 => Constraint::Fill(1),
        width => Constraint::Length(width),
    });
    Table::new(rows.iter().map(table_row), widths)
        .header(heading)
        .column_spacing(1)
        .row_highlight_style(reversed(Style::new()))
}

fn cell(column: &Column, text: &str) -> Cell<'static> {
    let alignment = if column.is_number { Alignment::Right } else { Alignment::Left };
    Cell::from(Line::from(text.to_owned()).alignment(alignment))
}

/// Draws the runs of the last hour by minute.
pub(super) fn draw_hour(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let Some(sample) = &state.sample else { return };
    let minutes = &sample.snapshot.minutes;
    let sum = |count: fn(&Counts) -> u64| minutes.iter().map(count).fold(0, u64::saturating_add);
    let (ok, failed) = (sum(|minute| minute.finished), sum(|minute| minute.failed));
    let bars: Vec<u64> =
        minutes.iter().map(|minute| minute.finished.saturating_add(minute.failed).min(MAX_BAR)).collect();
    let highest = bars.iter().max().copied().unwrap_or(0);
    let title = format!(
        " last hour, by minute: {} ok, {} failed, {} a minute at most ",
        compact_number(ok),
        compact_number(failed),
        compact_number(highest)
    );
    let hidden = bars.len().saturating_sub(usize::from(area.width));
    let style = if state.outage.is_some() { faint() } else { coloured(state, Color::Green) };
    let block = Block::new().title(Line::styled(title, faint()));
    frame.render_widget(Sparkline::default().block(block).data(&bars[hidden..]).style(style), area);
}
