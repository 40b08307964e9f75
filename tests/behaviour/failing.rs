//! Errors, panics, retries and timeouts.

use std::time::Duration;

use anyhow::Context as _;
use rq_rs::{Context, Event, GiveUp, NewJob, Retry, Status, Worker};

use crate::support::{CallLog, RunningWorker, TestEnv, WAIT_LIMIT};

fn error_of(env: &TestEnv, id: &str) -> String {
    let error = env.queue("default").job(id).unwrap().exc_info.clone().unwrap();
    without_backtrace(&error).to_owned()
}

/// With `RUST_BACKTRACE` set, errors contain a backtrace.
pub(crate) fn without_backtrace(error: &str) -> &str {
    error.split("\n\nStack backtrace:").next().unwrap()
}

#[test]
fn a_failed_job_keeps_the_chain_of_its_error_its_handler_when_and_by_whom() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let job = queue.enqueue("send", "ada").unwrap();
    let worker = env.worker(&["default"]).name("w1").handler("send", |_: &Context, to: String| {
        std::fs::read("/no/such/file").context("no attachment").with_context(|| format!("mail to {to}"))?;
        Ok(())
    });

    assert_eq!(env.drain(worker).failed, 1);

    let job = queue.job(job.id()).unwrap();
    let error = job.exc_info.as_deref().unwrap();
    for part in ["send failed: mail to ada", "no attachment", "No such file"] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!((job.status, job.worker_name.as_deref()), (Status::Failed, Some("w1")));
    assert!(job.ended_at.is_some());
    assert_eq!(queue.failed().ids(0, 10).unwrap(), [job.id()]);
    assert_eq!(env.locations("default", job.id()), ["failed"]);
}

#[test]
fn a_panic_becomes_a_failed_job_with_message_and_place_and_the_worker_goes_on() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let bad = queue.enqueue("panic", ()).unwrap();
    let good = queue.enqueue("add", (1, 1)).unwrap();
    let worker = env
        .worker(&["default"])
        .concurrency(1)
        .handler("panic", |_: &Context, (): ()| -> anyhow::Result<()> { panic!("at the disco {}", 7) });

    let summary = env.drain(worker);

    assert_eq!((summary.finished, summary.failed), (1, 1));
    let error = error_of(&env, bad.id());
    assert!(error.starts_with("panic panicked at tests/behaviour/failing.rs:"), "{error}");
    assert!(error.ends_with(": at the disco 7"), "{error}");
    assert_eq!(queue.job(good.id()).unwrap().returned::<i64>().unwrap(), 2);
}

#[test]
fn an_error_that_panics_when_printed_fails_one_job() {
    #[derive(Debug)]
    struct Hostile;
    impl std::fmt::Display for Hostile {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("no words")
        }
    }
    impl std::error::Error for Hostile {}
    let env = TestEnv::new();
    let job = env.queue("default").enqueue("hostile", ()).unwrap();
    let worker = env
        .worker(&["default"])
        .handler("hostile", |_: &Context, (): ()| -> anyhow::Result<()> { Err(Hostile.into()) });
    assert_eq!(env.drain(worker).failed, 1);
    assert!(error_of(&env, job.id()).contains("no words"));
}

#[test]
fn ten_megabytes_of_error_are_cut_and_say_so() {
    let env = TestEnv::new();
    let queue = env.queue("default").max_payload(20 << 20);
    let job = queue.enqueue("fail", "e".repeat(10 << 20)).unwrap();
    assert_eq!(env.drain(env.worker(&["default"])).failed, 1);
    let error = error_of(&env, job.id());
    assert!(error.len() < 66 << 10 && error.contains("bytes left out"), "{} bytes", error.len());
}

#[test]
fn a_result_over_the_limit_fails_the_job_and_says_how_large_it_was() {
    let env = TestEnv::new().in_native_dialect();
    let job = env.queue("default").enqueue("echo", "x".repeat(100)).unwrap();
    env.drain(env.worker(&["default"]).max_result(50));
    assert_eq!(error_of(&env, job.id()), "the result of echo is 102 bytes, over the limit of 50");
}

