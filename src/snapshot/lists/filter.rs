//! Filters of job lists.

use crate::job::{JobSummary, error_key};

/// Conditions that a job must meet; an empty filter matches all jobs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Name of the handler, whole.
    pub(crate) handler: Option<String>,
    /// Part of the error, whatever its case; the kind of the error if `is_exact`.
    pub(crate) error: Option<String>,
    /// Part of id, description or error, whatever its case.
    pub(crate) text: Option<String>,
    /// `true` if handler and kind of error must be equal to these, and absent where these are absent.
    pub(crate) is_exact: bool,
    /// `true` if descriptions are not searched, because the user may not see them.
    pub(crate) hide_text: bool,
}

impl Filter {
    pub(crate) fn is_empty(&self) -> bool {
        self.handler.is_none() && self.error.is_none() && self.text.is_none()
    }

    /// Returns whether a job meets the conditions. `job` is `None` when its record cannot be read.
    pub(in crate::snapshot) fn matches(&self, id: &str, job: Option<&JobSummary>) -> bool {
        let error = job.and_then(|job| job.error.as_deref()).unwrap_or_default();
        let handler = job.and_then(|job| job.handler.as_deref());
        let is_of_kind = match self.is_exact {
            true => {
                let kind = self.error.as_deref().map(error_key);
                self.handler.as_deref() == handler && kind == job.and_then(JobSummary::error_key)
            }
            false => {
                self.handler.as_deref().is_none_or(|name| handler == Some(name))
                    && self.error.as_deref().is_none_or(|part| contains(error, part))
            }
        };
        let description = job.filter(|_| !self.hide_text).map_or("", |job| job.description.as_str());
        let has_text = |part: &str| [id, description, error].into_iter().any(|text| contains(text, part));
        is_of_kind && self.text.as_deref().is_none_or(has_text)
    }
}

fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}
