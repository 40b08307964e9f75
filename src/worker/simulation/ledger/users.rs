//! What users do to jobs, and what Redis loses.

use super::super::clock::Micros;
use super::{Check, Close, JobTruth, Ledger, hold};

impl Ledger {
    /// A job was enqueued, or the call has found its id.
    pub(in crate::worker::simulation) fn on_enqueued(
        &mut self,
        number: usize,
        made_at: Micros,
        (was_there, is_stored): (bool, bool),
    ) -> Check {
        if self.jobs.len() <= number {
            self.jobs.resize_with(number + 1, JobTruth::default);
        }
        let is_same = self.jobs[number].made_at == Some(made_at);
        hold(is_stored == (!was_there || is_same), "an id is enqueued once", || format!("j{number}"))?;
        if !was_there {
            self.end_by(number, Close::User);
            let version = self.jobs[number].version + 1;
            self.jobs[number] =
                JobTruth { is_expected: true, version, made_at: Some(made_at), ..JobTruth::default() };
        }
        Ok(())
    }

    pub(in crate::worker::simulation) fn on_canceled(&mut self, number: usize) {
        self.end_by(number, Close::User);
        self.jobs[number].is_canceled = true;
        self.jobs[number].version += 1;
        self.jobs[number].expires_at = None;
    }

    pub(in crate::worker::simulation) fn on_deleted(&mut self, number: usize) {
        self.end_by(number, Close::User);
        self.jobs[number].is_expected = false;
        self.jobs[number].version += 1;
    }

    /// The record of a job is gone; its entries are left behind.
    pub(in crate::worker::simulation) fn on_forgotten(&mut self, number: usize) {
        self.on_deleted(number);
        self.jobs[number].is_forgotten = true;
    }

    /// A job was enqueued again as new.
    pub(in crate::worker::simulation) fn on_requeued(&mut self, number: usize) {
        let job = &mut self.jobs[number];
        (job.is_canceled, job.deliveries, job.retries, job.expires_at) = (false, 0, 0, None);
        job.version += 1;
    }

    pub(in crate::worker::simulation) fn on_enqueued_now(&mut self, number: usize) {
        self.jobs[number].version += 1;
    }

    /// Redis has lost its data: nothing is expected of the jobs any more.
    pub(in crate::worker::simulation) fn on_data_lost(&mut self) {
        for number in 0..self.jobs.len() {
            self.end_by(number, Close::DataLost);
            self.jobs[number].is_expected = false;
            self.jobs[number].version += 1;
        }
    }

    fn end_by(&mut self, number: usize, close: Close) {
        if let Some(execution) = self.jobs[number].open {
            self.close(execution, close);
        }
    }
}
