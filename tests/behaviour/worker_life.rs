//! From ready to ended.

use std::time::Duration;

use rq_rs::{Context, Error, Event, NewJob, Worker};

use crate::support::{Door, House, Live, eventually};

#[test]
fn burst_ends_when_nothing_is_left_also_what_jobs_enqueue_themselves() {
    let house = House::new();
    let queue = house.queue("default");
    queue.enqueue("parent", ()).unwrap();
    let inner = queue.clone();
    let worker = house.worker(&["default"]).handler("parent", move |_: &Context, (): ()| {
        inner.enqueue("add", (1, 1))?;
        Ok(())
    });
    assert_eq!(house.drain(worker).finished, 2);
    assert_eq!(house.drain(house.worker(&["default"])).finished, 0);
}

#[test]
fn max_jobs_ends_the_worker_and_leaves_the_rest() {
    let house = House::new();
    let queue = house.queue("default");
    queue.enqueue_many((0..10).map(|n| NewJob::new("echo", n.to_string()))).unwrap();
    let summary = house.worker(&["default"]).concurrency(4).max_jobs(3).run().unwrap();
    assert_eq!((summary.finished, queue.count()), (3, Ok(7)));
}

#[test]
fn max_idle_time_ends_a_worker_that_has_nothing_to_do() {
    let house = House::new();
    house.queue("default").enqueue("add", (1, 1)).unwrap();
    let summary = house.worker(&["default"]).max_idle_time(Duration::from_millis(50)).run().unwrap();
    assert_eq!(summary.finished, 1);
}

#[test]
fn a_suspended_worker_starts_nothing_not_even_one() {
    let house = House::new();
    let queue = house.queue("default");
    let live = Live::start(house.worker(&["default"]));
    live.sees_idle();
    queue.suspend_all(None).unwrap();
    let job = queue.enqueue("add", (1, 1)).unwrap();
    live.sees("a suspension", |event| *event == Event::Suspended);
    eventually("it is back in its queue", || house.places("default", job.id()) == ["queue"]);
    queue.resume_all().unwrap();
    live.sees_finished(job.id());
    assert_eq!(live.stops().finished, 1);
}

#[test]
fn one_queue_can_be_suspended_while_the_others_go_on() {
    let house = House::new();
    let (mail, other) = (house.queue("mail"), house.queue("other"));
    let live = Live::start(house.worker(&["mail", "other"]));
    live.sees_idle();
    mail.suspend().unwrap();
    let waits = mail.enqueue("add", (1, 1)).unwrap();
    let runs = other.enqueue("add", (2, 2)).unwrap();
    live.sees_finished(runs.id());
    assert!(["queue", "intermediate"].contains(&house.places("mail", waits.id())[0]));
    mail.resume().unwrap();
    live.sees_finished(waits.id());
    live.stops();
}

#[test]
fn a_suspension_may_end_by_itself() {
    let house = House::new();
    house.queue("default").suspend_all(Some(Duration::from_secs(90))).unwrap();
    let left: i64 = house.redis(&["TTL", &house.key("suspended")]);
    assert!((1..=90).contains(&left), "{left}");
}

#[test]
fn stopping_lets_the_running_job_end_and_leaves_the_waiting_one() {
    let (house, door) = (House::new(), Door::default());
    let queue = house.queue("default");
    let inside = door.clone();
    let live =
        Live::start(house.worker(&["default"]).concurrency(1).handler("door", move |_: &Context, (): ()| {
            inside.wait();
            Ok("ended")
        }));
    let running = queue.enqueue("door", ()).unwrap();
    live.sees_started(running.id());
    let waiting = queue.enqueue("add", (1, 1)).unwrap();
    live.stopper.stop();
    live.sees("stopping", |event| matches!(event, Event::Stopping { running: 1, .. }));
    door.open();
    assert_eq!(live.ends().finished, 1);
    assert_eq!(queue.job(running.id()).unwrap().returned::<String>(), Ok("ended".into()));
    assert_eq!(house.places("default", waiting.id()), ["queue"]);
}

#[test]
fn stopping_now_puts_what_runs_back_at_the_head_without_counting_an_attempt() {
    let house = House::new();
    let queue = house.queue("default");
    let live = Live::start(house.worker(&["default"]).concurrency(1).handler(
        "long",
        |context: &Context, (): ()| {
            eventually("told to stop", || context.is_canceled());
            Ok(())
        },
    ));
    let running = queue.enqueue("long", ()).unwrap();
    live.sees_started(running.id());
    let waiting = queue.enqueue("add", (1, 1)).unwrap();
    live.stopper.stop_now();
    assert_eq!(live.ends().put_back, 1);
    assert_eq!(queue.ids(0, 10).unwrap(), [running.id(), waiting.id()]);
    let job = queue.job(running.id()).unwrap();
    assert_eq!((job.number_of_retries, job.deliveries), (0, 0));
}

