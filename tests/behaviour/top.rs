//! `rq-rs top` in a real terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rq_rs::NewJob;

use crate::support::{Fault, Gate, Proxy, RunningWorker, Terminal, TestEnv, eventually};

const USUAL: (u16, u16) = (100, 30);

/// Makes this many jobs that failed with an error.
fn fail(env: &TestEnv, n: usize, why: &str) {
    env.queue("default").enqueue_many((0..n).map(|_| NewJob::new("fail", why))).unwrap();
    env.drain(env.worker(&["default"]));
}

fn count(env: &TestEnv, place: &str) -> usize {
    let queue = env.queue("default");
    if place == "queued" { queue.count().unwrap() } else { queue.failed().count().unwrap() }
}

#[test]
fn top_shows_queues_workers_running_and_failed_jobs() {
    let env = TestEnv::new();
    fail(&env, 3, "no such 사용자");
    fail(&env, 1, "boom");
    env.queue("mail").enqueue_many((0..12).map(|n| NewJob::new("add", (n, 1)))).unwrap();
    let gate = Gate::default();
    let behind = gate.clone();
    let worker = env.worker(&["slow"]).handler("wait", move |_: &rq_rs::Context, _: u8| {
        behind.wait();
        Ok(())
    });
    let running_worker = RunningWorker::start(worker.name("ada"));
    let job = env.queue("slow").enqueue("wait", 7).unwrap();
    running_worker.wait_for_start(job.id());

    let top = Terminal::with_top(&env, USUAL, "");
    let text = top.wait_for_text("last hour, by minute: 0 ok, 4 failed");
    let row = |name: &str| {
        text.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(row("mail")[..5], ["mail", "12", "0", "0", "0"], "{text}");
    assert_eq!(row("default")[..4], ["default", "0", "0", "4"], "{text}");
    assert_eq!(row("slow")[..3], ["slow", "0", "1"], "{text}");
    assert!(text.contains("12 waiting  1 running  4 failed  1 worker"), "{text}");
    top.keys(&["2"]);
    top.wait_for_text("runs wait");
    assert!(top.text().lines().any(|line| line.starts_with("ada ")), "{}", top.text());
    top.keys(&["Tab"]);
    top.wait_for_text(job.id());
    top.keys(&["Right"]);
    let text = top.wait_for_text("no such 사용자");
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(" fail ")).collect();
    assert!(lines[0].trim_start().starts_with("3 ") && lines[1].trim_start().starts_with("1 "), "{text}");
    // A wide character takes two cells, and the columns after it stay aligned.
    let column = |line: &str| {
        line.split(" fail ").next().unwrap().chars().map(|c| 1 + usize::from(c >= '\u{1100}')).sum::<usize>()
    };
    assert_eq!(column(lines[0]), column(lines[1]), "{text}");
    gate.open();
    running_worker.wait_for_finish(job.id());
    top.keys(&["3"]);
    top.wait_for_text("nothing runs");
    running_worker.stop();
}

#[test]
fn top_shows_only_the_named_queues() {
    let env = TestEnv::new();
    for name in ["mail", "other"] {
        env.queue(name).enqueue("add", (1, 1)).unwrap();
    }
    let top = Terminal::with_top(&env, USUAL, "mail");
    top.wait_for_text("mail  ");
    assert!(!top.text().contains("other"), "{}", top.text());
}

#[test]
fn a_key_suspends_and_resumes_the_selected_queue() {
    let env = TestEnv::new();
    for name in ["first", "second"] {
        env.queue(name).enqueue("add", (1, 1)).unwrap();
    }
    let top = Terminal::with_top(&env, USUAL, "");
    top.wait_for_text("second");
    top.keys(&["Down", "p"]);
    top.wait_for_text("second is suspended: no job of it starts");
    assert!(env.queue("second").is_suspended().unwrap());
    assert!(!env.queue("first").is_suspended().unwrap());
    eventually("the row says so", || {
        top.text().lines().any(|line| line.starts_with("second") && line.trim_end().ends_with("suspended"))
    });
    top.keys(&["p"]);
    top.wait_for_text("second goes on");
    assert!(!env.queue("second").is_suspended().unwrap());
}

#[test]
fn a_group_of_failed_jobs_is_requeued_after_confirmation() {
    let env = TestEnv::new();
    fail(&env, 7, "boom");
    fail(&env, 2, "boom, and more");
    let top = Terminal::with_top(&env, USUAL, "");
    top.keys(&["4"]);
    top.wait_for_text("boom, and more");
    top.keys(&["r"]);
    top.wait_for_text("requeue 7 failed jobs of default: fail failed: boom?");
    top.keys(&["n"]);
    top.wait_for_text("nothing is done");
    assert_eq!((count(&env, "queued"), count(&env, "failed")), (0, 9));
    top.keys(&["r"]);
    top.wait_for_text("requeue 7 failed jobs of default: fail failed: boom?");
    top.keys(&["y"]);
    top.wait_for_text("\n7 jobs requeued");
    assert_eq!((count(&env, "queued"), count(&env, "failed")), (7, 2));
    env.drain(env.worker(&["default"]));
    assert_eq!(count(&env, "failed"), 9);
}

