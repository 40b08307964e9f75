//! Work horses: a handler that misbehaves costs its own job only.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rq_rs::{Context, Error, Handlers, NewJob, Retry, Run, Status};
use serde_json::{Value, json};

use crate::support::{Process, TestEnv, WAIT_LIMIT, build_example, eventually};

/// Path of the application in `tests/fixtures/misbehaving`.
fn misbehaving() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build_example("misbehaving"))
}

fn start(env: &TestEnv, words: &[&str]) -> Process {
    let mut command = Command::new(misbehaving());
    command.args(["worker", "--isolate"]).args(words);
    if !words.contains(&"-c") {
        command.args(["-c", "1"]);
    }
    Process::spawn(command, &env.environment())
}

/// Runs all queued jobs.
fn drain(env: &TestEnv, words: &[&str]) {
    start(env, &[&["--burst"], words].concat()).finish("").ok();
}

/// Runs one job, and returns its final record.
fn run(env: &TestEnv, words: &[&str], job: NewJob) -> rq_rs::Job {
    let queue = env.queue("default");
    let id = queue.enqueue_job(job).unwrap().id().to_owned();
    drain(env, words);
    queue.job(&id).unwrap()
}

fn is_alive(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !state.is_empty() && !state.contains(") Z ")
}

/// Waits for a file that a handler writes, and returns its text.
fn written(file: &Path) -> String {
    eventually("the handler has begun", || std::fs::read_to_string(file).is_ok_and(|text| !text.is_empty()));
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn a_crash_ends_one_job_with_its_true_reason_and_the_next_one_runs() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let cases = [
        ("abort", json!([]), "abort was killed by signal 6 SIGABRT"),
        ("signal", json!([11]), "signal was killed by signal 11 SIGSEGV"),
        ("signal", json!([9]), "signal was killed by signal 9 SIGKILL (possible out-of-memory kill)"),
        ("exit", json!([0]), "exit exited with code 0 in the middle of the job"),
        ("exit", json!([3]), "exit exited with code 3 in the middle of the job"),
        ("exit", json!([75]), "exit exited with code 75 in the middle of the job"),
        (
            "devour",
            json!([]),
            "devour was killed by signal 6 SIGABRT (out of memory: a work horse may use 300 MiB): memory allocation of",
        ),
        (
            "close everything",
            json!([]),
            "close everything closed its connection to the worker, and was killed",
        ),
        ("panic", json!([]), "panic panicked at tests/fixtures/misbehaving/main.rs"),
        ("large", json!([2_000_000]), "the result of large is 20000"),
        ("give up", json!([]), "give up failed: no"),
        ("nobody", json!([]), "this worker has no handler named \"nobody\""),
    ];
    let mut ids = Vec::new();
    for (handler, args, _) in &cases {
        let args = args.as_array().unwrap();
        let job = match args.first() {
            Some(one) => NewJob::new(*handler, one),
            None => NewJob::new(*handler, ()),
        };
        ids.push(queue.enqueue_job(job).unwrap().id().to_owned());
        ids.push(queue.enqueue("add", (1, 2)).unwrap().id().to_owned());
    }
    drain(&env, &["--horse-memory", "300M"]);
    for (pair, (handler, _, reason)) in ids.chunks(2).zip(&cases) {
        let job = queue.job(&pair[0]).unwrap();
        let error = job.exc_info.as_deref().unwrap_or_default();
        assert!(error.starts_with(reason), "{handler}: {error}");
        assert_eq!(queue.job(&pair[1]).unwrap().returned(), Ok(3), "after {handler}");
    }
}

#[test]
fn a_crash_is_tried_again_where_the_job_says_so() {
    let env = TestEnv::new();
    let job = NewJob::new("abort", ()).retry(Retry::every(Duration::ZERO, 2));
    let job = run(&env, &[], job);
    assert_eq!((job.status, job.number_of_retries), (Status::Failed, 2));
    let job = run(&env, &[], NewJob::new("later", ()));
    assert_eq!(job.status, Status::Scheduled);
}

