//! The way back from the failed registry, by library and by command line.

use rq_rs::{Error, NewJob, Requeued, Status};

use crate::support::House;

/// A house in which these jobs have failed.
fn with_failed(ids: &[&str]) -> House {
    let house = House::new();
    for id in ids {
        house.queue("default").enqueue_job(NewJob::new("fail", "boom").id(*id)).unwrap();
    }
    house.drain(house.worker(&["default"]));
    assert_eq!(house.queue("default").failed().count(), Ok(ids.len()));
    house
}

#[test]
fn a_requeued_job_is_as_new_and_a_second_requeue_changes_nothing() {
    let house = with_failed(&["one"]);
    let mut job = house.queue("default").job("one").unwrap();
    job.requeue().unwrap();
    assert_eq!(house.places("default", "one"), ["queue"]);
    assert_eq!((job.status, job.exc_info.clone(), job.ended_at), (Status::Queued, None, None));
    assert_eq!(house.redis::<i64>(&["TTL", &house.key("job:one")]), -1);
    let again = job.requeue().unwrap_err();
    assert_eq!(again, Error::WrongState { id: "one".into(), verb: "requeue", status: "queued".into() });
    assert_eq!(house.places("default", "one"), ["queue"]);
}

#[test]
fn several_are_requeued_and_each_is_told_what_became_of_it() {
    let house = with_failed(&["a", "b", "expired"]);
    house.redis::<i64>(&["DEL", &house.key("job:expired")]);
    let failed = house.queue("default").failed();
    assert_eq!(
        failed.requeue(&["b", "expired", "never", "b"]),
        Ok(vec![Requeued::Back, Requeued::Gone, Requeued::NotThere, Requeued::NotThere])
    );
    assert_eq!(house.queue("default").ids(0, 10).unwrap(), ["b"]);
    assert_eq!(failed.ids(0, 10).unwrap(), ["a"]);
}

#[test]
fn all_are_requeued_in_batches() {
    let house = House::new();
    let queue = house.queue("default");
    queue.enqueue_many((0..1_001).map(|n| NewJob::new("fail", n.to_string()))).unwrap();
    assert_eq!(house.drain(house.worker(&["default"]).concurrency(8)).failed, 1_001);
    assert_eq!(queue.failed().requeue_all(), Ok(1_001));
    assert_eq!((queue.count(), queue.failed().count()), (Ok(1_001), Ok(0)));
}

#[test]
fn the_command_takes_ids_from_arguments_and_standard_input() {
    let house = with_failed(&["a", "b", "c"]);
    assert_eq!(house.rq(&["requeue", "a"]).ok(), "1 job requeued.");
    assert_eq!(house.rq_with_input(&["requeue", "-"], "b\nc\n").ok(), "2 jobs requeued.");
    assert_eq!(house.queue("default").ids(0, 10).unwrap(), ["a", "b", "c"]);
}

#[test]
fn the_command_says_which_could_not_be_requeued_and_why() {
    let house = with_failed(&["a", "b"]);
    let output = house.rq(&["requeue", "a", "a", "missing"]);
    assert_eq!((output.code, output.stdout.trim()), (Some(1), "1 job requeued."));
    assert!(output.stderr.contains("cannot requeue job a: it is queued"), "{output:?}");
    assert!(output.stderr.contains("no job with id missing"), "{output:?}");
    let other = house.rq(&["requeue", "--queue", "mail", "b"]).fails(1);
    assert!(other.contains("job b is of queue default, not mail"), "{other}");
}

#[test]
fn the_command_requeues_all_of_a_queue_or_of_all_queues() {
    let house = with_failed(&["a"]);
    house.queue("mail").enqueue_job(NewJob::new("fail", "x").id("m")).unwrap();
    house.drain(house.worker(&["mail"]));
    assert_eq!(house.rq(&["requeue", "--all", "--queue", "mail"]).ok(), "1 job requeued.");
    assert_eq!(house.rq(&["requeue", "--all"]).ok(), "1 job requeued.");
    assert_eq!(house.rq(&["requeue", "--all"]).ok(), "Nothing to do: no failed jobs.");
    assert_eq!(house.places("mail", "m"), ["queue"]);
}

#[test]
fn requeue_without_any_job_is_a_usage_error() {
    let house = House::new();
    assert!(house.rq(&["requeue"]).fails(2).contains("--all"));
    assert_eq!(house.rq(&["requeue", "--all", "one"]).code, Some(2));
}
