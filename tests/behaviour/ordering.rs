//! Which job comes next.

use rq_rs::{Context, NewJob, Worker};

use crate::support::{House, Ledger, Live};

fn noting(house: &House, queues: &[&str], ledger: &Ledger) -> Worker {
    let ledger = ledger.clone();
    house.worker(queues).handler("note", move |_: &Context, text: String| {
        ledger.write(text);
        Ok(())
    })
}

#[test]
fn one_slot_runs_jobs_in_the_order_they_came() {
    let (house, ledger) = (House::new(), Ledger::default());
    let expected: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    for text in &expected {
        house.queue("default").enqueue("note", text).unwrap();
    }
    house.drain(noting(&house, &["default"], &ledger).concurrency(1));
    assert_eq!(ledger.lines(), expected);
}

#[test]
fn ten_thousand_jobs_in_one_call_keep_their_order_and_none_is_lost() {
    let (house, ledger) = (House::new(), Ledger::default());
    let queue = house.queue("default");
    let bulk = queue.enqueue_many((0..10_000).map(|n| NewJob::new("note", n.to_string()))).unwrap();
    assert_eq!((bulk.ids.len(), bulk.duplicates.len(), queue.count().unwrap()), (10_000, 0, 10_000));
    assert_eq!(queue.ids(0, 3).unwrap(), bulk.ids[..3]);
    assert_eq!(queue.ids(9_998, 10).unwrap(), bulk.ids[9_998..]);

    let summary = house.drain(noting(&house, &["default"], &ledger).concurrency(1));

    assert_eq!(summary.finished, 10_000);
    assert!(ledger.lines().iter().enumerate().all(|(n, text)| *text == n.to_string()));
}

#[test]
fn eight_slots_lose_nothing_and_run_nothing_twice() {
    let (house, ledger) = (House::new(), Ledger::default());
    house.queue("default").enqueue_many((0..10_000).map(|n| NewJob::new("note", n.to_string()))).unwrap();
    house.drain(noting(&house, &["default"], &ledger).concurrency(8));
    let mut numbers: Vec<u32> = ledger.lines().iter().map(|text| text.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..10_000));
}

#[test]
fn an_earlier_queue_goes_before_any_job_of_a_later_one() {
    let (house, ledger) = (House::new(), Ledger::default());
    for text in ["l1", "l2"] {
        house.queue("low").enqueue("note", text).unwrap();
    }
    for text in ["h1", "h2"] {
        house.queue("high").enqueue("note", text).unwrap();
    }
    house.drain(noting(&house, &["high", "low"], &ledger).concurrency(1));
    assert_eq!(ledger.lines(), ["h1", "h2", "l1", "l2"]);
}

#[test]
fn a_job_at_the_front_goes_first() {
    let (house, ledger) = (House::new(), Ledger::default());
    let queue = house.queue("default");
    queue.enqueue("note", "1").unwrap();
    queue.enqueue_job(NewJob::new("note", "0").at_front()).unwrap();
    queue.enqueue("note", "2").unwrap();
    house.drain(noting(&house, &["default"], &ledger).concurrency(1));
    assert_eq!(ledger.lines(), ["0", "1", "2"]);
}

#[test]
fn an_idle_worker_is_woken_by_any_of_its_queues() {
    let (house, ledger) = (House::new(), Ledger::default());
    let live = Live::start(noting(&house, &["high", "low"], &ledger));
    live.sees_idle();
    for queue in ["low", "high", "low"] {
        let job = house.queue(queue).enqueue("note", queue).unwrap();
        live.sees_finished(job.id());
    }
    assert_eq!(live.stops().finished, 3);
    assert_eq!(ledger.lines(), ["low", "high", "low"]);
}

#[test]
fn two_workers_share_a_queue_and_each_job_runs_once() {
    let (house, ledger) = (House::new(), Ledger::default());
    let workers = [(); 2].map(|()| Live::start(noting(&house, &["default"], &ledger)));
    workers.iter().for_each(Live::sees_idle);
    for n in 0..500 {
        house.queue("default").enqueue("note", n.to_string()).unwrap();
    }
    crate::support::eventually("all 500 ran", || ledger.lines().len() >= 500);
    let done: Vec<u64> = workers.into_iter().map(|worker| worker.stops().finished).collect();
    assert_eq!(done.iter().sum::<u64>(), 500);
    let mut lines = ledger.lines();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 500);
}