#[test]
fn a_job_with_a_policy_is_tried_again_and_may_succeed() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    let queue = env.queue("default");
    let job = queue.enqueue_job(NewJob::new("flaky", ()).retry(Retry::every(Duration::ZERO, 3))).unwrap();
    let book = calls.clone();
    let worker = env.worker(&["default"]).handler("flaky", move |context: &Context, (): ()| {
        book.record(context.attempt().to_string());
        anyhow::ensure!(context.attempt() == 3, "not yet");
        Ok("done")
    });

    let summary = env.drain(worker);

    assert_eq!((summary.finished, summary.retried, summary.failed), (1, 2, 0));
    assert_eq!(calls.lines(), ["1", "2", "3"]);
    assert_eq!(queue.job(job.id()).unwrap().retries_left, Some(1));
}

#[test]
fn retries_end_and_the_last_error_is_kept() {
    let env = TestEnv::new();
    let job = NewJob::new("fail", "always").retry(Retry::every(Duration::ZERO, 2)).id("hopeless");
    env.queue("default").enqueue_job(job).unwrap();
    let summary = env.drain(env.worker(&["default"]));
    assert_eq!((summary.retried, summary.failed), (2, 1));
    assert_eq!(error_of(&env, "hopeless"), "fail failed: always");
}

#[test]
fn a_delayed_retry_waits_in_scheduled_and_comes_back_by_itself() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let job =
        queue.enqueue_job(NewJob::new("once", ()).retry(Retry::every(Duration::from_secs(1), 1))).unwrap();
    let running_worker =
        RunningWorker::start(env.worker(&["default"]).handler("once", |context: &Context, (): ()| {
            anyhow::ensure!(context.attempt() > 1, "the first try fails");
            Ok(())
        }));
    running_worker.wait_for_event(
        "a retry",
        |event| matches!(event, Event::Retried { delay, .. } if *delay == Duration::from_secs(1)),
    );
    job.wait::<()>(WAIT_LIMIT).unwrap();
    assert_eq!(running_worker.stop().finished, 1);
    assert_eq!(env.locations("default", job.id()), ["finished"]);
}

#[test]
fn a_handler_may_ask_to_be_tried_later_or_to_give_up() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let later = queue.enqueue("later", ()).unwrap();
    let give_up = queue.enqueue_job(NewJob::new("give_up", ()).retry(Retry::growing(5))).unwrap();
    let worker = env
        .worker(&["default"])
        .handler("later", |_: &Context, (): ()| -> anyhow::Result<()> {
            Err(anyhow::anyhow!("busy").context(Retry::later(Duration::from_secs(77))))
        })
        .handler("give_up", |_: &Context, (): ()| -> anyhow::Result<()> {
            Err(GiveUp("stolen card".into()).into())
        });

    let summary = env.drain(worker);

    assert_eq!((summary.retried, summary.failed), (1, 1));
    assert_eq!(env.locations("default", later.id()), ["scheduled"]);
    assert_eq!(env.locations("default", give_up.id()), ["failed"]);
    assert!(error_of(&env, later.id()).contains("busy"));
    assert!(error_of(&env, give_up.id()).contains("stolen card"));
}

#[test]
fn a_handler_that_runs_out_of_time_fails_and_its_slot_goes_on() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let slow = queue.enqueue_job(NewJob::new("slow", ()).timeout(Duration::from_secs(1))).unwrap();
    let next = queue.enqueue("add", (1, 2)).unwrap();
    let worker = env.worker(&["default"]).concurrency(1).handler("slow", |context: &Context, (): ()| {
        crate::support::eventually("told to stop", || context.is_canceled());
        Ok("too late")
    });

    let summary = env.drain(worker);

    assert_eq!((summary.finished, summary.failed), (1, 1));
    assert_eq!(
        error_of(&env, slow.id()),
        "slow timed out after 1 s; its thread was told to stop but may still run"
    );
    assert_eq!(queue.job(next.id()).unwrap().returned::<i64>().unwrap(), 3);
}

