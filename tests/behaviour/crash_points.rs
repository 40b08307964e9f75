//! The worker is killed with -9 at each command that it sends: before Redis receives it, and after Redis has carried
//! it out. Each job still ends, and runs twice at most.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rq_rs::{Context, NewJob, Retry};

use crate::support::{Fault, Process, Proxy, RunningWorker, TestEnv, eventually};

struct Scenario {
    name: &'static str,
    queues: &'static [&'static str],
    /// Runs as `sh -c`, with `$BOOK` as the file that counts runs.
    program: &'static str,
    job: fn() -> NewJob,
    ends_in: &'static [&'static str],
}

const SCENARIOS: [Scenario; 5] = [
    Scenario {
        name: "success",
        queues: &["default"],
        program: "echo run >>$BOOK",
        job: || NewJob::new("job", ()),
        ends_in: &["finished"],
    },
    Scenario {
        name: "success from the third of three queues",
        queues: &["first", "second", "default"],
        program: "echo run >>$BOOK",
        job: || NewJob::new("job", ()),
        ends_in: &["finished"],
    },
    Scenario {
        name: "failure",
        queues: &["default"],
        program: "echo run >>$BOOK; exit 1",
        job: || NewJob::new("job", ()),
        ends_in: &["failed"],
    },
    Scenario {
        name: "retry",
        queues: &["default"],
        program: "echo run >>$BOOK; exit 1",
        job: || NewJob::new("job", ()).retry(Retry::every(std::time::Duration::ZERO, 1)),
        ends_in: &["failed"],
    },
    Scenario {
        name: "cancel",
        queues: &["default"],
        program: "echo run >>$BOOK",
        job: || NewJob::new("job", ()),
        ends_in: &["finished"],
    },
];

/// Runs a worker behind a proxy that kills it at one command. Returns the number of commands sent before.
fn run_to(scenario: &Scenario, point: usize, cut: Fault) -> usize {
    let env = TestEnv::new();
    let folder = tempfile::tempdir().unwrap();
    let book = folder.path().join("book");
    let script = scenario.program.replace("$BOOK", book.to_str().unwrap());
    let exec = format!("job=sh -c '{script}'");
    env.queue("default").enqueue_job((scenario.job)().id("job")).unwrap();

    let (sent, victim) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(None::<String>)));
    let (counter, condemned) = (Arc::clone(&sent), Arc::clone(&victim));
    let is_claim = env.claim_detector();
    let proxy = Proxy::start(env.url(), move |words| {
        // Only commands about the job count: renewals and maintenance come by the clock.
        let concerns_job = ["BRPOPLPUSH", "BLMOVE"].contains(&words[0].as_str())
            || is_claim(words)
            || words.iter().any(|word| word == "finished" || word == "failed" || word == "queue");
        if !concerns_job || counter.fetch_add(1, Ordering::Relaxed) != point {
            return Fault::None;
        }
        let pid = condemned.lock().unwrap().clone();
        if cut == Fault::CutBefore {
            kill(pid.as_deref());
        }
        cut
    });
    let words = [
        &["worker", "--max-idle-time", "0.3s", "-c", "1", "--lease", "1s", "--exec", &exec],
        scenario.queues,
    ]
    .concat();
    let worker = Process::start(&words, &env.via(proxy.url()).environment());
    *victim.lock().unwrap() = Some(worker.pid());
    if cut == Fault::CutAfter {
        // The reply is withheld; the worker is killed while it waits.
        eventually("the point is reached or passed", || {
            sent.load(Ordering::Relaxed) > point || env.locations("default", "job") == scenario.ends_in
        });
        worker.signal("KILL");
    }
    worker.finish("");
    let before = sent.load(Ordering::Relaxed);
    // A cancel is final wherever the worker died; it is refused only if the job has ended before.
    let is_canceled = scenario.name == "cancel" && env.queue("default").job("job").unwrap().cancel().is_ok();
    let ends_in = if is_canceled { &["canceled"] } else { scenario.ends_in };

    let heir = env.worker(scenario.queues).exec("job", &format!("sh -c '{script}'")).unwrap();
    let quick =
        heir.lease(std::time::Duration::from_secs(1)).recover_interval(std::time::Duration::from_millis(100));
    let running_worker = RunningWorker::start(quick);
    eventually(scenario.name, || env.locations("default", "job") == ends_in);
    let next = env.queue("default").enqueue("add", (1, 1)).unwrap();
    running_worker.wait_for_finish(next.id());
    running_worker.stop();
    assert_eq!(env.locations("default", "job"), ends_in, "{} at {point} {cut:?}", scenario.name);
    let runs = runs(&book);
    let attempts = if scenario.name == "retry" { 2 } else { 1 };
    let fewest = if is_canceled { 0 } else { attempts };
    assert!((fewest..=attempts + 1).contains(&runs), "{} at {point} {cut:?}: {runs} runs", scenario.name);
    before
}

fn kill(pid: Option<&str>) {
    if let Some(pid) = pid {
        let _ = Command::new("kill").args(["-9", pid]).status();
    }
}

fn runs(book: &Path) -> usize {
    std::fs::read_to_string(book).unwrap_or_default().lines().count()
}

#[test]
fn a_worker_killed_at_any_command_loses_nothing_and_runs_a_job_twice_at_most() {
    std::thread::scope(|scope| {
        for scenario in &SCENARIOS {
            for cut in [Fault::CutBefore, Fault::CutAfter] {
                scope.spawn(move || {
                    let mut point = 0;
                    // The last point is beyond the last command: no worker is killed.
                    while run_to(scenario, point, cut) > point {
                        point += 1;
                        assert!(point < 40, "{}: no end of commands", scenario.name);
                    }
                    println!("{} {cut:?}: {point} points", scenario.name);
                    assert!(point >= 2, "{}: only {point} commands", scenario.name);
                });
            }
        }
    });
}

#[test]
fn a_job_canceled_while_its_worker_dies_stays_canceled() {
    let env = TestEnv::new();
    let mut worker = env.start(&["worker", "--lease", "1s", "--exec", "job=sleep 60"]);
    let id = env.cli(&["enqueue", "job"]).ok();
    worker.wait_for_stderr(&id);
    worker.signal("KILL");
    env.cli(&["job", "cancel", &id]).ok();
    let running_worker = RunningWorker::start(
        env.worker(&["default"])
            .handler("job", |_: &Context, (): ()| Ok("must not run"))
            .lease(std::time::Duration::from_secs(1))
            .recover_interval(std::time::Duration::from_millis(100)),
    );
    let next = env.queue("default").enqueue("add", (1, 1)).unwrap();
    running_worker.wait_for_finish(next.id());
    running_worker.stop();
    assert_eq!(env.locations("default", &id), ["canceled"]);
}
