//! Requeueing failed jobs, by library and command line.

use std::time::Duration;

use rq_rs::{Context, Error, NewJob, Repeat, Requeued, Retry, Status, Worker};

use crate::support::{CallLog, TestEnv};

/// An environment in which these jobs have failed.
fn with_failed(ids: &[&str]) -> TestEnv {
    let env = TestEnv::new();
    for id in ids {
        env.queue("default").enqueue_job(NewJob::new("fail", "boom").id(*id)).unwrap();
    }
    env.drain(env.worker(&["default"]));
    assert_eq!(env.queue("default").failed().count(), Ok(ids.len()));
    env
}

#[test]
fn a_requeue_resets_the_job_and_a_second_requeue_changes_nothing() {
    let env = with_failed(&["one"]);
    let mut job = env.queue("default").job("one").unwrap();
    job.requeue().unwrap();
    assert_eq!(env.locations("default", "one"), ["queue"]);
    assert_eq!((job.status, job.exc_info.clone(), job.ended_at), (Status::Queued, None, None));
    assert_eq!(env.redis::<i64>(&["TTL", &env.key("job:one")]), -1);
    let again = job.requeue().unwrap_err();
    assert_eq!(again, Error::WrongState { id: "one".into(), verb: "requeue", status: "queued".into() });
    assert_eq!(env.locations("default", "one"), ["queue"]);
}

#[test]
fn several_jobs_are_requeued_and_each_has_its_outcome() {
    let env = with_failed(&["a", "b", "expired"]);
    env.redis::<i64>(&["DEL", &env.key("job:expired")]);
    let failed = env.queue("default").failed();
    assert_eq!(
        failed.requeue(&["b", "expired", "never", "b"]),
        Ok(vec![Requeued::Back, Requeued::Gone, Requeued::NotThere, Requeued::NotThere])
    );
    assert_eq!(env.queue("default").ids(0, 10).unwrap(), ["b"]);
    assert_eq!(failed.ids(0, 10).unwrap(), ["a"]);
}

#[test]
fn all_jobs_are_requeued_in_batches() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    queue.enqueue_many((0..1_001).map(|n| NewJob::new("fail", n.to_string()))).unwrap();
    assert_eq!(env.drain(env.worker(&["default"]).concurrency(8)).failed, 1_001);
    assert_eq!(queue.failed().requeue_all(), Ok(1_001));
    assert_eq!((queue.count(), queue.failed().count()), (Ok(1_001), Ok(0)));
}

#[test]
fn the_command_takes_ids_from_arguments_and_standard_input() {
    let env = with_failed(&["a", "b", "c"]);
    assert_eq!(env.cli(&["requeue", "a"]).ok(), "1 job requeued.");
    assert_eq!(env.cli_with_input(&["requeue", "-"], "b\nc\n").ok(), "2 jobs requeued.");
    assert_eq!(env.queue("default").ids(0, 10).unwrap(), ["a", "b", "c"]);
}

#[test]
fn the_command_says_which_could_not_be_requeued_and_why() {
    let env = with_failed(&["a", "b"]);
    let output = env.cli(&["requeue", "a", "a", "missing"]);
    assert_eq!((output.code, output.stdout.trim()), (Some(1), "1 job requeued."));
    assert!(output.stderr.contains("cannot requeue job a: it is queued"), "{output:?}");
    assert!(output.stderr.contains("no job with id missing"), "{output:?}");
    let other = env.cli(&["requeue", "--queue", "mail", "b"]).expect_failure(1);
    assert!(other.contains("job b is of queue default, not mail"), "{other}");
}

#[test]
fn the_command_requeues_all_of_a_queue_or_of_all_queues() {
    let env = with_failed(&["a"]);
    env.queue("mail").enqueue_job(NewJob::new("fail", "x").id("m")).unwrap();
    env.drain(env.worker(&["mail"]));
    assert_eq!(env.cli(&["requeue", "--all", "--queue", "mail"]).ok(), "1 job requeued.");
    assert_eq!(env.cli(&["requeue", "--all"]).ok(), "1 job requeued.");
    assert_eq!(env.cli(&["requeue", "--all"]).ok(), "Nothing to do: no failed jobs.");
    assert_eq!(env.locations("mail", "m"), ["queue"]);
}

