//! RQ's metadata: keys that only RQ's tools read (executions, results as a stream, groups, rate limits).

use super::keys::Keys;
use super::spec::DialectSpec;

/// Keys of RQ's metadata in a deployment. In a dialect without metadata every method returns nothing, so that
/// callers need not ask for the dialect.
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

    /// Returns whether the deployment has metadata. Only for whole tasks on keys that exist nowhere else; for a
    /// single key or argument use the methods below.
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
