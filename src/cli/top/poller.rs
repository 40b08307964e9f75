//! The polling thread: while Redis is slow or away, keys still work.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use super::model::{Pane, Sample, UiEvent};
use crate::client::Client;
use crate::error::Result;
use crate::snapshot::{self, FailureGroups};
use crate::wrong_type::WrongTypeKeys;

/// Handle of the thread; each pane sent to it is one poll.
pub(super) struct Poller(Sender<Pane>);

impl Poller {
    pub(super) fn start(client: &Arc<Client>, queues: Vec<String>, events: Sender<UiEvent>) -> Self {
        let (sender, requests) = channel();
        let client = Arc::clone(client);
        std::thread::spawn(move || poll_loop(&client, &queues, &requests, &events));
        Poller(sender)
    }

    /// Fetches the data of a pane; the result arrives as [`UiEvent::Polled`].
    pub(super) fn poll(&self, pane: Pane) {
        let _ = self.0.send(pane);
    }
}

fn poll_loop(client: &Arc<Client>, queues: &[String], requests: &Receiver<Pane>, events: &Sender<UiEvent>) {
    let mut is_server_checked = false;
    for pane in requests {
        let sample = fetch(client, queues, pane, &mut is_server_checked).map_err(|error| error.to_string());
        if events.send(UiEvent::Polled(Box::new(sample))).is_err() {
            return;
        }
    }
}

fn fetch(
    client: &Arc<Client>,
    queues: &[String],
    pane: Pane,
    is_server_checked: &mut bool,
) -> Result<Sample> {
    let started = Instant::now();
    if !*is_server_checked {
        crate::server_info::check_supported(client, &mut |_| {})?;
        *is_server_checked = true;
    }
    let snapshot = snapshot::fetch(client, queues)?;
    let names: Vec<String> = snapshot.queues.iter().map(|queue| queue.name.clone()).collect();
    let running = match pane {
        Pane::Running | Pane::Workers => Some(snapshot::fetch_running(client, &names)?),
        _ => None,
    };
    let failed = match pane {
        Pane::Failed => Some(fetch_failed(client, queues)?),
        _ => None,
    };
    Ok(Sample { snapshot, running, failed, duration: started.elapsed(), taken_at: Instant::now() })
}

/// Fetches the groups of failed jobs of these queues, or of all queues if none is named.
fn fetch_failed(client: &Arc<Client>, queues: &[String]) -> Result<FailureGroups> {
    if queues.is_empty() {
        return snapshot::fetch_failure_groups(client, None);
    }
    let mut all =
        FailureGroups { total: 0, scanned: 0, groups: Vec::new(), wrong_type_keys: WrongTypeKeys::default() };
    for queue in queues {
        let groups = snapshot::fetch_failure_groups(client, Some(queue))?;
        all.total += groups.total;
        all.scanned += groups.scanned;
        all.groups.extend(groups.groups);
        all.wrong_type_keys.merge(groups.wrong_type_keys);
    }
    all.groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| b.last.cmp(&a.last)));
    Ok(all)
}
