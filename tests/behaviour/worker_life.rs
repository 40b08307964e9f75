//! A worker's life, from ready to stopped.

use std::time::Duration;

use rq_rs::{Context, Error, Event, NewJob, Worker};

use crate::support::{Gate, RunningWorker, TestEnv, eventually};

#[test]
fn burst_ends_when_nothing_is_left_including_jobs_enqueued_by_jobs() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    queue.enqueue("parent", ()).unwrap();
    let inner = queue.clone();
    let worker = env.worker(&["default"]).handler("parent", move |_: &Context, (): ()| {
        inner.enqueue("add", (1, 1))?;
        Ok(())
    });
    assert_eq!(env.drain(worker).finished, 2);
    assert_eq!(env.drain(env.worker(&["default"])).finished, 0);
}

#[test]
fn max_jobs_ends_the_worker_and_leaves_the_rest() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    queue.enqueue_many((0..10).map(|n| NewJob::new("echo", n.to_string()))).unwrap();
    let summary = env.worker(&["default"]).concurrency(4).max_jobs(3).run().unwrap();
    assert_eq!((summary.finished, queue.count()), (3, Ok(7)));
}

#[test]
fn max_idle_time_ends_a_worker_that_has_nothing_to_do() {
    let env = TestEnv::new();
    env.queue("default").enqueue("add", (1, 1)).unwrap();
    let summary = env.worker(&["default"]).max_idle_time(Duration::from_millis(50)).run().unwrap();
    assert_eq!(summary.finished, 1);
}

#[test]
fn a_suspended_worker_starts_nothing() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let running_worker = RunningWorker::start(env.worker(&["default"]));
    running_worker.wait_until_idle();
    queue.suspend_all(None).unwrap();
    let job = queue.enqueue("add", (1, 1)).unwrap();
    running_worker.wait_for_event("a suspension", |event| *event == Event::Suspended);
    eventually("it is back in its queue", || env.locations("default", job.id()) == ["queue"]);
    queue.resume_all().unwrap();
    running_worker.wait_for_finish(job.id());
    assert_eq!(running_worker.stop().finished, 1);
}

#[test]
fn one_queue_can_be_suspended_while_the_others_go_on() {
    let env = TestEnv::new();
    let (mail, other) = (env.queue("mail"), env.queue("other"));
    let running_worker = RunningWorker::start(env.worker(&["mail", "other"]));
    running_worker.wait_until_idle();
    mail.suspend().unwrap();
    let waits = mail.enqueue("add", (1, 1)).unwrap();
    let runs = other.enqueue("add", (2, 2)).unwrap();
    running_worker.wait_for_finish(runs.id());
    assert!(["queue", "intermediate"].contains(&env.locations("mail", waits.id())[0]));
    mail.resume().unwrap();
    running_worker.wait_for_finish(waits.id());
    running_worker.stop();
}

#[test]
fn a_suspension_may_end_by_itself() {
    let env = TestEnv::new();
    env.queue("default").suspend_all(Some(Duration::from_secs(90))).unwrap();
    let left: i64 = env.redis(&["TTL", &env.key("suspended")]);
    assert!((1..=90).contains(&left), "{left}");
}

#[test]
fn a_warm_shutdown_finishes_the_running_job_and_leaves_the_waiting_one() {
    let (env, gate) = (TestEnv::new(), Gate::default());
    let queue = env.queue("default");
    let inside = gate.clone();
    let running_worker = RunningWorker::start(env.worker(&["default"]).concurrency(1).handler(
        "gate",
        move |_: &Context, (): ()| {
            inside.wait();
            Ok("ended")
        },
    ));
    let running = queue.enqueue("gate", ()).unwrap();
    running_worker.wait_for_start(running.id());
    let waiting = queue.enqueue("add", (1, 1)).unwrap();
    running_worker.stopper.stop();
    running_worker.wait_for_event("stopping", |event| matches!(event, Event::Stopping { running: 1, .. }));
    gate.open();
    assert_eq!(running_worker.join().finished, 1);
    assert_eq!(queue.job(running.id()).unwrap().returned::<String>(), Ok("ended".into()));
    assert_eq!(env.locations("default", waiting.id()), ["queue"]);
}

#[test]
fn a_cold_shutdown_puts_running_jobs_back_at_the_head_uncounted() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let running_worker = RunningWorker::start(env.worker(&["default"]).concurrency(1).handler(
        "long",
        |context: &Context, (): ()| {
            eventually("told to stop", || context.is_canceled());
            Ok(())
        },
    ));
    let running = queue.enqueue("long", ()).unwrap();
    running_worker.wait_for_start(running.id());
    let waiting = queue.enqueue("add", (1, 1)).unwrap();
    running_worker.stopper.stop_now();
    assert_eq!(running_worker.join().put_back, 1);
    assert_eq!(queue.ids(0, 10).unwrap(), [running.id(), waiting.id()]);
    let job = queue.job(running.id()).unwrap();
    assert_eq!((job.number_of_retries, job.deliveries), (0, 0));
}

