//! A single job: id, times to live, waiting, cancel, delete, meta.

use std::time::Duration;

use rq_rs::{Context, Error, Event, NewJob, Status, Ttl};
use serde_json::{Value, json};

use crate::support::{CallLog, Gate, RunningWorker, TestEnv, WAIT_LIMIT, eventually};

#[test]
fn an_id_that_exists_is_refused_and_the_first_job_stays_as_it_is() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    queue.enqueue_job(NewJob::new("echo", "first").id("one")).unwrap();
    let second = queue.enqueue_job(NewJob::new("echo", "second").id("one"));
    assert_eq!(second.unwrap_err(), Error::Duplicate { id: "one".into() });
    let bulk = queue.enqueue_many(["one", "two"].map(|id| NewJob::new("echo", id).id(id))).unwrap();
    assert_eq!((bulk.ids, bulk.duplicates), (vec!["two".to_owned()], vec!["one".to_owned()]));
    assert_eq!(queue.ids(0, 10).unwrap(), ["one", "two"]);
    assert_eq!(queue.job("one").unwrap().args, [json!("first")]);
}

#[test]
fn a_producer_waits_for_the_result() {
    let env = TestEnv::new();
    let running_worker = RunningWorker::start(env.worker(&["default"]));
    let job = env.queue("default").enqueue("add", (20, 22)).unwrap();
    assert_eq!(job.wait::<i64>(WAIT_LIMIT), Ok(42));
    assert!(matches!(job.wait::<String>(WAIT_LIMIT), Err(Error::Invalid { .. })));
    let failed = env.queue("default").enqueue("fail", "boom").unwrap().wait::<Value>(WAIT_LIMIT).unwrap_err();
    let Error::JobFailed { error, .. } = failed else { panic!("{failed}") };
    assert_eq!(crate::failing::without_backtrace(&error), "fail failed: boom");
    running_worker.stop();
}

/// The job ends while a producer waits; `listens` returns whether the producer waits for that job id yet.
fn waits_until_the_end(env: &TestEnv, listens: impl Fn(&str) -> bool) {
    let gate = Gate::default();
    let inside = gate.clone();
    let running_worker =
        RunningWorker::start(env.worker(&["default"]).handler("gate", move |_: &Context, (): ()| {
            inside.wait();
            Ok("open")
        }));
    let job = env.queue("default").enqueue("gate", ()).unwrap();
    running_worker.wait_for_start(job.id());
    let waiter = {
        let job = job.clone();
        std::thread::spawn(move || job.wait::<String>(WAIT_LIMIT))
    };
    eventually("the waiter listens", || listens(job.id()));
    gate.open();
    assert_eq!(waiter.join().unwrap(), Ok("open".to_owned()));
    running_worker.stop();
}

#[test]
fn a_waiting_producer_wakes_when_the_job_ends() {
    let env = TestEnv::new().in_native_dialect();
    waits_until_the_end(&env, |id| {
        let channel = env.key(&format!("ended:{id}"));
        env.redis::<Vec<(String, u64)>>(&["PUBSUB", "NUMSUB", &channel])[0].1 == 1
    });
    let env = TestEnv::with_own_redis(&[]).in_rq_dialect();
    waits_until_the_end(&env, |_| env.redis::<String>(&["CLIENT", "LIST"]).contains("cmd=xread"));
}

#[test]
fn a_wait_that_times_out_is_an_error_and_the_job_goes_on() {
    let env = TestEnv::new();
    let job = env.queue("default").enqueue("add", (1, 1)).unwrap();
    let waited = Duration::from_millis(50);
    assert_eq!(job.wait::<i64>(waited), Err(Error::NotYet { id: job.id().to_owned(), waited }));
    assert_eq!(env.locations("default", job.id()), ["queue"]);
}

#[test]
fn a_queued_job_can_be_canceled_and_never_runs() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    let queue = env.queue("default");
    let mut job = queue.enqueue("note", ()).unwrap();
    assert_eq!(job.cancel(), Ok(Status::Queued));
    let book = calls.clone();
    env.drain(env.worker(&["default"]).handler("note", move |_: &Context, (): ()| {
        book.record("ran");
        Ok(())
    }));
    assert_eq!(calls.lines(), [""; 0]);
    assert_eq!((job.status, env.locations("default", job.id())), (Status::Canceled, vec!["canceled"]));
    let again = job.cancel().unwrap_err();
    assert!(matches!(&again, Error::WrongState { verb: "cancel", .. }), "{again}");
    job.requeue().unwrap();
    assert_eq!(env.locations("default", job.id()), ["queue"]);
}

#[test]
fn a_running_job_sees_its_cancellation_and_its_end_changes_nothing() {
    let env = TestEnv::new();
    let running_worker =
        RunningWorker::start(env.worker(&["default"]).handler("long", |context: &Context, (): ()| {
            eventually("told to stop", || context.is_canceled());
            Ok("ignored")
        }));
    let mut job = env.queue("default").enqueue("long", ()).unwrap();
    running_worker.wait_for_start(job.id());
    assert_eq!(job.cancel(), Ok(Status::Started));
    running_worker
        .wait_for_event("a stale end", |event| matches!(event, Event::Stale { id } if id == job.id()));
    job.refresh().unwrap();
    assert_eq!((job.status, job.result.clone()), (Status::Canceled, None));
    assert_eq!(env.locations("default", job.id()), ["canceled"]);
    assert_eq!(running_worker.stop().stale, 1);
}

