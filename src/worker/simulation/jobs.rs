//! Jobs as they are enqueued. Encoding is slow and has few different results, so each thread keeps them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use super::clock::utc_at;
use super::ledger::id_of;
use super::plan::{JobPlan, JobSetup};
use crate::dialect::DialectSpec;
use crate::enqueue_call::EncodedJob;
use crate::job::{Due, NewJob, Repeat, Retry, iso};

type Fields = Vec<(&'static str, Vec<u8>)>;
type Encoded = HashMap<(&'static str, bool, JobSetup), Fields>;

thread_local! {
    static ENCODED: RefCell<Encoded> = RefCell::default();
}

pub(super) fn handler_name(handler: u8) -> String {
    format!("h{handler}")
}

/// The job as the call of `enqueue` at this time has it.
pub(super) fn encode(job: &JobPlan, dialect: &'static DialectSpec, made_at: u64) -> EncodedJob {
    let key = (dialect.name, job.delay.is_some(), job.options.clone());
    let mut fields = ENCODED.with_borrow_mut(|encoded| {
        encoded
            .entry(key)
            .or_insert_with_key(|(_, is_scheduled, options)| fields_of(options, *is_scheduled, dialect))
            .clone()
    });
    for (name, value) in &mut fields {
        if *name == "created_at" {
            *value = iso(utc_at(made_at)).into();
        }
    }
    let due = job.delay.map(|delay| Due::After(Duration::from_millis(delay)));
    EncodedJob { id: id_of(job.number), at_front: job.at_front, due, ttl: None, fields }
}

fn fields_of(options: &JobSetup, is_scheduled: bool, dialect: &'static DialectSpec) -> Fields {
    let mut job = NewJob::new(handler_name(options.handler), ());
    if let Some((max, seconds)) = options.retry {
        job = job.retry(Retry::every(Duration::from_secs(seconds), max));
    }
    if let Some(seconds) = options.timeout {
        job = job.timeout(Duration::from_secs(seconds));
    }
    if let Some(seconds) = options.result_ttl {
        job = job.result_ttl(Duration::from_secs(seconds.into()));
    }
    if let Some(times) = options.repeats {
        job = job.repeat(Repeat::every(Duration::ZERO, times));
    }
    if is_scheduled {
        job = job.after(Duration::from_secs(1));
    }
    let encoded = job.encode("q", dialect.payload_format, utc_at(0), || 0.5);
    encoded.map(|encoded| encoded.fields).unwrap_or_default()
}
