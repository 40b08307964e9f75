//! `rq-rs top`, as somebody at a terminal sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rq_rs::NewJob;

use crate::support::{Cut, Door, House, Live, Proxy, Terminal, eventually};

const USUAL: (u16, u16) = (100, 30);

/// So many jobs that failed with this.
fn fail(house: &House, n: usize, why: &str) {
    house.queue("default").enqueue_many((0..n).map(|_| NewJob::new("fail", why))).unwrap();
    house.drain(house.worker(&["default"]));
}

fn count(house: &House, place: &str) -> usize {
    let queue = house.queue("default");
    if place == "queued" { queue.count().unwrap() } else { queue.failed().count().unwrap() }
}

#[test]
fn queues_workers_running_and_failed_jobs_are_seen() {
    let house = House::new();
    fail(&house, 3, "no such 사용자");
    fail(&house, 1, "boom");
    house.queue("mail").enqueue_many((0..12).map(|n| NewJob::new("add", (n, 1)))).unwrap();
    let door = Door::default();
    let behind = door.clone();
    let worker = house.worker(&["slow"]).handler("wait", move |_: &rq_rs::Context, _: u8| {
        behind.wait();
        Ok(())
    });
    let live = Live::start(worker.name("ada"));
    let job = house.queue("slow").enqueue("wait", 7).unwrap();
    live.sees_started(job.id());

    let top = Terminal::with_top(&house, USUAL, "");
    let text = top.shows("last hour, by minute: 0 ok, 4 failed");
    let row = |name: &str| {
        text.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(row("mail")[..5], ["mail", "12", "0", "0", "0"], "{text}");
    assert_eq!(row("default")[..4], ["default", "0", "0", "4"], "{text}");
    assert_eq!(row("slow")[..3], ["slow", "0", "1"], "{text}");
    assert!(text.contains("12 waiting  1 running  4 failed  1 worker"), "{text}");
    top.keys(&["2"]);
    top.shows("runs wait");
    assert!(top.text().lines().any(|line| line.starts_with("ada ")), "{}", top.text());
    top.keys(&["Tab"]);
    top.shows(job.id());
    top.keys(&["Right"]);
    let text = top.shows("no such 사용자");
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(" fail ")).collect();
    assert!(lines[0].trim_start().starts_with("3 ") && lines[1].trim_start().starts_with("1 "), "{text}");
    // A wide character takes two cells, and what follows it stands where it should.
    let column = |line: &str| {
        line.split(" fail ").next().unwrap().chars().map(|c| 1 + usize::from(c >= '\u{1100}')).sum::<usize>()
    };
    assert_eq!(column(lines[0]), column(lines[1]), "{text}");
    door.open();
    live.sees_finished(job.id());
    top.keys(&["3"]);
    top.shows("nothing runs");
    live.stops();
}

#[test]
fn only_the_queues_that_were_named_are_seen() {
    let house = House::new();
    for name in ["mail", "other"] {
        house.queue(name).enqueue("add", (1, 1)).unwrap();
    }
    let top = Terminal::with_top(&house, USUAL, "mail");
    top.shows("mail  ");
    assert!(!top.text().contains("other"), "{}", top.text());
}

#[test]
fn a_key_suspends_the_selected_queue_and_lets_it_go_on() {
    let house = House::new();
    for name in ["first", "second"] {
        house.queue(name).enqueue("add", (1, 1)).unwrap();
    }
    let top = Terminal::with_top(&house, USUAL, "");
    top.shows("second");
    top.keys(&["Down", "p"]);
    top.shows("second is suspended: no job of it starts");
    assert!(house.queue("second").is_suspended().unwrap());
    assert!(!house.queue("first").is_suspended().unwrap());
    eventually("the row says so", || {
        top.text().lines().any(|line| line.starts_with("second") && line.trim_end().ends_with("suspended"))
    });
    top.keys(&["p"]);
    top.shows("second goes on");
    assert!(!house.queue("second").is_suspended().unwrap());
}

#[test]
fn a_group_of_failed_jobs_is_requeued_after_a_yes() {
    let house = House::new();
    fail(&house, 7, "boom");
    fail(&house, 2, "boom, and more");
    let top = Terminal::with_top(&house, USUAL, "");
    top.keys(&["4"]);
    top.shows("boom, and more");
    top.keys(&["r"]);
    top.shows("requeue 7 failed jobs of default: fail failed: boom?");
    top.keys(&["n"]);
    top.shows("nothing is done");
    assert_eq!((count(&house, "queued"), count(&house, "failed")), (0, 9));
    top.keys(&["r"]);
    top.shows("requeue 7 failed jobs of default: fail failed: boom?");
    top.keys(&["y"]);
    top.shows("\n7 jobs requeued");
    assert_eq!((count(&house, "queued"), count(&house, "failed")), (7, 2));
    house.drain(house.worker(&["default"]));
    assert_eq!(count(&house, "failed"), 9);
}

