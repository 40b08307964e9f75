//! The heartbeat: a thread that renews the worker's record and the leases of all running jobs, in one round
//! trip. It has a connection of its own, so that nothing delays it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::background::BackgroundThread;
use super::input::Input;
use super::options::Options;
use super::registration::{deregister, reserve_name};
use super::state::{Fingerprint, WorkerState};
use crate::client::scripts::HeartbeatCall;
use crate::client::{Client, RedisCommand, reply};
use crate::dialect::QueueKeys;
use crate::error::{Error, Result};
use crate::job::iso;

/// A change of the worker's state is saved at most this often.
const STATE_FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// Interval of heartbeats while jobs run. The reply to a heartbeat names the runs whose lease is lost, for example those
/// of canceled jobs.
const LEASE_CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Seconds for which the record outlives `worker_ttl`, as in RQ.
const RECORD_TTL_MARGIN: u64 = 60;

/// Registers the worker and starts the thread. The last heartbeat saves the final counts; then the worker is
/// deregistered.
pub(super) fn start(
    client: &Arc<Client>,
    options: &Arc<Options>,
    queues: &[QueueKeys],
    state: &Arc<WorkerState>,
    inbox: Sender<Input>,
) -> Result<BackgroundThread> {
    reserve_name(client, options)?;
    let heartbeat = Heartbeat {
        client: Arc::clone(client),
        options: Arc::clone(options),
        queues: queues.to_vec(),
        state: Arc::clone(state),
        inbox,
    };
    let saved = state.fingerprint();
    // This call is retried when the connection breaks, as every call at the start of a worker.
    client.call(&heartbeat.command())?;
    Ok(BackgroundThread::start("rq-rs heartbeat", move |stop| heartbeat.run(saved, stop)))
}

/// Delays between heartbeats that Redis rejects one after the other. The first rejection is logged, and so is the first
/// success after it. While jobs run, or Redis is away and may be back at any moment, there is no delay.
#[derive(Default)]
struct RejectionBackoff {
    /// Number of rejections in a row.
    rejections: u32,
    rejected_at: Option<Instant>,
    /// `true` if the first rejection was logged.
    is_reported: bool,
}

impl RejectionBackoff {
    /// Returns whether the pause is over. The pause doubles with each rejection, up to `max_pause`.
    fn may_retry(&self, max_pause: Duration) -> bool {
        let pause =
            (STATE_FLUSH_INTERVAL * 2_u32.pow(self.rejections.saturating_sub(1).min(9))).min(max_pause);
        self.rejected_at.is_none_or(|at| at.elapsed() >= pause)
    }

    fn record_failure(&mut self, error: &Error, holds_leases: bool) {
        if matches!(error, Error::Unreachable { .. }) {
            // The driver reports outages.
            return log::debug!(target: "rq_rs", "heartbeat: {error}");
        }
        self.rejections = self.rejections.saturating_add(1);
        self.rejected_at = Some(Instant::now());
        if !std::mem::replace(&mut self.is_reported, true) {
            let consequence =
                if holds_leases { "leases are not renewed" } else { "the worker's record is not renewed" };
            log::warn!(target: "rq_rs", "{consequence}: {error}");
        }
    }

    fn record_success(&mut self) {
        if self.is_reported {
            log::info!(target: "rq_rs", "heartbeats are written again");
        }
        *self = RejectionBackoff::default();
    }
}

struct Heartbeat {
    client: Arc<Client>,
    options: Arc<Options>,
    queues: Vec<QueueKeys>,
    state: Arc<WorkerState>,
    inbox: Sender<Input>,
}

impl Heartbeat {
    /// Sends heartbeats until the worker ends. `saved` is the state that is in Redis already.
    fn run(&self, mut saved: Fingerprint, stop: &Receiver<()>) {
        let interval = self.options.lease() / 3;
        let mut last = Instant::now();
        let mut backoff = RejectionBackoff::default();
        while stop.recv_timeout(STATE_FLUSH_INTERVAL.min(interval)) == Err(RecvTimeoutError::Timeout) {
            let current = self.state.fingerprint();
            let holds_leases = !self.state.leases().is_empty();
            let due = if holds_leases { interval.min(LEASE_CHECK_INTERVAL) } else { interval };
            let is_due = last.elapsed() >= due || current != saved;
            // A backoff must not let leases expire.
            let may_try = holds_leases || backoff.may_retry(interval);
            if !is_due || !may_try {
                continue;
            }
            let result = self.send();
            self.state.record_heartbeat(result.is_ok());
            match result {
                Ok(()) => {
                    (saved, last) = (current, Instant::now());
                    backoff.record_success();
                }
                Err(error) => backoff.record_failure(&error, holds_leases),
            }
        }
        // If Redis is away, the record expires.
        if self.send().is_ok() {
            deregister(&self.client, &self.options, &self.queues);
        }
    }

