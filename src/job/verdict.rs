//! The one place that decides what follows from how a run ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::retry::growing_delay;
use super::truncate::truncate_error;
use super::{Record, Status};

/// How often a job without a policy of its own may ask to be tried again.
const MAX_HANDLER_RETRIES: u32 = 5;

/// A job that asks to be called again waits at least so long: nothing is counted, so without it one that always
/// asks keeps a slot and Redis busy for ever.
const SHORTEST_SNOOZE: Duration = Duration::from_secs(1);

/// How a run ended. Every run ends as one of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// The handler returned this, written as the job's serializer does.
    Returned(#[serde(with = "in_base64")] Vec<u8>),
    /// The handler said that it failed, and perhaps what should follow.
    Failed { error: String, directive: RetryDirective },
    /// It ran out of time.
    TimedOut { error: String },
    /// It panicked, or its process died.
    Crashed { error: String },
    /// Somebody else told its process to end: a person, or whoever stops the whole service.
    Terminated { error: String },
    /// The worker shuts down before it ended.
    Interrupted,
    /// It was claimed, but there was no slot or process for it, and nobody has begun it.
    NotStarted,
    /// Its worker is lost: the lease has passed.
    Lost { error: String },
    /// A person has stopped it while it ran.
    Stopped { error: String },
    /// The record cannot be read, or the arguments do not fit.
    Unreadable { error: String },
    /// This worker has no handler of that name.
    NoHandler { error: String },
}

impl Outcome {
    /// The same with an error that is not longer than what is kept of it.
    pub(crate) fn cut(mut self) -> Self {
        match &mut self {
            Outcome::Failed { error, .. }
            | Outcome::TimedOut { error }
            | Outcome::Crashed { error }
            | Outcome::Unreadable { error }
            | Outcome::NoHandler { error } => *error = truncate_error(error),
            _ => {}
        }
        self
    }
}

/// Bytes in the JSON that a work horse speaks.
mod in_base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// What a handler that failed asks for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum RetryDirective {
    /// Nothing: the job's policy decides.
    UsePolicy,
    /// Another try, after this delay or a growing one.
    RetryAfter(Option<Duration>),
    /// To be called again after this delay, as if this run had not been.
    Snooze(Duration),
    /// No other try.
    GiveUp,
}

/// What follows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// To the finished registry with this result, or after a while to another run.
    Finish { result: Vec<u8>, repeat_after: Option<Duration> },
    /// Another try after a delay; none at all: at once.
    Retry { delay: Duration, error: String },
    /// To wait a while and begin anew; nothing is counted.
    Snooze { delay: Duration },
    /// To the failed registry.
    Fail { status: Status, error: String },
    /// Back to the head of its queue, as if it had never been started; which may be true.
    PutBack { was_started: bool },
}

/// What the job's record says about retries.
#[derive(Debug, Clone, Default)]
pub(crate) struct RetryState {
    pub(crate) retries_left: Option<u32>,
    pub(crate) intervals: Vec<u64>,
    pub(crate) retries: u32,
    /// How often it is to run again, and the next interval.
    pub(crate) repeats_left: u32,
    pub(crate) repeat_in: u64,
    /// How often it was started since it last ended.
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

    /// RQ's rule: counted from the end of the list, so that a short list repeats its first entry.
    fn policy_delay(&self, left: u32) -> Duration {
        let index = self.intervals.len().saturating_sub(left as usize);
        Duration::from_secs(self.intervals.get(index).copied().unwrap_or(0))
    }