#[test]
fn a_group_of_failed_jobs_is_deleted_and_no_other_one() {
    let house = House::new();
    fail(&house, 250, "boom");
    fail(&house, 2, "boom, and more");
    let top = Terminal::with_top(&house, USUAL, "");
    top.keys(&["4"]);
    top.shows("boom, and more");
    top.keys(&["d"]);
    top.shows("delete 250 failed jobs of default: fail failed: boom?");
    top.keys(&["y"]);
    top.shows("\n250 jobs deleted");
    assert_eq!((count(&house, "queued"), count(&house, "failed")), (0, 2));
    top.hides("250 fail failed");
}

#[test]
fn what_is_done_to_many_can_be_interrupted() {
    let house = House::new().native();
    fail(&house, 500, "boom");
    let (door, calls) = (Door::default(), Arc::new(AtomicUsize::new(0)));
    let (shut, counted) = (door.clone(), Arc::clone(&calls));
    let proxy = Proxy::start(house.url(), move |words| {
        // Requeues are the only scripts of three keys that it calls.
        if words[0] == "EVALSHA" && words[2] == "3" && counted.fetch_add(1, Ordering::SeqCst) == 1 {
            shut.wait();
        }
        Cut::No
    });
    let top = Terminal::with_top(&house.through(proxy.url()), USUAL, "");
    top.keys(&["4"]);
    top.shows("500 fail failed: boom");
    top.keys(&["r"]);
    top.shows("requeue 500 failed jobs");
    top.keys(&["y"]);
    eventually("the second part has begun", || calls.load(Ordering::SeqCst) >= 2);
    top.keys(&["Escape"]);
    top.shows("ending that");
    door.open();
    top.shows("\nended: 400 of 500 jobs requeued");
    assert_eq!((count(&house, "queued"), count(&house, "failed")), (400, 100));
}

#[test]
fn a_job_that_runs_is_canceled_after_a_yes() {
    let house = House::new();
    let worker = house.worker(&["default"]).handler("wait", |context: &rq_rs::Context, _: u8| {
        eventually("it is canceled", || context.is_canceled());
        Ok(())
    });
    let live = Live::start(worker);
    let job = house.queue("default").enqueue("wait", 1).unwrap();
    live.sees_started(job.id());
    let top = Terminal::with_top(&house, USUAL, "");
    top.keys(&["3"]);
    top.shows(job.id());
    top.keys(&["c"]);
    top.shows(&format!("cancel job {}?", job.id()));
    top.keys(&["y"]);
    top.shows(&format!("{} is canceled", job.id()));
    top.shows("nothing runs");
    live.stops();
}

#[test]
fn a_worker_is_told_to_end_after_a_yes() {
    let house = House::new();
    let live = Live::start(house.worker(&["default"]).name("ada"));
    live.sees_idle();
    let top = Terminal::with_top(&house, USUAL, "");
    top.keys(&["2"]);
    top.shows("ada ");
    top.keys(&["z"]);
    top.shows("ada is told to start no more jobs");
    top.keys(&["Z"]);
    top.shows("ada is told to go on");
    top.keys(&["S"]);
    top.shows("tell worker ada to end?");
    top.keys(&["y"]);
    live.ends();
    top.shows("no workers");
}

#[test]
fn read_only_changes_nothing() {
    let house = House::new();
    house.queue("default").enqueue("add", (1, 1)).unwrap();
    let top = Terminal::with_top(&house, USUAL, "--read-only");
    top.shows("default ");
    top.keys(&["p"]);
    top.shows("read-only: nothing is changed from here");
    assert!(!house.queue("default").is_suspended().unwrap());
}

#[test]
fn texts_of_jobs_do_not_move_the_cursor() {
    let house = House::new();
    fail(&house, 1, "\x1b[2J\x1b[1;1HOWNED\x1b]0;title\x07\u{202e}x\u{200f}\r\u{9b}31m");
    house.queue("q\u{202e}x").enqueue("add", (1, 1)).unwrap();
    let top = Terminal::with_top(&house, USUAL, "");
    top.shows("q\\u{202e}x");
    top.keys(&["4"]);
    let text = top.shows("\\u{1b}[2J\\u{1b}[1;1HOWNED");
    assert!(text.starts_with("rq-rs top  "), "{text}");
    for odd in ['\x1b', '\x07', '\u{202e}', '\u{200f}', '\u{9b}'] {
        assert!(!text.contains(odd), "{odd:?} in {text}");
    }
    top.keys(&["r"]);
    top.shows("\ny: yes, other keys: no  requeue 1 failed job of default: fail failed:");
}

