//! Order of jobs.

use rq_rs::{Context, NewJob, Worker};

use crate::support::{CallLog, RunningWorker, TestEnv};

fn noting(env: &TestEnv, queues: &[&str], calls: &CallLog) -> Worker {
    let calls = calls.clone();
    env.worker(queues).handler("note", move |_: &Context, text: String| {
        calls.record(text);
        Ok(())
    })
}

#[test]
fn one_slot_runs_jobs_in_the_order_they_came() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    let expected: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    for text in &expected {
        env.queue("default").enqueue("note", text).unwrap();
    }
    env.drain(noting(&env, &["default"], &calls).concurrency(1));
    assert_eq!(calls.lines(), expected);
}

#[test]
fn ten_thousand_jobs_in_one_call_keep_their_order_and_none_is_lost() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    let queue = env.queue("default");
    let bulk = queue.enqueue_many((0..10_000).map(|n| NewJob::new("note", n.to_string()))).unwrap();
    assert_eq!((bulk.ids.len(), bulk.duplicates.len(), queue.count().unwrap()), (10_000, 0, 10_000));
    assert_eq!(queue.ids(0, 3).unwrap(), bulk.ids[..3]);
    assert_eq!(queue.ids(9_998, 10).unwrap(), bulk.ids[9_998..]);

    let summary = env.drain(noting(&env, &["default"], &calls).concurrency(1));

    assert_eq!(summary.finished, 10_000);
    assert!(calls.lines().iter().enumerate().all(|(n, text)| *text == n.to_string()));
}

#[test]
fn eight_slots_lose_nothing_and_run_nothing_twice() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    env.queue("default").enqueue_many((0..10_000).map(|n| NewJob::new("note", n.to_string()))).unwrap();
    env.drain(noting(&env, &["default"], &calls).concurrency(8));
    let mut numbers: Vec<u32> = calls.lines().iter().map(|text| text.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..10_000));
}

#[test]
fn an_earlier_queue_goes_before_any_job_of_a_later_one() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    for text in ["l1", "l2"] {
        env.queue("low").enqueue("note", text).unwrap();
    }
    for text in ["h1", "h2"] {
        env.queue("high").enqueue("note", text).unwrap();
    }
    env.drain(noting(&env, &["high", "low"], &calls).concurrency(1));
    assert_eq!(calls.lines(), ["h1", "h2", "l1", "l2"]);
}

#[test]
fn a_job_at_the_front_goes_first() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    let queue = env.queue("default");
    queue.enqueue("note", "1").unwrap();
    queue.enqueue_job(NewJob::new("note", "0").at_front()).unwrap();
    queue.enqueue("note", "2").unwrap();
    env.drain(noting(&env, &["default"], &calls).concurrency(1));
    assert_eq!(calls.lines(), ["0", "1", "2"]);
}

#[test]
fn an_idle_worker_is_woken_by_any_of_its_queues() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    let running_worker = RunningWorker::start(noting(&env, &["high", "low"], &calls));
    running_worker.wait_until_idle();
    for queue in ["low", "high", "low"] {
        let job = env.queue(queue).enqueue("note", queue).unwrap();
        running_worker.wait_for_finish(job.id());
    }
    assert_eq!(running_worker.stop().finished, 3);
    assert_eq!(calls.lines(), ["low", "high", "low"]);
}

#[test]
fn two_workers_share_a_queue_and_each_job_runs_once() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    let workers = [(); 2].map(|()| RunningWorker::start(noting(&env, &["default"], &calls)));
    workers.iter().for_each(RunningWorker::wait_until_idle);
    for n in 0..500 {
        env.queue("default").enqueue("note", n.to_string()).unwrap();
    }
    crate::support::eventually("all 500 ran", || calls.lines().len() >= 500);
    let done: Vec<u64> = workers.into_iter().map(|worker| worker.stop().finished).collect();
    assert_eq!(done.iter().sum::<u64>(), 500);
    let mut lines = calls.lines();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 500);
}