#[test]
fn a_group_of_failed_jobs_is_deleted_and_no_other_job() {
    let env = TestEnv::new();
    fail(&env, 250, "boom");
    fail(&env, 2, "boom, and more");
    let top = Terminal::with_top(&env, USUAL, "");
    top.keys(&["4"]);
    top.wait_for_text("boom, and more");
    top.keys(&["d"]);
    top.wait_for_text("delete 250 failed jobs of default: fail failed: boom?");
    top.keys(&["y"]);
    top.wait_for_text("\n250 jobs deleted");
    assert_eq!((count(&env, "queued"), count(&env, "failed")), (0, 2));
    top.wait_until_hidden("250 fail failed");
}

#[test]
fn a_bulk_action_can_be_interrupted() {
    let env = TestEnv::new().in_native_dialect();
    fail(&env, 500, "boom");
    env.queue("default").failed().requeue(&["none"]).unwrap(); // Redis knows the script now: no call is repeated
    let (gate, calls) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let (shut, counted) = (gate.clone(), Arc::clone(&calls));
    let proxy = Proxy::start(env.url(), move |words| {
        // Only requeue scripts have three keys.
        if words[0] == "EVALSHA" && words[2] == "3" && counted.fetch_add(1, Ordering::SeqCst) == 1 {
            shut.wait();
        }
        Fault::None
    });
    let top = Terminal::with_top(&env.via(proxy.url()), USUAL, "");
    top.keys(&["4"]);
    top.wait_for_text("500 fail failed: boom");
    top.keys(&["r"]);
    top.wait_for_text("requeue 500 failed jobs");
    top.keys(&["y"]);
    eventually("the second part has begun", || calls.load(Ordering::SeqCst) >= 2);
    top.keys(&["Escape"]);
    top.wait_for_text("ending that");
    gate.open();
    top.wait_for_text("\nended: 400 of 500 jobs requeued");
    assert_eq!((count(&env, "queued"), count(&env, "failed")), (400, 100));
}

#[test]
fn a_running_job_is_canceled_after_confirmation() {
    let env = TestEnv::new();
    let worker = env.worker(&["default"]).handler("wait", |context: &rq_rs::Context, _: u8| {
        eventually("it is canceled", || context.is_canceled());
        Ok(())
    });
    let running_worker = RunningWorker::start(worker);
    let job = env.queue("default").enqueue("wait", 1).unwrap();
    running_worker.wait_for_start(job.id());
    let top = Terminal::with_top(&env, USUAL, "");
    top.keys(&["3"]);
    top.wait_for_text(job.id());
    top.keys(&["c"]);
    top.wait_for_text(&format!("cancel job {}?", job.id()));
    top.keys(&["y"]);
    top.wait_for_text(&format!("{} is canceled", job.id()));
    top.wait_for_text("nothing runs");
    running_worker.stop();
}

#[test]
fn a_worker_is_shut_down_after_confirmation() {
    let env = TestEnv::new();
    let running_worker = RunningWorker::start(env.worker(&["default"]).name("ada"));
    running_worker.wait_until_idle();
    let top = Terminal::with_top(&env, USUAL, "");
    top.keys(&["2"]);
    top.wait_for_text("ada ");
    top.keys(&["z"]);
    top.wait_for_text("ada is told to start no more jobs");
    top.keys(&["Z"]);
    top.wait_for_text("ada is told to go on");
    top.keys(&["S"]);
    top.wait_for_text("tell worker ada to end?");
    top.keys(&["y"]);
    running_worker.join();
    top.wait_for_text("no workers");
}

#[test]
fn top_read_only_changes_nothing() {
    let env = TestEnv::new();
    env.queue("default").enqueue("add", (1, 1)).unwrap();
    let top = Terminal::with_top(&env, USUAL, "--read-only");
    top.wait_for_text("default ");
    top.keys(&["p"]);
    top.wait_for_text("read-only: nothing is changed from here");
    assert!(!env.queue("default").is_suspended().unwrap());
}

#[test]
fn texts_of_jobs_do_not_move_the_cursor() {
    let env = TestEnv::new();
    fail(&env, 1, "\x1b[2J\x1b[1;1HOWNED\x1b]0;title\x07\u{202e}x\u{200f}\r\u{9b}31m");
    env.queue("q\u{202e}x").enqueue("add", (1, 1)).unwrap();
    let top = Terminal::with_top(&env, USUAL, "");
    top.wait_for_text("q\\u{202e}x");
    top.keys(&["4"]);
    let text = top.wait_for_text("\\u{1b}[2J\\u{1b}[1;1HOWNED");
    assert!(text.starts_with("rq-rs top  "), "{text}");
    for odd in ['\x1b', '\x07', '\u{202e}', '\u{200f}', '\u{9b}'] {
        assert!(!text.contains(odd), "{odd:?} in {text}");
    }
    top.keys(&["r"]);
    top.wait_for_text("\ny: yes, other keys: no  requeue 1 failed job of default: fail failed:");
}

