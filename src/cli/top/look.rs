//! Looks, in a thread of their own: a server that is slow or away keeps nobody from pressing keys.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::Event;
use super::pane::Pane;
use crate::client::Client;
use crate::error::Result;
use crate::snapshot::{self, FailureGroups, RunningJob, Snapshot};
use crate::wrong_type::WrongTypeKeys;

/// What was seen. Running jobs and failed ones are records to be read, and are only looked at where they are shown.
pub(super) struct Look {
    pub(super) shot: Snapshot,
    pub(super) running: Option<Vec<RunningJob>>,
    pub(super) failed: Option<FailureGroups>,
    pub(super) took: Duration,
    pub(super) at: Instant,
}

pub(super) struct Looker(Sender<Pane>);

impl Looker {
    pub(super) fn start(client: &Arc<Client>, queues: Vec<String>, tell: Sender<Event>) -> Self {
        let (ask, asked) = channel();
        let client = Arc::clone(client);
        std::thread::spawn(move || answer(&client, &queues, &asked, &tell));
        Looker(ask)
    }

    pub(super) fn look(&self, pane: Pane) {
        let _ = self.0.send(pane);
    }
}

fn answer(client: &Arc<Client>, queues: &[String], asked: &Receiver<Pane>, tell: &Sender<Event>) {
    let mut is_checked = false;
    for pane in asked {
        let seen = look(client, queues, pane, &mut is_checked).map_err(|error| error.to_string());
        if tell.send(Event::Looked(Box::new(seen))).is_err() {
            return;
        }
    }
}

fn look(client: &Arc<Client>, queues: &[String], pane: Pane, is_checked: &mut bool) -> Result<Look> {
    let at = Instant::now();
    if !*is_checked {
        crate::server_info::check(client, &mut |_| {})?;
        *is_checked = true;
    }
    let shot = snapshot::fetch(client, queues)?;
    let names: Vec<String> = shot.queues.iter().map(|queue| queue.name.clone()).collect();
    let running = match pane {
        Pane::Running | Pane::Workers => Some(snapshot::fetch_running(client, &names)?),
        _ => None,
    };
    let failed = match pane {
        Pane::Failed => Some(failed(client, queues)?),
        _ => None,
    };
    Ok(Look { shot, running, failed, took: at.elapsed(), at: Instant::now() })
}

/// Of these queues, or of all.
fn failed(client: &Arc<Client>, queues: &[String]) -> Result<FailureGroups> {
    if queues.is_empty() {
        return snapshot::fetch_failure_groups(client, None);
    }
    let mut all =
        FailureGroups { total: 0, scanned: 0, groups: Vec::new(), odd_keys: WrongTypeKeys::default() };
    for queue in queues {
        let some = snapshot::fetch_failure_groups(client, Some(queue))?;
        all.total += some.total;
        all.scanned += some.scanned;
        all.groups.extend(some.groups);
        all.odd_keys.join(some.odd_keys);
    }
    all.groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| b.last.cmp(&a.last)));
    Ok(all)
}