    /// Sends one heartbeat, and marks the leases that are lost.
    fn send(&self) -> Result<()> {
        let mut replies = self.client.call_all_single_attempt(&[self.command()])?;
        let lost = replies.pop().unwrap_or_else(|| Err(Error::missing_reply()))?;
        for member in reply::texts(lost)? {
            if self.state.mark_lease_lost(&member) {
                let _ = self.inbox.send(Input::Wake);
            }
        }
        self.flush_stats();
        Ok(())
    }

    fn command(&self) -> RedisCommand {
        let fields = self.state.record_fields();
        let leases = self.state.leases();
        let request = HeartbeatRequest {
            worker: &self.options.name,
            record_ttl: self.options.worker_ttl.as_secs() + RECORD_TTL_MARGIN,
            fields: &fields,
            lease: self.options.lease(),
            sent_at: Utc::now(),
            leases: leases.iter().map(|(member, lease)| (lease.queue, member.as_str())).collect(),
        };
        request.encode(&self.client, &self.queues)
    }

    /// Saves the statistics. The statistics of a failed call are dropped, because the call may have been carried out.
    fn flush_stats(&self) {
        let stats = self.state.take_stats();
        if !stats.is_empty()
            && let Err(error) =
                self.client.call_all_at_most_once(&stats.commands(&self.client, &self.options.queues))
        {
            log::debug!(target: "rq_rs", "counts are lost: {error}");
        }
    }
}

/// A heartbeat, ready to be sent. It may be repeated.
pub(super) struct HeartbeatRequest<'a> {
    pub(super) worker: &'a str,
    /// Seconds that the worker's record lives without another heartbeat.
    pub(super) record_ttl: u64,
    /// Fields of the worker's record.
    pub(super) fields: &'a [(&'static str, String)],
    /// Length of the renewed leases.
    pub(super) lease: Duration,
    pub(super) sent_at: DateTime<Utc>,
    /// The leases to renew: the number of the queue, and `<job>:<execution>`.
    pub(super) leases: Vec<(usize, &'a str)>,
}

impl HeartbeatRequest<'_> {
    /// The reply is a list of the leases that the worker has lost.
    pub(super) fn encode(&self, client: &Client, queues: &[QueueKeys]) -> RedisCommand {
        let queue_keys = queues.iter().flat_map(|queue| [&*queue.workers, &queue.wip, &queue.list]);
        let mut command = client.evalsha(&HeartbeatCall {
            record: &client.keys.worker(self.worker),
            workers: &client.keys.workers(),
            queues: &client.keys.queues(),
            queue_keys: &queue_keys.collect::<Vec<_>>(),
            record_ttl: self.record_ttl,
            lease: self.lease.as_secs_f64(),
            worker: self.worker,
            last_heartbeat: &iso(self.sent_at),
            values: self.fields.len() * 2,
        });
        for (field, value) in self.fields {
            command = command.arg(field).arg(value);
        }
        for (queue, member) in &self.leases {
            command = command.arg(queue).arg(member);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, RejectionBackoff};
    use std::time::Duration;

    #[test]
    fn only_rejections_slow_heartbeats_down() {
        let (interval, mut backoff) = (Duration::from_secs(10), RejectionBackoff::default());
        let away = Error::Unreachable { address: "here".to_owned(), reason: "away".to_owned() };
        backoff.record_failure(&away, false);
        assert!(backoff.may_retry(interval));
        backoff.record_failure(&Error::Refused { reason: "READONLY".to_owned() }, false);
        assert!(!backoff.may_retry(interval));
        backoff.record_success();
        assert!(backoff.may_retry(interval));
    }
}
