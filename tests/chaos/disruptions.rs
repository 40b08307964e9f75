//! The disruptions: a list in random order, spread over the time in which jobs are enqueued.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::RedisServer;
use crate::worker::{Fleet, LEASE};
use crate::{Plan, checker};

#[derive(Clone, Copy, Debug)]
enum Disruption {
    KillWorker,
    KillRedis,
    KillClients,
    /// The worker stands still for longer than its lease, then goes on.
    PauseWorker,
    /// Redis is out of memory for a moment.
    OutOfMemory,
    /// Redis is a replica, and so read-only, for a moment.
    Demote,
    /// Redis forgets all scripts.
    FlushScripts,
    PauseRedis,
    /// Disrupts nothing: the invariants are checked.
    Check,
}

/// A shuffled list of disruptions, and the time over which they are spread.
pub(crate) struct Schedule {
    disruptions: Vec<Disruption>,
    duration: Duration,
    rng: fastrand::Rng,
}

impl Schedule {
    pub(crate) fn new(plan: &Plan, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut disruptions = Vec::new();
        for (disruption, times) in [
            (Disruption::KillWorker, plan.worker_kills),
            (Disruption::KillRedis, plan.redis_kills),
            (Disruption::KillClients, plan.client_kills),
            (Disruption::PauseWorker, plan.worker_pauses),
            (Disruption::OutOfMemory, plan.out_of_memory),
            (Disruption::Demote, plan.demotions),
            (Disruption::FlushScripts, plan.script_flushes),
            (Disruption::PauseRedis, plan.redis_pauses),
            (Disruption::Check, 12),
        ] {
            disruptions.extend(std::iter::repeat_n(disruption, times));
        }
        rng.shuffle(&mut disruptions);
        let duration = Duration::from_secs_f64(plan.jobs as f64 / plan.per_second as f64);
        Schedule { disruptions, duration, rng }
    }

    /// Causes each disruption at its time. Returns what the checks in between have found.
    pub(crate) fn run(
        mut self,
        redis: &RedisServer,
        fleet: &Arc<Fleet>,
        accepted: &AtomicUsize,
    ) -> Vec<String> {
        let started = Instant::now();
        let mut violations = Vec::new();
        let count = self.disruptions.len();
        for (n, disruption) in std::mem::take(&mut self.disruptions).into_iter().enumerate() {
            let due = self.duration.mul_f64((n as f64 + self.rng.f64()) / count as f64);
            std::thread::sleep(due.saturating_sub(started.elapsed()));
            let which = self.rng.usize(..);
            match disruption {
                Disruption::KillWorker => fleet.kill_one(which),
                Disruption::KillRedis => {
                    redis.kill();
                    redis.launch();
                }
                Disruption::KillClients => execute(redis, &["CLIENT", "KILL", "TYPE", "normal"]),
                Disruption::PauseWorker => pause_worker(fleet, which),
                Disruption::OutOfMemory => for_milliseconds(
                    redis,
                    300,
                    &["CONFIG", "SET", "maxmemory", "1"],
                    &["CONFIG", "SET", "maxmemory", "0"],
                ),
                Disruption::Demote => {
                    for_milliseconds(
                        redis,
                        500,
                        &["REPLICAOF", "127.0.0.1", "1"],
                        &["REPLICAOF", "NO", "ONE"],
                    );
                }
                Disruption::FlushScripts => execute(redis, &["SCRIPT", "FLUSH"]),
                Disruption::PauseRedis => {
                    redis.signal("STOP");
                    std::thread::sleep(Duration::from_secs(3));
                    redis.signal("CONT");
                }
                Disruption::Check => {
                    violations
                        .extend(checker::find_violations(&redis.url(), accepted.load(Ordering::Acquire)));
                }
            }
        }
        violations
    }
}

/// Stops a worker for longer than its lease, while the schedule goes on.
fn pause_worker(fleet: &Arc<Fleet>, which: usize) {
    fleet.signal_one(which, "STOP");
    let fleet = Arc::clone(fleet);
    std::thread::spawn(move || {
        std::thread::sleep(LEASE * 2);
        fleet.signal_one(which, "CONT");
    });
}

fn for_milliseconds(redis: &RedisServer, ms: u64, begin: &[&str], end: &[&str]) {
    execute(redis, begin);
    std::thread::sleep(Duration::from_millis(ms));
    execute(redis, end);
}

/// Repeats the command until Redis has executed it: `CLIENT KILL` may close our own connection.
pub(crate) fn execute(redis: &RedisServer, words: &[&str]) {
    for _ in 0..100 {
        let mut connection = redis::Client::open(redis.url()).unwrap().get_connection();
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        match connection.as_mut().map(|connection| command.query::<redis::Value>(connection)) {
            Ok(Ok(_)) => return,
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    panic!("{words:?} was not executed");
}