#[test]
fn a_worker_has_a_policy_for_jobs_that_have_none() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let plain = queue.enqueue("fail", "no").unwrap();
    let own =
        queue.enqueue_job(NewJob::new("fail", "no").retry(Retry::every(Duration::from_secs(7), 1))).unwrap();
    let fine = queue.enqueue("add", (1, 2)).unwrap();
    let policy = Retry::list([Duration::from_secs(300), Duration::from_secs(400)], 2).at_front();
    env.drain(env.worker(&["default"]).retry(policy.clone()));
    let job = queue.job(plain.id()).unwrap();
    assert_eq!((job.status, job.retries_left, job.number_of_retries), (Status::Scheduled, Some(1), 1));
    assert_eq!(
        (job.retry_intervals.as_slice(), job.enqueue_at_front_on_retry),
        ([300, 400].as_slice(), true)
    );
    let job = queue.job(own.id()).unwrap();
    assert_eq!((job.retries_left, job.retry_intervals.as_slice()), (Some(0), [7].as_slice()));
    assert_eq!(queue.job(fine.id()).unwrap().retries_left, None);
    // The policy is now stored with the job, whichever worker runs it.
    for left in [0, 0] {
        env.redis::<i64>(&["ZADD", &env.key("scheduled:default"), "1", plain.id()]);
        env.drain(env.worker(&["default"]));
        assert_eq!(queue.job(plain.id()).unwrap().retries_left, Some(left));
    }
    assert_eq!(env.locations("default", plain.id()), ["failed"]);
}

#[test]
fn the_command_line_gives_a_worker_a_policy() {
    let env = TestEnv::new();
    let id = env.cli(&["enqueue", "broken"]).ok();
    env.cli(&["worker", "--burst", "--exec", "broken=false", "--retry-max", "3"]).ok();
    let shown = env.cli(&["job", "show", &id]).ok();
    assert!(shown.contains("attempt 2 of 4"), "{shown}");
    let lacks = env.cli(&["worker", "--exec", "broken=false", "--retry-interval", "5"]).expect_failure(2);
    assert!(lacks.contains("--retry-max"), "{lacks}");
}

#[test]
fn every_try_is_kept_with_its_job_and_drawn_as_a_time_line() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    let queue = env.queue("default");
    let job = NewJob::new("third", ()).retry(Retry::every(Duration::ZERO, 5));
    let id = queue.enqueue_job(job).unwrap().id().to_owned();
    let tries = calls.clone();
    let worker = env.worker(&["default"]).name("one").handler("third", move |job: &Context, (): ()| {
        tries.record("tried");
        anyhow::ensure!(job.attempt() == 3, "try {}\nnot yet", job.attempt());
        Ok(())
    });
    env.drain(worker);
    let job = queue.job(&id).unwrap();
    assert_eq!((job.status, calls.lines().len(), job.attempts.len()), (Status::Finished, 3, 2));
    for (n, attempt) in job.attempts.iter().enumerate() {
        assert_eq!(attempt.error, format!("third failed: try {}", n + 1));
        assert_eq!((attempt.worker_name.as_str(), attempt.retry_in), ("one", Some(0.0)));
        assert!(attempt.ended_at >= attempt.started_at && attempt.ended_at <= job.started_at.unwrap());
    }
    let shown = env.cli(&["job", "show", &id]).ok();
    let (_, line) = shown.split_once("attempts:\n").unwrap();
    let lines: Vec<&str> = line.lines().collect();
    assert!(lines[0].contains("failed after 0.0 s, again after 0 s: third failed: try 1"), "{shown}");
    assert!(lines[2].contains("finished after 0.0 s"), "{shown}");
    let json = env.cli(&["job", "show", &id, "--json"]).json();
    assert_eq!(json["attempts"][1]["error"], "third failed: try 2");

    let lost = queue.enqueue("fail", "no").unwrap();
    env.drain(env.worker(&["default"]));
    env.cli(&["requeue", lost.id()]).ok();
    env.drain(env.worker(&["default"]));
    let attempts = &queue.job(lost.id()).unwrap().attempts;
    assert_eq!((attempts.len(), attempts[1].retry_in), (2, None), "a requeued job has its past");
}