#[test]
fn a_deleted_job_is_gone_from_everywhere() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let waiting = queue.enqueue("add", (1, 1)).unwrap();
    let id = waiting.id().to_owned();
    assert_eq!(waiting.delete(), Ok(true));
    assert_eq!((queue.job(&id).unwrap_err(), queue.count()), (Error::NotFound { id: id.clone() }, Ok(0)));
    let done = queue.enqueue("fail", "x").unwrap();
    env.drain(env.worker(&["default"]));
    let id = done.id().to_owned();
    assert_eq!(done.delete(), Ok(true));
    assert_eq!(env.locations("default", &id), [""; 0]);
    assert!(!env.redis::<bool>(&["EXISTS", &env.key(&format!("job:{id}"))]));
}

#[test]
fn results_and_failures_are_kept_as_long_as_asked() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let with = |handler: &str, ttl: Option<Ttl>| {
        let job = NewJob::new(handler, "x");
        let job = match ttl {
            Some(ttl) => job.result_ttl(ttl).failure_ttl(ttl),
            None => job,
        };
        queue.enqueue_job(job).unwrap().id().to_owned()
    };
    let cases = [
        (with("echo", None), "finished", 500),
        (with("echo", Some(Ttl::seconds(60))), "finished", 60),
        (with("echo", Some(Ttl::FOREVER)), "finished", -1),
        (with("fail", None), "failed", 31_536_000),
        (with("fail", Some(Ttl::seconds(60))), "failed", 60),
        (with("fail", Some(Ttl::FOREVER)), "failed", -1),
    ];
    let not_kept = with("echo", Some(Ttl::NONE));
    env.drain(env.worker(&["default"]));
    for (id, place, seconds) in cases {
        let ttl: i64 = env.redis(&["TTL", &env.key(&format!("job:{id}"))]);
        assert_eq!(env.locations("default", &id), [place], "{id}");
        assert!(ttl == seconds || ttl == seconds - 1, "{id}: {ttl}"); // seconds go by
    }
    assert!(matches!(queue.job(&not_kept), Err(Error::NotFound { .. })));
    assert_eq!(env.locations("default", &not_kept), [""; 0]);
}

#[test]
fn a_job_that_waited_longer_than_its_ttl_is_dropped_and_the_next_one_runs() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let old = queue.enqueue_job(NewJob::new("add", (1, 1)).ttl(Ttl::seconds(1))).unwrap();
    let next = queue.enqueue("add", (1, 2)).unwrap();
    let key = env.key(&format!("job:{}", old.id()));
    assert_eq!(env.redis::<i64>(&["TTL", &key]), 1);
    env.redis::<i64>(&["PEXPIRE", &key, "1"]);
    eventually("it expires", || !env.redis::<bool>(&["EXISTS", &key]));
    let running_worker = RunningWorker::start(env.worker(&["default"]));
    running_worker.wait_for_event("a drop", |event| matches!(event, Event::Dropped { id } if id == old.id()));
    running_worker.wait_for_finish(next.id());
    assert_eq!(running_worker.stop().finished, 1);
}

#[test]
fn a_ttl_does_not_end_a_job_that_has_started() {
    let env = TestEnv::new();
    let job = env.queue("default").enqueue_job(NewJob::new("ttl", ()).ttl(Ttl::seconds(60))).unwrap();
    let (url, key) = (env.url().to_owned(), env.key(&format!("job:{}", job.id())));
    env.drain(env.worker(&["default"]).handler("ttl", move |_: &Context, (): ()| {
        let mut connection = redis::Client::open(url.as_str())?.get_connection()?;
        Ok(redis::cmd("TTL").arg(&key).query::<i64>(&mut connection)?)
    }));
    assert_eq!(env.queue("default").job(job.id()).unwrap().returned::<i64>(), Ok(-1));
}

#[test]
fn meta_is_kept_and_can_be_replaced() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let mut job = queue.enqueue_job(NewJob::new("echo", "x").meta(json!({"user": 1}))).unwrap();
    job.save_meta(json!({"user": 2})).unwrap();
    assert_eq!(Value::Object(queue.job(job.id()).unwrap().meta.clone()), json!({"user": 2}));
    assert!(matches!(job.save_meta(7), Err(Error::Invalid { .. })));
    queue.job(job.id()).unwrap().delete().unwrap();
    assert!(matches!(job.save_meta(json!({})), Err(Error::NotFound { .. })));
}

#[test]
fn a_queue_is_emptied_and_deleted_in_batches() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    queue.enqueue_many((0..1_234).map(|n| NewJob::new("echo", n.to_string()))).unwrap();
    let mut canceled = queue.enqueue("echo", "canceled").unwrap();
    canceled.cancel().unwrap();
    assert_eq!((queue.empty(), queue.count()), (Ok(1_234), Ok(0)));
    let jobs: Vec<String> = env.redis(&["KEYS", &env.key("job:*")]);
    assert_eq!(jobs, [env.key(&format!("job:{}", canceled.id()))]);
    queue.enqueue("echo", "x").unwrap();
    assert_eq!(queue.delete(), Ok(1));
    assert_eq!(env.redis::<i64>(&["SCARD", &env.key("queues")]), 0);
}