#[test]
fn any_size_will_do() {
    let house = House::new();
    fail(&house, 1, "boom");
    let top = Terminal::with_top(&house, (80, 24), "");
    top.shows("failed/h");
    top.resize((40, 10));
    top.hides("failed/h");
    top.shows("default");
    top.keys(&["?"]);
    top.shows(" keys ");
    top.keys(&["4"]);
    top.hides(" keys ");
    top.resize((4, 2));
    top.keys(&["4"]);
    top.resize((160, 50));
    top.shows("Space pause");
    let text = top.shows("boom; first");
    assert!(text.starts_with("rq-rs top  ") && text.contains("Space pause"), "{text}");
}

#[test]
fn redis_may_go_and_come_back() {
    let house = House::with_own_redis(&["--appendonly", "yes"]);
    fail(&house, 1, "boom");
    let top = Terminal::with_top(&house, USUAL, "");
    top.shows("default  ");
    house.server().kill();
    let text = top.shows("Redis is away since");
    assert!(text.contains("default  "), "what was seen last stays: {text}");
    // Keys are heard all the same.
    top.keys(&["p"]);
    top.shows("start one with");
    house.server().launch();
    top.hides("Redis is away since");
    top.keys(&["p"]);
    top.shows("default is suspended");
    house.server().kill();
    top.shows("Redis is away since");
    top.keys(&["q"]);
    top.has_a_shell("quit");
    // It can also begin like that.
    top.starts_top("");
    top.shows("Redis is away since");
    house.server().launch();
    top.shows("default  ");
    top.hides("Redis is away since");
}

#[test]
fn a_redis_that_is_silent_keeps_nobody_from_pressing_keys() {
    let house = House::with_own_redis(&[]);
    house.queue("default").enqueue("add", (1, 1)).unwrap();
    let top = Terminal::with_top(&house, USUAL, "");
    top.shows("default  ");
    house.server().signal("STOP");
    top.shows("does not answer");
    top.keys(&["?"]);
    top.shows(" keys ");
    top.keys(&["2"]);
    top.hides(" keys ");
    house.server().signal("CONT");
    top.hides("does not answer");
    top.keys(&["q"]);
    top.has_a_shell("quit");
}

#[test]
fn the_terminal_is_given_back_however_it_ends() {
    let house = House::new();
    let top = Terminal::open(&house, USUAL);
    for way in ["q", "Escape", "C-c", "TERM", "HUP", "INT", "QUIT"] {
        top.starts_top("");
        match way {
            "q" | "Escape" | "C-c" => top.keys(&[way]),
            signal => top.signal(signal),
        }
        top.has_a_shell(&format!("after-{way}"));
        top.line("echo code-$?");
    }
}

#[test]
fn it_goes_to_the_background_and_comes_back() {
    let house = House::new();
    let top = Terminal::with_top(&house, USUAL, "");
    for way in ["key", "signal"] {
        match way {
            "key" => top.keys(&["C-z"]),
            _ => top.signal("TSTP"),
        }
        top.has_a_shell(way);
        top.line("fg");
        eventually("it is back", || top.is_on_other_screen());
        top.shows("rq-rs top  ");
        top.shows("no queues yet");
    }
    top.keys(&["q"]);
    top.has_a_shell("done");
}

#[test]
fn where_no_shell_could_wake_it_it_does_not_sleep() {
    let house = House::new();
    let top = Terminal::open(&house, USUAL);
    top.line(&format!("exec {} top", env!("CARGO_BIN_EXE_rq-rs")));
    top.shows("no queues yet");
    top.keys(&["C-z"]);
    top.shows("there is no shell to go back to");
}

#[test]
fn colours_are_for_those_who_want_them() {
    let house = House::new();
    fail(&house, 1, "boom");
    let top = Terminal::with_top(&house, USUAL, "");
    top.shows("1 failed");
    assert!(top.colours().contains("\x1b[38;5;1m"), "{:?}", top.colours());
    top.keys(&["q"]);
    top.has_a_shell("first");
    top.line("export NO_COLOR=1");
    top.starts_top("");
    top.shows("1 failed");
    let drawn = top.colours();
    assert!(!drawn.contains("[38;") && !drawn.contains("[48;"), "{drawn:?}");
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    let house = House::new();
    let said = house.rq(&["top"]).fails(2);
    assert!(said.contains("needs a terminal") && said.contains("rq-rs info"), "{said}");
    let top = Terminal::open(&house, USUAL);
    top.line(&format!("{} top </dev/null; echo code-$?", env!("CARGO_BIN_EXE_rq-rs")));
    top.shows("code-2");
    top.line(&format!("{} top 'no\u{7}'; echo code-$?", env!("CARGO_BIN_EXE_rq-rs")));
    top.shows("code-2");
}
