//! Effect of each key.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::model::{Confirmation, GroupAction, Pane, UserAction};
use super::state::State;
use super::text::sanitize;

/// Effect of a key beyond the state of the screen.
pub(super) enum KeyAction {
    None,
    Quit,
    /// Poll Redis now.
    Poll,
    Run(UserAction),
    /// Interrupt the action in progress.
    Interrupt,
    /// Go to the background, as programs do on Ctrl-Z.
    Background,
    Redraw,
}

/// Keys and their meaning, for the help.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("1 2 3 4, Tab, ← →", "queues, workers, running, failed"),
    ("↑ ↓ PgUp PgDn Home End", "select"),
    ("p", "queues: suspend the selected one, or let it go on"),
    ("z Z", "workers: start no more jobs; go on"),
    ("S", "workers: end when what runs has ended"),
    ("c", "running: cancel the job; its worker is told"),
    ("s", "running: have the worker end the job"),
    ("r", "failed: requeue all of the group"),
    ("d", "failed: delete all of the group"),
    ("Space", "stop looking; go on"),
    ("Enter", "look now"),
    ("Ctrl-L", "draw again"),
    ("Ctrl-Z", "back to the shell; fg returns"),
    ("q, Esc, Ctrl-C", "quit; Esc first ends what is being done"),
];

pub(super) fn handle_key(state: &mut State, key: KeyEvent) -> KeyAction {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return handle_control_key(key.code);
    }
    if let Some(confirmation) = state.confirmation.take() {
        return confirm(state, confirmation, key.code);
    }
    if std::mem::take(&mut state.shows_help) {
        return KeyAction::None;
    }
    match key.code {
        KeyCode::Esc if state.is_busy => return KeyAction::Interrupt,
        KeyCode::Esc | KeyCode::Char('q') => return KeyAction::Quit,
        KeyCode::Char('?' | 'h') => state.shows_help = true,
        KeyCode::Enter => return KeyAction::Poll,
        KeyCode::Char(' ') => {
            state.is_paused = !state.is_paused;
            return if state.is_paused { KeyAction::None } else { KeyAction::Poll };
        }
        KeyCode::Char(letter) if "pzZScsrd".contains(letter) => return request_action(state, letter),
        code => navigate(state, code),
    }
    KeyAction::None
}

fn handle_control_key(code: KeyCode) -> KeyAction {
    match code {
        KeyCode::Char('c') => KeyAction::Quit,
        KeyCode::Char('z') => KeyAction::Background,
        KeyCode::Char('l') => KeyAction::Redraw,
        _ => KeyAction::None,
    }
}

/// Runs the action on `y`; every other key drops it.
fn confirm(state: &mut State, confirmation: Confirmation, code: KeyCode) -> KeyAction {
    if code == KeyCode::Char('y') {
        return KeyAction::Run(confirmation.action);
    }
    state.show_hint("nothing is done");
    KeyAction::None
}

fn navigate(state: &mut State, code: KeyCode) {
    let page_size = state.page_size.max(1);
    match code {
        KeyCode::Tab | KeyCode::Right => state.pane = state.pane.right_by(1),
        KeyCode::BackTab | KeyCode::Left => state.pane = state.pane.right_by(Pane::ALL.len() - 1),
        KeyCode::Char(digit @ '1'..='4') => state.pane = Pane::ALL[digit as usize - '1' as usize],
        KeyCode::Up | KeyCode::Char('k') => state.select(|index, _| index.saturating_sub(1)),
        KeyCode::Down | KeyCode::Char('j') => state.select(|index, _| index + 1),
        KeyCode::PageUp => state.select(|index, _| index.saturating_sub(page_size)),
        KeyCode::PageDown => state.select(|index, _| index + page_size),
        KeyCode::Home => state.select(|_, _| 0),
        KeyCode::End => state.select(|_, last| last),
        _ => {}
    }
}

/// Runs the action of a key, asks for a confirmation first, or shows why the key does nothing now.
fn request_action(state: &mut State, letter: char) -> KeyAction {
    if let Some(reason) = reason_against(state, letter) {
        state.show_hint(&reason);
        return KeyAction::None;
    }
    match action_of(state, letter) {
        None => state.show_hint("nothing is selected"),
        Some(action) => match question(&action) {
            Some(text) => state.ask(Confirmation { text, action }),
            None => return KeyAction::Run(action),
        },
    }
    KeyAction::None
}

/// Reason why the key's action is not possible now.
fn reason_against(state: &State, letter: char) -> Option<String> {
    let pane = match letter {
        'p' => Pane::Queues,
        'z' | 'Z' | 'S' => Pane::Workers,
        'c' | 's' => Pane::Running,
        _ => Pane::Failed,
    };
    if state.is_read_only {
        return Some("read-only: nothing is changed from here".to_owned());
    }
    if pane != state.pane {
        return Some(format!("{letter} is a key of the pane {}", pane.title()));
    }
    state.is_busy.then(|| "one thing at a time; Esc ends it".to_owned())
}

/// Question before an action that interrupts work or cannot be undone. Actions on groups are confirmed after counting.
fn question(action: &UserAction) -> Option<String> {
    match action {
        UserAction::ShutDownWorker(name) => Some(format!("tell worker {} to end", sanitize(name))),
        UserAction::CancelJob(id) => Some(format!("cancel job {}", sanitize(id))),
        UserAction::StopJob(id) => Some(format!("have its worker end job {}", sanitize(id))),
        _ => None,
    }
}

/// Action of the key on the selected row.
fn action_of(state: &mut State, letter: char) -> Option<UserAction> {
    if let 'r' | 'd' = letter {
        let action = if letter == 'r' { GroupAction::Requeue } else { GroupAction::Delete };
        return Some(UserAction::CountGroup(action, state.selected_group()?));
    }
    let key = state.selected_key()?;
    Some(match letter {
        'p' => {
            let queues = &state.sample.as_ref()?.snapshot.queues;
            match queues.iter().find(|queue| queue.name == key)?.suspended {
                true => UserAction::ResumeQueue(key),
                false => UserAction::SuspendQueue(key),
            }
        }
        'z' => UserAction::QuietWorker(key),
        'Z' => UserAction::ContinueWorker(key),
        'S' => UserAction::ShutDownWorker(key),
        'c' => UserAction::CancelJob(key),
        _ => UserAction::StopJob(key),
    })
}
