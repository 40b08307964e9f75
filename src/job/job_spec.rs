//! The options of a new job as the record of a cron entry keeps them.

use super::new_job::NewJob;
use super::payload::{Arguments, json_text};
use super::repeat::Repeat;
use super::retry::Retry;
use super::times::Ttl;

/// The options of a new job, with arguments and meta as JSON texts.
pub(crate) struct JobSpec<'a> {
    pub(crate) args: Option<String>,
    pub(crate) kwargs: Option<String>,
    pub(crate) timeout: i64,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) result_ttl: Option<Ttl>,
    pub(crate) failure_ttl: Option<Ttl>,
    pub(crate) meta: Option<String>,
    pub(crate) retry: Option<&'a Retry>,
    pub(crate) repeat: Option<&'a Repeat>,
    pub(crate) description: Option<&'a str>,
}

impl NewJob {
    /// Returns the parts of the job as text. Arguments and meta with errors are left out.
    pub(crate) fn spec(&self) -> JobSpec<'_> {
        let none = Arguments::default();
        let arguments = self.arguments.as_ref().unwrap_or(&none);
        let (args, kwargs) = arguments.to_texts();
        let meta = self.meta.as_ref().ok().and_then(Option::as_ref);
        JobSpec {
            args,
            kwargs,
            timeout: self.timeout,
            ttl: self.ttl,
            result_ttl: self.result_ttl,
            failure_ttl: self.failure_ttl,
            meta: meta.map(json_text),
            retry: self.retry.as_ref(),
            repeat: self.repeat.as_ref(),
            description: self.description.as_deref(),
        }
    }
}