#[test]
fn an_uncounted_retry_changes_no_count() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let job = queue.enqueue_job(NewJob::new("early", ()).retry(Retry::every(Duration::ZERO, 2))).unwrap();
    let calls = CallLog::default();
    let notes = calls.clone();
    let worker = env.worker(&["default"]).handler("early", move |_: &Context, (): ()| {
        notes.record("called");
        match notes.lines().len() {
            1..=2 => Err(Retry::later(Duration::ZERO).uncounted().into()),
            n => Ok(n),
        }
    });
    let running_worker = RunningWorker::start(worker);
    // The retry does not run at once, whatever the handler asks for.
    let snoozed = running_worker.wait_for_event("a snooze", |event| matches!(event, Event::Snoozed { .. }));
    assert!(
        matches!(snoozed, Event::Snoozed { delay, .. } if delay == Duration::from_secs(1)),
        "{snoozed:?}"
    );
    running_worker.wait_for_finish(job.id());
    running_worker.stop();
    let job = queue.job(job.id()).unwrap();
    assert_eq!((job.result.clone(), job.retries_left, job.number_of_retries), (Some(3.into()), Some(2), 0));
    assert_eq!(job.attempts.len(), 0);
}

#[test]
fn delays_beyond_the_clock_mean_never() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let forever = rq_rs::Repeat::every(Duration::MAX, 3);
    let jobs = [
        queue.enqueue("later", ()).unwrap(),
        queue.enqueue("uncounted", ()).unwrap(),
        queue.enqueue_job(NewJob::new("add", (1, 2)).repeat(forever)).unwrap(),
    ];
    let worker = env
        .worker(&["default"])
        .handler("later", |_: &Context, (): ()| -> anyhow::Result<()> {
            Err(Retry::later(Duration::MAX).into())
        })
        .handler("uncounted", |_: &Context, (): ()| -> anyhow::Result<()> {
            Err(Retry::later(Duration::MAX).uncounted().into())
        });
    env.drain(worker);
    for job in jobs {
        let job = queue.job(job.id()).unwrap();
        assert_eq!((job.status, env.locations("default", job.id())), (Status::Scheduled, vec!["scheduled"]));
        let due: f64 = env.redis(&["ZSCORE", &env.key("scheduled:default"), job.id()]);
        assert!(due > 4e9, "{due}");
    }
}

#[test]
fn a_job_without_a_handler_is_retried_as_its_policy_says() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let later = || Retry::every(Duration::from_secs(3600), 2);
    queue.enqueue_job(NewJob::new("tomorrow", "x").id("unknown").retry(later())).unwrap();
    queue.enqueue_job(NewJob::new("add", "text").id("unfit").retry(later())).unwrap();
    queue.enqueue_job(NewJob::new("tomorrow", "x").id("plain")).unwrap();
    let summary = env.drain(env.worker(&["default"]));
    assert_eq!((summary.retried, summary.failed), (2, 1));
    for id in ["unknown", "unfit"] {
        let job = queue.job(id).unwrap();
        assert_eq!((job.status, job.retries_left), (Status::Scheduled, Some(1)), "{id}");
    }
    assert_eq!(env.locations("default", "plain"), ["failed"]);
    // A worker with the handler starts.
    for id in ["unknown", "unfit"] {
        env.cli(&["job", "enqueue", id]).ok();
    }
    let new = Worker::connect(env.url(), ["default"]).unwrap().dialect(env.dialect);
    let new = new.prefix(&env.prefix).unwrap();
    let new = new
        .handler("tomorrow", |_: &Context, _: String| Ok(()))
        .handler("add", |_: &Context, _: String| Ok(()));
    assert_eq!(env.drain(new).finished, 2);
}

#[test]
fn the_worker_s_retry_policy_covers_unknown_handlers() {
    let env = TestEnv::new();
    let job = env.queue("default").enqueue("tomorrow", ()).unwrap();
    let worker = env.worker(&["default"]).retry(Retry::every(Duration::from_secs(3600), 1));
    assert_eq!(env.drain(worker).retried, 1);
    assert_eq!(env.locations("default", job.id()), ["scheduled"]);
}
