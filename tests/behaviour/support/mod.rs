//! Helpers of the tests: an environment with a key prefix of its own, workers whose events can be awaited, and the
//! command line.

mod dashboard;
mod process;
mod proxy;
mod redis_server;
#[cfg(feature = "top")]
mod terminal;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redis::FromRedisValue;
use rq_rs::{Context, Dialect, Event, Queue, Stopper, Summary, Worker};

pub(crate) use dashboard::{DashboardProcess, response_at};
pub(crate) use process::{Output, Process, run_in};
pub(crate) use proxy::{Fault, Proxy};
pub(crate) use redis_server::RedisServer;
#[cfg(feature = "top")]
pub(crate) use terminal::Terminal;

/// Time limit of every wait in the tests.
pub(crate) const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// A test's deployment: a key prefix that no other test has, on the Redis of this process.
pub(crate) struct TestEnv {
    url: String,
    pub(crate) prefix: String,
    pub(crate) dialect: Dialect,
    /// The Redis of this environment alone, if it has one.
    server: Option<RedisServer>,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        Self::at(RedisServer::shared().url(), None)
    }

    /// An environment with a Redis of its own, for tests that change its settings.
    pub(crate) fn with_own_redis(settings: &[&str]) -> Self {
        let server = RedisServer::start(settings);
        Self::at(server.url(), Some(server))
    }

    fn at(url: String, server: Option<RedisServer>) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // `RQ_RS_TEST_DIALECT=rq cargo test` runs the tests in the rq dialect.
        let dialect =
            std::env::var("RQ_RS_TEST_DIALECT").map_or(Dialect::Native, |word| word.parse().unwrap());
        TestEnv { url, prefix: format!("test{number}"), dialect, server }
    }

    /// Uses the native dialect whichever one is tested.
    pub(crate) fn in_native_dialect(mut self) -> Self {
        self.dialect = Dialect::Native;
        self
    }

    /// Uses the rq dialect whichever one is tested.
    pub(crate) fn in_rq_dialect(mut self) -> Self {
        self.dialect = Dialect::Rq;
        self
    }

    /// Seconds by which the score in `started` exceeds the end of the lease.
    pub(crate) fn lease_grace(&self) -> f64 {
        if self.dialect == Dialect::Rq { 45.0 } else { 0.0 }
    }

    /// Returns a test for the words of a command: it is `true` for a claim.
    pub(crate) fn claim_detector(&self) -> impl Fn(&[String]) -> bool + Send + Sync + 'static {
        let suspended = self.key("suspended");
        move |words| words[0] == "EVALSHA" && words.contains(&suspended)
    }

    /// Pushes an id to the end of a queue, without rq-rs.
    pub(crate) fn push(&self, queue: &str, id: &str) {
        let push = if self.dialect == Dialect::Rq { "RPUSH" } else { "LPUSH" };
        self.redis::<i64>(&[push, &self.key(&format!("queue:{queue}")), id]);
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The Redis of an environment made by `with_own_redis`.
    pub(crate) fn server(&self) -> &RedisServer {
        self.server.as_ref().expect("TestEnv::with_own_redis")
    }

    /// This deployment at another address, such as a proxy's.
    pub(crate) fn via(&self, url: &str) -> TestEnv {
        TestEnv { url: url.to_owned(), prefix: self.prefix.clone(), dialect: self.dialect, server: None }
    }

    pub(crate) fn key(&self, rest: &str) -> String {
        format!("{}:{rest}", self.prefix)
    }

    pub(crate) fn queue(&self, name: &str) -> Queue {
        Queue::connect(&self.url, name).unwrap().dialect(self.dialect).prefix(&self.prefix).unwrap()
    }

    /// A worker with the handlers that most tests need.
    pub(crate) fn worker(&self, queues: &[&str]) -> Worker {
        Worker::connect(&self.url, queues.iter().copied())
            .unwrap()
            .dialect(self.dialect)
            .prefix(&self.prefix)
            .unwrap()
            .concurrency(2)
            .handler("add", |_: &Context, (a, b): (i64, i64)| Ok(a + b))
            .handler("echo", |_: &Context, text: String| Ok(text))
            .handler("fail", |_: &Context, why: String| -> anyhow::Result<()> { anyhow::bail!(why) })
    }

    /// Runs the worker until no job is left.
    pub(crate) fn drain(&self, worker: Worker) -> Summary {
        worker.burst(true).run().unwrap()
    }

    /// Sends a command to Redis, without rq-rs.
    pub(crate) fn redis<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = redis::Client::open(self.url.as_str()).unwrap().get_connection().unwrap();
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| {
            command.arg(word);
        });
        command.query(&mut connection).unwrap()
    }

    /// Waits until a worker of this deployment is subscribed to its commands, which no event announces.
    pub(crate) fn wait_for_subscription(&self) {
        let channels = || self.redis::<Vec<String>>(&["PUBSUB", "CHANNELS", &self.key("pubsub:*")]);
        eventually("a worker is subscribed", || !channels().is_empty());
    }

    /// Runs `rq-rs ARGS…` to its end.
    pub(crate) fn cli(&self, words: &[&str]) -> Output {
        self.cli_with_input(words, "")
    }

    pub(crate) fn cli_with_input(&self, words: &[&str], input: &str) -> Output {
        Process::start(words, &self.environment()).finish(input)
    }

    /// Starts `rq-rs ARGS…` as a process.
    pub(crate) fn start(&self, words: &[&str]) -> Process {
        Process::start(words, &self.environment())
    }

    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let dialect = self.dialect.to_string();
        [("RQ_REDIS_URL", &self.url), ("RQ_KEY_PREFIX", &self.prefix), ("RQ_RS_DIALECT", &dialect)]
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .to_vec()
    }

    /// Lists and registries that contain an id. By the invariant there is exactly one.
    pub(crate) fn locations(&self, queue: &str, id: &str) -> Vec<&'static str> {
        let mut places = Vec::new();
        for (place, key) in
            [("queue", format!("queue:{queue}")), ("intermediate", format!("queue:{queue}:intermediate"))]
        {
            let ids: Vec<String> = self.redis(&["LRANGE", &self.key(&key), "0", "-1"]);
            places.extend(ids.iter().filter(|one| *one == id).map(|_| place));
        }
        for place in ["wip", "finished", "failed", "scheduled", "deferred", "canceled", "unreadable"] {
            let ids: Vec<String> = self.redis(&["ZRANGE", &self.key(&format!("{place}:{queue}")), "0", "-1"]);
            places.extend(ids.iter().filter(|one| one.split(':').next() == Some(id)).map(|_| place));
        }
        places
    }
}

