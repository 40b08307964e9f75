//! Plans from seeds. A seed decides everything: how large the world is, which kinds of faults it has, and when.

use fastrand::Rng;

use super::clock::{MILLISECOND, Micros, SECOND};
use super::plan::{
    ExchangeFault, JobPlan, JobSetup, Plan, Planned, RedisEvent, Rejection, RunEnd, RunPlan, UserEvent,
    WorkerEvent, WorkerPlan,
};
use crate::dialect::DialectSpec;

/// The kinds of faults of a plan.
#[derive(Default)]
struct Profile {
    exchanges: bool,
    deaths: bool,
    freezes: bool,
    outages: bool,
    heartbeats: bool,
    users: bool,
    stops: bool,
    suspensions: bool,
}

impl Profile {
    fn new(rng: &mut Rng) -> Self {
        // Many plans have few kinds, some have all of them.
        let chance = [0.15, 0.3, 0.5, 1.0][rng.usize(..4)];
        let mut is_on = || rng.f64() < chance;
        Profile {
            exchanges: is_on(),
            deaths: is_on(),
            freezes: is_on(),
            outages: is_on(),
            heartbeats: is_on(),
            users: is_on(),
            stops: is_on(),
            suspensions: is_on(),
        }
    }
}

struct Planner {
    rng: Rng,
    queues: usize,
    end: Micros,
    lease: Micros,
    is_wide: bool,
    /// `true` if most runs go on past their timeout.
    hangs: bool,
    jobs: usize,
    workers: usize,
    items: Vec<Planned>,
}

/// Makes the plan of a seed.
pub(super) fn plan(seed: u64, dialect: &'static DialectSpec) -> Plan {
    let mut rng = Rng::with_seed(seed);
    let profile = Profile::new(&mut rng);
    let is_wide = rng.u8(..24) == 0;
    let mut planner = Planner {
        queues: rng.usize(1..=3),
        end: rng.u64(5..25) * SECOND,
        lease: [3, 4, 6, 9][rng.usize(..4)] * SECOND,
        is_wide,
        hangs: !is_wide && rng.u8(..50) == 0,
        jobs: 0,
        workers: 0,
        items: Vec::new(),
        rng,
    };
    planner.add_jobs();
    planner.add_workers();
    planner.add_faults(&profile);
    let is_young = planner.rng.u8(..10) == 0;
    Plan {
        seed,
        dialect,
        queues: planner.queues,
        lease: planner.lease,
        end: planner.end,
        uptime: if is_young { SECOND } else { 3600 * SECOND },
        items: planner.items,
    }
}

impl Planner {
    fn one_in(&mut self, n: u32) -> bool {
        self.rng.u32(..n) == 0
    }

    /// A time at which something happens, while there are faults.
    fn time(&mut self) -> Micros {
        self.rng.u64(..self.end)
    }

    fn add_jobs(&mut self) {
        let count = if self.is_wide { self.rng.usize(60..110) } else { self.rng.usize(4..14) };
        let begin = self.rng.u64(..SECOND);
        for number in 0..count {
            let at = match self.rng.u8(..3) {
                _ if self.is_wide && number < 80 => begin,
                0 => begin,
                1 => self.time() / 4,
                _ => self.time(),
            };
            let job = self.job(number);
            self.items.push(Planned::Enqueue { at, job });
        }
        self.jobs = count;
    }

    fn job(&mut self, number: usize) -> JobPlan {
        let is_short = self.is_wide && number < 55;
        let retry = self.one_in(4).then(|| (self.rng.u32(1..3), self.rng.u64(..3)));
        let options = JobSetup {
            handler: self.rng.u8(..3),
            retry,
            timeout: (self.hangs || self.one_in(5)).then(|| self.rng.u64(1..3)),
            result_ttl: self.one_in(8).then(|| [0, 5][self.rng.usize(..2)]),
            repeats: self.one_in(12).then_some(1),
        };
        let mut runs: Vec<RunPlan> = (0..self.rng.usize(1..4)).map(|_| self.run(is_short)).collect();
        if let Some(last) = runs.last_mut()
            && matches!(last.end, RunEnd::Snooze(_))
        {
            last.end = RunEnd::Return;
        }
        JobPlan {
            number,
            queue: self.rng.usize(..self.queues),
            at_front: self.one_in(6),
            delay: (!is_short && self.one_in(8)).then(|| self.rng.u64(1..4000)),
            options,
            runs,
        }
    }