#[test]
fn a_deadline_ends_the_whole_process_group_and_the_slot_goes_on() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let hang = NewJob::new("fork and hang", pids.to_str().unwrap()).timeout(Duration::from_secs(1));
    let spin = NewJob::new("spin", ()).timeout(Duration::from_secs(1));
    let stubborn = NewJob::new("stubborn", ()).timeout(Duration::from_secs(1));
    let ids = [hang, spin, stubborn].map(|job| queue.enqueue_job(job).unwrap().id().to_owned());
    let next = queue.enqueue("add", (1, 2)).unwrap();
    drain(&env, &["--kill-after", "1s"]);
    let jobs = ids.map(|id| queue.job(&id).unwrap());
    let reasons = jobs.each_ref().map(|job| job.exc_info.as_deref().unwrap());
    assert_eq!(
        reasons,
        [
            "fork and hang timed out after 1 s",
            "spin timed out after 1 s",
            "stubborn timed out after 1 s, ignored TERM and was killed 1 s later",
        ]
    );
    for (job, allowed) in jobs.iter().zip([1.0, 1.0, 2.0]) {
        let took = (job.ended_at.unwrap() - job.started_at.unwrap()).as_seconds_f64();
        assert!((allowed..allowed + 1.0).contains(&took), "{took} s");
    }
    for pid in written(&pids).split(' ') {
        eventually("it is gone", || !is_alive(pid));
    }
    assert_eq!(next.wait::<i64>(Duration::ZERO), Ok(3));
}

#[test]
fn one_work_horse_runs_many_jobs_until_it_is_recycled() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let pids = |words: &[&str], jobs: usize| {
        let ids = queue.enqueue_many((0..jobs).map(|_| NewJob::new("pid", ()))).unwrap().ids;
        drain(&env, words);
        let mut pids: Vec<u32> = ids.iter().map(|id| queue.job(id).unwrap().returned().unwrap()).collect();
        pids.dedup();
        pids.len()
    };
    assert_eq!(pids(&[], 20), 1);
    assert_eq!(pids(&["--horse-max-jobs", "5"], 20), 4);
    assert_eq!(pids(&["--horse-recycle", "1M"], 5), 5);
    assert_eq!(pids(&["--horse-recycle", "1G"], 5), 1);
}

#[test]
fn a_work_horse_does_not_see_the_redis_url() {
    let env = TestEnv::new();
    let job = run(&env, &[], NewJob::new("environment", ()));
    let text = job.returned::<Value>().unwrap().to_string();
    assert!(text.contains("rq-rs horse of ") && text.contains("PATH="), "{text}");
    for word in ["REDIS", "unix://", "redis", ".sock"] {
        let path = std::env::var("PATH").unwrap_or_default();
        assert!(path.contains(word) || !text.contains(word), "{word} in {text}");
    }
}

#[test]
fn the_last_64_kib_that_a_job_prints_are_kept() {
    let env = TestEnv::new();
    let job = run(&env, &[], NewJob::new("shout", 100_000_000));
    assert_eq!(job.returned(), Ok(100_000_000));
    let log = job.log.as_deref().unwrap();
    assert!(log.ends_with("xxx\nthe end") && log.len() <= 64 * 1024 && log.len() > 60_000, "{}", log.len());
    let job = run(&env, &[], NewJob::new("add", (1, 2)));
    assert_eq!(job.log, None, "the next job has a log of its own");
    let job = run(&env, &[], NewJob::new("say", (3, "no more")));
    assert_eq!(env.cli(&["job", "logs", job.id()]).ok(), "line 0\nline 1\nline 2");
    assert!(env.cli(&["job", "logs", "nobody"]).expect_failure(1).contains("no job with id nobody"));
}

