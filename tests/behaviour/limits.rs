//! Concurrency limits of handlers within one worker.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rq_rs::{Context, Event, NewJob, Worker};

use crate::support::{CallLog, Gate, RunningWorker, TestEnv, eventually, options_file, run_in};

/// A worker whose handler `heavy` waits at a gate; its other handlers do nothing.
fn worker(env: &TestEnv, queues: &[&str], gate: &Gate, calls: &CallLog) -> Worker {
    let (gate, calls, other) = (gate.clone(), calls.clone(), calls.clone());
    env.worker(queues)
        .handler("heavy", move |_: &Context, text: String| {
            calls.record(text);
            gate.wait();
            Ok(())
        })
        .handler("light", move |_: &Context, text: String| {
            other.record(text);
            Ok(())
        })
}

#[test]
fn a_handler_with_a_limit_leaves_the_other_slots_to_other_queues() {
    let (env, gate, calls) = (TestEnv::new(), Gate::default(), CallLog::default());
    let heavy = env.queue("heavy");
    heavy.enqueue_many((0..4).map(|n| NewJob::new("heavy", format!("h{n}")))).unwrap();
    let light = env.queue("light");
    light.enqueue("light", "l0").unwrap();
    let handed_back = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&handed_back);
    let running_worker = RunningWorker::start(
        worker(&env, &["heavy", "light"], &gate, &calls)
            .concurrency(4)
            .handler_concurrency("heavy", 1)
            .on_event(move |event| {
                counting.fetch_add(usize::from(matches!(event, Event::NotBegun { .. })), Ordering::Relaxed);
            }),
    );
    running_worker.wait_for_finish(light.enqueue("light", "l1").unwrap().id());
    // Jobs over the limit wait in their queue for any worker, and are not claimed and returned in a loop.
    eventually("three wait", || heavy.count().unwrap() == 3);
    for n in 2..20 {
        running_worker.wait_for_finish(light.enqueue("light", format!("l{n}")).unwrap().id());
    }
    assert_eq!(heavy.count().unwrap(), 3);
    assert!(handed_back.load(Ordering::Relaxed) <= 3);
    // The queue is watched again for the last job.
    heavy.enqueue("heavy", "h4").unwrap();
    gate.open();
    eventually("all have run", || calls.lines().len() == 25);
    let order: Vec<String> = calls.lines().into_iter().filter(|line| line.starts_with('h')).collect();
    assert_eq!(order, ["h0", "h1", "h2", "h3", "h4"]);
    assert_eq!(running_worker.stop().finished, 25);
}

#[test]
fn jobs_over_the_limit_of_one_worker_run_in_another() {
    let (env, gate, calls) = (TestEnv::new(), Gate::default(), CallLog::default());
    let limited = || worker(&env, &["default"], &gate, &calls).concurrency(3).handler_concurrency("*", 1);
    let queue = env.queue("default");
    queue.enqueue_many((0..2).map(|n| NewJob::new("heavy", n.to_string()))).unwrap();
    let (one, two) = (RunningWorker::start(limited()), RunningWorker::start(limited()));
    eventually("each runs one", || calls.lines().len() == 2);
    gate.open();
    assert_eq!(one.stop().finished + two.stop().finished, 2);
}

#[test]
fn a_burst_worker_runs_all_of_a_limited_handler_before_it_ends() {
    for slots in [3, 32] {
        let env = TestEnv::new();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (now, peak, calls) = (Arc::clone(&running), Arc::clone(&most), CallLog::default());
        let writing = calls.clone();
        env.queue("default")
            .enqueue_many((0..300).map(|n| NewJob::new(["a", "b"][n % 2], n.to_string())))
            .unwrap();
        let work = move |_: &Context, text: String| {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            writing.record(text);
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        };
        let worker = env.worker(&["default"]).concurrency(slots).handler_concurrency("a", 2);
        let free = calls.clone();
        let summary = env.drain(worker.handler("a", work).handler("b", move |_: &Context, text: String| {
            free.record(text);
            Ok(())
        }));
        assert_eq!(summary.finished, 300);
        assert_eq!(calls.lines().into_iter().collect::<HashSet<_>>().len(), 300);
        assert!(most.load(Ordering::SeqCst) <= 2, "{} ran at once", most.load(Ordering::SeqCst));
    }
}

#[test]
fn a_file_can_limit_a_handler() {
    let env = TestEnv::new();
    let (_folder, path) = options_file(
        "[worker]\nburst = true\nconcurrency = 4\n\n[handlers.once]\nconcurrency = 1\n\
         exec = \"sh -c 'mkdir lock && rmdir lock'\"\n",
    );
    let folder = tempfile::tempdir().unwrap();
    let queue = env.queue("default");
    queue.enqueue_many((0..20).map(|_| NewJob::new("once", ()))).unwrap();
    run_in(folder.path(), &format!("rq-rs --config {path} worker"), &env.environment()).ok();
    assert_eq!(queue.failed().count().unwrap(), 0);
    let (_folder, path) = options_file("[handlers.once]\nexec = \"cat\"\nconcurrency = 0\n");
    let told = env.cli(&["--config", &path, "worker"]).expect_failure(2);
    assert!(told.contains(":3: concurrency: \"0\" is not a number from 1"), "{told}");
}
