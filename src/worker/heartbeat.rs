//! The heartbeat: one thread that renews the worker's record and the leases of all it runs, in
//! one round trip, and never waits behind anything else.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::background::BackgroundThread;
use super::deregister;
use super::event::Event;
use super::message::Message;
use super::options::Options;
use crate::client::scripts::HEARTBEAT;
use crate::client::{Client, RedisCommand, reply};
use crate::dialect::QueueKeys;
use crate::error::{Error, Result};
use crate::job::{RawHash, iso};
use crate::stats::{RunCounters, RunResult};

/// News of the state and the counts are written at most this often.
const STATE_FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// While jobs run, a lost lease is noticed this soon: it is how a canceled job learns of it.
const LEASE_CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// When the last good and the last bad beat were.
struct HeartbeatTimes {
    last_success: Instant,
    last_failure: Option<Instant>,
}

/// What the dispatcher runs and has done: written by it, read by the heartbeat.
pub(crate) struct WorkerState {
    running: Mutex<HashMap<String, (usize, Arc<AtomicBool>)>>,
    state: Mutex<&'static str>,
    successful: AtomicU64,
    failed: AtomicU64,
    working_micros: AtomicU64,
    stuck_threads: AtomicUsize,
    is_quiet: AtomicBool,
    /// Jobs of others taken over, ends that were refused, outages that have ended.
    seen: [AtomicU64; 3],
    tally: Mutex<RunCounters>,
    healthy: Mutex<Option<String>>,
    shutdown: Mutex<Option<String>>,
    beats: Mutex<HeartbeatTimes>,
    birth: Vec<(&'static str, String)>,
}

impl WorkerState {
    pub(crate) fn new(client: &Client, options: &Options) -> Self {
        let books = client.rq.is_enabled().then(|| rq_worker_fields(client)).into_iter().flatten();
        let mut birth = vec![
            ("birth", iso(Utc::now())),
            ("queues", options.queues.join(",")),
            ("pid", std::process::id().to_string()),
            ("hostname", hostname()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("concurrency", options.concurrency.to_string()),
            ("runs_in", if options.is_isolated { "processes" } else { "threads" }.to_owned()),
            ("lease", options.lease().as_secs().to_string()),
        ];
        birth.extend(books);
        // What `explain` says of jobs that wait for their handler.
        birth.extend(options.handler_limits_json().map(|limits| ("handler_limits", limits)));
        WorkerState {
            running: Mutex::default(),
            state: Mutex::new("started"),
            successful: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            working_micros: AtomicU64::new(0),
            stuck_threads: AtomicUsize::new(0),
            is_quiet: AtomicBool::new(false),
            seen: Default::default(),
            tally: Mutex::default(),
            healthy: Mutex::default(),
            beats: Mutex::new(HeartbeatTimes { last_success: Instant::now(), last_failure: None }),
            shutdown: Mutex::default(),
            birth,
        }
    }

    /// The lease of this member is to be renewed. The flag is set when it is lost.
    pub(crate) fn track_lease(&self, member: String, queue: usize, flag: &Arc<AtomicBool>) {
        lock(&self.running).insert(member, (queue, Arc::clone(flag)));
    }

    pub(crate) fn untrack_lease(&self, member: &str) {
        lock(&self.running).remove(member);
    }

    /// Whether it was told to start nothing more.
    pub(crate) fn set_quiet(&self, is_quiet: bool) {
        self.is_quiet.store(is_quiet, Ordering::Relaxed);
    }

    pub(crate) fn set_state(&self, state: &'static str) {
        *lock(&self.state) = state;
    }

    /// A run has ended, and Redis knows.
    pub(crate) fn record_run(&self, what: RunResult, took: Duration, queue: usize, handler: Option<&str>) {
        let minute = Utc::now().timestamp() / 60;
        lock(&self.tally).record((queue, handler.unwrap_or_default()), what, took, minute);
        let counter = if matches!(what, RunResult::Finished) { &self.successful } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.working_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Counts what else is worth it.
    pub(crate) fn record_event(&self, event: &Event) {
        let counter = match event {
            Event::Recovered { .. } => 0,
            Event::Stale { .. } => 1,
            Event::Back => 2,
            _ => return,
        };
        self.seen[counter].fetch_add(1, Ordering::Relaxed);
    }

    /// So many threads run on past the end of their jobs.
    pub(crate) fn set_abandoned_threads(&self, threads: usize) {
        self.stuck_threads.store(threads, Ordering::Relaxed);
    }

    /// The dispatcher has made a turn without trouble.
    pub(crate) fn mark_healthy(&self) {
        *lock(&self.healthy) = Some(iso(Utc::now()));
    }

    /// It was told to stop while jobs run.
    pub(crate) fn mark_shutdown_requested(&self) {
        *lock(&self.shutdown) = Some(iso(Utc::now()));
    }

    /// Whether leases are renewed as they should be: none was missed for longer than this.
    pub(crate) fn has_fresh_heartbeat(&self, within: Duration) -> bool {
        lock(&self.beats).last_success.elapsed() <= within
    }

    /// Whether a beat has failed within this time: then others may not have renewed theirs either.
    pub(crate) fn has_failed_heartbeat_within(&self, within: Duration) -> bool {
        lock(&self.beats).last_failure.is_some_and(|at| at.elapsed() < within)
    }

    fn record_heartbeat(&self, is_good: bool) {
        let mut beats = lock(&self.beats);
        match is_good {
            true => beats.last_success = Instant::now(),
            false => beats.last_failure = Some(Instant::now()),
        }
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = self.birth.clone();
        let seconds = self.working_micros.load(Ordering::Relaxed) as f64 / 1e6;
        fields.push(("last_heartbeat", iso(Utc::now())));
        fields.push(("state", lock(&self.state).to_string()));
        fields.extend(lock(&self.healthy).clone().map(|time| ("last_fetch", time)));
        fields.extend(lock(&self.shutdown).clone().map(|time| ("shutdown_requested_date", time)));
        fields.push(("successful_job_count", self.successful.load(Ordering::Relaxed).to_string()));
        fields.push(("failed_job_count", self.failed.load(Ordering::Relaxed).to_string()));
        fields.push(("total_working_time", seconds.to_string()));
        for (name, count) in ["recovered_count", "stale_count", "reconnect_count"].into_iter().zip(&self.seen)
        {
            fields.push((name, count.load(Ordering::Relaxed).to_string()));
        }
        fields.push(("stuck_threads", self.stuck_threads.load(Ordering::Relaxed).to_string()));
        fields.push(("quiet", u8::from(self.is_quiet.load(Ordering::Relaxed)).to_string()));
        fields.extend(resident().map(|bytes| ("memory", bytes.to_string())));
        fields
    }
}

/// Bytes of memory that this process has resident, where the system says so in a file.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers the worker, then keeps it alive; the last beat has the final counts, and then the farewell.
pub(super) fn start(
    client: &Arc<Client>,
    options: &Arc<Options>,
    queues: &[QueueKeys],
    board: &Arc<WorkerState>,
    inbox: Sender<Message>,
) -> Result<BackgroundThread> {
    let heart = Heartbeat {
        client: Arc::clone(client),
        options: Arc::clone(options),
        queues: queues.to_vec(),
        board: Arc::clone(board),
        inbox,
    };
    heart.reserve_name()?;
    let written = heart.fingerprint();
    heart.register()?;
    Ok(BackgroundThread::start("rq-rs heartbeat", move |stop| heart.run(written, stop)))
}

/// What is in a worker's record, without the times: its state, finished, failed, stuck threads.
type Fingerprint = (&'static str, u64, u64, usize);

/// Beats that Redis refuses in a row. People are told of the first one and of the end, and while no lease is held
/// tries become rarer. When Redis is away, beats go on as usual: it may be back at any moment.
#[derive(Default)]
struct RefusalBackoff {
    tries: u32,
    last: Option<Instant>,
    is_reported: bool,
}

impl RefusalBackoff {
    /// Twice as long after each try, at most as long as between two beats.
    fn may_retry(&self, most: Duration) -> bool {
        let pause = (STATE_FLUSH_INTERVAL * 2_u32.pow(self.tries.saturating_sub(1).min(9))).min(most);
        self.last.is_none_or(|last| last.elapsed() >= pause)
    }

    fn record_failure(&mut self, error: &Error, holds_leases: bool) {
        if matches!(error, Error::Unreachable { .. }) {
            // The dispatcher tells people about an outage; here it is only tried again.
            return log::debug!(target: "rq_rs", "heartbeat: {error}");
        }
        self.tries = self.tries.saturating_add(1);
        self.last = Some(Instant::now());
        if !std::mem::replace(&mut self.is_reported, true) {
            let what =
                if holds_leases { "leases are not renewed" } else { "the worker's record is not renewed" };
            log::warn!(target: "rq_rs", "{what}: {error}");
        }
    }

    fn record_success(&mut self) {
        if self.is_reported {
            log::info!(target: "rq_rs", "heartbeats are written again");
        }
        *self = RefusalBackoff::default();
    }
}

struct Heartbeat {
    client: Arc<Client>,
    options: Arc<Options>,
    queues: Vec<QueueKeys>,
    board: Arc<WorkerState>,
    inbox: Sender<Message>,
}

impl Heartbeat {
    /// Two workers under one name would write one record in turn. A record whose process is gone,
    /// or that was not renewed for a lease, is of a worker that died without a farewell.
    fn reserve_name(&self) -> Result<()> {
        let record = self.client.keys.worker(&self.options.name);
        let fields = RawHash(reply::pairs(self.client.query(&RedisCommand::new("HGETALL").arg(&record))?)?);
        let text = |name: &str| fields.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let beat = text("last_heartbeat").and_then(|time| DateTime::parse_from_rfc3339(&time).ok());
        let lease = text("lease").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        let age = beat.map(|time| (Utc::now() - time.with_timezone(&Utc)).to_std().unwrap_or_default());
        // A Python worker says nothing of a lease, and gives a sign every seven minutes.
        let is_python = lease.is_none() && age.is_some() && self.client.dialect.is_shared_with_python;
        let is_fresh = is_python || age.is_some_and(|age| age < lease.unwrap_or(self.options.lease()));
        let pid = text("pid").unwrap_or_default();
        if is_fresh
            && text("death").is_none()
            && is_other_live_process(&text("hostname").unwrap_or_default(), &pid)
        {
            return Err(Error::NameTaken { name: self.options.name.clone(), pid });
        }
        self.client.query(&RedisCommand::new("DEL").arg(record))?;
        Ok(())
    }

    /// `written` is what the record says already.
    fn run(&self, mut written: Fingerprint, news: &Receiver<()>) {
        let every = self.options.lease() / 3;
        let mut last = Instant::now();
        let mut failing = RefusalBackoff::default();
        // The sender says nothing; it is dropped when the worker ends.
        while news.recv_timeout(STATE_FLUSH_INTERVAL.min(every)) == Err(RecvTimeoutError::Timeout) {
            let told = self.fingerprint();
            let holds_leases = !lock(&self.board.running).is_empty();
            let due = if holds_leases { every.min(LEASE_CHECK_INTERVAL) } else { every };
            let is_due = last.elapsed() >= due || told != written;
            // Leases must not end because Redis was asked too seldom.
            let may_try = holds_leases || failing.may_retry(every);
            if !is_due || !may_try {
                continue;
            }
            let beat = self.beat_once();
            self.board.record_heartbeat(beat.is_ok());
            match beat {
                Ok(()) => {
                    (written, last) = (told, Instant::now());
                    failing.record_success();
                }
                Err(error) => failing.record_failure(&error, holds_leases),
            }
        }
        if self.beat_once().is_err() {
            // Redis is away: the record ends by its time to live.
            return;
        }
        let _ = self.client.query_all_no_retry(&deregister(&self.client, &self.options, &self.queues));
    }

    /// What would be written, without the times.
    fn fingerprint(&self) -> Fingerprint {
        let board = &self.board;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let stuck = board.stuck_threads.load(Ordering::Relaxed);
        (*lock(&board.state), count(&board.successful), count(&board.failed), stuck)
    }

    /// The first beat. It is repeated when the connection breaks, as any other call at the start is.
    fn register(&self) -> Result<()> {
        self.client.query(&self.call()).map(drop)
    }

    fn beat_once(&self) -> Result<()> {
        let mut answers = self.client.query_all_no_retry(&[self.call()])?;
        let lost = answers.pop().unwrap_or_else(|| Err(no_answer()))?;
        for member in reply::texts(lost)? {
            self.mark_lease_lost(&member);
        }
        self.flush_stats();
        Ok(())
    }

    fn call(&self) -> RedisCommand {
        let record = self.client.keys.worker(&self.options.name);
        let workers = self.client.keys.workers();
        let mut keys = vec![record.as_str(), &workers];
        for queue in &self.queues {
            keys.extend([queue.workers.as_str(), &queue.wip, &queue.list]);
        }
        let (dialect, fields) = (self.client.dialect, self.board.fields());
        let mut call = RedisCommand::evalsha(&HEARTBEAT, &keys)
            .arg(self.options.worker_ttl.as_secs() + 60)
            .arg(self.options.lease().as_secs_f64())
            .arg(dialect.lease_grace.as_secs())
            .arg(u8::from(dialect.integer_scores))
            .arg(self.client.rq.key_patterns())
            .arg(self.client.keys.job_prefix())
            .arg(&self.options.name)
            .arg(iso(Utc::now()))
            .arg(self.client.rq.queues_or_empty())
            .arg(fields.len() * 2);
        for (field, value) in &fields {
            call = call.arg(field).arg(value);
        }
        for (member, (queue, _)) in lock(&self.board.running).iter() {
            call = call.arg(queue).arg(member);
        }
        call
    }

    /// What was counted. If Redis does not take it, it is not worth more.
    fn flush_stats(&self) {
        let tally = std::mem::take(&mut *lock(&self.board.tally));
        if !tally.is_empty()
            && let Err(error) = self.client.pipeline_once(&tally.commands(&self.client, &self.options.queues))
        {
            log::debug!(target: "rq_rs", "counts are lost: {error}");
        }
    }

    /// A job that ended while the heartbeat was on its way is not lost.
    fn mark_lease_lost(&self, member: &str) {
        if let Some((_, flag)) = lock(&self.board.running).get(member) {
            flag.store(true, Ordering::Relaxed);
            let _ = self.inbox.send(Message::LeaseLost);
        }
    }
}

/// What RQ's tools show of a worker beside the rest.
fn rq_worker_fields(client: &Client) -> Vec<(&'static str, String)> {
    let info = client.query(&RedisCommand::new("CLIENT").arg("INFO")).and_then(reply::text);
    let info = info.ok().flatten().unwrap_or_default();
    let address = info.split(' ').find_map(|part| part.strip_prefix("addr=")).unwrap_or("unknown");
    let version = concat!("Rust (rq-rs ", env!("CARGO_PKG_VERSION"), ")");
    vec![("ip_address", address.to_owned()), ("python_version", version.to_owned())]
}

pub(super) fn hostname() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Whether that process may still be alive, and is not this one (in a container, number 1 comes again).
fn is_other_live_process(host: &str, pid: &str) -> bool {
    if host != hostname() {
        return true;
    }
    let Ok(pid) = pid.parse::<i32>() else { return false };
    let is_alive =
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None) != Err(nix::errno::Errno::ESRCH);
    is_alive && i64::from(pid) != i64::from(std::process::id())
}

fn no_answer() -> Error {
    Error::Corrupt { what: "an empty reply of Redis".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{Error, RefusalBackoff};
    use std::time::Duration;

    #[test]
    fn only_refusals_make_beats_rarer() {
        let (every, mut failing) = (Duration::from_secs(10), RefusalBackoff::default());
        let away = Error::Unreachable { address: "here".to_owned(), reason: "away".to_owned() };
        failing.record_failure(&away, false);
        assert!(failing.may_retry(every));
        failing.record_failure(&Error::Refused { reason: "READONLY".to_owned() }, false);
        assert!(!failing.may_retry(every));
        failing.record_success();
        assert!(failing.may_retry(every));
    }
}
