//! The cost of a job in round trips and commands, which no machine changes. A change that makes jobs more
//! expensive must change a number here.

use rq_rs::{NewJob, Queue, Worker};

use crate::support::TestEnv;

/// Number of calls of a command since the counters were reset.
fn calls(env: &TestEnv, command: &str) -> u64 {
    let stats: String = env.redis(&["INFO", "commandstats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

/// Number of times that Redis has read from a connection since the counters were reset: pipelined commands are one.
fn round_trips(env: &TestEnv) -> u64 {
    let stats: String = env.redis(&["INFO", "stats"]);
    let reads = stats.lines().find_map(|line| line.strip_prefix("total_reads_processed:"));
    reads.unwrap().trim().parse().unwrap()
}

fn forget(env: &TestEnv) {
    env.redis::<String>(&["CONFIG", "RESETSTAT"]);
}

#[test]
fn enqueueing_costs_one_script_call_each_and_in_bulk_one_for_250() {
    let env = TestEnv::with_own_redis(&[]).in_native_dialect();
    let queue = env.queue("default");
    queue.enqueue("add", (1, 1)).unwrap();
    forget(&env);
    for n in 0..10 {
        queue.enqueue("add", (n, 1)).unwrap();
    }
    assert_eq!(calls(&env, "evalsha"), 10);
    queue.enqueue_many((0..1000).map(|n| NewJob::new("add", (n, 1)))).unwrap();
    assert_eq!(calls(&env, "evalsha"), 14);
}

#[test]
fn a_busy_worker_needs_one_round_trip_a_job_or_less_and_six_commands() {
    // At most one round trip a job; with a few slots, completions form batches.
    for (slots, most_trips) in [(1, 1000), (8, 500), (64, 200)] {
        let env = TestEnv::with_own_redis(&[]).in_native_dialect();
        env.queue("default").enqueue_many((0..1000).map(|n| NewJob::new("add", (n, 1)))).unwrap();
        let worker = |queue: &Queue| -> Worker { env.worker(&[queue.name()]) };
        env.drain(worker(&env.queue("empty"))); // the scripts are loaded
        forget(&env);
        env.drain(worker(&env.queue("default")).concurrency(slots));
        let trips = round_trips(&env);
        // Heartbeats, maintenance, the first claim and the last one.
        assert!(trips <= most_trips + 40, "{slots} slots: {trips} round trips");
        let each_job = ["hgetall", "hmget", "hset", "expire"];
        let of_jobs: u64 = each_job.iter().map(|command| calls(&env, command)).sum();
        assert!((5000..=5000 + 60).contains(&of_jobs), "{slots} slots: {of_jobs} commands for jobs");
        let each_call = ["rpop", "zadd", "zmscore", "zrem"];
        let of_calls: u64 = each_call.iter().map(|command| calls(&env, command)).sum();
        assert!(of_calls <= 5 * most_trips + 60, "{slots} slots: {of_calls} commands for batches");
    }
}
