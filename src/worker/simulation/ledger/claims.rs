//! Rules of claims: a job is claimed while nobody has it, and every delivery is counted.

use super::{Check, Execution, Ledger, hold, number_of};
use crate::claim::ClaimedJob;

impl Ledger {
    /// Redis has given a job to a worker. `deliveries` is what the record says now.
    pub(in crate::worker::simulation) fn on_claimed(
        &mut self,
        claimed: &ClaimedJob,
        (worker, is_late): (usize, bool),
        deliveries: u32,
    ) -> Check {
        let (number, name) = (number_of(&claimed.record.id), claimed.execution.clone());
        let what = || format!("j{number} {name} by worker {worker}");
        let execution = self.executions.len();
        let job = &mut self.jobs[number];
        hold(job.is_expected && !job.is_canceled, "only a job that waits is claimed", what)?;
        let open = job.open;
        hold(open.is_none(), "a job is claimed while no execution has it", || {
            format!("{} but {}", what(), self.executions[open.unwrap_or(0)].name)
        })?;
        hold(deliveries == job.deliveries + 1, "every delivery is counted", || {
            format!("{}: {deliveries} after {}", what(), job.deliveries)
        })?;
        hold(!self.by_name.contains_key(&name), "an execution has one job", what)?;
        job.deliveries += 1;
        job.version += 1;
        job.open = Some(execution);
        job.returned_by = None;
        self.by_name.insert(name.clone(), execution);
        self.executions.push(Execution {
            name,
            job: number,
            worker,
            claimed_at: self.now,
            renewed_at: self.now,
            is_late,
            is_delivered: false,
            is_started: false,
            has_begun: false,
            end: None,
            is_abandoned: false,
            is_controlled: false,
            close: None,
            acks: Vec::new(),
            is_reported: false,
        });
        Ok(())
    }

    /// The engine has got a claimed job.
    pub(in crate::worker::simulation) fn on_delivered(&mut self, execution: &str) {
        if let Some(execution) = self.find(execution) {
            self.executions[execution].is_delivered = true;
        }
    }

    /// A heartbeat has renewed a lease, or reported it as lost.
    pub(in crate::worker::simulation) fn on_heartbeat(&mut self, member: &str, is_lost: bool) -> Check {
        let Some(execution) = member.rsplit_once(':').and_then(|(_, name)| self.find(name)) else {
            return Ok(());
        };
        let run = &self.executions[execution];
        let (is_open, is_forgotten) = (run.close.is_none(), self.jobs[run.job].is_forgotten);
        hold(
            is_open != is_lost || is_forgotten,
            "a heartbeat loses the leases that others have ended",
            || format!("{member}: open {is_open}, lost {is_lost}"),
        )?;
        if !is_lost {
            self.executions[execution].renewed_at = self.now;
        }
        Ok(())
    }
}
