//! INT and TERM, as a supervisor or a Ctrl-C sends them.

use crate::support::{House, eventually};

const SLEEPER: &str = "sleep=sh -c 'echo $$ >$FOLDER/pid; sleep 60'";

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn an_idle_worker_ends_at_once_with_code_0() {
    for signal in ["INT", "TERM"] {
        let house = House::new();
        let mut worker = house.start(&["worker", "--exec", "*=cat"]);
        worker.says("listens on default");
        worker.signal(signal);
        worker.says("ended");
        assert_eq!(worker.finish("").code, Some(0));
    }
}

#[test]
fn the_first_signal_lets_the_job_end() {
    let house = House::new();
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let command = format!("wait=sh -c 'until test -e {}; do sleep 0.02; done; echo done'", gate.display());
    let mut worker = house.start(&["worker", "--exec", &command]);
    let id = house.rq(&["enqueue", "wait"]).ok();
    worker.says(&id);
    worker.signal("TERM");
    worker.says("stopping");
    std::fs::write(&gate, "").unwrap();
    assert_eq!(worker.finish("").code, Some(0));
    assert_eq!(house.queue("default").job(&id).unwrap().returned::<String>(), Ok("done".into()));
}

#[test]
fn a_second_signal_puts_the_job_back_ends_its_program_and_gives_code_4() {
    let house = House::new();
    let folder = tempfile::tempdir().unwrap();
    let command = SLEEPER.replace("$FOLDER", &folder.path().display().to_string());
    let mut worker = house.start(&["worker", "--exec", &command]);
    let id = house.rq(&["enqueue", "sleep"]).ok();
    worker.says(&id);
    let pid_file = folder.path().join("pid");
    eventually("the program runs", || {
        std::fs::read_to_string(&pid_file).is_ok_and(|pid| pid.ends_with('\n'))
    });
    let pid = std::fs::read_to_string(&pid_file).unwrap().trim().to_owned();
    worker.signal("TERM");
    worker.says("stopping");
    // An echo within a second of the first signal is ignored, so the second one is sent until it counts.
    eventually("the job is put back", || {
        worker.signal("TERM");
        house.places("default", &id) == ["queue"]
    });
    assert_eq!(worker.finish("").code, Some(4));
    eventually("the program is gone", || !is_alive(&pid));
}
