//! Sentinel: jobs go on at the new primary after a failover.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use rq_rs::{Queue, Status};
use tempfile::TempDir;

use crate::support::{RedisServer, RunningWorker, TestEnv, eventually};

/// Three sentinels that watch a primary and its replica.
struct Sentinels {
    env: TestEnv,
    _replica: RedisServer,
    ports: Vec<u16>,
    processes: Vec<Child>,
    _files: TempDir,
}

impl Sentinels {
    fn start() -> Self {
        let (primary_port, replica_port) = (free_port(), free_port());
        let password = ["--requirepass", "s3cret", "--masterauth", "s3cret"];
        let own = primary_port.to_string();
        let env = TestEnv::with_own_redis(&[&["--port", &own], &password[..]].concat());
        let port = replica_port.to_string();
        let replica = RedisServer::start(
            &[&["--port", &port, "--replicaof", "127.0.0.1", &own], &password[..]].concat(),
        );
        let (files, ports) = (tempfile::tempdir().unwrap(), [free_port(), free_port(), free_port()]);
        let start = |port: &u16| {
            let file = files.path().join(format!("{port}.conf"));
            let settings = format!(
                "port {port}\nsentinel monitor jobs 127.0.0.1 {primary_port} 2\nsentinel auth-pass jobs s3cret\n\
                 sentinel down-after-milliseconds jobs 500\nsentinel failover-timeout jobs 5000\n"
            );
            std::fs::write(&file, settings).unwrap();
            let mut command = Command::new("redis-server");
            command.arg(&file).args(["--sentinel", "--logfile", "/dev/null"]).stdout(Stdio::null());
            command.spawn().unwrap()
        };
        let processes = ports.iter().map(start).collect();
        let sentinels = Sentinels { env, _replica: replica, ports: ports.into(), processes, _files: files };
        sentinels.wait_until_all_know_each_other();
        sentinels
    }

    fn wait_until_all_know_each_other(&self) {
        let knows = |port: &u16, what: &str, count: usize| {
            let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
            let Ok(mut connection) = client.get_connection() else { return false };
            let known =
                redis::cmd("SENTINEL").arg(what).arg("jobs").query::<Vec<redis::Value>>(&mut connection);
            known.is_ok_and(|known| known.len() == count)
        };
        eventually("the sentinels know each other and the replica", || {
            self.ports.iter().all(|port| knows(port, "sentinels", 2) && knows(port, "replicas", 1))
        });
    }

    fn url(&self) -> String {
        let hosts: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis+sentinel://:s3cret@{}/jobs/0", hosts.join(","))
    }
}

impl Drop for Sentinels {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Enqueues as a program does that tries again.
fn enqueue(queue: &Queue, n: i64) -> String {
    for _ in 0..60 {
        match queue.enqueue("add", (n, 1)) {
            Ok(job) => return job.id().to_owned(),
            Err(error) => assert!(error.is_temporary(), "{error}"),
        }
    }
    panic!("Redis did not come back");
}

#[test]
fn jobs_go_on_at_the_new_primary_and_the_old_one_is_left_alone() {
    let sentinels = Sentinels::start();
    let env = sentinels.env.via(&sentinels.url());
    let worker = RunningWorker::start(env.worker(&["default"]));
    let queue = env.queue("default");
    let first = enqueue(&queue, 1);
    worker.wait_for_finish(&first);
    // What the primary has is with the replica before it dies.
    sentinels.env.server().signal("KILL");
    let ids: Vec<String> = (2..30).map(|n| enqueue(&queue, n)).collect();
    let are_finished =
        |ids: &[String]| ids.iter().all(|id| queue.job(id).is_ok_and(|job| job.status == Status::Finished));
    eventually("the jobs have finished at the new primary", || are_finished(&ids));
    // The old primary comes back, and Sentinel makes a replica of it.
    sentinels.env.server().launch();
    let ids: Vec<String> = (30..50).map(|n| enqueue(&queue, n)).collect();
    eventually("the jobs have finished beside the old primary", || are_finished(&ids));
    worker.stop();
}

#[test]
fn a_sentinel_that_is_away_or_knows_no_service_is_named() {
    let sentinels = Sentinels::start();
    let [first, ..] = sentinels.ports[..] else { panic!("three") };
    let dead = free_port();
    let url = format!("redis+sentinel://:s3cret@127.0.0.1:{dead},127.0.0.1:{first}/jobs");
    assert!(sentinels.env.via(&url).cli(&["info"]).ok().contains("No queues"));
    let other = format!("redis+sentinel://:s3cret@127.0.0.1:{first}/others");
    let failure = sentinels.env.via(&other).cli(&["info"]).expect_failure(1);
    assert!(failure.contains("no sentinel names the primary of others"), "{failure}");
    let failure = sentinels.env.via("redis+sentinel://127.0.0.1:1").cli(&["info"]).expect_failure(2);
    assert!(failure.contains("names no service") && failure.contains("hint:"), "{failure}");
}
