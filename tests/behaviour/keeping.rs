//! Retention of ended jobs, by time and by number.

use std::time::Duration;

use rq_rs::{NewJob, Ttl};

use crate::support::TestEnv;

/// Maintenance runs before a worker's first claim.
fn visit(env: &TestEnv, words: &[&str]) {
    env.cli(&[&["worker", "-b", "-q", "--exec", "*=cat"], words].concat()).ok();
}

#[test]
fn only_the_newest_finished_and_failed_jobs_are_kept_up_to_the_limit() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let add = |n: usize| NewJob::new("add", (n, 1)).id(format!("good-{n}"));
    let fail = |n: usize| NewJob::new("fail", "boom").id(format!("bad-{n}"));
    queue.enqueue_many((0..500).map(add)).unwrap();
    queue.enqueue_job(add(500).result_ttl(Ttl::FOREVER)).unwrap();
    queue.enqueue_many((0..5).map(fail)).unwrap();
    env.drain(env.worker(&["default"]).concurrency(1));
    assert_eq!((queue.finished().count(), queue.failed().count()), (Ok(501), Ok(5)));

    visit(&env, &["--keep-finished", "10", "--keep-failed", "2/1h"]);
    let mut finished = queue.finished().ids(0, 100).unwrap();
    finished.sort_unstable();
    let mut expected: Vec<String> = (490..=500).map(|n| format!("good-{n}")).collect();
    expected.sort_unstable();
    // Scores in the rq dialect are whole seconds: within one second ids decide the order.
    assert_eq!(finished.len(), 11);
    assert!(finished.contains(&"good-500".to_owned()), "for ever is for ever");
    if env.dialect == rq_rs::Dialect::Native {
        assert_eq!(finished, expected);
        assert_eq!(queue.failed().ids(0, 9).unwrap(), ["bad-3", "bad-4"]);
    }
    let records: Vec<String> = env.redis(&["KEYS", &env.key("job:*")]);
    assert_eq!(records.len(), 13, "the others' records are gone");
    assert_eq!(queue.failed().count(), Ok(2));
}

#[test]
fn a_burst_worker_trims_what_it_ran_itself() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    queue.enqueue_many((0..300).map(|n| NewJob::new(["good", "bad"][n % 2], ()))).unwrap();
    let words = ["--exec", "good=true", "--exec", "bad=false", "--keep-finished", "20", "--keep-failed", "7"];
    env.cli(&[&["worker", "-b", "-q", "-c", "4"], words.as_slice()].concat()).ok();
    assert_eq!((queue.finished().count(), queue.failed().count()), (Ok(20), Ok(7)));
    assert_eq!(env.redis::<Vec<String>>(&["KEYS", &env.key("job:*")]).len(), 27);
}

#[test]
fn a_job_enqueued_again_is_not_deleted_with_its_old_entry() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    queue.enqueue_job(NewJob::new("fail", "boom").id("again")).unwrap();
    env.drain(env.worker(&["default"]));
    let failed = env.key("failed:default");
    let score: String = env.redis(&["ZSCORE", &failed, "again"]);
    queue.suspend().unwrap();
    queue.job("again").unwrap().requeue().unwrap();
    env.redis::<i64>(&["ZADD", &failed, &score, "again"]);
    visit(&env, &["--keep-failed", "0"]);
    assert_eq!((queue.failed().count(), env.locations("default", "again")), (Ok(0), vec!["queue"]));
    assert!(queue.job("again").is_ok());
}

#[test]
fn jobs_without_a_ttl_are_kept_as_long_as_their_worker_says() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let ids = [
        queue.enqueue("cat", ()).unwrap().id().to_owned(),
        queue
            .enqueue_job(NewJob::new("cat", ()).result_ttl(Duration::from_secs(50)))
            .unwrap()
            .id()
            .to_owned(),
        queue.enqueue("fail", ()).unwrap().id().to_owned(),
    ];
    let words =
        ["--exec", "cat=cat", "--exec", "fail=false", "--keep-finished", "/1h", "--keep-failed", "/2h"];
    env.cli(&[&["worker", "-b", "-q"], words.as_slice()].concat()).ok();
    let ttl = |id: &str| env.redis::<i64>(&["TTL", &env.key(&format!("job:{id}"))]);
    let near = |ttl: i64, seconds: i64| (seconds - 60..=seconds).contains(&ttl);
    assert!(near(ttl(&ids[0]), 3600) && near(ttl(&ids[1]), 50) && near(ttl(&ids[2]), 7200), "{ids:?}");
    env.cli(&["worker", "--keep-failed", "many", "--exec", "*=cat"]).expect_failure(2);
}