    fn run(&mut self, is_short: bool) -> RunPlan {
        if self.hangs && !self.one_in(8) {
            let lasts = self.rng.u64(8 * SECOND..25 * SECOND);
            return RunPlan { lasts, end: RunEnd::Return, is_cooperative: false, writes: false };
        }
        let lasts = match self.rng.u8(..16) {
            _ if is_short => self.rng.u64(..1000),
            0..4 => self.rng.u64(..MILLISECOND),
            4..8 => self.rng.u64(..100 * MILLISECOND),
            8..15 => self.rng.u64(..3 * SECOND),
            _ => self.rng.u64(SECOND..25 * SECOND),
        };
        let end = match self.rng.u8(..20) {
            0 | 1 => RunEnd::Fail,
            2 => RunEnd::RetryAfter(self.rng.u64(1..3)),
            3 => RunEnd::Snooze(self.rng.u64(..2000)),
            4 => RunEnd::GiveUp,
            5 => RunEnd::Crash,
            _ => RunEnd::Return,
        };
        RunPlan { lasts, end, is_cooperative: self.rng.bool(), writes: self.one_in(5) }
    }

    fn add_workers(&mut self) {
        for _ in 0..self.rng.usize(1..4) {
            let at = self.rng.u64(..2 * SECOND);
            self.add_worker(at);
        }
    }

    fn add_worker(&mut self, at: Micros) {
        let number = self.workers;
        self.workers += 1;
        let slots = match self.rng.usize(..6) {
            _ if self.hangs => 1,
            _ if self.is_wide && number == 0 => 20,
            n => [1, 1, 2, 4, 4, 20][n],
        };
        let is_free = self.is_wide && number == 0;
        let worker = WorkerPlan {
            number,
            slots,
            burst: !is_free && self.one_in(8),
            max_jobs: (!is_free && self.one_in(10)).then(|| self.rng.u64(1..5)),
            max_idle: self.one_in(12).then(|| self.rng.u64(1..4) * SECOND),
            grace: self.one_in(3).then(|| self.rng.u64(100..2000) * MILLISECOND),
            handler_limit: (!is_free && self.one_in(5)).then(|| (self.rng.u8(..3), self.rng.usize(1..3))),
            retries: self.one_in(6).then_some(1),
            max_deliveries: [1, 2, 3, 3][self.rng.usize(..4)],
            supervised: if self.hangs || self.rng.bool() { 0 } else { self.rng.u8(..8) },
            max_attempts: if self.one_in(6) { 4 } else { 0 },
            recover_interval: self.rng.u64(1..5) * SECOND,
            is_last: false,
        };
        self.items.push(Planned::Start { at, worker });
    }

    fn add_faults(&mut self, profile: &Profile) {
        if profile.exchanges {
            self.add_exchange_faults();
        }
        if profile.heartbeats {
            for _ in 0..self.rng.usize(1..4) {
                // A lease runs out after many failures in a row.
                let (worker, first) = (self.rng.usize(..self.workers), self.rng.u64(..12));
                let count = [1, 2, 12][self.rng.usize(..3)];
                let faults = (first..first + count).map(|heartbeat| Planned::Heartbeat { worker, heartbeat });
                self.items.extend(faults);
            }
        }
        if profile.deaths {
            self.add_deaths();
        }
        if profile.freezes {
            for _ in 0..self.rng.usize(1..3) {
                let lasts = self.rng.u64(SECOND..self.lease * 2);
                self.add_worker_event(WorkerEvent::Freeze(lasts));
            }
        }
        if profile.outages {
            self.add_outages();
        }
        if profile.users {
            self.add_users();
        }
        if profile.stops {
            self.add_stops();
        }
        if profile.suspensions {
            self.add_suspensions();
        }
    }

    fn add_worker_event(&mut self, event: WorkerEvent) {
        let (at, worker) = (self.time(), self.rng.usize(..self.workers));
        self.items.push(Planned::Worker { at, worker, event });
    }

