//! The worker processes: the library's worker with a handler that writes what it does to a ledger.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rq_rs::{Context, Event, Handlers, Run, Worker};

use crate::{PREFIX, QUEUES};

/// First argument of this test's own binary when it is to be a worker.
pub(crate) const WORD: &str = "chaos-worker";
/// Few slots and many are two ways through the worker's loop.
pub(crate) const SLOTS: [usize; 2] = [8, 40];
const WORKERS: usize = 3;
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// One `write` of a short line to a file opened for appending: lines never mix.
struct Book(File);

impl Book {
    fn open(path: &Path) -> Self {
        Book(OpenOptions::new().create(true).append(true).open(path).unwrap())
    }

    fn write(&self, letter: char, id: &str, execution: &str) {
        let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        (&self.0).write_all(format!("{letter} {id} {execution} {ms}\n").as_bytes()).unwrap();
    }
}

/// Where the ledger is: work horses have this program's environment, but not its arguments.
const LEDGER: &str = "CHAOS_LEDGER";

/// What workers run, and their work horses; those never come back from here.
pub(crate) fn handlers() -> Handlers {
    let Some(ledger) = std::env::var_os(LEDGER) else { return Handlers::new() };
    let book = Book::open(Path::new(&ledger));
    let work = move |context: &Context, n: u64| {
        book.write('S', context.id(), context.execution_id());
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..4)));
        book.write('E', context.id(), context.execution_id());
        Ok(n)
    };
    Handlers::new().handler("work", work).serve_if_horse()
}

pub(crate) fn main(handlers: Handlers) -> ExitCode {
    let mut arguments = std::env::args().skip(2);
    let url = arguments.next().unwrap();
    let slots = arguments.next().unwrap().parse().unwrap();
    let run = if arguments.next().unwrap() == "processes" { Run::Processes } else { Run::Threads };
    let acks = Book::open(Path::new(&std::env::var_os(LEDGER).unwrap()));
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
        .isolate(run)
        .on_event(move |event| match event {
            Event::Finished { id, .. } => acks.write('A', id, "-"),
            Event::Stale { id } => acks.write('L', id, "-"),
            Event::Recovered { id } => acks.write('R', id, "-"),
            _ => {}
        })
        .run();
    // Whatever ends it is a reason to start it again, as a supervisor would.
    if let Err(error) = &done {
        eprintln!("chaos worker: {error}");
    }
    ExitCode::from(u8::from(done.is_err()))
}

/// All workers; a dead one is replaced.
pub(crate) struct Fleet {
    url: String,
    ledger: PathBuf,
    slots: usize,
    run: String,
    workers: Mutex<Vec<Child>>,
    kills: Mutex<usize>,
}

impl Fleet {
    pub(crate) fn start(url: &str, ledger: &Path, (slots, run): (usize, &str)) -> Self {
        let fleet = Fleet {
            url: url.to_owned(),
            ledger: ledger.to_owned(),
            slots,
            run: run.to_owned(),
            workers: Mutex::default(),
            kills: Mutex::default(),
        };
        fleet.workers.lock().unwrap().extend((0..WORKERS).map(|_| fleet.spawn()));
        fleet
    }

    fn spawn(&self) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args([WORD, &self.url, &self.slots.to_string(), &self.run])
            .env(LEDGER, &self.ledger)
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// `kill -9` one of them, and start another.
    pub(crate) fn kill_one(&self, which: usize) {
        let mut workers = self.workers.lock().unwrap();
        let victim = &mut workers[which % WORKERS];
        victim.kill().unwrap();
        victim.wait().unwrap();
        *victim = self.spawn();
        *self.kills.lock().unwrap() += 1;
    }

    /// Stops one of them; the signal name is STOP or CONT.
    pub(crate) fn signal_one(&self, which: usize, name: &str) {
        let pid = self.workers.lock().unwrap()[which % WORKERS].id().to_string();
        let _ = Command::new("kill").args(["-s", name, &pid]).status();
    }

    pub(crate) fn kills(&self) -> usize {
        *self.kills.lock().unwrap()
    }

    pub(crate) fn end(&self) {
        for worker in self.workers.lock().unwrap().iter_mut() {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }

    /// Processes of the fleet that are still there a while after its end.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        let mark = format!("{LEDGER}={}", self.ledger.display());
        let is_ours = |environ: &[u8]| environ.split(|byte| *byte == 0).any(|one| one == mark.as_bytes());
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let pids = std::fs::read_dir("/proc").unwrap().flatten();
            let left: Vec<String> = pids
                .filter(|pid| {
                    std::fs::read(pid.path().join("environ")).is_ok_and(|environ| is_ours(&environ))
                })
                .map(|pid| pid.file_name().to_string_lossy().into_owned())
                .collect();
            if left.is_empty() || Instant::now() > until {
                return left;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
