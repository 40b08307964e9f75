//! The verdict on a run: finish, retry, snooze, fail or put back. Worker and recovery get it from [`decide`].

use std::time::Duration;

use super::outcome::{Outcome, RetryDirective};
use super::record::Record;
use super::retry::growing_delay;
use super::status::Status;

/// Number of retries that the handler of a job without a retry policy may ask for.
const MAX_HANDLER_RETRIES: u32 = 5;

/// Shortest delay of a snooze. Snoozes are not counted, so a handler that always asks for a snooze of no delay would keep
/// a slot and Redis busy for ever.
const MIN_SNOOZE: Duration = Duration::from_secs(1);

/// Decision about a job after its run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// The job is finished with this result. If it is repeated, it runs again after the delay.
    Finish { result: Vec<u8>, repeat_after: Option<Duration> },
    /// The job is retried after this delay; zero means at once.
    Retry { delay: Duration, error: String },
    /// The job runs again after this delay, and no failure is counted. The handler has asked for it.
    Snooze { delay: Duration },
    /// The job goes to the failed registry, with the status `failed` or `stopped`.
    Fail { status: Status, error: String },
    /// The job goes back to the front of its queue, and no retry is used. A worker's own put back also takes the
    /// delivery back; that of recovery keeps it. `has_begun` is `true` if the run had begun.
    PutBack { has_begun: bool },
}

/// State of a job's retries and repetitions, from its record.
#[derive(Debug, Clone, Default)]
pub(crate) struct RetryState {
    pub(crate) retries_left: Option<u32>,
    pub(crate) intervals: Vec<u64>,
    /// Number of retries so far.
    pub(crate) retries: u32,
    pub(crate) repeats_left: u32,
    /// Seconds until the next repetition.
    pub(crate) repeat_in: u64,
    /// Number of claims since the job last ended; more than one if workers were lost.
    pub(crate) deliveries: u32,
}

impl RetryState {
    pub(crate) fn from_record(record: &Record) -> Self {
        RetryState {
            retries_left: record.retries_left,
            intervals: record.retry_intervals.clone(),
            retries: record.number_of_retries,
            repeats_left: record.repeats_left.unwrap_or(0),
            repeat_in: record.repeat_intervals.first().copied().unwrap_or(0),
            deliveries: record.deliveries,
        }
    }

    /// Returns the delay by RQ's rule: intervals are counted from the end of the list, so that the first
    /// entry of a short list is repeated.
    fn policy_delay(&self, left: u32) -> Duration {
        let index = self.intervals.len().saturating_sub(left as usize);
        Duration::from_secs(self.intervals.get(index).copied().unwrap_or(0))
    }

    /// Returns the delay before the next retry, if there is one.
    fn next_delay(&self, directive: RetryDirective) -> Option<Duration> {
        use RetryDirective::{GiveUp, RetryAfter, Snooze, UsePolicy};
        match (directive, self.retries_left) {
            (GiveUp | Snooze(_), _) | (_, Some(0)) | (UsePolicy, None) => None,
            (UsePolicy, Some(left)) => Some(self.policy_delay(left)),
            (RetryAfter(_), None) if self.retries >= MAX_HANDLER_RETRIES => None,
            (RetryAfter(Some(delay)), _) => Some(delay),
            (RetryAfter(None), left) => {
                let own = left.map(|left| self.policy_delay(left)).filter(|delay| !delay.is_zero());
                Some(own.unwrap_or_else(|| growing_delay(self.retries)))
            }
        }
    }
}