    fn add_exchange_faults(&mut self) {
        let chance = [0.04, 0.15, 0.4][self.rng.usize(..3)];
        for worker in 0..self.workers {
            for exchange in 0..40 {
                if self.rng.f64() < chance {
                    let fault = self.exchange_fault();
                    self.items.push(Planned::Exchange { worker, exchange, fault });
                }
            }
            if self.one_in(3) {
                self.add_worker_event(WorkerEvent::Cut);
            }
            if self.one_in(4) {
                let (first, count) = (self.rng.u64(1..8), self.rng.u64(4..10));
                let fault = ExchangeFault::RequestLost;
                let faults =
                    (first..first + count).map(|exchange| Planned::Exchange { worker, exchange, fault });
                self.items.extend(faults);
            }
        }
    }

    fn exchange_fault(&mut self) -> ExchangeFault {
        let rejection = match self.rng.u8(..4) {
            0 => Rejection::WrongType,
            1 => Rejection::ReadOnly,
            _ => Rejection::OutOfMemory,
        };
        match self.rng.u8(..15) {
            0 | 1 => ExchangeFault::RequestLost,
            2..6 => ExchangeFault::ReplyLost,
            6 | 14 => ExchangeFault::Late(self.rng.u64(..800 * MILLISECOND)),
            7 => ExchangeFault::CutAfter(self.rng.usize(..3)),
            8 | 9 => ExchangeFault::Delayed(self.rng.u64(..700 * MILLISECOND)),
            10 => ExchangeFault::RepliedTwice,
            11 => ExchangeFault::FinishRejected(rejection),
            12 => ExchangeFault::ClaimRejected(rejection),
            _ => ExchangeFault::ScriptsForgotten,
        }
    }

    fn add_deaths(&mut self) {
        for _ in 0..self.rng.usize(1..4) {
            self.add_worker_event(WorkerEvent::Kill);
            if self.rng.bool() {
                let at = self.time();
                self.add_worker(at);
            }
        }
    }

    fn add_outages(&mut self) {
        for _ in 0..self.rng.usize(1..3) {
            let at = self.time();
            let lasts = match self.rng.u8(..3) {
                0 => self.rng.u64(..300 * MILLISECOND),
                1 => self.rng.u64(..3 * SECOND),
                _ => self.rng.u64(..self.lease * 2),
            };
            let event = match self.rng.u8(..8) {
                0 => RedisEvent::Flush(lasts),
                1..4 => RedisEvent::Restart(lasts),
                _ => RedisEvent::Away(lasts),
            };
            self.items.push(Planned::Redis { at, event });
        }
    }

    fn add_users(&mut self) {
        for _ in 0..self.rng.usize(1..7) {
            let (at, job) = (self.time(), self.rng.usize(..self.jobs));
            let event = match self.rng.u8(..12) {
                0 | 1 => UserEvent::Cancel(job),
                11 => UserEvent::PushCopy(job),
                10 => UserEvent::Forget(job),
                2 => UserEvent::Delete(job),
                3..6 => UserEvent::Requeue(job),
                6 => UserEvent::EnqueueNow(job),
                7 => UserEvent::EnqueueAgain(job),
                8 => UserEvent::EnqueueOther(job),
                _ => UserEvent::StopJob(job),
            };
            self.items.push(Planned::User { at, event });
        }
    }

    fn add_stops(&mut self) {
        for _ in 0..self.rng.usize(1..5) {
            match self.rng.u8(..8) {
                0 | 1 => self.add_worker_event(WorkerEvent::Stop),
                2..5 => self.add_worker_event(WorkerEvent::StopNow),
                5 | 6 => self.add_quiet_time(),
                _ => self.add_worker_event(WorkerEvent::KillHorse),
            }
        }
    }

    fn add_quiet_time(&mut self) {
        let (at, worker) = (self.time(), self.rng.usize(..self.workers));
        self.items.push(Planned::Worker { at, worker, event: WorkerEvent::Quiet });
        if !self.one_in(4) {
            let at = at + self.rng.u64(..4 * SECOND);
            self.items.push(Planned::Worker { at, worker, event: WorkerEvent::Continue });
        }
    }

    fn add_suspensions(&mut self) {
        let (from, lasts) = (self.time(), self.rng.u64(..6 * SECOND));
        let queue = self.rng.usize(..self.queues);
        let (begin, end) = match self.rng.bool() {
            true => (UserEvent::SuspendAll, UserEvent::ResumeAll),
            false => (UserEvent::Suspend(queue), UserEvent::Resume(queue)),
        };
        self.items.push(Planned::User { at: from, event: begin });
        self.items.push(Planned::User { at: from + lasts, event: end });
    }
}