#[test]
fn the_log_of_a_running_job_can_be_followed() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let job = queue.enqueue("say", (600, "go")).unwrap();
    let worker = start(&env, &["--burst"]);
    eventually("it has begun", || queue.job(job.id()).unwrap().log.is_some());
    let followed = env.cli(&["job", "logs", "-f", job.id()]).ok();
    let expected: Vec<String> = (0..600).map(|n| format!("line {n}")).collect();
    assert_eq!(followed.lines().collect::<Vec<_>>(), expected);
    worker.finish("").ok();
}

#[test]
fn a_running_job_is_stopped_canceled_or_killed_with_its_process() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let folder = tempfile::tempdir().unwrap();
    let mut worker = start(&env, &["--name", "stable"]);
    let begin = |name: &str| {
        let file = folder.path().join(name);
        let job = queue.enqueue("fork and hang", file.to_str().unwrap()).unwrap();
        (job.id().to_owned(), written(&file))
    };
    let gone = |pids: &str| pids.split(' ').for_each(|pid| eventually("it is gone", || !is_alive(pid)));

    let (stopped, pids) = begin("stopped");
    env.wait_for_subscription();
    env.cli(&["job", "stop", &stopped]).ok();
    worker.wait_for_stderr("stopped by user");
    gone(&pids);
    let job = queue.job(&stopped).unwrap();
    assert_eq!((job.status, env.locations("default", &stopped)), (Status::Stopped, vec!["failed"]));

    let (canceled, pids) = begin("canceled");
    let said = env.cli(&["job", "cancel", &canceled]).ok();
    assert!(said.contains("its process is ended"), "{said}");
    gone(&pids);
    assert_eq!(env.locations("default", &canceled), ["canceled"]);

    let (killed, pids) = begin("killed");
    env.cli(&["kill-horse", "stable"]).ok();
    worker.wait_for_stderr("kill-horse");
    gone(&pids);
    assert_eq!(queue.job(&killed).unwrap().status, Status::Failed);
    let next = queue.enqueue("add", (1, 2)).unwrap();
    assert_eq!(next.wait::<i64>(WAIT_LIMIT), Ok(3));
}

#[test]
fn a_terminated_worker_ends_its_work_horse_and_puts_the_job_back() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let job = queue.enqueue("fork and hang", file.to_str().unwrap()).unwrap();
    let worker = start(&env, &["--grace", "0.2s"]);
    let pids = written(&file);
    worker.signal("TERM");
    assert_eq!(worker.finish("").code, Some(4));
    pids.split(' ').for_each(|pid| assert!(!is_alive(pid)));
    let job = queue.job(job.id()).unwrap();
    assert_eq!((job.status, env.locations("default", job.id())), (Status::Queued, vec!["queue"]));
    assert_eq!(job.deliveries, 0);
}

#[test]
fn a_worker_that_is_killed_leaves_no_process_behind() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let folder = tempfile::tempdir().unwrap();
    let in_folder = |name: &str| folder.path().join(name).display().to_string();
    let program = format!("sh -c 'sleep 1000 & echo $$ $! > {}; wait'", in_folder("program"));
    let server = format!("sh -c 'setsid sleep 1000 & echo $$ $! > {}; read job; wait'", in_folder("server"));
    let exec = format!("program={program}");
    let exec_server = format!("server={server}");
    let worker = start(&env, &["-c", "4", "--exec", &exec, "--exec-server", &exec_server]);
    queue.enqueue("fork and hang", in_folder("horse")).unwrap();
    queue.enqueue("program", ()).unwrap();
    queue.enqueue("server", ()).unwrap();
    // An idle work horse.
    assert_eq!(queue.enqueue("add", (1, 2)).unwrap().wait::<i64>(WAIT_LIMIT), Ok(3));
    let pids: Vec<String> = ["horse", "program", "server"]
        .iter()
        .flat_map(|name| {
            written(Path::new(&in_folder(name))).split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert!(pids.iter().all(|pid| is_alive(pid)) && pids.len() == 6, "{pids:?}");
    let listed = Command::new("ps").args(["-o", "pid=", "--ppid", &worker.pid()]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let all: Vec<&str> = listed.split_whitespace().collect();
    assert!(all.len() >= 5, "two horses, a program, a server and the keeper: {all:?}");
    worker.signal("KILL");
    for pid in pids.iter().map(String::as_str).chain(all) {
        eventually(&format!("{pid} is gone"), || !is_alive(pid));
    }
}

#[test]
fn signals_of_the_terminal_do_not_reach_work_horses() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let worker = start(&env, &[]);
    let horse: u32 = queue.enqueue("pid", ()).unwrap().wait(WAIT_LIMIT).unwrap();
    let group = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit(") ").next().unwrap().split(' ').nth(2).unwrap().to_owned()
    };
    assert_eq!(group(&horse.to_string()), horse.to_string());
    assert_ne!(group(&worker.pid()), horse.to_string());
}

