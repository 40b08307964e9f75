//! Processes that stay for many jobs: work horses, and the commands of `--exec-server`. One that is idle waits
//! here, warm; one that has died, or has had its time, is replaced when the next job needs it.

use std::sync::{Mutex, PoisonError};

use super::reasons::Teller;
use super::supervise::Supervised;
use super::traffic::Traffic;
use super::{Limits, Processes, not_started};
use crate::job::Outcome;
use crate::worker::Context;

/// What a process has answered.
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    /// The most memory it had resident, where it says so.
    pub(super) resident: u64,
    /// It has named the job that it answers.
    pub(super) names_job: bool,
}

/// The idle processes of one kind.
#[derive(Default)]
pub(crate) struct Crew(Mutex<Vec<Member>>);

struct Member {
    process: Supervised,
    jobs: u32,
    names_jobs: bool,
}

/// A process that was told to end, and has ended when this is dropped.
pub(crate) struct Leaving(#[expect(dead_code, reason = "it is there to be dropped")] Member);

/// One job for a process of a crew.
pub(super) struct Errand<'a> {
    pub(super) handler: &'a str,
    pub(super) context: &'a Context,
    pub(super) input: Vec<u8>,
    /// How many bytes an answer may have.
    pub(super) room: usize,
    /// How much memory it may have, if that is limited.
    pub(super) memory: Option<u64>,
}

impl Crew {
    /// Has an idle process run the job, or a new one.
    pub(super) fn run(
        &self,
        errand: Errand<'_>,
        processes: &Processes,
        start: impl FnOnce() -> std::io::Result<Supervised>,
        read: impl FnMut(&mut Traffic<'_>) -> Result<Option<Answer>, String>,
    ) -> Outcome {
        let Errand { handler, context, input, room, memory } = errand;
        let limits = processes.limits;
        let mut member = match self.take(start) {
            Ok(member) => member,
            Err(error) => return not_started(handler, "a process for it", &error),
        };
        let mut traffic = Traffic::new(context, input, false, limits, room);
        traffic.names_jobs = member.names_jobs;
        let attended = member.process.attend(&mut traffic, read);
        traffic.save_last_log();
        match attended {
            Ok(Ok(answer)) => {
                member.jobs += 1;
                member.names_jobs |= answer.names_job;
                match member.has_served(limits, answer.resident) {
                    true => member.retire(),
                    false => self.lock().push(member),
                }
                answer.outcome
            }
            Ok(Err(end)) => {
                let log = traffic.log();
                let allowed = context.timeout();
                Teller { handler, log: &log, limits, is_shared: true, memory, allowed }.outcome(&end)
            }
            Err(error) => {
                Outcome::Crashed { error: format!("{handler}: lost sight of its process: {error}") }
            }
        }
    }

    /// Tells those that are idle to end.
    pub(super) fn dismiss(&self) -> Vec<Leaving> {
        let mut members = std::mem::take(&mut *self.lock());
        members.iter_mut().for_each(|member| member.process.dismiss());
        members.into_iter().map(Leaving).collect()
    }

    /// The one that was busy last, so that those which are not needed rest.
    fn take(&self, start: impl FnOnce() -> std::io::Result<Supervised>) -> std::io::Result<Member> {
        loop {
            let Some(mut member) = self.lock().pop() else {
                return Ok(Member { process: start()?, jobs: 0, names_jobs: false });
            };
            if member.process.is_ready() {
                return Ok(member);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Member>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// Whether another one is to take its place.
    fn has_served(&self, limits: Limits, resident: u64) -> bool {
        let is_large = limits.horse_recycle.is_some_and(|most| resident > most);
        is_large || limits.horse_max_jobs.is_some_and(|most| self.jobs >= most)
    }

    /// Ends it while its job's outcome is on its way.
    fn retire(mut self) {
        self.process.dismiss();
        let name = "rq-rs retire".to_owned();
        // Without a thread to wait in it is waited for here.
        let _ = std::thread::Builder::new().name(name).stack_size(64 * 1024).spawn(move || drop(self));
    }
}