/// A worker in a thread of this process, with its events.
pub(crate) struct RunningWorker {
    events: Receiver<Event>,
    pub(crate) stopper: Stopper,
    thread: JoinHandle<rq_rs::Result<Summary>>,
}

impl RunningWorker {
    pub(crate) fn start(worker: Worker) -> Self {
        let (tell, events) = channel();
        let stopper = worker.stopper();
        let worker = worker.on_event(move |event| drop(tell.send(event.clone())));
        RunningWorker { events, stopper, thread: std::thread::spawn(move || worker.run()) }
    }

    /// Waits for an event that matches.
    pub(crate) fn wait_for_event(&self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
        let until = Instant::now() + WAIT_LIMIT;
        loop {
            match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(event) if fits(&event) => return event,
                Ok(_) => {}
                Err(error) => panic!("never saw {what}: {error}"),
            }
        }
    }

    pub(crate) fn wait_until_idle(&self) {
        self.wait_for_event("idle", |event| *event == Event::Idle);
    }

    pub(crate) fn wait_for_start(&self, id: &str) {
        self.wait_for_event("a start", |event| matches!(event, Event::Started { id: one, .. } if one == id));
    }

    pub(crate) fn wait_for_finish(&self, id: &str) {
        self.wait_for_event(
            "a finish",
            |event| matches!(event, Event::Finished { id: one, .. } if one == id),
        );
    }

    pub(crate) fn join(self) -> Summary {
        self.thread.join().unwrap().unwrap()
    }

    pub(crate) fn stop(self) -> Summary {
        self.stopper.stop();
        self.join()
    }
}

/// A log of handler calls, in order.
#[derive(Clone, Default)]
pub(crate) struct CallLog(Arc<Mutex<Vec<String>>>);

impl CallLog {
    pub(crate) fn record(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A gate that handlers wait at until the test opens it.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, std::sync::Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn wait(&self) {
        let opened =
            self.0.1.wait_timeout_while(self.0.0.lock().unwrap(), WAIT_LIMIT, |open| !*open).unwrap();
        assert!(!opened.1.timed_out(), "nobody opened the gate");
    }
}

/// Polls until a condition holds, for facts that no event announces.
pub(crate) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + WAIT_LIMIT;
    while !is_so() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Writes a configuration file in a temporary folder.
pub(crate) fn options_file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rq-rs.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

/// Builds an example of this crate and returns its path.
pub(crate) fn build_example(name: &str) -> std::path::PathBuf {
    let built = std::process::Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--example", name])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success());
    std::path::Path::new(env!("CARGO_BIN_EXE_rq-rs")).with_file_name("examples").join(name)
}
