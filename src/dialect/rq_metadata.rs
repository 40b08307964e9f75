//! RQ's metadata: keys that only RQ's tools read (executions, results as a stream, groups, rate limits).

use super::keys::Keys;
use super::spec::DialectSpec;

/// Keys of RQ's metadata in a deployment. Without metadata the methods return `None`, so that most callers need no
/// branch.
pub(crate) struct RqMetadata {
    keys: Option<Keys>,
}

impl RqMetadata {
    pub(crate) fn new(dialect: &DialectSpec, keys: &Keys) -> Self {
        RqMetadata { keys: dialect.writes_rq_metadata.then(|| keys.clone()) }
    }

    /// Returns `true` if the deployment has metadata. For tasks and arguments that exist only with metadata; for a
    /// single key use the methods below.
    pub(crate) fn is_enabled(&self) -> bool {
        self.keys.is_some()
    }

    /// Stream of a job's results. Without metadata the record holds the last result.
    pub(crate) fn results_stream(&self, job_id: &str) -> Option<String> {
        self.keys.as_ref().map(|keys| keys.results(job_id))
    }

    /// Sorted set of a job's executions.
    pub(crate) fn executions(&self, job_id: &str) -> Option<String> {
        self.keys.as_ref().map(|keys| keys.executions(job_id))
    }
}
