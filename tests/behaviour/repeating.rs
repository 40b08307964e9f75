//! Jobs that run again once they have finished.

use std::time::Duration;

use rq_rs::{Context, NewJob, Repeat, Retry, Status};

use crate::support::{House, Ledger};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_repeated_job_runs_so_many_times_more_after_its_intervals() {
    let (house, ledger) = (House::new(), Ledger::default());
    let queue = house.queue("default");
    let intervals = [Duration::ZERO, Duration::ZERO, HOUR];
    let job = queue.enqueue_job(NewJob::new("note", 7).repeat(Repeat::list(intervals, 4))).unwrap();
    let worker = |house: &House| {
        let notes = ledger.clone();
        house.worker(&["default"]).handler("note", move |_: &Context, n: u32| {
            notes.write(n.to_string());
            Ok(n)
        })
    };
    assert_eq!(house.drain(worker(&house)).finished, 3);
    let mut job = queue.job(job.id()).unwrap();
    assert_eq!(
        (job.status, job.repeats_left, job.repeat_intervals.clone()),
        (Status::Scheduled, Some(1), vec![3600])
    );
    assert_eq!((job.result.clone(), house.places("default", job.id())), (Some(7.into()), vec!["scheduled"]));
    // Its hour has come.
    house.redis::<i64>(&["ZADD", &house.key("scheduled:default"), "1", job.id()]);
    assert_eq!(house.drain(worker(&house)).finished, 1);
    house.redis::<i64>(&["ZADD", &house.key("scheduled:default"), "XX", "1", job.id()]);
    job.refresh().unwrap();
    assert_eq!((job.repeats_left, job.repeat_intervals.clone()), (Some(0), vec![3600]));
    house.drain(worker(&house));
    job.refresh().unwrap();
    assert_eq!((job.status, ledger.lines().len()), (Status::Finished, 5));
    assert_eq!(house.places("default", job.id()), ["finished"]);
}

#[test]
fn a_job_that_fails_for_good_is_not_repeated_and_one_that_is_tried_again_is() {
    let house = House::new();
    let queue = house.queue("default");
    let add = |job: NewJob| queue.enqueue_job(job.repeat(Repeat::every(Duration::ZERO, 2))).unwrap();
    let bad = add(NewJob::new("fail", "boom"));
    let again = add(NewJob::new("second_time", ()).retry(Retry::every(Duration::ZERO, 5)));
    let worker = house.worker(&["default"]).handler("second_time", |job: &Context, (): ()| {
        anyhow::ensure!(job.attempt() > 1, "not yet");
        Ok(())
    });
    assert_eq!(house.drain(worker).failed, 1);
    let bad = queue.job(bad.id()).unwrap();
    assert_eq!((bad.status, bad.repeats_left), (Status::Failed, Some(2)));
    let again = queue.job(again.id()).unwrap();
    assert_eq!((again.status, again.repeats_left), (Status::Finished, Some(0)));
}

#[test]
fn repeats_are_asked_for_on_the_command_line_too() {
    let house = House::new();
    let words =
        ["enqueue", "add", ":1", ":2", "--repeat", "2", "--repeat-interval", "1h", "--repeat-interval", "2h"];
    let id = house.rq(&words).ok();
    let job = house.queue("default").job(&id).unwrap();
    assert_eq!((job.repeats_left, job.repeat_intervals.clone()), (Some(2), vec![3600, 7200]));
    assert!(house.rq(&["job", "show", &id]).ok().contains("repeats left"));
    house.rq(&["enqueue", "add", "--repeat-interval", "1h"]).fails(2);
}
