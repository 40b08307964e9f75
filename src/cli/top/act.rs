//! What is done, in a thread of its own, and in parts: between two of them it can be interrupted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

use super::Event;
use super::state::Question;
use super::text::clean;
use crate::bulk::{self, BulkAction};
use crate::cli::format::pluralize;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::job_handle::Job;
use crate::queue::Queue;
use crate::snapshot::{self, FailureGroup, JobList, PageQuery, SortOrder};

/// A part of what is done to many. A delete is a round trip for each.
const BATCH: usize = 200;

/// What is done to a whole group of failed jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Requeue,
    Delete,
}

impl Verb {
    pub(super) fn word(self) -> &'static str {
        match self {
            Verb::Requeue => "requeue",
            Verb::Delete => "delete",
        }
    }

    fn past(self) -> &'static str {
        match self {
            Verb::Requeue => "requeued",
            Verb::Delete => "deleted",
        }
    }
}

/// What a key asks for.
#[derive(Debug, Clone)]
pub(super) enum Task {
    Suspend(String),
    Resume(String),
    Quiet(String),
    Continue(String),
    Shutdown(String),
    Cancel(String),
    Stop(String),
    /// How many are in the group, before somebody is asked whether it shall be done.
    Count(Verb, FailureGroup),
    /// To so many of the group.
    All(Verb, FailureGroup, usize),
}

/// A line about what is done.
pub(super) struct Said {
    pub(super) text: String,
    pub(super) is_error: bool,
    /// Whether that was the end of it.
    pub(super) is_over: bool,
}

pub(super) struct Doer {
    tasks: Sender<Task>,
    is_interrupted: Arc<AtomicBool>,
}

impl Doer {
    pub(super) fn start(client: &Arc<Client>, tell: Sender<Event>) -> Self {
        let (tasks, asked) = channel();
        let is_interrupted = Arc::new(AtomicBool::new(false));
        let hands = Hands { client: Arc::clone(client), tell, is_interrupted: Arc::clone(&is_interrupted) };
        std::thread::spawn(move || {
            for task in asked {
                hands.is_interrupted.store(false, Ordering::Relaxed);
                hands.work(task);
            }
        });
        Doer { tasks, is_interrupted }
    }

    pub(super) fn begin(&self, task: Task) {
        let _ = self.tasks.send(task);
    }

    pub(super) fn interrupt(&self) {
        self.is_interrupted.store(true, Ordering::Relaxed);
    }
}

struct Hands {
    client: Arc<Client>,
    tell: Sender<Event>,
    is_interrupted: Arc<AtomicBool>,
}

impl Hands {
    fn say(&self, text: String, is_error: bool, is_over: bool) {
        let _ = self.tell.send(Event::Said(Said { text, is_error, is_over }));
    }

    fn work(&self, task: Task) {
        let done = match task {
            Task::Count(verb, group) => self.count(verb, group),
            Task::All(verb, group, most) => {
                self.all(verb, &group, most);
                Ok(())
            }
            one => self.one(&one).map(|text| self.say(text, false, true)),
        };
        if let Err(error) = done {
            self.complain("", &error);
        }
    }

    fn complain(&self, told: &str, error: &Error) {
        let hint = error.hint().map_or_else(String::new, |hint| format!(": {hint}"));
        self.say(clean(&format!("{told}{error}{hint}")), true, true);
    }

    fn one(&self, task: &Task) -> Result<String> {
        let any = || Queue::on(&self.client, "default");
        let queue = |name: &String| Queue::of(&self.client, name);
        Ok(match task {
            Task::Suspend(name) => {
                queue(name).suspend()?;
                format!("{} is suspended: no job of it starts", clean(name))
            }
            Task::Resume(name) => {
                queue(name).resume()?;
                format!("{} goes on", clean(name))
            }
            Task::Quiet(name) => {
                any()?.quiet_worker(name)?;
                format!("{} is told to start no more jobs", clean(name))
            }
            Task::Continue(name) => {
                any()?.continue_worker(name)?;
                format!("{} is told to go on", clean(name))
            }
            Task::Shutdown(name) => {
                any()?.shutdown_worker(name)?;
                format!("{} is told to end when what it runs has ended", clean(name))
            }
            Task::Cancel(id) => {
                Job::find(&self.client, id)?.cancel()?;
                format!("{} is canceled", clean(id))
            }
            Task::Stop(id) => {
                Job::find(&self.client, id)?.stop()?;
                format!("the worker of {} is told to end it", clean(id))
            }
            Task::Count(..) | Task::All(..) => String::new(),
        })
    }

    fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }

    /// Counts, and has somebody asked.
    fn count(&self, verb: Verb, group: FailureGroup) -> Result<()> {
        let (mut found, mut from) = (0, Some(0));
        while let Some(offset) = from {
            self.say(format!("counting: {found} so far"), false, false);
            let asked =
                PageQuery { offset, limit: usize::MAX, order: SortOrder::Oldest, filter: group.filter() };
            let some = snapshot::find_matching(&self.client, &group.queue, JobList::Failed, &asked)?;
            found += some.ids.len();
            let next =
                Some(offset + some.seen.len()).filter(|next| !some.seen.is_empty() && *next < some.total);
            if self.is_interrupted() {
                self.say("nothing is done".into(), false, true);
                return Ok(());
            }
            from = next;
        }
        if found == 0 {
            self.say("there is none left of these".into(), false, true);
            return Ok(());
        }
        let error = group.error.as_deref().map_or_else(String::new, |error| format!(": {}", clean(error)));
        let text =
            format!("{} {} of {}{error}", verb.word(), pluralize(found, "failed job"), clean(&group.queue));
        let _ =
            self.tell.send(Event::Asked(Box::new(Question { text, task: Task::All(verb, group, found) })));
        Ok(())
    }

    /// No more than were counted, so that what fails again meanwhile does not go round for ever.
    fn all(&self, verb: Verb, group: &FailureGroup, most: usize) {
        let (mut done, mut seen, mut from) = (0, 0, None);
        let told = |done: usize| format!("{done} of {} {}", pluralize(most, "job"), verb.past());
        let deed = BulkAction { queue: &group.queue, place: JobList::Failed, action: verb.word() };
        while seen < most {
            self.say(format!("{}; Esc ends that", told(done)), false, false);
            if self.is_interrupted() {
                self.say(format!("ended: {}", told(done)), true, true);
                return;
            }
            let part =
                match bulk::run_batch(&self.client, &deed, group.filter(), BATCH.min(most - seen), from) {
                    Ok(part) => part,
                    Err(error) => {
                        self.complain(&format!("{}: ", told(done)), &error);
                        return;
                    }
                };
            done += part.done;
            seen += part.done + part.failed;
            from = part.next;
            if from.is_none() {
                break;
            }
        }
        if done == most {
            self.say(format!("{} {}", pluralize(done, "job"), verb.past()), false, true);
        } else {
            self.say(format!("{}; the others are gone, or somebody was faster", told(done)), false, true);
        }
    }
}
