//! Repeated jobs.

use std::time::Duration;

use rq_rs::{Context, NewJob, Repeat, Retry, Status};

use crate::support::{CallLog, TestEnv};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_repeated_job_runs_so_many_times_more_after_its_intervals() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    let queue = env.queue("default");
    let intervals = [Duration::ZERO, Duration::ZERO, HOUR];
    let job = queue.enqueue_job(NewJob::new("note", 7).repeat(Repeat::list(intervals, 4))).unwrap();
    let worker = |env: &TestEnv| {
        let notes = calls.clone();
        env.worker(&["default"]).handler("note", move |_: &Context, n: u32| {
            notes.record(n.to_string());
            Ok(n)
        })
    };
    assert_eq!(env.drain(worker(&env)).finished, 3);
    let mut job = queue.job(job.id()).unwrap();
    assert_eq!(
        (job.status, job.repeats_left, job.repeat_intervals.clone()),
        (Status::Scheduled, Some(1), vec![3600])
    );
    assert_eq!((job.result.clone(), env.locations("default", job.id())), (Some(7.into()), vec!["scheduled"]));
    // The job becomes due.
    env.redis::<i64>(&["ZADD", &env.key("scheduled:default"), "1", job.id()]);
    assert_eq!(env.drain(worker(&env)).finished, 1);
    env.redis::<i64>(&["ZADD", &env.key("scheduled:default"), "XX", "1", job.id()]);
    job.refresh().unwrap();
    assert_eq!((job.repeats_left, job.repeat_intervals.clone()), (Some(0), vec![3600]));
    env.drain(worker(&env));
    job.refresh().unwrap();
    assert_eq!((job.status, calls.lines().len()), (Status::Finished, 5));
    assert_eq!(env.locations("default", job.id()), ["finished"]);
}

#[test]
fn a_job_that_fails_for_good_is_not_repeated_and_one_that_is_tried_again_is() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let add = |job: NewJob| queue.enqueue_job(job.repeat(Repeat::every(Duration::ZERO, 2))).unwrap();
    let bad = add(NewJob::new("fail", "boom"));
    let again = add(NewJob::new("second_time", ()).retry(Retry::every(Duration::ZERO, 5)));
    let worker = env.worker(&["default"]).handler("second_time", |job: &Context, (): ()| {
        anyhow::ensure!(job.attempt() > 1, "not yet");
        Ok(())
    });
    assert_eq!(env.drain(worker).failed, 1);
    let bad = queue.job(bad.id()).unwrap();
    assert_eq!((bad.status, bad.repeats_left), (Status::Failed, Some(2)));
    let again = queue.job(again.id()).unwrap();
    assert_eq!((again.status, again.repeats_left), (Status::Finished, Some(0)));
}

#[test]
fn repeats_are_options_of_the_command_line() {
    let env = TestEnv::new();
    let words =
        ["enqueue", "add", ":1", ":2", "--repeat", "2", "--repeat-interval", "1h", "--repeat-interval", "2h"];
    let id = env.cli(&words).ok();
    let job = env.queue("default").job(&id).unwrap();
    assert_eq!((job.repeats_left, job.repeat_intervals.clone()), (Some(2), vec![3600, 7200]));
    assert!(env.cli(&["job", "show", &id]).ok().contains("repeats left"));
    env.cli(&["enqueue", "add", "--repeat-interval", "1h"]).expect_failure(2);
}
