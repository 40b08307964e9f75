//! Plain data of `top`: panes, actions, samples and the events between its threads.

use std::time::{Duration, Instant};

use ratatui::crossterm::event::KeyEvent;

use crate::snapshot::{FailureGroup, FailureGroups, RunningJob, Snapshot};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    Queues,
    Workers,
    Running,
    Failed,
}

impl Pane {
    pub(super) const ALL: [Pane; 4] = [Pane::Queues, Pane::Workers, Pane::Running, Pane::Failed];

    pub(super) fn title(self) -> &'static str {
        ["Queues", "Workers", "Running", "Failed"][self as usize]
    }

    /// The pane `tabs` to the right of this one; the first follows the last.
    pub(super) fn right_by(self, tabs: usize) -> Self {
        Pane::ALL[(self as usize + tabs) % Pane::ALL.len()]
    }
}

/// Action on a whole group of failed jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GroupAction {
    Requeue,
    Delete,
}

impl GroupAction {
    pub(super) fn verb(self) -> &'static str {
        match self {
            GroupAction::Requeue => "requeue",
            GroupAction::Delete => "delete",
        }
    }

    pub(super) fn past_participle(self) -> &'static str {
        match self {
            GroupAction::Requeue => "requeued",
            GroupAction::Delete => "deleted",
        }
    }
}

/// A change that the user asks for with a key.
#[derive(Debug, Clone)]
pub(super) enum UserAction {
    SuspendQueue(String),
    ResumeQueue(String),
    QuietWorker(String),
    ContinueWorker(String),
    ShutDownWorker(String),
    CancelJob(String),
    StopJob(String),
    /// Counts the jobs of a group, for the question that comes before [`UserAction::ApplyToGroup`].
    CountGroup(GroupAction, FailureGroup),
    /// Acts on the jobs of the group, at most this number of them.
    ApplyToGroup(GroupAction, FailureGroup, usize),
}

/// Progress or result of an action, or a hint about a key.
pub(super) struct StatusLine {
    pub(super) text: String,
    pub(super) is_error: bool,
    /// `true` if the action has ended.
    pub(super) is_final: bool,
}

/// A question that the user answers with `y` or any other key.
pub(super) struct Confirmation {
    /// The action in words, as in "delete 12 failed jobs".
    pub(super) text: String,
    pub(super) action: UserAction,
}

/// Data of one poll. Running and failed jobs are only fetched for the panes that show them.
pub(super) struct Sample {
    pub(super) snapshot: Snapshot,
    pub(super) running: Option<Vec<RunningJob>>,
    pub(super) failed: Option<FailureGroups>,
    /// Time that the poll took.
    pub(super) duration: Duration,
    pub(super) taken_at: Instant,
}

/// Message to the event loop.
pub(super) enum UiEvent {
    Key(KeyEvent),
    /// The terminal has another size, or another program has drawn on it.
    Resized,
    Polled(Box<Result<Sample, String>>),
    Status(StatusLine),
    Confirm(Box<Confirmation>),
    /// A signal asks the process to end, or the terminal is gone.
    Quit,
    /// SIGTSTP: the process goes to the background until SIGCONT.
    Background,
}
