//! The thread that carries out actions. Actions on many jobs run in batches and can be interrupted between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

use super::model::{Confirmation, GroupAction, StatusLine, UiEvent, UserAction};
use super::text::sanitize;
use crate::bulk::{self, BulkAction};
use crate::cli::format::pluralize;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::job_handle::Job;
use crate::queue::Queue;
use crate::snapshot::{self, FailureGroup, JobList, PageQuery, SortOrder};

/// Jobs between two chances to interrupt; deleting takes a round trip for each.
const BATCH_SIZE: usize = 200;

pub(super) struct ActionRunner {
    actions: Sender<UserAction>,
    is_interrupted: Arc<AtomicBool>,
}

impl ActionRunner {
    pub(super) fn start(client: &Arc<Client>, events: Sender<UiEvent>) -> Self {
        let (actions, received) = channel();
        let is_interrupted = Arc::new(AtomicBool::new(false));
        let worker =
            ActionWorker { client: Arc::clone(client), events, is_interrupted: Arc::clone(&is_interrupted) };
        std::thread::spawn(move || {
            for action in received {
                worker.is_interrupted.store(false, Ordering::Relaxed);
                worker.run(action);
            }
        });
        ActionRunner { actions, is_interrupted }
    }

    /// Queues an action; its progress and result arrive as [`UiEvent::Status`].
    pub(super) fn submit(&self, action: UserAction) {
        let _ = self.actions.send(action);
    }

    /// Ends the current action after its current batch.
    pub(super) fn interrupt(&self) {
        self.is_interrupted.store(true, Ordering::Relaxed);
    }
}

/// The thread's side.
struct ActionWorker {
    client: Arc<Client>,
    events: Sender<UiEvent>,
    is_interrupted: Arc<AtomicBool>,
}

impl ActionWorker {
    fn run(&self, action: UserAction) {
        let result = match action {
            UserAction::CountGroup(action, group) => self.count_group(action, group),
            UserAction::ApplyToGroup(action, group, limit) => {
                self.apply_to_group(action, &group, limit);
                Ok(())
            }
            single => self.run_single(&single).map(|()| self.send_result(result_text(&single))),
        };
        if let Err(error) = result {
            self.send_error("", &error);
        }
    }

    fn send_status(&self, text: String, is_error: bool, is_final: bool) {
        let _ = self.events.send(UiEvent::Status(StatusLine { text, is_error, is_final }));
    }

    fn send_progress(&self, text: String) {
        self.send_status(text, false, false);
    }

    fn send_result(&self, text: String) {
        self.send_status(text, false, true);
    }

    fn send_error(&self, progress: &str, error: &Error) {
        let hint = error.hint().map_or_else(String::new, |hint| format!(": {hint}"));
        self.send_status(sanitize(&format!("{progress}{error}{hint}")), true, true);
    }

    fn run_single(&self, action: &UserAction) -> Result<()> {
        // Workers are commanded through any queue.
        let any_queue = || Queue::with_client(&self.client, "default");
        match action {
            UserAction::SuspendQueue(name) => Queue::with_any_name(&self.client, name).suspend(),
            UserAction::ResumeQueue(name) => Queue::with_any_name(&self.client, name).resume(),
            UserAction::QuietWorker(name) => any_queue()?.quiet_worker(name),
            UserAction::ContinueWorker(name) => any_queue()?.continue_worker(name),
            UserAction::ShutDownWorker(name) => any_queue()?.shutdown_worker(name),
            UserAction::CancelJob(id) => Job::fetch_partial(&self.client, id)?.cancel().map(drop),
            UserAction::StopJob(id) => Job::fetch_partial(&self.client, id)?.stop(),
            UserAction::CountGroup(..) | UserAction::ApplyToGroup(..) => Ok(()),
        }
    }

    fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }

    /// Counts the jobs of the group and asks whether the action shall be applied to them.
    fn count_group(&self, action: GroupAction, group: FailureGroup) -> Result<()> {
        let Some(count) = self.count_matching(&group)? else {
            self.send_result("nothing is done".into());
            return Ok(());
        };
        if count == 0 {
            self.send_result("there is none left of these".into());
            return Ok(());
        }
        let error = group.error.as_deref().map_or_else(String::new, |error| format!(": {}", sanitize(error)));
        let jobs = pluralize(count, "failed job");
        let text = format!("{} {jobs} of {}{error}", action.verb(), sanitize(&group.queue));
        let action = UserAction::ApplyToGroup(action, group, count);
        let _ = self.events.send(UiEvent::Confirm(Box::new(Confirmation { text, action })));
        Ok(())
    }

    /// Returns nothing if the user has interrupted.
    fn count_matching(&self, group: &FailureGroup) -> Result<Option<usize>> {
        let (mut count, mut next_offset) = (0, Some(0));
        while let Some(offset) = next_offset {
            self.send_progress(format!("counting: {count} so far"));
            let query =
                PageQuery { offset, limit: usize::MAX, order: SortOrder::Oldest, filter: group.filter() };
            let page = snapshot::find_matching(&self.client, &group.queue, JobList::Failed, &query)?;
            count += page.ids.len();
            next_offset =
                Some(offset + page.seen.len()).filter(|offset| !page.seen.is_empty() && *offset < page.total);
            if self.is_interrupted() {
                return Ok(None);
            }
        }
        Ok(Some(count))
    }

    /// Acts on no more jobs than were counted: requeued jobs that fail again meanwhile would otherwise never end it.
    fn apply_to_group(&self, action: GroupAction, group: &FailureGroup, limit: usize) {
        let (mut done, mut tried, mut cursor) = (0, 0, None);
        let progress =
            |done: usize| format!("{done} of {} {}", pluralize(limit, "job"), action.past_participle());
        let bulk_action = BulkAction { queue: &group.queue, list: JobList::Failed, action: action.verb() };
        while tried < limit {
            self.send_progress(format!("{}; Esc ends that", progress(done)));
            if self.is_interrupted() {
                self.send_status(format!("ended: {}", progress(done)), true, true);
                return;
            }
            let size = BATCH_SIZE.min(limit - tried);
            let batch = match bulk::run_batch(&self.client, &bulk_action, group.filter(), size, cursor) {
                Ok(batch) => batch,
                Err(error) => {
                    self.send_error(&format!("{}: ", progress(done)), &error);
                    return;
                }
            };
            done += batch.done;
            tried += batch.done + batch.failed;
            cursor = batch.next;
            if cursor.is_none() {
                break;
            }
        }
        if done == limit {
            self.send_result(format!("{} {}", pluralize(done, "job"), action.past_participle()));
        } else {
            self.send_result(format!("{}; the others are gone, or somebody was faster", progress(done)));
        }
    }
}

/// Result of a successful action, for the status line.
fn result_text(action: &UserAction) -> String {
    match action {
        UserAction::SuspendQueue(name) => format!("{} is suspended: no job of it starts", sanitize(name)),
        UserAction::ResumeQueue(name) => format!("{} goes on", sanitize(name)),
        UserAction::QuietWorker(name) => format!("{} is told to start no more jobs", sanitize(name)),
        UserAction::ContinueWorker(name) => format!("{} is told to go on", sanitize(name)),
        UserAction::ShutDownWorker(name) => {
            format!("{} is told to end when what it runs has ended", sanitize(name))
        }
        UserAction::CancelJob(id) => format!("{} is canceled", sanitize(id)),
        UserAction::StopJob(id) => format!("the worker of {} is told to end it", sanitize(id)),
        // Groups report their progress while they run.
        UserAction::CountGroup(..) | UserAction::ApplyToGroup(..) => String::new(),
    }
}
