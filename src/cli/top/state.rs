//! What the screen knows between two pictures.

use std::time::Instant;

use chrono::{DateTime, Utc};
use ratatui::widgets::TableState;

use super::act::{Said, Task};
use super::look::Look;
use super::pane::{self, Pane, Row};
use super::text::clean;
use crate::client::Client;
use crate::snapshot::{FailureGroup, FailureGroups, RunningJob, messages};

/// A look that takes longer is told of, in seconds.
const SLOW: f64 = 4.0;

/// What is to be said yes to.
pub(super) struct Question {
    /// As in "delete 12 failed jobs".
    pub(super) text: String,
    pub(super) task: Task,
}

/// Redis does not answer.
pub(super) struct Away {
    pub(super) since: DateTime<Utc>,
    pub(super) reason: String,
}

/// A row, which is found again after the next look.
#[derive(Default)]
pub(super) struct Selection {
    key: Option<String>,
    pub(super) table: TableState,
}

pub(super) struct State {
    /// Where it is, without a password.
    pub(super) address: String,
    /// Dialect and prefix.
    pub(super) deployment: String,
    pub(super) is_read_only: bool,
    pub(super) has_colours: bool,
    pub(super) look: Option<Look>,
    /// Of the last look, in words.
    pub(super) warnings: Vec<String>,
    pub(super) running: Option<Vec<RunningJob>>,
    pub(super) failed: Option<FailureGroups>,
    pub(super) away: Option<Away>,
    /// Since when a look is on its way.
    pub(super) looking: Option<Instant>,
    pub(super) pane: Pane,
    pub(super) selections: [Selection; 4],
    pub(super) question: Option<Question>,
    pub(super) said: Option<Said>,
    /// Whether something is being done.
    pub(super) is_busy: bool,
    pub(super) is_paused: bool,
    pub(super) shows_help: bool,
    /// How many rows of the pane there is space for.
    pub(super) page: usize,
}

impl State {
    pub(super) fn new(client: &Client, is_read_only: bool, has_colours: bool) -> Self {
        State {
            address: client.address(),
            deployment: format!(
                "in the dialect {} under the prefix {}",
                client.dialect.name,
                client.keys.prefix()
            ),
            is_read_only,
            has_colours,
            look: None,
            warnings: Vec::new(),
            running: None,
            failed: None,
            away: None,
            looking: None,
            pane: Pane::Queues,
            selections: Default::default(),
            question: None,
            said: None,
            is_busy: false,
            is_paused: false,
            shows_help: false,
            page: 10,
        }
    }

    /// Redis' clock, as far as is known.
    pub(super) fn now(&self) -> DateTime<Utc> {
        let Some(look) = &self.look else { return Utc::now() };
        // What is known of times when Redis was there says nothing about now.
        let passed = if self.away.is_some() { Default::default() } else { look.at.elapsed() };
        look.shot.now + passed
    }

    /// How many seconds a look takes that takes too many.
    pub(super) fn slow_for(&self) -> Option<f64> {
        self.looking.map(|since| since.elapsed().as_secs_f64()).filter(|seconds| *seconds >= SLOW)
    }

    pub(super) fn take(&mut self, look: Result<Look, String>) {
        self.looking = None;
        match look {
            Ok(mut look) => {
                self.away = None;
                self.running = look.running.take().or_else(|| self.running.take());
                self.failed = look.failed.take().or_else(|| self.failed.take());
                self.warnings = look
                    .shot
                    .warnings
                    .iter()
                    .map(|diagnostic| clean(&messages::warning(diagnostic)))
                    .collect();
                self.look = Some(look);
            }
            Err(reason) => {
                let since = self.away.take().map_or_else(Utc::now, |away| away.since);
                self.away = Some(Away { since, reason });
            }
        }
    }

    pub(super) fn hear(&mut self, said: Said) {
        self.is_busy = !said.is_over;
        self.said = Some(said);
    }

    pub(super) fn say(&mut self, text: &str) {
        self.said = Some(Said { text: text.to_owned(), is_error: false, is_over: true });
    }

    pub(super) fn ask(&mut self, question: Question) {
        (self.said, self.question, self.is_busy) = (None, Some(question), false);
    }

    fn selection(&mut self) -> &mut Selection {
        &mut self.selections[self.pane as usize]
    }

    /// The rows of the pane, and which of them is selected.
    pub(super) fn rows(&mut self) -> (Vec<Row>, Option<usize>) {
        let rows = self.pane.rows(self);
        let selection = self.selection();
        let same = selection.key.as_ref().and_then(|key| rows.iter().position(|row| row.key == *key));
        let at = same.or(selection.table.selected()).unwrap_or(0).min(rows.len().saturating_sub(1));
        selection.key = rows.get(at).map(|row| row.key.clone());
        selection.table.select(selection.key.is_some().then_some(at));
        (rows, selection.table.selected())
    }

    /// Selects another row.
    pub(super) fn go(&mut self, to: impl FnOnce(usize, usize) -> usize) {
        let (rows, at) = self.rows();
        let Some(last) = rows.len().checked_sub(1) else { return };
        let to = to(at.unwrap_or(0), last).min(last);
        let selection = self.selection();
        selection.key = Some(rows[to].key.clone());
        selection.table.select(Some(to));
    }

    /// What tells the selected row from others: a queue's, worker's or job's name.
    pub(super) fn selected(&mut self) -> Option<String> {
        self.rows();
        self.selection().key.clone()
    }

    pub(super) fn selected_group(&mut self) -> Option<FailureGroup> {
        let key = self.selected()?;
        self.failed.iter().flat_map(|failed| &failed.groups).find(|group| pane::key(group) == key).cloned()
    }
}
