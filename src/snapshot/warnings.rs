//! Warnings of a snapshot: conditions that an operator should attend to.

use super::diagnostic::Diagnostic;
use super::overview::{ServerView, Snapshot};
use crate::job::from_iso;

/// Age of the last heartbeat above which a worker counts as silent, in seconds: two of RQ's heartbeat intervals and a
/// margin.
pub(crate) const WORKER_SILENCE_LIMIT: i64 = 90;
/// Part of `maxmemory` from which on Redis counts as nearly full.
const NEARLY_FULL: f64 = 0.9;
/// Largest number of warnings of one kind.
const MAX_OF_A_KIND: usize = 20;

/// Returns the warnings of a snapshot, at most [`MAX_OF_A_KIND`] of each kind about queues, keys and workers.
pub(super) fn find_warnings(snapshot: &Snapshot) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    warnings.extend(snapshot.suspended.then(|| Diagnostic::new("suspended")));
    warnings.extend(server_warnings(&snapshot.server));
    warn_of_queues(snapshot, &mut warnings);
    let wrong_type_keys = snapshot.wrong_type_keys.keys().take(MAX_OF_A_KIND);
    warnings.extend(wrong_type_keys.map(|key| Diagnostic::new("odd_key").with("key", key)));
    warn_of_workers(snapshot, &mut warnings);
    warnings
}

fn server_warnings(server: &ServerView) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    if let Some(policy) = server.maxmemory_policy.as_deref().filter(|policy| *policy != "noeviction") {
        warnings.push(Diagnostic::new("policy").with("policy", policy));
    }
    if let (Some(used), Some(max @ 1..)) = (server.used_memory, server.maxmemory)
        && used as f64 >= max as f64 * NEARLY_FULL
    {
        warnings.push(Diagnostic::new("memory").with("percent", used * 100 / max));
    }
    warnings
}

fn warn_of_queues(snapshot: &Snapshot, warnings: &mut Vec<Diagnostic>) {
    let waiting = snapshot.queues.iter().filter(|queue| queue.queued > 0 && queue.workers == 0);
    warnings.extend(waiting.take(MAX_OF_A_KIND).map(|queue| {
        Diagnostic::new("no_worker").with("queue", queue.name.as_str()).with("count", queue.queued)
    }));
    let suspended = snapshot.queues.iter().filter(|queue| queue.suspended).take(MAX_OF_A_KIND);
    warnings
        .extend(suspended.map(|queue| Diagnostic::new("queue_suspended").with("queue", queue.name.as_str())));
    let unreadable = snapshot.queues.iter().filter(|queue| queue.unreadable > 0);
    warnings.extend(unreadable.take(MAX_OF_A_KIND).map(|queue| {
        Diagnostic::new("unreadable").with("queue", queue.name.as_str()).with("count", queue.unreadable)
    }));
}

fn warn_of_workers(snapshot: &Snapshot, warnings: &mut Vec<Diagnostic>) {
    let stuck = snapshot.workers.iter().filter(|worker| worker.stuck_threads > 0);
    warnings.extend(stuck.take(MAX_OF_A_KIND).map(|worker| {
        Diagnostic::new("stuck_threads")
            .with("worker", worker.name.as_str())
            .with("count", worker.stuck_threads)
    }));
    // Python's workers are silent for minutes while they are idle.
    let ours = snapshot.workers.iter().filter(|worker| worker.runs_in.is_some());
    let silent = ours.filter_map(|worker| {
        let heartbeat = from_iso(worker.last_heartbeat.as_deref()?)?;
        let seconds = (snapshot.now - heartbeat).num_seconds();
        let warning = Diagnostic::new("silent_worker").with("worker", worker.name.as_str());
        (seconds > WORKER_SILENCE_LIMIT).then(|| warning.with("seconds", seconds))
    });
    warnings.extend(silent.take(MAX_OF_A_KIND));
}