#[test]
fn a_thousand_crashes_leak_nothing() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let worker = start(&env, &["-q", "-c", "2"]);
    let count = |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", worker.pid())).unwrap().count();
    let crash = |jobs: usize| {
        queue
            .enqueue_many((0..jobs).map(|n| match n % 3 {
                0 => NewJob::new("signal", 9),
                1 => NewJob::new("exit", 0),
                _ => NewJob::new("fork", ()),
            }))
            .unwrap();
        let last = queue.enqueue("add", (1, 2)).unwrap();
        assert_eq!(last.wait::<i64>(WAIT_LIMIT * 4), Ok(3));
    };
    let is_idle = || env.redis::<usize>(&["ZCARD", &env.key("wip:default")]) == 0;
    let folder = tempfile::tempdir().unwrap();
    // Both slots have a work horse while descriptors and threads are counted.
    let with_busy_slots = |name: &str, check: &dyn Fn()| {
        eventually("it is idle", is_idle);
        let files = [1, 2].map(|n| folder.path().join(format!("{name}{n}")));
        let jobs = files.each_ref().map(|file| queue.enqueue("fork and hang", file.to_str()).unwrap());
        files.iter().for_each(|file| drop(written(file)));
        check();
        for mut job in jobs {
            job.cancel().unwrap();
        }
    };
    crash(50);
    let before = std::cell::Cell::new((0, 0));
    with_busy_slots("before", &|| before.set((count("fd"), count("task"))));
    crash(1000);
    let before = before.get();
    let is_clean = || count("fd") <= before.0 + 2 && count("task") <= before.1 + 2;
    with_busy_slots("after", &|| eventually("nothing has leaked", is_clean));
}

#[test]
fn a_worker_starts_work_horses_of_its_own_version_after_an_upgrade() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    std::fs::copy(misbehaving(), &program).unwrap();
    let mut command = Command::new(&program);
    command.args(["worker", "--isolate", "--horse-max-jobs", "1", "-c", "1"]);
    let _worker = Process::spawn(command, &env.environment());
    assert_eq!(queue.enqueue("add", (1, 2)).unwrap().wait::<i64>(WAIT_LIMIT), Ok(3));
    std::fs::remove_file(&program).unwrap();
    std::fs::write(&program, "not a program").unwrap();
    assert_eq!(queue.enqueue("add", (3, 4)).unwrap().wait::<i64>(WAIT_LIMIT), Ok(7));
}

#[test]
fn meta_saved_in_a_work_horse_is_stored() {
    let env = TestEnv::new();
    let job = run(&env, &[], NewJob::new("save", 7));
    assert_eq!((job.meta.get("n"), job.returned()), (Some(&json!(7)), Ok(7)));
}

