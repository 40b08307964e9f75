//! Delayed jobs.

use std::time::{Duration, SystemTime};

use rq_rs::{Context, NewJob, Retry, Status};

use crate::support::{CallLog, RunningWorker, TestEnv};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_job_for_later_waits_in_scheduled_until_it_is_due() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let before = SystemTime::now();
    let job = queue.enqueue_job(NewJob::new("add", (1, 2)).after(HOUR)).unwrap();
    assert_eq!((job.status, env.locations("default", job.id())), (Status::Scheduled, vec!["scheduled"]));
    let due = SystemTime::from(job.due().unwrap().unwrap()).duration_since(before).unwrap();
    assert!((HOUR - Duration::from_secs(1)..HOUR + Duration::from_secs(60)).contains(&due), "{due:?}");
    assert_eq!((job.enqueued_at, queue.count(), queue.scheduled().count()), (None, Ok(0), Ok(1)));
    assert_eq!(env.drain(env.worker(&["default"])).finished, 0);
    let shown = env.cli(&["job", "show", job.id()]).ok();
    assert!(shown.contains("due          ") && shown.contains("(in 3"), "{shown}");
    assert_eq!(queue.job(job.id()).unwrap().cancel(), Ok(Status::Scheduled));
    assert_eq!(env.locations("default", job.id()), ["canceled"]);
}

#[test]
fn a_job_that_is_due_goes_to_its_queue_and_runs() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let past = SystemTime::now() - HOUR;
    let jobs = [
        queue.enqueue_job(NewJob::new("add", (1, 2)).at(past)).unwrap(),
        queue.enqueue_job(NewJob::new("add", (3, 4)).after(Duration::ZERO)).unwrap(),
    ];
    // The worker already runs; a job that becomes due does not wait for a restart.
    let worker = RunningWorker::start(env.worker(&["default"]));
    worker.wait_for_finish(jobs[0].id());
    let soon = queue.enqueue_job(NewJob::new("add", (5, 6)).after(Duration::from_millis(1500))).unwrap();
    worker.wait_for_finish(soon.id());
    worker.stop();
    let job = queue.job(soon.id()).unwrap();
    assert_eq!((job.returned::<i64>(), job.due()), (Ok(11), Ok(None)));
    let waited = (job.started_at.unwrap() - job.created_at.unwrap()).as_seconds_f64();
    assert!(waited >= 1.4, "{waited}");
    assert!(job.enqueued_at.unwrap() > job.created_at.unwrap());
}

#[test]
fn a_due_job_goes_to_the_front_if_asked_and_its_ttl_starts_then() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    let queue = env.queue("default");
    let past = SystemTime::now() - HOUR;
    queue.enqueue("note", "waits").unwrap();
    queue.enqueue_job(NewJob::new("note", "front").at(past).at_front()).unwrap();
    queue.enqueue_job(NewJob::new("note", "behind").at(past)).unwrap();
    let ttl =
        queue.enqueue_job(NewJob::new("note", "never").after(HOUR).ttl(Duration::from_secs(10))).unwrap();
    let left: u64 = env.redis(&["TTL", &env.key(&format!("job:{}", ttl.id()))]);
    assert!((3605..=3611).contains(&left), "{left}");
    let notes = calls.clone();
    let worker = env.worker(&["default"]).concurrency(1).handler("note", move |_: &Context, text: String| {
        notes.record(text);
        Ok(())
    });
    env.drain(worker);
    assert_eq!(calls.lines(), ["front", "waits", "behind"]);
}

#[test]
fn many_jobs_may_have_times_of_their_own() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let past = SystemTime::now() - HOUR;
    let jobs = (0..1000).map(|n| match n % 3 {
        0 => NewJob::new("add", (n, n)),
        1 => NewJob::new("add", (n, n)).at(past),
        _ => NewJob::new("add", (n, n)).after(HOUR),
    });
    assert_eq!(queue.enqueue_many(jobs).unwrap().ids.len(), 1000);
    assert_eq!((queue.count(), queue.scheduled().count()), (Ok(334), Ok(666)));
    assert_eq!(env.drain(env.worker(&["default"]).concurrency(8)).finished, 667);
    assert_eq!(queue.scheduled().count(), Ok(333));
}

#[test]
fn a_waiting_retry_is_listed() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let job = NewJob::new("fail", "no").retry(Retry::every(Duration::from_secs(41), 4));
    let id = queue.enqueue_job(job).unwrap().id().to_owned();
    env.drain(env.worker(&["default"]));
    let shown = env.cli(&["job", "show", &id]).ok();
    assert!(shown.contains(" s, attempt 2 of 5)") && shown.contains("(in 4"), "{shown}");
}

#[test]
fn the_command_line_takes_delays_and_times() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let enqueue = |words: &[&str]| env.cli(&[&["enqueue", "add", ":1", ":2"], words].concat());
    let due = |id: &str| queue.job(id).unwrap().due().unwrap().unwrap();
    for (text, seconds) in [("90", 90), ("10s", 10), ("5m", 300), ("2d", 172_800)] {
        let id = enqueue(&["--schedule-in", text]).ok();
        let left = (due(&id) - chrono::Utc::now()).num_seconds();
        assert!((seconds - 5..=seconds + 2).contains(&left), "{text}: {left}");
    }
    for text in ["2100-01-02T03:04:05Z", "2100-01-02T04:04:05+01:00", "2100-01-02 03:04:05Z"] {
        let id = enqueue(&["--schedule-at", text]).ok();
        assert_eq!(due(&id).to_rfc3339(), "2100-01-02T03:04:05+00:00", "{text}");
    }
    let local = enqueue(&["--schedule-at", "2100-01-02 03:04"]);
    assert!(local.stderr.contains("taken as local time: 2100-01-02T03:04:00"), "{local:?}");
    for bad in [
        ["--schedule-at", "tomorrow"],
        ["--schedule-at", "2100-13-01T00:00:00Z"],
        ["--schedule-in", "soon"],
        ["--schedule-in", "-5"],
    ] {
        enqueue(&bad).expect_failure(2);
    }
    enqueue(&["--schedule-in", "5", "--schedule-at", "2100-01-02T03:04:05Z"]).expect_failure(2);
}

#[test]
fn a_scheduled_key_of_another_type_refuses_delayed_jobs_and_stores_nothing() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    env.redis::<()>(&["SET", &env.key("scheduled:default"), "mine"]);
    let jobs = [NewJob::new("add", (1, 2)).id("one"), NewJob::new("add", (1, 2)).id("two").after(HOUR)];
    assert!(queue.enqueue_many(jobs).is_err());
    assert!(queue.job("one").is_err() && queue.job("two").is_err());
    assert_eq!(queue.count(), Ok(0));
    queue.enqueue("add", (1, 2)).unwrap();
}
