//! The worker processes: the library's worker with a handler that writes its steps to the ledger.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rq_rs::{Context, Event, Handlers, Run, Worker};

use crate::ledger::LedgerWriter;
use crate::{PREFIX, QUEUES};

/// First argument of this program when it is started as a worker.
pub(crate) const WORKER_ARGUMENT: &str = "chaos-worker";
/// Few slots and many slots: exchanges overlap only with many.
pub(crate) const SLOTS: [usize; 2] = [8, 40];
const WORKERS: usize = 3;
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// Environment variable with the ledger's path: work horses inherit the environment, but not the arguments.
const LEDGER_VARIABLE: &str = "CHAOS_LEDGER";

/// The handlers of workers and work horses. In a work horse this function does not return.
pub(crate) fn handlers() -> Handlers {
    let Some(ledger) = std::env::var_os(LEDGER_VARIABLE) else { return Handlers::new() };
    let ledger_writer = LedgerWriter::open(Path::new(&ledger));
    let work = move |context: &Context, n: u64| {
        ledger_writer.write('S', context.id(), context.execution_id());
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..4)));
        ledger_writer.write('E', context.id(), context.execution_id());
        Ok(n)
    };
    Handlers::new().handler("work", work).serve_if_horse()
}

pub(crate) fn main(handlers: Handlers) -> ExitCode {
    let mut arguments = std::env::args().skip(2);
    let url = arguments.next().unwrap();
    let slots = arguments.next().unwrap().parse().unwrap();
    let isolation = if arguments.next().unwrap() == "processes" { Run::Processes } else { Run::Threads };
    let acks = LedgerWriter::open(Path::new(&std::env::var_os(LEDGER_VARIABLE).unwrap()));
    let worker = loop {
        match Worker::connect(&url, QUEUES) {
            Ok(worker) => break worker,
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let done = worker
        .prefix(PREFIX)
        .unwrap()
        .concurrency(slots)
        .lease(LEASE)
        .recover_interval(Duration::from_millis(500))
        .max_deliveries(1_000)
        .broker_max_retries(0)
        .handlers(handlers)
        .isolate(isolation)
        .on_event(move |event| match event {
            Event::Finished { id, .. } => acks.write('A', id, "-"),
            Event::Stale { id } => acks.write('L', id, "-"),
            Event::Recovered { id } => acks.write('R', id, "-"),
            _ => {}
        })
        .run();
    if let Err(error) = &done {
        eprintln!("chaos worker: {error}");
    }
    ExitCode::from(u8::from(done.is_err()))
}

/// All worker processes. One that is killed is replaced.
pub(crate) struct Fleet {
    url: String,
    ledger: PathBuf,
    slots: usize,
    isolation: String,
    workers: Mutex<Vec<Child>>,
    kills: Mutex<usize>,
}

impl Fleet {
    pub(crate) fn start(url: &str, ledger: &Path, (slots, isolation): (usize, &str)) -> Self {
        let fleet = Fleet {
            url: url.to_owned(),
            ledger: ledger.to_owned(),
            slots,
            isolation: isolation.to_owned(),
            workers: Mutex::default(),
            kills: Mutex::default(),
        };
        fleet.workers.lock().unwrap().extend((0..WORKERS).map(|_| fleet.spawn()));
        fleet
    }

    fn spawn(&self) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args([WORKER_ARGUMENT, &self.url, &self.slots.to_string(), &self.isolation])
            .env(LEDGER_VARIABLE, &self.ledger)
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Kills a worker with SIGKILL and starts another.
    pub(crate) fn kill_one(&self, which: usize) {
        let mut workers = self.workers.lock().unwrap();
        let victim = &mut workers[which % WORKERS];
        victim.kill().unwrap();
        victim.wait().unwrap();
        *victim = self.spawn();
        *self.kills.lock().unwrap() += 1;
    }

    /// Sends a signal to a worker: `STOP` or `CONT`.
    pub(crate) fn signal_one(&self, which: usize, name: &str) {
        let pid = self.workers.lock().unwrap()[which % WORKERS].id().to_string();
        let _ = Command::new("kill").args(["-s", name, &pid]).status();
    }

    pub(crate) fn kills(&self) -> usize {
        *self.kills.lock().unwrap()
    }

    pub(crate) fn kill_all(&self) {
        for worker in self.workers.lock().unwrap().iter_mut() {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }

    /// Pids of processes, work horses among them, that still run five seconds after all workers were killed.
    pub(crate) fn find_survivors(&self) -> Vec<String> {
        let marker = format!("{LEDGER_VARIABLE}={}", self.ledger.display());
        let is_ours = |environ: &[u8]| environ.split(|byte| *byte == 0).any(|one| one == marker.as_bytes());
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let pids = std::fs::read_dir("/proc").unwrap().flatten();
            let left: Vec<String> = pids
                .filter(|pid| {
                    std::fs::read(pid.path().join("environ")).is_ok_and(|environ| is_ours(&environ))
                })
                .map(|pid| pid.file_name().to_string_lossy().into_owned())
                .collect();
            if left.is_empty() || Instant::now() > deadline {
                return left;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
