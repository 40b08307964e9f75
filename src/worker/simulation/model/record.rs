//! Changes of records: the hash commands that the scripts use, and `lua/lib/reset_job.lua`.

use super::state::RedisModel;
use crate::job::RawHash;

/// Fields that earlier runs have left in a record.
const RUN_FIELDS: [&str; 13] = [
    "started_at",
    "ended_at",
    "last_heartbeat",
    "worker_name",
    "execution_id",
    "deliveries",
    "exc_info",
    "retry_error",
    "result",
    "log",
    "number_of_retries",
    "retries_made",
    "adopted",
];

impl RedisModel {
    pub(super) fn field(&self, id: &str, name: &str) -> Option<&[u8]> {
        self.record(id)?.get(name)
    }

    pub(super) fn has_field(&self, id: &str, name: &str, value: &str) -> bool {
        self.field(id, name) == Some(value.as_bytes())
    }

    /// Returns whether the field is there and not empty.
    pub(super) fn is_set(&self, id: &str, name: &str) -> bool {
        self.field(id, name).is_some_and(|value| !value.is_empty())
    }

    /// `HSET`, which makes a record that does not exist.
    pub(super) fn set_fields<'a>(&mut self, id: &str, fields: impl IntoIterator<Item = (&'a str, &'a [u8])>) {
        let record = self.touch(id).record.value.get_or_insert_default();
        for (name, value) in fields {
            match record.0.iter_mut().find(|(field, _)| field == name.as_bytes()) {
                Some((_, old)) => {
                    old.clear();
                    old.extend_from_slice(value);
                }
                None => record.0.push((name.as_bytes().to_vec(), value.to_vec())),
            }
        }
    }

    /// `HSET` of texts.
    pub(super) fn set_texts<const N: usize>(&mut self, id: &str, fields: [(&str, &str); N]) {
        self.set_fields(id, fields.map(|(name, value)| (name, value.as_bytes())));
    }

    /// `HDEL`.
    pub(super) fn delete_fields(&mut self, id: &str, names: &[&str]) {
        let Some(record) = &mut self.touch(id).record.value else { return };
        record.0.retain(|(field, _)| !names.iter().any(|name| field == name.as_bytes()));
        if record.0.is_empty() {
            self.delete_record(id);
        }
    }

    /// `DEL` of the record. Returns whether there was one.
    pub(super) fn delete_record(&mut self, id: &str) -> bool {
        std::mem::take(&mut self.touch(id).record).value.is_some()
    }

    pub(super) fn store_record(&mut self, id: &str, fields: RawHash, ttl: Option<i64>) {
        let expires_at = ttl.map(|seconds| self.expiry(seconds));
        let record = &mut self.touch(id).record;
        (record.value, record.expires_at) = (Some(fields), expires_at);
    }

    /// `EXPIRE` of the record.
    pub(super) fn expire_record(&mut self, id: &str, seconds: i64) {
        let expires_at = self.expiry(seconds);
        let record = &mut self.touch(id).record;
        record.expires_at = record.value.as_ref().map(|_| expires_at);
    }

    /// `PERSIST` of the record.
    pub(super) fn persist_record(&mut self, id: &str) {
        self.touch(id).record.expires_at = None;
    }

    /// Clears what earlier runs have left in the record.
    pub(super) fn clear_run_fields(&mut self, id: &str) {
        self.delete_fields(id, &RUN_FIELDS);
    }

    /// Makes an ended job new, with all retries of its own policy.
    pub(super) fn reset_job(&mut self, id: &str) {
        let digits = |value: Option<&[u8]>| {
            let text = std::str::from_utf8(value?).ok()?;
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?
        };
        let left = digits(self.field(id, "retries_left"));
        let made = digits(self.field(id, self.dialect.retries_field));
        if self.field(id, "adopted").is_some() {
            self.delete_fields(id, &["retries_left", "retry_intervals", "enqueue_at_front_on_retry"]);
        } else if let (Some(left), Some(made)) = (left, made) {
            self.set_texts(id, [("retries_left", &(left + made).to_string())]);
        }
        self.clear_run_fields(id);
    }
}