#[test]
fn requeue_without_any_job_is_a_usage_error() {
    let env = TestEnv::new();
    assert!(env.cli(&["requeue"]).expect_failure(2).contains("--all"));
    assert_eq!(env.cli(&["requeue", "--all", "one"]).code, Some(2));
}

/// A worker whose handler `tries` fails and records the attempt number that it gets.
fn telling(env: &TestEnv, calls: &CallLog) -> Worker {
    let tries = calls.clone();
    env.worker(&["default"]).handler("tries", move |job: &Context, (): ()| -> anyhow::Result<()> {
        tries.record(job.attempt().to_string());
        anyhow::bail!("no")
    })
}

#[test]
fn a_requeued_job_gets_its_retries_again_and_its_attempts_count_from_one() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    let queue = env.queue("default");
    queue.enqueue_job(NewJob::new("tries", ()).id("x").retry(Retry::every(Duration::ZERO, 2))).unwrap();
    env.drain(telling(&env, &calls));
    env.redis::<i64>(&["HSET", &env.key("job:x"), "log", "of the first life"]);
    queue.job("x").unwrap().requeue().unwrap();
    let job = queue.job("x").unwrap();
    assert_eq!((job.retries_left, job.number_of_retries, job.deliveries), (Some(2), 0, 0));
    assert_eq!((job.exc_info.clone(), job.log.clone(), job.worker_name.clone()), (None, None, None));
    assert_eq!(job.attempts.len(), 3, "people still see why it failed");
    env.drain(telling(&env, &calls));
    assert_eq!(calls.lines(), ["1", "2", "3", "1", "2", "3"]);
    assert_eq!(env.locations("default", "x"), ["failed"]);
}

#[test]
fn a_handler_that_asks_for_tries_by_itself_may_ask_again_after_a_requeue() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    let queue = env.queue("default");
    queue.enqueue_job(NewJob::new("asks", ()).id("x")).unwrap();
    let asking = || {
        let tries = calls.clone();
        env.worker(&["default"]).handler("asks", move |job: &Context, (): ()| -> anyhow::Result<()> {
            tries.record(job.attempt().to_string());
            Err(Retry::later(Duration::ZERO).into())
        })
    };
    env.drain(asking());
    env.cli(&["requeue", "x"]).ok();
    env.drain(asking());
    assert_eq!(calls.lines(), ["1", "2", "3", "4", "5", "6", "1", "2", "3", "4", "5", "6"]);
}

#[test]
fn a_requeued_job_gets_the_policy_of_the_worker_that_runs_it() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    env.queue("default").enqueue_job(NewJob::new("tries", ()).id("x")).unwrap();
    env.drain(telling(&env, &calls).retry(Retry::every(Duration::ZERO, 1)));
    env.cli(&["requeue", "x"]).ok();
    assert_eq!(env.queue("default").job("x").unwrap().retries_left, None);
    env.drain(telling(&env, &calls).retry(Retry::every(Duration::ZERO, 2)));
    assert_eq!(calls.lines(), ["1", "2", "1", "2", "3"]);
}

#[test]
fn each_run_of_a_repeated_job_has_all_retries() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    let job = NewJob::new("odd", ()).id("x").retry(Retry::every(Duration::ZERO, 1));
    env.queue("default").enqueue_job(job.repeat(Repeat::every(Duration::ZERO, 1))).unwrap();
    let tries = calls.clone();
    let worker = env.worker(&["default"]).handler("odd", move |job: &Context, (): ()| {
        tries.record(job.attempt().to_string());
        anyhow::ensure!(tries.lines().len() % 2 == 0, "the first of two");
        Ok(())
    });
    assert_eq!(env.drain(worker).failed, 0);
    assert_eq!(calls.lines(), ["1", "2", "1", "2"]);
}

