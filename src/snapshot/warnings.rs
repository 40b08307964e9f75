//! What somebody should look at.

use super::Snapshot;
use super::diagnostic::Diagnostic;
use crate::job::from_iso;

/// Age of the last heartbeat above which a worker counts as silent, in seconds: two of RQ's heartbeat intervals and a
/// margin.
pub(crate) const WORKER_SILENCE_LIMIT: i64 = 90;
/// Redis is nearly full from here on.
const FULL: f64 = 0.9;
/// More of a kind are not told.
const MOST: usize = 20;

pub(super) fn of(shot: &Snapshot) -> Vec<Diagnostic> {
    let mut notes = Vec::new();
    if shot.suspended {
        notes.push(Diagnostic::new("suspended"));
    }
    let server = &shot.server;
    if let Some(policy) = server.maxmemory_policy.as_deref().filter(|policy| *policy != "noeviction") {
        notes.push(Diagnostic::new("policy").with("policy", policy));
    }
    if let (Some(used), Some(most @ 1..)) = (server.used_memory, server.maxmemory)
        && used as f64 >= most as f64 * FULL
    {
        notes.push(Diagnostic::new("memory").with("percent", used * 100 / most));
    }
    let waiting = shot.queues.iter().filter(|queue| queue.queued > 0 && queue.workers == 0);
    notes.extend(waiting.take(MOST).map(|queue| {
        Diagnostic::new("no_worker").with("queue", queue.name.as_str()).with("count", queue.queued)
    }));
    let suspended = shot.queues.iter().filter(|queue| queue.suspended);
    notes.extend(
        suspended
            .take(MOST)
            .map(|queue| Diagnostic::new("queue_suspended").with("queue", queue.name.as_str())),
    );
    let unreadable = shot.queues.iter().filter(|queue| queue.unreadable > 0);
    notes.extend(unreadable.take(MOST).map(|queue| {
        Diagnostic::new("unreadable").with("queue", queue.name.as_str()).with("count", queue.unreadable)
    }));
    notes.extend(shot.odd_keys.keys().take(MOST).map(|key| Diagnostic::new("odd_key").with("key", key)));
    let stuck = shot.workers.iter().filter(|worker| worker.stuck_threads > 0);
    notes.extend(stuck.take(MOST).map(|worker| {
        Diagnostic::new("stuck_threads")
            .with("worker", worker.name.as_str())
            .with("count", worker.stuck_threads)
    }));
    // Python's workers are silent for minutes while they are idle.
    let ours = shot.workers.iter().filter(|worker| worker.runs_in.is_some());
    let silent = ours.filter_map(|worker| {
        let heard = from_iso(worker.last_heartbeat.as_deref()?)?;
        let seconds = (shot.now - heard).num_seconds();
        let note = Diagnostic::new("silent_worker").with("worker", worker.name.as_str());
        (seconds > WORKER_SILENCE_LIMIT).then(|| note.with("seconds", seconds))
    });
    notes.extend(silent.take(MOST));
    notes
}