#[test]
fn an_idle_worker_that_stops_takes_no_job_with_it() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    for _ in 0..20 {
        let running_worker = RunningWorker::start(env.worker(&["default"]));
        running_worker.wait_until_idle();
        running_worker.stopper.stop();
        let job = queue.enqueue("add", (1, 1)).unwrap();
        running_worker.join();
        let places = env.locations("default", job.id());
        assert!(places == ["queue"] || places == ["finished"], "{places:?}");
        queue.empty().unwrap();
    }
}

#[test]
fn a_worker_registers_with_state_and_counts_and_deregisters() {
    let (env, gate) = (TestEnv::new(), Gate::default());
    let inside = gate.clone();
    let running_worker = RunningWorker::start(env.worker(&["a", "b"]).name("w1").handler(
        "gate",
        move |_: &Context, (): ()| {
            inside.wait();
            Ok(())
        },
    ));
    running_worker.wait_until_idle();
    let record = env.key("worker:w1");
    let field = |name: &str| env.redis::<Option<String>>(&["HGET", &record, name]).unwrap_or_default();
    assert_eq!(env.redis::<Vec<String>>(&["SMEMBERS", &env.key("workers")]), std::slice::from_ref(&record));
    assert_eq!(env.redis::<Vec<String>>(&["SMEMBERS", &env.key("workers:b")]), std::slice::from_ref(&record));
    assert_eq!((field("queues"), field("pid")), ("a,b".into(), std::process::id().to_string()));
    let ttl: i64 = env.redis(&["TTL", &record]);
    assert!((470..=480).contains(&ttl), "{ttl}");
    let job = env.queue("a").enqueue("gate", ()).unwrap();
    env.queue("a").enqueue("fail", "x").unwrap();
    eventually("it is busy", || field("state") == "busy");
    assert_eq!(env.locations("a", job.id()), ["wip"]);
    gate.open();
    eventually("its counts are written", || {
        (field("successful_job_count"), field("failed_job_count")) == ("1".into(), "1".into())
    });
    running_worker.stop();
    assert!(!field("death").is_empty());
    assert_eq!(env.redis::<i64>(&["SCARD", &env.key("workers")]), 0);
}

#[test]
fn a_name_is_free_again_when_its_worker_is_dead_and_refused_while_it_lives() {
    let env = TestEnv::new();
    let mut first = env.start(&["worker", "-v", "-n", "w1", "--exec", "*=cat"]);
    first.wait_for_stderr("idle");
    let second = env.cli(&["worker", "-n", "w1", "--burst", "--exec", "*=cat"]).expect_failure(1);
    assert!(second.contains("a worker named w1 is running already"), "{second}");
    assert!(env.cli(&["info"]).ok().contains("w1"));
    first.signal("KILL");
    first.finish("");
    env.cli(&["worker", "-n", "w1", "--burst", "--exec", "*=cat"]).ok();
}

#[test]
fn a_second_signal_ends_a_worker_whose_redis_is_lost() {
    let env = TestEnv::with_own_redis(&[]);
    let mut worker = env.start(&["worker", "--exec", "job=sleep 0.1"]);
    let id = env.cli(&["enqueue", "job"]).ok();
    worker.wait_for_stderr(&id);
    env.server().kill();
    worker.wait_for_stderr("next try in");
    worker.signal("TERM");
    worker.wait_for_stderr("1 ended but not saved");
    let child = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (pid, done) = (worker.pid(), std::sync::Arc::clone(&child));
    let insists = std::thread::spawn(move || {
        eventually("it has ended", || {
            let _ = std::process::Command::new("kill")
                .args(["-s", "TERM", &pid])
                .stderr(std::process::Stdio::null())
                .status();
            done.load(std::sync::atomic::Ordering::Relaxed)
        });
    });
    assert_eq!(worker.finish("").code, Some(3));
    child.store(true, std::sync::atomic::Ordering::Relaxed);
    insists.join().unwrap();
}

#[test]
fn a_worker_without_handlers_or_queues_is_refused() {
    let env = TestEnv::new();
    let none = Worker::connect(env.url(), ["default"]).unwrap().run();
    assert!(matches!(none, Err(Error::Invalid { .. })), "{none:?}");
    let nowhere = Worker::connect(env.url(), Vec::<String>::new());
    assert!(matches!(nowhere, Err(Error::Invalid { .. })));
    let unnamed = env.worker(&["default"]).name("a b").run();
    assert!(matches!(unnamed, Err(Error::Invalid { .. })));
}

#[test]
fn a_new_worker_is_soon_reported_idle() {
    // The next regular heartbeat would come after 100 s.
    let env = TestEnv::new();
    for n in 0..5 {
        let name = format!("fresh{n}");
        let running_worker =
            RunningWorker::start(env.worker(&["default"]).name(&name).lease(Duration::from_secs(300)));
        let record = env.key(&format!("worker:{name}"));
        eventually("its record says idle", || {
            env.redis::<Option<String>>(&["HGET", &record, "state"]).as_deref() == Some("idle")
        });
        running_worker.stop();
    }
}
