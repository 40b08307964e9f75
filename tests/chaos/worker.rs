//! The worker processes: the library's worker with a handler that writes what it does to a ledger.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rq_rs::{Context, Event, Worker};

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

pub(crate) fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(2);
    let (url, ledger) = (arguments.next().unwrap(), PathBuf::from(arguments.next().unwrap()));
    let slots = arguments.next().unwrap().parse().unwrap();
    let (book, acks) = (Book::open(&ledger), Book::open(&ledger));
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
        .handler("work", move |context: &Context, n: u64| {
            book.write('S', context.id(), context.execution_id());
            std::thread::sleep(Duration::from_millis(fastrand::u64(0..4)));
            book.write('E', context.id(), context.execution_id());
            Ok(n)
        })
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
    workers: Mutex<Vec<Child>>,
    kills: Mutex<usize>,
}

impl Fleet {
    pub(crate) fn start(url: &str, ledger: &Path, slots: usize) -> Self {
        let fleet = Fleet {
            url: url.to_owned(),
            ledger: ledger.to_owned(),
            slots,
            workers: Mutex::default(),
            kills: Mutex::default(),
        };
        fleet.workers.lock().unwrap().extend((0..WORKERS).map(|_| fleet.spawn()));
        fleet
    }

    fn spawn(&self) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args([WORD, &self.url, self.ledger.to_str().unwrap(), &self.slots.to_string()])
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
}
