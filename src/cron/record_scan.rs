//! Scans the records of all schedulers for their entries, in bounded memory.

use std::ops::ControlFlow;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::records::CronRecord;
use super::registration::RECORD_TTL;
use crate::bounded_read::fetch_excerpts;
use crate::client::{Client, RedisCommand, reply};
use crate::error::Result;
use crate::job::{ExcerptSpec, Excerpts, read_json};
use crate::wrong_type::WrongTypeKeys;

/// Largest number of schedulers whose records are read, those with the newest heartbeats first.
pub(super) const MAX_SCHEDULERS: usize = 1000;
/// Number of records that are read in one round trip.
const SCHEDULERS_PER_BATCH: usize = 20;
/// Part of each record that is read in a batch. A longer record is read again by itself.
const IN_BATCH: &[ExcerptSpec] = &[("cron_jobs", 64 * 1024, 0)];
/// Part of a record that is read for a list of all entries.
pub(super) const FOR_LIST: &[ExcerptSpec] = &[("cron_jobs", 8 * 1024 * 1024, 0)];
/// Part of a record that is read to find one entry.
pub(super) const FOR_ONE_ENTRY: &[ExcerptSpec] = &[("cron_jobs", 32 * 1024 * 1024, 0)];
/// Bytes that are read of all records together.
const MAX_TOTAL_SIZE: usize = 256 * 1024 * 1024;

/// Passes the entries of all schedulers that are alive to `visit`, until it breaks. Returns whether there are more
/// than were read.
pub(super) fn for_each_record(
    client: &Client,
    now: f64,
    part: &'static [ExcerptSpec],
    wrong_type_keys: &mut WrongTypeKeys,
    mut visit: impl FnMut(CronRecord) -> ControlFlow<()>,
) -> Result<bool> {
    let keys = fetch_scheduler_keys(client, now, wrong_type_keys)?;
    let (mut left, mut is_cut) = (MAX_TOTAL_SIZE, false);
    for keys in keys.chunks(SCHEDULERS_PER_BATCH) {
        let hashes = keys.iter().map(|key| (key.clone(), None));
        for (key, record) in keys.iter().zip(fetch_excerpts(client, hashes, IN_BATCH)?) {
            let mut record = wrong_type_keys.tolerate(key, record)?;
            let is_long = |record: &Excerpts| record.get("cron_jobs").is_some_and(|jobs| !jobs.is_whole);
            if record.as_ref().is_some_and(is_long) && left > 0 {
                let again = fetch_excerpts(client, std::iter::once((key.clone(), None)), part)?.pop();
                record = wrong_type_keys.tolerate(key, again.unwrap_or(Ok(None)))?;
            }
            let Some(jobs) = record.as_ref().and_then(|record| record.get("cron_jobs")) else { continue };
            left = left.saturating_sub(jobs.head.len());
            is_cut |= !jobs.is_whole;
            if visit_records(&jobs.head, &mut visit).is_break() {
                return Ok(is_cut);
            }
        }
    }
    Ok(is_cut)
}

fn fetch_scheduler_keys(
    client: &Client,
    now: f64,
    wrong_type_keys: &mut WrongTypeKeys,
) -> Result<Vec<String>> {
    let schedulers = client.keys.cron_schedulers();
    let newest = RedisCommand::new("ZREVRANGEBYSCORE")
        .arg(&schedulers)
        .arg("+inf")
        .arg(now - RECORD_TTL.as_secs_f64())
        .arg("LIMIT")
        .arg(0)
        .arg(MAX_SCHEDULERS);
    let names = wrong_type_keys.tolerate(&schedulers, client.call(&newest).and_then(reply::texts))?;
    Ok(names.iter().map(|name| client.keys.cron_scheduler(name)).collect())
}

/// Passes each entry of a record to `visit`, one at a time, as far as the text goes. Entries that cannot be read are
/// of another program or of a newer version, and are passed over.
fn visit_records(text: &[u8], visit: &mut impl FnMut(CronRecord) -> ControlFlow<()>) -> ControlFlow<()> {
    let mut flow = ControlFlow::Continue(());
    let mut on_element = |element: &RawValue| {
        if let Ok(record) = read_json::<CronRecord>(element.get().as_bytes()) {
            flow = visit(record);
        }
        flow
    };
    // An error is the end of a cut text, or no JSON at all: no more entries follow.
    let _ = serde_json::Deserializer::from_slice(text).deserialize_seq(Elements(&mut on_element));
    flow
}

/// Visits the elements of a JSON list without keeping them.
struct Elements<'a, F>(&'a mut F);

impl<'de, F: FnMut(&RawValue) -> ControlFlow<()>> Visitor<'de> for Elements<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> std::result::Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&RawValue>()? {
            if self.0(element).is_break() {
                break;
            }
        }
        Ok(())
    }
}
