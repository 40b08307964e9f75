//! The two dialects: how one is chosen, and which choices are refused.

use crate::support::TestEnv;
use rq_rs::{Dialect, Error, NewJob, Queue, Serializer, Status};

#[test]
fn a_dialect_is_chosen_by_method_option_or_environment_and_has_its_own_prefix() {
    let env = TestEnv::with_own_redis(&[]);
    let keys = || {
        let mut keys: Vec<String> = env.redis(&["KEYS", "*:queue:*"]);
        keys.sort();
        keys
    };
    Queue::connect(env.url(), "method").unwrap().dialect(Dialect::Rq).enqueue("f", ()).unwrap();
    let url = [("RQ_REDIS_URL".to_owned(), env.url().to_owned())];
    let run = |words: &[&str], more: &[(&str, &str)]| {
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment: Vec<_> = url.iter().cloned().chain(more).collect();
        crate::support::Process::start(words, &environment).finish("").ok()
    };
    let forgot = crate::support::Process::start(&["info"], &url).finish("");
    assert!(forgot.stderr.contains("there are queues in the dialect rq, and none in native"), "{forgot:?}");
    run(&["enqueue", "f", "-q", "option", "--dialect", "rq"], &[]);
    run(&["enqueue", "f", "-q", "environment"], &[("RQ_RS_DIALECT", "rq")]);
    run(&["enqueue", "f", "-q", "prefix", "--dialect", "rq", "--prefix", "{shop}:rq"], &[]);
    run(&["enqueue", "f", "-q", "native"], &[]);
    assert_eq!(
        keys(),
        [
            "rq-rs:queue:native",
            "rq:queue:environment",
            "rq:queue:method",
            "rq:queue:option",
            "{shop}:rq:queue:prefix"
        ]
    );
    let prefix_first = Queue::connect(env.url(), "x").unwrap().prefix("mine").unwrap().dialect(Dialect::Rq);
    prefix_first.enqueue("f", ()).unwrap();
    assert!(keys().contains(&"mine:queue:x".to_owned()), "a prefix that was asked for stays");
}

#[test]
fn an_unknown_dialect_or_serializer_is_a_usage_error() {
    let env = TestEnv::new().in_native_dialect();
    let error = env.cli(&["info", "--dialect", "klingon"]).expect_failure(2);
    assert!(error.contains("\"klingon\" is not a dialect: native or rq"), "{error}");
    assert!(env.cli(&["enqueue", "f", "-S", "yaml"]).expect_failure(2).contains("json or pickle"));
    let error = env.cli(&["enqueue", "f", "-S", "pickle"]).expect_failure(2);
    assert!(error.contains("pickle is not for the dialect native"), "{error}");
    let refused = env.queue("q").serializer(Serializer::Pickle).map(drop);
    assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
}

#[test]
fn the_rq_dialect_can_use_json_for_payloads_and_results() {
    let env = TestEnv::new().in_rq_dialect();
    let id = env.cli(&["enqueue", "add", ":20", ":22", "-S", "json"]).ok();
    env.drain(env.worker(&["default"]));
    assert_eq!(env.queue("default").job(&id).unwrap().returned::<i64>(), Ok(42));
    let entries: Vec<(String, Vec<(String, String)>)> =
        env.redis(&["XRANGE", &env.key(&format!("results:{id}")), "-", "+"]);
    assert!(entries[0].1.contains(&("return_value".to_owned(), "NDI=".to_owned())), "{entries:?}");
}

#[test]
fn integers_of_any_size_pass_through_json() {
    let env = TestEnv::new();
    let large = u128::MAX;
    let worker = || env.worker(&["default"]).handler("large", |_: &rq_rs::Context, n: u128| Ok(n));
    let job = env.queue("default").enqueue("large", large).unwrap();
    env.drain(worker());
    assert_eq!(env.queue("default").job(job.id()).unwrap().returned::<u128>(), Ok(large));
}

#[test]
fn a_job_that_runs_can_be_stopped_and_is_not_tried_again() {
    let env = TestEnv::new();
    let mut worker = env.start(&["worker", "--exec", "job=sleep 60"]);
    let id = env.cli(&["enqueue", "job", "--retry-max", "3"]).ok();
    worker.wait_for_stderr(&id);
    env.wait_for_subscription();
    assert!(env.cli(&["job", "stop", &id]).ok().contains("told to stop it"));
    worker.wait_for_stderr(&format!("{id} failed: Job stopped by user"));
    let job = env.queue("default").job(&id).unwrap();
    assert_eq!((job.status, job.retries_left), (Status::Stopped, Some(3)));
    assert_eq!(env.locations("default", &id), ["failed"]);
    assert!(env.cli(&["job", "stop", &id]).expect_failure(1).contains("cannot stop job"));
    assert_eq!(env.cli(&["requeue", &id]).ok(), "1 job requeued.");
}

#[test]
fn stopping_a_job_whose_worker_does_not_listen_is_an_error() {
    let env = TestEnv::new();
    let mut job = env.queue("default").enqueue_job(NewJob::new("f", ()).id("one")).unwrap();
    env.redis::<i64>(&["HSET", &env.key("job:one"), "status", "started", "worker_name", "gone"]);
    let refused = job.stop();
    assert!(
        matches!(&refused, Err(Error::WrongState { status, .. }) if status.contains("gone does not listen")),
        "{refused:?}"
    );
}