#[test]
fn a_canceled_job_that_is_requeued_is_reset() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    let queue = env.queue("default");
    let retry = Retry::list([Duration::ZERO, Duration::from_secs(3600)], 2);
    queue.enqueue_job(NewJob::new("tries", ()).id("x").retry(retry)).unwrap();
    env.drain(telling(&env, &calls));
    let mut job = queue.job("x").unwrap();
    assert_eq!((job.status, job.retries_left), (Status::Scheduled, Some(0)));
    job.cancel().unwrap();
    job.requeue().unwrap();
    assert_eq!((job.retries_left, job.number_of_retries), (Some(2), 0));
}

#[test]
fn a_job_that_python_requeues_keeps_nothing_of_its_earlier_run() {
    let (env, calls) = (TestEnv::new().in_rq_dialect(), CallLog::default());
    let queue = env.queue("default");
    queue.enqueue_job(NewJob::new("tries", ()).id("x").retry(Retry::every(Duration::ZERO, 2))).unwrap();
    env.drain(telling(&env, &calls));
    let key = env.key("job:x");
    env.redis::<i64>(&[
        "HSET",
        &key,
        "status",
        "queued",
        "started_at",
        "",
        "ended_at",
        "",
        "retries_left",
        "1",
    ]);
    env.redis::<i64>(&["ZREM", &env.key("failed:default"), "x"]);
    env.push("default", "x");
    env.drain(telling(&env, &calls));
    assert_eq!(calls.lines(), ["1", "2", "3", "1", "2"]);
    assert_eq!(queue.job("x").unwrap().attempts.len(), 2, "those of the earlier life may be another job's");
}

/// Makes a job that failed and was enqueued again under its id without rq-rs: RQ leaves the failed entry behind.
fn enqueued_anew(env: &TestEnv, id: &str) {
    env.redis::<i64>(&["HSET", &env.key(&format!("job:{id}")), "status", "queued"]);
    env.push("default", id);
}

#[test]
fn a_stale_registry_entry_is_dropped_and_its_job_stays() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let mut job = queue.enqueue("fail", "x").unwrap();
    env.drain(env.worker(&["default"]));
    enqueued_anew(&env, job.id());
    assert_eq!(queue.failed().requeue(&[job.id()]), Ok(vec![Requeued::NotThere]));
    assert_eq!(env.locations("default", job.id()), ["queue"]);
    // The entry is dropped while the job runs too, and on cancel or enqueue by an older entry.
    for registry in ["failed", "canceled", "scheduled"] {
        env.redis::<i64>(&["ZADD", &env.key(&format!("{registry}:default")), "1", job.id()]);
    }
    assert!(matches!(job.requeue(), Err(Error::WrongState { .. })));
    assert!(matches!(job.enqueue_now(), Err(Error::WrongState { .. })));
    assert_eq!(env.locations("default", job.id()), ["queue"]);
    assert_eq!(env.cli(&["requeue", "--all"]).ok(), "Nothing to do: no failed jobs.");
}

#[test]
fn trimming_a_registry_deletes_no_job_of_another_one() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let failed = queue.enqueue("fail", "x").unwrap();
    env.drain(env.worker(&["default"]));
    // A job with this id has finished before.
    let soon: (f64, u64) = env.redis(&["TIME"]);
    env.redis::<i64>(&["ZADD", &env.key("finished:default"), &(soon.0 + 100.0).to_string(), failed.id()]);
    queue.enqueue("echo", "y").unwrap();
    env.drain(env.worker(&["default"]).keep_finished(1));
    assert_eq!(queue.finished().count(), Ok(1));
    assert_eq!(env.locations("default", failed.id()), ["failed"]);
    assert_eq!(queue.job(failed.id()).unwrap().status, Status::Failed);
}