#[test]
fn top_works_in_a_terminal_of_any_size() {
    let env = TestEnv::new();
    fail(&env, 1, "boom");
    let top = Terminal::with_top(&env, (80, 24), "");
    top.wait_for_text("failed/h");
    top.resize((40, 10));
    top.wait_until_hidden("failed/h");
    top.wait_for_text("default");
    top.keys(&["?"]);
    top.wait_for_text(" keys ");
    top.keys(&["4"]);
    top.wait_until_hidden(" keys ");
    top.resize((4, 2));
    top.keys(&["4"]);
    top.resize((160, 50));
    top.wait_for_text("boom; first");
    eventually("all of it is drawn anew", || {
        let text = top.text();
        text.starts_with("rq-rs top  ") && text.contains("Space pause") && text.contains("boom; first")
    });
}

#[test]
fn top_survives_an_outage_of_redis() {
    let env = TestEnv::with_own_redis(&["--appendonly", "yes"]);
    fail(&env, 1, "boom");
    let top = Terminal::with_top(&env, USUAL, "");
    top.wait_for_text("default  ");
    env.server().kill();
    let text = top.wait_for_text("Redis is away since");
    assert!(text.contains("default  "), "what was seen last stays: {text}");
    // Keys still work.
    top.keys(&["p"]);
    top.wait_for_text("start one with");
    env.server().launch();
    top.wait_until_hidden("Redis is away since");
    top.keys(&["p"]);
    top.wait_for_text("default is suspended");
    env.server().kill();
    top.wait_for_text("Redis is away since");
    top.keys(&["q"]);
    top.expect_shell("quit");
    // `top` can also start without Redis.
    top.start_top("");
    top.wait_for_text("Redis is away since");
    env.server().launch();
    top.wait_for_text("default  ");
    top.wait_until_hidden("Redis is away since");
}

#[test]
fn a_silent_redis_does_not_block_the_keys_of_top() {
    let env = TestEnv::with_own_redis(&[]);
    env.queue("default").enqueue("add", (1, 1)).unwrap();
    let top = Terminal::with_top(&env, USUAL, "");
    top.wait_for_text("default  ");
    env.server().signal("STOP");
    top.wait_for_text("does not answer");
    top.keys(&["?"]);
    top.wait_for_text(" keys ");
    top.keys(&["2"]);
    top.wait_until_hidden(" keys ");
    env.server().signal("CONT");
    top.wait_until_hidden("does not answer");
    top.keys(&["q"]);
    top.expect_shell("quit");
}

#[test]
fn the_terminal_is_restored_however_top_ends() {
    let env = TestEnv::new();
    let top = Terminal::open(&env, USUAL);
    for way in ["q", "Escape", "C-c", "TERM", "HUP", "INT", "QUIT"] {
        top.start_top("");
        match way {
            "q" | "Escape" | "C-c" => top.keys(&[way]),
            signal => top.signal(signal),
        }
        top.expect_shell(&format!("after-{way}"));
        top.line("echo code-$?");
    }
}

#[test]
fn top_can_be_suspended_and_resumed_by_the_shell() {
    let env = TestEnv::new();
    let top = Terminal::with_top(&env, USUAL, "");
    for way in ["key", "signal"] {
        match way {
            "key" => top.keys(&["C-z"]),
            _ => top.signal("TSTP"),
        }
        top.expect_shell(way);
        top.line("fg");
        eventually("it is back", || top.is_on_other_screen());
        top.wait_for_text("rq-rs top  ");
        top.wait_for_text("no queues yet");
    }
    top.keys(&["q"]);
    top.expect_shell("done");
}

#[test]
fn top_does_not_suspend_without_a_shell() {
    let env = TestEnv::new();
    let top = Terminal::open(&env, USUAL);
    top.line(&format!("exec {} top", env!("CARGO_BIN_EXE_rq-rs")));
    top.wait_for_text("no queues yet");
    top.keys(&["C-z"]);
    top.wait_for_text("there is no shell to go back to");
}

#[test]
fn colours_can_be_switched_off() {
    let env = TestEnv::new();
    fail(&env, 1, "boom");
    let top = Terminal::with_top(&env, USUAL, "");
    top.wait_for_text("1 failed");
    assert!(top.colours().contains("\x1b[38;5;1m"), "{:?}", top.colours());
    top.keys(&["q"]);
    top.expect_shell("first");
    top.line("export NO_COLOR=1");
    top.start_top("");
    top.wait_for_text("1 failed");
    let drawn = top.colours();
    assert!(!drawn.contains("[38;") && !drawn.contains("[48;"), "{drawn:?}");
}

#[test]
fn top_without_a_terminal_names_the_alternative() {
    let env = TestEnv::new();
    let said = env.cli(&["top"]).expect_failure(2);
    assert!(said.contains("needs a terminal") && said.contains("rq-rs info"), "{said}");
    let top = Terminal::open(&env, USUAL);
    top.line(&format!("{} top </dev/null; echo code-$?", env!("CARGO_BIN_EXE_rq-rs")));
    top.wait_for_text("code-2");
    top.line(&format!("{} top 'no\u{7}'; echo code-$?", env!("CARGO_BIN_EXE_rq-rs")));
    top.wait_for_text("code-2");
}
