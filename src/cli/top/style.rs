//! Colours and emphasis. Colours only repeat what the text says, and are left out where none are wanted.

use ratatui::style::{Color, Modifier, Style};

use super::rows::RowStyle;
use super::state::State;

pub(super) fn coloured(state: &State, colour: Color) -> Style {
    if state.has_colours { Style::new().fg(colour) } else { Style::new() }
}

/// Dimmed, and not dark grey, which is the background colour of some terminals.
pub(super) fn faint() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

pub(super) fn bold(style: Style) -> Style {
    style.add_modifier(Modifier::BOLD)
}

pub(super) fn reversed(style: Style) -> Style {
    style.add_modifier(Modifier::REVERSED)
}

/// During an outage all rows are faint, because they are old.
pub(super) fn of_row(state: &State, style: RowStyle) -> Style {
    match style {
        _ if state.outage.is_some() => faint(),
        RowStyle::Plain => Style::new(),
        RowStyle::Busy => coloured(state, Color::Green),
        RowStyle::Warning => coloured(state, Color::Yellow),
        RowStyle::Problem => coloured(state, Color::Red),
    }
}