    /// The delay before the next try, if there is one.
    fn next(&self, directive: RetryDirective) -> Option<Duration> {
        match (directive, self.retries_left) {
            (RetryDirective::GiveUp | RetryDirective::Snooze(_), _)
            | (_, Some(0))
            | (RetryDirective::UsePolicy, None) => None,
            (RetryDirective::UsePolicy, Some(left)) => Some(self.policy_delay(left)),
            (RetryDirective::RetryAfter(_), None) if self.retries >= MAX_HANDLER_RETRIES => None,
            (RetryDirective::RetryAfter(Some(delay)), _) => Some(delay),
            (RetryDirective::RetryAfter(None), left) => {
                let own = left.map(|left| self.policy_delay(left)).filter(|delay| !delay.is_zero());
                Some(own.unwrap_or_else(|| growing_delay(self.retries)))
            }
        }
    }
}

/// What follows from how a run ended. A job that was lost `max_deliveries` times with its worker is
/// taken for the cause, and not tried again; losses are not the user's retries.
pub(crate) fn decide(outcome: Outcome, attempts: &RetryState, max_deliveries: u32) -> Verdict {
    let (error, directive) = match outcome {
        Outcome::Returned(result) => {
            let repeat_after = (attempts.repeats_left > 0).then(|| Duration::from_secs(attempts.repeat_in));
            return Verdict::Finish { result, repeat_after };
        }
        Outcome::Interrupted => return Verdict::PutBack { was_started: true },
        Outcome::NotStarted => return Verdict::PutBack { was_started: false },
        Outcome::Lost { .. } if attempts.deliveries < max_deliveries => {
            return Verdict::PutBack { was_started: true };
        }
        Outcome::Lost { error } => (error, RetryDirective::GiveUp),
        Outcome::Stopped { error } => return Verdict::Fail { status: Status::Stopped, error },
        Outcome::Failed { directive: RetryDirective::Snooze(delay), .. } => {
            return Verdict::Snooze { delay: delay.max(SHORTEST_SNOOZE) };
        }
        Outcome::Failed { error, directive } => (error, directive),
        // Another worker may have the handler, or one that takes these arguments: while a service is being
        // deployed there are old and new ones.
        Outcome::NoHandler { error } | Outcome::Unreadable { error } => (error, RetryDirective::UsePolicy),
        Outcome::TimedOut { error } | Outcome::Crashed { error } | Outcome::Terminated { error } => {
            (error, RetryDirective::UsePolicy)
        }
    };
    match attempts.next(directive) {
        Some(delay) => Verdict::Retry { delay, error },
        None => Verdict::Fail { status: Status::Failed, error },
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, RetryDirective, RetryState, Status, Verdict, decide};
    use std::time::Duration;

    fn after(directive: RetryDirective, attempts: &RetryState) -> Option<u64> {
        let error = "boom".to_owned();
        match decide(Outcome::Failed { error, directive }, attempts, 3) {
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
    fn a_handler_may_ask_for_another_try_but_not_for_ever() {
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
    fn who_asks_for_another_try_later_gets_the_job_s_own_interval() {
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
    fn who_asks_to_be_called_again_at_once_waits_a_second() {
        let again = |delay| {
            let directive = RetryDirective::Snooze(Duration::from_millis(delay));
            decide(Outcome::Failed { error: String::new(), directive }, &RetryState::default(), 3)
        };
        for (asked, waits) in [(0, 1000), (999, 1000), (1500, 1500)] {
            assert_eq!(again(asked), Verdict::Snooze { delay: Duration::from_millis(waits) });
        }
    }

    #[test]
    fn an_interrupted_run_is_not_an_attempt() {
        assert_eq!(
            decide(Outcome::Interrupted, &RetryState::default(), 3),
            Verdict::PutBack { was_started: true }
        );
    }

    #[test]
    fn a_job_is_lost_three_times_and_then_fails_whatever_its_policy() {
        let lost = |deliveries| {
            let attempts = RetryState { deliveries, retries_left: Some(5), ..RetryState::default() };
            decide(Outcome::Lost { error: "lost".to_owned() }, &attempts, 3)
        };
        let back = Verdict::PutBack { was_started: true };
        assert_eq!((lost(1), lost(2)), (back.clone(), back));
        assert!(matches!(lost(3), Verdict::Fail { status: Status::Failed, .. }));
    }
}
