//! RQ's metadata: keys that only RQ's tools read (executions, results as a stream, groups, rate limits).

use super::keys::Keys;
use super::spec::DialectSpec;

/// Keys of RQ's metadata in a deployment. Without metadata the methods return `None` or an empty string, so that most
/// callers need no branch.
pub(crate) struct RqMetadata {
    keys: Option<Keys>,
    key_patterns: String,
}

impl RqMetadata {
    pub(crate) fn new(dialect: &DialectSpec, keys: &Keys) -> Self {
        if !dialect.writes_rq_metadata {
            return RqMetadata { keys: None, key_patterns: String::new() };
        }
        let key_patterns = format!("{} {} {}", keys.rq_patterns(), dialect.push, dialect.push_front);
        RqMetadata { keys: Some(keys.clone()), key_patterns }
    }

    /// Returns `true` if the deployment has metadata. For tasks and arguments that exist only with metadata; for a
    /// single key use the methods below.
    pub(crate) fn is_enabled(&self) -> bool {
        self.keys.is_some()
    }

    /// Argument of the scripts that include `lua/rq_compat.lua`: patterns of the metadata's keys, and the
    /// dialect's push commands.
    pub(crate) fn key_patterns(&self) -> &str {
        &self.key_patterns
    }

    /// Stream of a job's results. Without metadata the record holds the last result.
    pub(crate) fn results_stream(&self, job_id: &str) -> Option<String> {
        self.keys.as_ref().map(|keys| keys.results(job_id))
    }

    /// Sorted set of a job's executions.
    pub(crate) fn executions(&self, job_id: &str) -> Option<String> {
        self.keys.as_ref().map(|keys| keys.executions(job_id))
    }

    /// Set of all queues, for scripts that look there for queues only if there is metadata; else empty.
    pub(crate) fn queues_or_empty(&self) -> String {
        self.keys.as_ref().map(Keys::queues).unwrap_or_default()
    }
}
