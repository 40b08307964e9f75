//! What goes wrong, and when: a list of blows in random order, spread over the time that producing takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::RedisServer;
use crate::worker::{Fleet, LEASE};
use crate::{Plan, checker};

#[derive(Clone, Copy, Debug)]
enum Blow {
    KillWorker,
    KillRedis,
    KillClients,
    Zombie,
    Full,
    Flip,
    Flush,
    Stall,
    Check,
}

/// A shuffled list of blows.
pub(crate) struct Storm {
    blows: Vec<Blow>,
    over: Duration,
    dice: fastrand::Rng,
}

impl Storm {
    pub(crate) fn new(plan: &Plan, seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut blows = Vec::new();
        for (blow, times) in [
            (Blow::KillWorker, plan.worker_kills),
            (Blow::KillRedis, plan.redis_kills),
            (Blow::KillClients, plan.client_kills),
            (Blow::Zombie, plan.zombies),
            (Blow::Full, plan.full),
            (Blow::Flip, plan.flips),
            (Blow::Flush, plan.flushes),
            (Blow::Stall, plan.stalls),
            (Blow::Check, 12),
        ] {
            blows.extend(std::iter::repeat_n(blow, times));
        }
        dice.shuffle(&mut blows);
        let over = Duration::from_secs_f64(plan.jobs as f64 / plan.per_second as f64);
        Storm { blows, over, dice }
    }

    /// Strikes; returns what the checks found.
    pub(crate) fn rage(
        mut self,
        redis: &RedisServer,
        fleet: &Arc<Fleet>,
        accepted: &AtomicUsize,
    ) -> Vec<String> {
        let started = Instant::now();
        let mut violations = Vec::new();
        let count = self.blows.len();
        for (n, blow) in std::mem::take(&mut self.blows).into_iter().enumerate() {
            let due = self.over.mul_f64((n as f64 + self.dice.f64()) / count as f64);
            std::thread::sleep(due.saturating_sub(started.elapsed()));
            let which = self.dice.usize(..);
            match blow {
                Blow::KillWorker => fleet.kill_one(which),
                Blow::KillRedis => {
                    redis.kill();
                    redis.launch();
                }
                Blow::KillClients => command(redis, &["CLIENT", "KILL", "TYPE", "normal"]),
                Blow::Zombie => zombie(fleet, which),
                Blow::Full => for_a_while(
                    redis,
                    300,
                    &["CONFIG", "SET", "maxmemory", "1"],
                    &["CONFIG", "SET", "maxmemory", "0"],
                ),
                Blow::Flip => {
                    for_a_while(redis, 500, &["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"]);
                }
                Blow::Flush => command(redis, &["SCRIPT", "FLUSH"]),
                Blow::Stall => {
                    redis.signal("STOP");
                    std::thread::sleep(Duration::from_secs(3));
                    redis.signal("CONT");
                }
                Blow::Check => {
                    violations.extend(checker::violations(&redis.url(), accepted.load(Ordering::Acquire)));
                }
            }
        }
        violations
    }
}

/// A worker stands still for longer than its lease, then goes on as if nothing had happened.
fn zombie(fleet: &Arc<Fleet>, which: usize) {
    fleet.signal_one(which, "STOP");
    let fleet = Arc::clone(fleet);
    std::thread::spawn(move || {
        std::thread::sleep(LEASE * 2);
        fleet.signal_one(which, "CONT");
    });
}

fn for_a_while(redis: &RedisServer, ms: u64, begin: &[&str], end: &[&str]) {
    command(redis, begin);
    std::thread::sleep(Duration::from_millis(ms));
    command(redis, end);
}

/// Until it is carried out: a client may be cut off by the blow itself.
pub(crate) fn command(redis: &RedisServer, words: &[&str]) {
    for _ in 0..100 {
        let mut connection = redis::Client::open(redis.url()).unwrap().get_connection();
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        match connection.as_mut().map(|connection| command.query::<redis::Value>(connection)) {
            Ok(Ok(_)) => return,
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    panic!("{words:?} was not carried out");
}
