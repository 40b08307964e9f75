//! Enqueuing: one script call stores the record of a job and pushes its id.

use std::collections::VecDeque;

use chrono::Utc;
use serde::Serialize;

use super::Queue;
use crate::client::Pipeline;
use crate::enqueue_call::{Bulk, EncodedJob, decode_reply, encode};
use crate::error::{Error, Result};
use crate::job::NewJob;
use crate::job_handle::Job;

/// Limits of one script call, in jobs and in bytes of their records.
const MAX_CHUNK_JOBS: usize = 250;
const MAX_CHUNK_BYTES: usize = 1024 * 1024;

impl Queue {
    /// Enqueues a call of `handler`. See [`NewJob::new`] for how `args` are passed.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a handler name or arguments that are not valid, [`Error::TooLarge`] for a payload over
    /// the [limit](Self::max_payload); [`Error::Unreachable`], [`Error::Refused`]. After an error nothing is stored,
    /// except that after [`Error::Unreachable`] the job may be stored if only the reply was lost.
    pub fn enqueue(&self, handler: &str, args: impl Serialize) -> Result<Job> {
        self.enqueue_job(NewJob::new(handler, args))
    }

    /// Enqueues a job with options.
    ///
    /// # Errors
    /// The errors of [`enqueue`](Self::enqueue), and [`Error::Duplicate`] if a job with the chosen id exists.
    pub fn enqueue_job(&self, job: NewJob) -> Result<Job> {
        let encoded = self.encode_job(&job)?;
        let call = encode(&self.client, &self.keys, std::slice::from_ref(&encoded));
        if decode_reply(self.client.call(&call)?)? != [true] {
            return Err(Error::Duplicate { id: encoded.id });
        }
        Ok(Job::new(&self.client, encoded.into_record()))
    }

    /// Enqueues many jobs in order, a few hundred per round trip.
    ///
    /// # Errors
    /// The errors of [`enqueue`](Self::enqueue). Jobs before the one that caused the error stay enqueued. A job
    /// whose chosen id exists is no error; its id is in [`Bulk::duplicates`].
    pub fn enqueue_many(&self, jobs: impl IntoIterator<Item = NewJob>) -> Result<Bulk> {
        let mut bulk = Bulk::default();
        let mut pipeline = Pipeline::new(&self.client);
        let mut ids: VecDeque<Vec<String>> = VecDeque::new();
        let mut jobs = jobs.into_iter().peekable();
        while jobs.peek().is_some() {
            let chunk = match self.next_chunk(&mut jobs) {
                Ok(chunk) => chunk,
                Err(error) => {
                    // The jobs that were sent before are stored; an error of theirs comes first.
                    bulk.record_reply(ids.pop_front(), pipeline.reply())?;
                    return Err(error);
                }
            };
            pipeline.send(encode(&self.client, &self.keys, &chunk));
            ids.push_back(chunk.into_iter().map(|job| job.id).collect());
            // Redis stores one chunk while the next one is encoded. The reply to the first chunk is awaited: if Redis
            // does not know the script, that chunk is sent again, and must not arrive after the second one.
            if ids.len() > 1 || bulk.is_empty() {
                bulk.record_reply(ids.pop_front(), pipeline.reply())?;
            }
        }
        bulk.record_reply(ids.pop_front(), pipeline.reply())?;
        Ok(bulk)
    }

    /// Encodes the next jobs, as many as one script call stores.
    fn next_chunk(&self, jobs: &mut impl Iterator<Item = NewJob>) -> Result<Vec<EncodedJob>> {
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        while chunk.len() < MAX_CHUNK_JOBS
            && bytes < MAX_CHUNK_BYTES
            && let Some(job) = jobs.next()
        {
            let job = self.encode_job(&job)?;
            bytes += job.encoded_len();
            chunk.push(job);
        }
        Ok(chunk)
    }

    /// Encodes a job: its id, its destination and the fields of its record.
    pub(crate) fn encode_job(&self, job: &NewJob) -> Result<EncodedJob> {
        let id = match job.chosen_id() {
            Some(id) => id.to_owned(),
            None => uuid::Uuid::new_v4().to_string(),
        };
        let encoded = job.encode(&self.name, self.format, Utc::now(), fastrand::f64)?;
        if encoded.size > self.max_payload {
            return Err(Error::TooLarge {
                what: format!("the payload of {}", job.handler()),
                size: encoded.size,
                limit: self.max_payload,
            });
        }
        let (at_front, due, ttl) = (job.is_at_front(), job.due(), job.expires());
        Ok(EncodedJob { id, at_front, due, ttl, fields: encoded.fields })
    }
}
