//! The locks of RQ's schedulers, which decide who enqueues the scheduled jobs of a queue. All workers of rq-rs hold
//! them together, under one name, with the script that enqueues jobs which are due.

use chrono::Utc;

use crate::client::Client;
use crate::client::scripts::ReleaseSchedulerLock;
use crate::dialect::QueueKeys;
use crate::job::iso;
use crate::worker::options::Options;
use crate::worker::registration::hostname;

/// The name under which all workers of rq-rs together hold the locks.
pub(super) const RQ_SCHEDULER_NAME: &str = "rq-rs";

/// The record of this worker as a scheduler, for RQ's tools.
pub(super) fn record_fields(options: &Options) -> Vec<(&'static str, String)> {
    vec![
        ("name", RQ_SCHEDULER_NAME.to_owned()),
        ("hostname", hostname()),
        ("pid", std::process::id().to_string()),
        ("queues", options.queues.join(",")),
        ("created_at", iso(Utc::now())),
    ]
}

/// Releases the locks when the worker ends, so that Python's schedulers need not wait until the locks expire. Other
/// workers of rq-rs take them again.
pub(super) fn release_all(client: &Client, queues: &[QueueKeys]) {
    if client.dialect.is_shared_with_python {
        let record = client.keys.rq_scheduler(RQ_SCHEDULER_NAME);
        let command = |queue: &QueueKeys| {
            let (lock, value) = (&queue.scheduler_lock, RQ_SCHEDULER_NAME);
            client.evalsha(&ReleaseSchedulerLock { lock, record: &record, value })
        };
        let _ = client.call_all_single_attempt(&queues.iter().map(command).collect::<Vec<_>>());
    }
}
