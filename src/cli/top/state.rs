//! State of the screen between two frames.

use std::time::Instant;

use chrono::{DateTime, Utc};
use ratatui::widgets::TableState;

use super::model::{Confirmation, Pane, Sample, StatusLine};
use super::text::sanitize;
use crate::client::Client;
use crate::snapshot::{FailureGroups, RunningJob, messages};

/// A poll that takes longer is shown as a warning, in seconds.
const SLOW_POLL: f64 = 4.0;

/// Redis cannot be reached.
pub(super) struct Outage {
    pub(super) since: DateTime<Utc>,
    pub(super) reason: String,
}

/// Selected row of a pane, found again by its key after each poll.
#[derive(Default)]
pub(super) struct Selection {
    pub(super) key: Option<String>,
    pub(super) table: TableState,
}

pub(super) struct State {
    /// Address of Redis, without a password.
    pub(super) address: String,
    /// Dialect and prefix, in words.
    pub(super) deployment: String,
    pub(super) is_read_only: bool,
    pub(super) has_colours: bool,
    pub(super) sample: Option<Sample>,
    /// Warnings of the last sample, in words.
    pub(super) warnings: Vec<String>,
    /// Running jobs of the last sample that had them.
    pub(super) running: Option<Vec<RunningJob>>,
    /// Groups of failed jobs, of the last sample that had them.
    pub(super) failed: Option<FailureGroups>,
    pub(super) outage: Option<Outage>,
    /// Start of the poll in progress.
    pub(super) polling_since: Option<Instant>,
    pub(super) pane: Pane,
    pub(super) selections: [Selection; 4],
    pub(super) confirmation: Option<Confirmation>,
    pub(super) status: Option<StatusLine>,
    /// `true` while an action is in progress.
    pub(super) is_busy: bool,
    pub(super) is_paused: bool,
    pub(super) shows_help: bool,
    /// Number of rows of the pane that fit on the screen.
    pub(super) page_size: usize,
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
            sample: None,
            warnings: Vec::new(),
            running: None,
            failed: None,
            outage: None,
            polling_since: None,
            pane: Pane::Queues,
            selections: Default::default(),
            confirmation: None,
            status: None,
            is_busy: false,
            is_paused: false,
            shows_help: false,
            page_size: 10,
        }
    }

    /// Redis' clock, estimated from the last sample.
    pub(super) fn now(&self) -> DateTime<Utc> {
        let Some(sample) = &self.sample else { return Utc::now() };
        // During an outage the clock stands still: ages on the screen are those of the last sample.
        let passed = if self.outage.is_some() { Default::default() } else { sample.taken_at.elapsed() };
        sample.snapshot.now + passed
    }

    /// Seconds that the poll in progress has taken, if that is too long.
    pub(super) fn slow_poll_seconds(&self) -> Option<f64> {
        let seconds = self.polling_since.map(|since| since.elapsed().as_secs_f64());
        seconds.filter(|seconds| *seconds >= SLOW_POLL)
    }

    pub(super) fn on_polled(&mut self, result: Result<Sample, String>) {
        self.polling_since = None;
        match result {
            Ok(mut sample) => {
                self.outage = None;
                self.running = sample.running.take().or_else(|| self.running.take());
                self.failed = sample.failed.take().or_else(|| self.failed.take());
                let warnings = sample.snapshot.warnings.iter();
                self.warnings = warnings.map(|diagnostic| sanitize(&messages::warning(diagnostic))).collect();
                self.sample = Some(sample);
            }
            Err(reason) => {
                let since = self.outage.take().map_or_else(Utc::now, |outage| outage.since);
                self.outage = Some(Outage { since, reason });
            }
        }
    }

    pub(super) fn on_status(&mut self, status: StatusLine) {
        self.is_busy = !status.is_final;
        self.status = Some(status);
    }

    /// Shows a text in the status line.
    pub(super) fn show_hint(&mut self, text: &str) {
        self.status = Some(StatusLine { text: text.to_owned(), is_error: false, is_final: true });
    }

    /// Asks for a confirmation, in place of the status line.
    pub(super) fn ask(&mut self, confirmation: Confirmation) {
        (self.status, self.confirmation, self.is_busy) = (None, Some(confirmation), false);
    }

    /// Selection of the current pane.
    pub(super) fn selection(&mut self) -> &mut Selection {
        &mut self.selections[self.pane as usize]
    }
}