#[test]
fn a_program_without_the_work_horse_entry_point_is_refused() {
    let env = TestEnv::new();
    let worker = env.worker(&["default"]).isolate(Run::Processes);
    match worker.run() {
        Err(error @ Error::Invalid { .. }) => {
            assert!(error.hint().unwrap().contains("serve_if_horse"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    let none = Handlers::new().handler("add", |_: &Context, (a, b): (i64, i64)| Ok(a + b));
    assert_eq!(env.worker(&["default"]).handlers(none).burst(true).run().unwrap().finished, 0);
    for (option, value) in [("--horse-memory", "lots"), ("--horse-memory", "0"), ("--kill-after", "soon")] {
        env.cli(&["worker", "--exec", "x=true", option, value]).expect_failure(2);
    }
    let alone = env.cli(&["worker", "--exec", "x=true", "--horse-memory", "512M"]).expect_failure(2);
    assert!(alone.contains("--isolate"), "{alone}");
}

#[test]
fn abandoned_threads_are_counted_and_reported() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let mut command = Command::new(misbehaving());
    command.args(["worker", "-c", "1", "--name", "patient"]);
    let mut worker = Process::spawn(command, &env.environment());
    queue.enqueue_job(NewJob::new("hang", ()).timeout(Duration::from_secs(1))).unwrap();
    worker.wait_for_stderr("as 0 others do");
    eventually("info counts it", || env.cli(&["info"]).ok().contains("patient: 1 thread"));
    let shot = env.cli(&["info", "--json"]).json();
    assert_eq!(shot["workers"][0]["stuck_threads"], 1, "{shot}");
    assert_eq!(queue.enqueue("add", (1, 2)).unwrap().wait::<i64>(WAIT_LIMIT), Ok(3));
}

#[test]
fn stopping_a_whole_service_with_its_processes_loses_no_job() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let job = queue.enqueue("fork and hang", file.to_str().unwrap()).unwrap();
    let worker = start(&env, &[]);
    let horse = written(&file).split(' ').next().unwrap().to_owned();
    // This is what systemd does by default.
    Command::new("kill").args(["-s", "TERM", &worker.pid(), &horse]).status().unwrap();
    assert_eq!(worker.finish("").code, Some(4));
    assert_eq!(env.locations("default", job.id()), ["queue"]);
}

#[test]
fn killing_one_work_horse_fails_its_job() {
    let env = TestEnv::new();
    let job = run(&env, &[], NewJob::new("signal", 15));
    assert_eq!(job.exc_info.as_deref(), Some("signal was ended by signal 15 SIGTERM"));
}

#[test]
fn the_log_of_an_earlier_attempt_is_not_shown_for_the_last_one() {
    let env = TestEnv::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tried");
    let once = format!(
        "*=sh -c 'test -e {0} && exit 0; touch {0}; echo from the first try >&2; exit 1'",
        file.display()
    );
    let id = env.cli(&["enqueue", "once", "--retry-max", "1", "--retry-interval", "0"]).ok();
    env.cli(&["worker", "--burst", "--exec", &once]).ok();
    let job = env.queue("default").job(&id).unwrap();
    assert_eq!((job.status, job.log.as_deref().unwrap_or_default()), (Status::Finished, ""));
}

#[test]
fn a_large_error_and_a_large_meta_pass_through_a_work_horse() {
    let env = TestEnv::new();
    let job = run(&env, &[], NewJob::new("large error", 5_000_000));
    assert!(job.exc_info.as_deref().unwrap().contains("bytes left out"));
    let job = run(&env, &[], NewJob::new("large meta", 5_000_000));
    assert_eq!((job.status, job.meta["text"].as_str().map(str::len)), (Status::Finished, Some(5_000_000)));
}

#[test]
fn max_jobs_is_exact_despite_prefetching() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let short = (0..300).map(|_| NewJob::new("add", (1, 2)));
    let long = (0..40).map(|_| NewJob::new("say", (20, "no more")));
    queue.enqueue_many(short.chain(long).chain((0..100).map(|_| NewJob::new("add", (1, 2))))).unwrap();
    let mut command = Command::new(misbehaving());
    command.args(["worker", "-q", "-c", "16", "--max-jobs", "400"]);
    Process::spawn(command, &env.environment()).finish("").ok();
    assert_eq!((queue.finished().count(), queue.count()), (Ok(400), Ok(40)));
}