#[test]
fn an_idle_worker_that_stops_takes_no_job_with_it() {
    let house = House::new();
    let queue = house.queue("default");
    for _ in 0..20 {
        let live = Live::start(house.worker(&["default"]));
        live.sees_idle();
        live.stopper.stop();
        let job = queue.enqueue("add", (1, 1)).unwrap();
        live.ends();
        let places = house.places("default", job.id());
        assert!(places == ["queue"] || places == ["finished"], "{places:?}");
        queue.empty().unwrap();
    }
}

#[test]
fn a_worker_is_registered_with_its_state_and_counts_and_says_farewell() {
    let (house, door) = (House::new(), Door::default());
    let inside = door.clone();
    let live =
        Live::start(house.worker(&["a", "b"]).name("w1").handler("door", move |_: &Context, (): ()| {
            inside.wait();
            Ok(())
        }));
    live.sees_idle();
    let record = house.key("worker:w1");
    let field = |name: &str| house.redis::<Option<String>>(&["HGET", &record, name]).unwrap_or_default();
    assert_eq!(
        house.redis::<Vec<String>>(&["SMEMBERS", &house.key("workers")]),
        std::slice::from_ref(&record)
    );
    assert_eq!(
        house.redis::<Vec<String>>(&["SMEMBERS", &house.key("workers:b")]),
        std::slice::from_ref(&record)
    );
    assert_eq!((field("queues"), field("pid")), ("a,b".into(), std::process::id().to_string()));
    let ttl: i64 = house.redis(&["TTL", &record]);
    assert!((470..=480).contains(&ttl), "{ttl}");
    let job = house.queue("a").enqueue("door", ()).unwrap();
    house.queue("a").enqueue("fail", "x").unwrap();
    eventually("it is busy", || field("state") == "busy");
    assert_eq!(house.places("a", job.id()), ["wip"]);
    door.open();
    eventually("its counts are written", || {
        (field("successful_job_count"), field("failed_job_count")) == ("1".into(), "1".into())
    });
    live.stops();
    assert!(!field("death").is_empty());
    assert_eq!(house.redis::<i64>(&["SCARD", &house.key("workers")]), 0);
}

#[test]
fn a_name_is_free_again_when_its_worker_is_dead_and_refused_while_it_lives() {
    let house = House::new();
    let mut first = house.start(&["worker", "-v", "-n", "w1", "--exec", "*=cat"]);
    first.says("idle");
    let second = house.rq(&["worker", "-n", "w1", "--burst", "--exec", "*=cat"]).fails(1);
    assert!(second.contains("a worker named w1 is running already"), "{second}");
    assert!(house.rq(&["info"]).ok().contains("w1"));
    first.signal("KILL");
    first.finish("");
    house.rq(&["worker", "-n", "w1", "--burst", "--exec", "*=cat"]).ok();
}

#[test]
fn a_second_signal_ends_a_worker_whose_redis_is_lost() {
    let house = House::with_own_redis(&[]);
    let mut worker = house.start(&["worker", "--exec", "job=sleep 0.1"]);
    let id = house.rq(&["enqueue", "job"]).ok();
    worker.says(&id);
    house.server().kill();
    worker.says("next try in");
    worker.signal("TERM");
    worker.says("1 ended but not saved");
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
    let house = House::new();
    let none = Worker::connect(house.url(), ["default"]).unwrap().run();
    assert!(matches!(none, Err(Error::Invalid { .. })), "{none:?}");
    let nowhere = Worker::connect(house.url(), Vec::<String>::new());
    assert!(matches!(nowhere, Err(Error::Invalid { .. })));
    let unnamed = house.worker(&["default"]).name("a b").run();
    assert!(matches!(unnamed, Err(Error::Invalid { .. })));
}

#[test]
fn a_fresh_worker_says_soon_that_it_is_idle() {
    // Its next heartbeat that is due anyway comes after 100 s.
    let house = House::new();
    for n in 0..5 {
        let name = format!("fresh{n}");
        let live = Live::start(house.worker(&["default"]).name(&name).lease(Duration::from_secs(300)));
        let record = house.key(&format!("worker:{name}"));
        eventually("its record says idle", || {
            house.redis::<Option<String>>(&["HGET", &record, "state"]).as_deref() == Some("idle")
        });
        live.stops();
    }
}
