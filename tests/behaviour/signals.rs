//! Signals from a supervisor or a terminal.

use crate::support::{Fault, Proxy, TestEnv, eventually};

const SLEEPER: &str = "sleep=sh -c 'echo $$ >$FOLDER/pid; sleep 60'";

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn an_idle_worker_ends_at_once_with_code_0() {
    for signal in ["INT", "TERM"] {
        let env = TestEnv::new();
        let mut worker = env.start(&["worker", "--exec", "*=cat"]);
        worker.wait_for_stderr("listens on default");
        worker.signal(signal);
        worker.wait_for_stderr("ended");
        assert_eq!(worker.finish("").code, Some(0));
    }
}

#[test]
fn a_signal_during_the_start_is_a_warm_shutdown() {
    let env = TestEnv::new();
    let record = env.key("worker:early");
    let pid = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let known = std::sync::Arc::clone(&pid);
    let mut signals = 1;
    let proxy = Proxy::start(env.url(), move |words| {
        // The worker is interrupted while it waits for this reply.
        if signals > 0 && words[0].starts_with("EVAL") && words.contains(&record) {
            signals -= 1;
            let sent =
                std::process::Command::new("kill").args(["-s", "TERM", known.wait()]).status().unwrap();
            assert!(sent.success());
        }
        Fault::None
    });
    let behind = env.via(proxy.url());
    let worker = behind.start(&["worker", "--exec", "*=cat", "--name", "early"]);
    pid.set(worker.pid()).unwrap();
    assert_eq!(worker.finish("").code, Some(0));
}

#[test]
fn a_hangup_is_a_warm_shutdown_with_a_code_that_supervisors_restart() {
    let env = TestEnv::new();
    for words in [
        &["worker", "--exec", "*=cat"][..],
        &["dashboard", "--listen", "127.0.0.1:0"],
        &["info", "--interval", "1"],
    ] {
        let mut process = env.start(words);
        match words[0] {
            "worker" => drop(process.wait_for_stderr("listens on default")),
            "dashboard" => drop(process.wait_for_stderr("dashboard: http://")),
            _ => eventually("its handlers are there", || catches(&process.pid(), 1)),
        }
        process.signal("HUP");
        assert_eq!(process.finish("").code, Some(129), "{words:?}");
    }
}

/// Returns whether a process has a handler for the signal.
fn catches(pid: &str, signal: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
    u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal - 1) & 1 == 1
}

#[test]
fn a_signal_that_is_ignored_when_the_worker_starts_stays_ignored() {
    for (signal, ignoring) in [("HUP", "nohup"), ("HUP", "trap '' HUP;"), ("INT", "trap '' INT;")] {
        let env = TestEnv::new();
        let script =
            format!("{ignoring} exec rq-rs worker -v --exec '*=cat'").replace("nohup exec", "exec nohup");
        let bin = std::path::Path::new(env!("CARGO_BIN_EXE_rq-rs")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script]).env("PATH", path);
        let mut worker = crate::support::Process::spawn(command, &env.environment());
        worker.wait_for_stderr("idle");
        worker.signal(signal);
        // A worker with a handler for the signal would have ended before this job.
        let id = env.cli(&["enqueue", "job"]).ok();
        worker.wait_for_stderr(&format!("{id} finished"));
        worker.signal("TERM");
        assert_eq!(worker.finish("").code, Some(0), "{ignoring}");
    }
}

#[test]
fn the_last_of_tstp_and_cont_counts() {
    let env = TestEnv::new();
    let mut worker = env.start(&["worker", "-v", "--exec", "job=echo done"]);
    worker.wait_for_stderr("idle");
    let pid = worker.pid();
    let signals = |script: &str| {
        let sent = std::process::Command::new("sh").args(["-c", script, "sh", &pid]).status().unwrap();
        assert!(sent.success());
    };
    for _ in 0..40 {
        signals("kill -TSTP $1; kill -CONT $1");
        let id = env.cli(&["enqueue", "job"]).ok();
        worker.wait_for_stderr(&format!("{id} finished"));
    }
    for _ in 0..20 {
        signals("kill -CONT $1; kill -TSTP $1");
        eventually("it is quiet", || env.cli(&["info", "--json"]).json()["workers"][0]["quiet"] == true);
        signals("kill -CONT $1");
        eventually("it goes on", || env.cli(&["info", "--json"]).json()["workers"][0]["quiet"] == false);
    }
}

#[test]
fn the_first_signal_lets_the_job_end() {
    let env = TestEnv::new();
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let command = format!("wait=sh -c 'until test -e {}; do sleep 0.02; done; echo done'", gate.display());
    let mut worker = env.start(&["worker", "--exec", &command]);
    let id = env.cli(&["enqueue", "wait"]).ok();
    worker.wait_for_stderr(&id);
    worker.signal("TERM");
    worker.wait_for_stderr("stopping");
    std::fs::write(&gate, "").unwrap();
    assert_eq!(worker.finish("").code, Some(0));
    assert_eq!(env.queue("default").job(&id).unwrap().returned::<String>(), Ok("done".into()));
}

#[test]
fn a_second_signal_puts_the_job_back_ends_its_program_and_gives_code_4() {
    let env = TestEnv::new();
    let folder = tempfile::tempdir().unwrap();
    let command = SLEEPER.replace("$FOLDER", &folder.path().display().to_string());
    let mut worker = env.start(&["worker", "--exec", &command]);
    let id = env.cli(&["enqueue", "sleep"]).ok();
    worker.wait_for_stderr(&id);
    let pid_file = folder.path().join("pid");
    eventually("the program runs", || {
        std::fs::read_to_string(&pid_file).is_ok_and(|pid| pid.ends_with('\n'))
    });
    let pid = std::fs::read_to_string(&pid_file).unwrap().trim().to_owned();
    worker.signal("TERM");
    worker.wait_for_stderr("stopping");
    // A second signal within a second of the first is ignored, so the test sends it until it counts.
    eventually("the job is put back", || {
        worker.signal("TERM");
        env.locations("default", &id) == ["queue"]
    });
    assert_eq!(worker.finish("").code, Some(4));
    eventually("the program is gone", || !is_alive(&pid));
}
