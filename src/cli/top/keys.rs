//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::act::{Task, Verb};
use super::pane::Pane;
use super::state::{Question, State};
use super::text::clean;

/// What is to be done beyond the screen.
pub(super) enum Step {
    Stay,
    Quit,
    /// Look at Redis now.
    Look,
    Do(Task),
    /// End what is being done.
    Interrupt,
    /// Stand still, as programs do on Ctrl-Z.
    Sleep,
    Redraw,
}

/// For the help.
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

pub(super) fn press(state: &mut State, key: KeyEvent) -> Step {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Step::Quit,
            KeyCode::Char('z') => Step::Sleep,
            KeyCode::Char('l') => Step::Redraw,
            _ => Step::Stay,
        };
    }
    if let Some(question) = state.question.take() {
        return answer(state, question, key.code);
    }
    if std::mem::take(&mut state.shows_help) {
        return Step::Stay;
    }
    match key.code {
        KeyCode::Esc if state.is_busy => return Step::Interrupt,
        KeyCode::Esc | KeyCode::Char('q') => return Step::Quit,
        KeyCode::Char('?' | 'h') => state.shows_help = true,
        KeyCode::Enter => return Step::Look,
        KeyCode::Char(' ') => {
            state.is_paused = !state.is_paused;
            return if state.is_paused { Step::Stay } else { Step::Look };
        }
        KeyCode::Char(letter) if "pzZScsrd".contains(letter) => return act(state, letter),
        code => walk(state, code),
    }
    Step::Stay
}

/// Only `y` is yes.
fn answer(state: &mut State, question: Question, code: KeyCode) -> Step {
    if code == KeyCode::Char('y') {
        return Step::Do(question.task);
    }
    state.say("nothing is done");
    Step::Stay
}

fn walk(state: &mut State, code: KeyCode) {
    let page = state.page.max(1);
    match code {
        KeyCode::Tab | KeyCode::Right => state.pane = state.pane.beside(1),
        KeyCode::BackTab | KeyCode::Left => state.pane = state.pane.beside(Pane::ALL.len() - 1),
        KeyCode::Char(digit @ '1'..='4') => state.pane = Pane::ALL[digit as usize - '1' as usize],
        KeyCode::Up | KeyCode::Char('k') => state.go(|at, _| at.saturating_sub(1)),
        KeyCode::Down | KeyCode::Char('j') => state.go(|at, _| at + 1),
        KeyCode::PageUp => state.go(|at, _| at.saturating_sub(page)),
        KeyCode::PageDown => state.go(|at, _| at + page),
        KeyCode::Home => state.go(|_, _| 0),
        KeyCode::End => state.go(|_, last| last),
        _ => {}
    }
}

fn act(state: &mut State, letter: char) -> Step {
    let pane = match letter {
        'p' => Pane::Queues,
        'z' | 'Z' | 'S' => Pane::Workers,
        'c' | 's' => Pane::Running,
        _ => Pane::Failed,
    };
    if state.is_read_only {
        state.say("read-only: nothing is changed from here");
        return Step::Stay;
    }
    if pane != state.pane {
        state.say(&format!("{letter} is a key of the pane {}", pane.title()));
        return Step::Stay;
    }
    if state.is_busy {
        state.say("one thing at a time; Esc ends it");
        return Step::Stay;
    }
    let task = task(state, letter);
    match task {
        None => state.say("nothing is selected"),
        // It takes work away from somebody, or is not to be taken back.
        Some(task @ (Task::Shutdown(_) | Task::Cancel(_) | Task::Stop(_))) => {
            let text = match &task {
                Task::Shutdown(name) => format!("tell worker {} to end", clean(name)),
                Task::Cancel(id) => format!("cancel job {}", clean(id)),
                Task::Stop(id) => format!("have its worker end job {}", clean(id)),
                _ => String::new(),
            };
            state.ask(Question { text, task });
        }
        Some(task) => return Step::Do(task),
    }
    Step::Stay
}

/// What this key does with what is selected.
fn task(state: &mut State, letter: char) -> Option<Task> {
    if let 'r' | 'd' = letter {
        let verb = if letter == 'r' { Verb::Requeue } else { Verb::Delete };
        return Some(Task::Count(verb, state.selected_group()?));
    }
    let name = state.selected()?;
    Some(match letter {
        'p' => {
            let queues = &state.look.as_ref()?.shot.queues;
            match queues.iter().find(|queue| queue.name == name)?.suspended {
                true => Task::Resume(name),
                false => Task::Suspend(name),
            }
        }
        'z' => Task::Quiet(name),
        'Z' => Task::Continue(name),
        'S' => Task::Shutdown(name),
        'c' => Task::Cancel(name),
        _ => Task::Stop(name),
    })
}