/// Decides about a job after its run. A job that was lost with its worker `max_deliveries` times fails, because the job
/// itself is taken for the cause. Losses do not count as retries.
pub(crate) fn decide(outcome: Outcome, retries: &RetryState, max_deliveries: u32) -> Verdict {
    let (error, directive) = match outcome {
        Outcome::Returned(result) => {
            let repeat_after = (retries.repeats_left > 0).then(|| Duration::from_secs(retries.repeat_in));
            return Verdict::Finish { result, repeat_after };
        }
        Outcome::Interrupted => return Verdict::PutBack { has_begun: true },
        Outcome::NotBegun => return Verdict::PutBack { has_begun: false },
        Outcome::Lost { .. } if retries.deliveries < max_deliveries => {
            return Verdict::PutBack { has_begun: true };
        }
        Outcome::Lost { error } => (error, RetryDirective::GiveUp),
        Outcome::Stopped { error } => return Verdict::Fail { status: Status::Stopped, error },
        Outcome::Failed { directive: RetryDirective::Snooze(delay), .. } => {
            return Verdict::Snooze { delay: delay.max(MIN_SNOOZE) };
        }
        Outcome::Failed { error, directive } => (error, directive),
        // A retry may reach a worker with another version of the handlers: both versions run during a deployment.
        Outcome::NoHandler { error } | Outcome::NotRunnable { error } => (error, RetryDirective::UsePolicy),
        Outcome::TimedOut { error } | Outcome::Crashed { error } | Outcome::KilledFromOutside { error } => {
            (error, RetryDirective::UsePolicy)
        }
    };
    match retries.next_delay(directive) {
        Some(delay) => Verdict::Retry { delay, error },
        None => Verdict::Fail { status: Status::Failed, error },
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, RetryDirective, RetryState, Status, Verdict, decide};
    use std::time::Duration;

    fn after(directive: RetryDirective, retries: &RetryState) -> Option<u64> {
        let error = "boom".to_owned();
        match decide(Outcome::Failed { error, directive }, retries, 3) {
            Verdict::Retry { delay, .. } => Some(delay.as_secs()),
            _ => None,
        }
    }

    #[test]
    fn without_a_policy_a_failure_is_final() {
        assert_eq!(after(RetryDirective::UsePolicy, &RetryState::default()), None);
    }

    #[test]
    fn delays_follow_the_list_as_in_rq() {
        let delays = |max: u32, intervals: &[u64]| -> Vec<Option<u64>> {
            let attempts = |left| RetryState {
                retries_left: Some(left),
                intervals: intervals.to_vec(),
                retries: max - left,
                ..RetryState::default()
            };
            (0..=max).rev().map(|left| after(RetryDirective::UsePolicy, &attempts(left))).collect()
        };
        assert_eq!(delays(3, &[10, 30, 60]), [Some(10), Some(30), Some(60), None]);
        assert_eq!(delays(4, &[10, 30]), [Some(10), Some(10), Some(10), Some(30), None]);
        assert_eq!(delays(2, &[]), [Some(0), Some(0), None]);
    }

    #[test]
    fn a_handler_may_ask_for_five_retries() {
        let asked = |retries| RetryState { retries, ..RetryState::default() };
        assert_eq!(after(RetryDirective::RetryAfter(None), &asked(0)), Some(10));
        assert_eq!(after(RetryDirective::RetryAfter(None), &asked(4)), Some(160));
        assert_eq!(after(RetryDirective::RetryAfter(Some(Duration::from_secs(7))), &asked(0)), Some(7));
        assert_eq!(after(RetryDirective::RetryAfter(None), &asked(5)), None);
        let used_up = RetryState { retries_left: Some(0), ..RetryState::default() };
        assert_eq!(after(RetryDirective::RetryAfter(None), &used_up), None);
    }

    #[test]
    fn giving_up_beats_any_policy() {
        let attempts = RetryState { retries_left: Some(3), ..RetryState::default() };
        assert_eq!(after(RetryDirective::GiveUp, &attempts), None);
    }

    #[test]
    fn a_retry_without_a_delay_gets_the_policys_interval() {
        let with = |intervals: &[u64]| RetryState {
            retries_left: Some(2),
            intervals: intervals.to_vec(),
            ..RetryState::default()
        };
        assert_eq!(after(RetryDirective::RetryAfter(None), &with(&[3, 4])), Some(3));
        assert_eq!(after(RetryDirective::RetryAfter(None), &with(&[0])), Some(10));
        assert_eq!(after(RetryDirective::RetryAfter(None), &with(&[])), Some(10));
        assert_eq!(after(RetryDirective::RetryAfter(Some(Duration::from_secs(7))), &with(&[3, 4])), Some(7));
    }

    #[test]
    fn a_snooze_lasts_at_least_a_second() {
        let again = |delay| {
            let directive = RetryDirective::Snooze(Duration::from_millis(delay));
            decide(Outcome::Failed { error: String::new(), directive }, &RetryState::default(), 3)
        };
        for (asked, waits) in [(0, 1000), (999, 1000), (1500, 1500)] {
            assert_eq!(again(asked), Verdict::Snooze { delay: Duration::from_millis(waits) });
        }
    }

    #[test]
    fn an_interrupted_run_is_put_back() {
        assert_eq!(
            decide(Outcome::Interrupted, &RetryState::default(), 3),
            Verdict::PutBack { has_begun: true }
        );
    }

    #[test]
    fn a_job_is_lost_three_times_and_then_fails_whatever_its_policy() {
        let lost = |deliveries| {
            let attempts = RetryState { deliveries, retries_left: Some(5), ..RetryState::default() };
            decide(Outcome::Lost { error: "lost".to_owned() }, &attempts, 3)
        };
        let back = Verdict::PutBack { has_begun: true };
        assert_eq!((lost(1), lost(2)), (back.clone(), back));
        assert!(matches!(lost(3), Verdict::Fail { status: Status::Failed, .. }));
    }
}
