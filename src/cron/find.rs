//! Finds an entry by its name in the records of the schedulers, with all its arguments.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;

use super::Cron;
use super::record_scan::{FOR_ONE_ENTRY, for_each_record};
use super::records::CronRecord;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::job::read_json;
use crate::wrong_type::WrongTypeKeys;

/// Largest number of names in a hint.
const MAX_NAMES: usize = 20;

/// An entry in the record of a scheduler that is alive.
pub(crate) struct StoredEntry(CronRecord);

impl StoredEntry {
    /// Returns whether a scheduler of Python has the entry.
    pub(crate) fn is_python(&self) -> bool {
        self.0.extension.is_none()
    }

    /// The entry, for enqueueing its job now.
    ///
    /// # Errors
    /// [`Error::Invalid`] when its arguments are no JSON, so that only its own program knows them.
    pub(crate) fn cron(&self) -> Result<Cron> {
        let is_json = |text: &Option<String>| {
            text.as_deref().is_none_or(|text| read_json::<Value>(text.as_bytes()).is_ok())
        };
        if [&self.0.args, &self.0.kwargs, &self.0.meta].into_iter().all(is_json) {
            return Ok(self.0.cron());
        }
        let whose = if self.is_python() { "its Python program" } else { "its own program" };
        Err(Error::invalid(
            format!("the arguments of cron entry {:?} are known to {whose} only", self.0.name()),
            "enqueue the job from there",
        ))
    }
}

/// Finds the entry of this name.
///
/// # Errors
/// [`Error::Invalid`] when no scheduler has it now; the hint has the names of other entries.
pub(crate) fn find_entry(client: &Arc<Client>, name: &str, now: f64) -> Result<StoredEntry> {
    let (mut names, mut has_more, mut found) = (BTreeSet::new(), false, None);
    let is_cut = for_each_record(client, now, FOR_ONE_ENTRY, &mut WrongTypeKeys::default(), |record| {
        if record.name() == name {
            found = Some(record);
            return ControlFlow::Break(());
        }
        if !names.contains(record.name()) {
            names.insert(record.name().to_owned());
        }
        if names.len() > MAX_NAMES {
            names.pop_last();
            has_more = true;
        }
        ControlFlow::Continue(())
    })?;
    let names: Vec<String> = names.into_iter().collect();
    found.map(StoredEntry).ok_or_else(|| unknown_entry(name, &names, has_more || is_cut))
}

fn unknown_entry(name: &str, names: &[String], has_more: bool) -> Error {
    let hint = match (names, has_more) {
        ([], _) => "no worker has entries now; start one that has it".to_owned(),
        (names, false) => format!("there are: {}", names.join(", ")),
        (names, true) => format!("there are: {}, and more", names.join(", ")),
    };
    Error::invalid(format!("there is no cron entry {name:?}"), hint)
}
