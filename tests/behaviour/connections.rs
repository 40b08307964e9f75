//! Connections to Redis: time limit of a call, size of the pool, and errors for servers that are not a usable Redis.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rq_rs::{Error, Queue};

use crate::support::{DashboardProcess, Fault, Process, Proxy, RedisServer, TestEnv, eventually};

/// Redis behind a proxy that stops answering, and the number of commands that got no reply.
struct Silent {
    proxy: Proxy,
    is_silent: Arc<AtomicBool>,
    swallowed: Arc<AtomicUsize>,
}

fn silent(env: &TestEnv) -> Silent {
    let (is_silent, swallowed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (silent, count) = (Arc::clone(&is_silent), Arc::clone(&swallowed));
    let proxy = Proxy::start(env.url(), move |_| {
        if silent.load(Ordering::SeqCst) {
            count.fetch_add(1, Ordering::SeqCst);
            return Fault::Silence;
        }
        Fault::None
    });
    Silent { proxy, is_silent, swallowed }
}

#[test]
fn threads_that_call_a_silent_redis_do_not_wait_for_each_other() {
    let env = TestEnv::new();
    let Silent { proxy, is_silent, swallowed } = silent(&env);
    let queue = env.via(proxy.url()).queue("default").call_timeout(Duration::from_secs(60));
    is_silent.store(true, Ordering::SeqCst);
    for _ in 0..12 {
        let queue = queue.clone();
        std::thread::spawn(move || drop(queue.enqueue("add", (1, 1))));
    }
    // Each thread waits on its own connection before the first one times out.
    eventually("all have asked", || swallowed.load(Ordering::SeqCst) >= 12);
}

#[test]
fn a_call_to_a_silent_redis_ends_within_its_limit() {
    let env = TestEnv::new();
    let Silent { proxy, is_silent, .. } = silent(&env);
    let queue = env.via(proxy.url()).queue("default").call_timeout(Duration::from_millis(500));
    let job = queue.enqueue("add", (1, 1)).unwrap();
    is_silent.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let calls: [(&str, rq_rs::Result<()>); 5] = [
        ("enqueue", queue.enqueue("add", (1, 1)).map(drop)),
        ("count", queue.count().map(drop)),
        ("job", queue.job(job.id()).map(drop)),
        ("cancel", job.clone().cancel().map(drop)),
        ("ids", queue.failed().ids(0, 10).map(drop)),
    ];
    for (name, result) in calls {
        assert!(matches!(result, Err(Error::Unreachable { .. })), "{name}: {result:?}");
    }
    // Without a limit each call would wait for half a minute.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let output = env.via(proxy.url()).cli(&["info", "--redis-timeout", "0.5s"]);
    assert!(output.expect_failure(1).contains("does not answer in time"));
    assert!(env.cli(&["info", "--redis-timeout", "0"]).expect_failure(2).contains("too short"));
}

#[test]
fn the_pool_keeps_as_many_connections_as_calls_run_at_once() {
    let env = TestEnv::with_own_redis(&[]);
    let queue = env.queue("default");
    let received = || -> u64 {
        let stats: String = env.redis(&["INFO", "stats"]);
        let line = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        line.unwrap().trim().parse().unwrap()
    };
    let before = received();
    let callers: Vec<_> = (0..24)
        .map(|_| {
            let queue = queue.clone();
            std::thread::spawn(move || (0..50).for_each(|n| drop(queue.enqueue("add", (n, n)).unwrap())))
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    let opened = received() - before - 1; // the last look is one, too
    assert!(opened <= 24, "{opened} connections for 24 callers");
}

#[test]
fn a_connection_that_was_closed_while_idle_is_replaced_without_an_error() {
    let env = TestEnv::with_own_redis(&["--appendonly", "yes", "--appendfsync", "always"]);
    let queue = env.queue("default");
    let dashboard = DashboardProcess::start(&env, &[]);
    for _ in 0..5 {
        queue.enqueue("add", (1, 1)).unwrap();
        assert_eq!((dashboard.get("/readyz").status, dashboard.get("/metrics").status), (200, 200));
        let body = serde_json::json!({ "queue": "default" });
        assert_eq!(dashboard.post("/api/suspend", &body).status, 200);
        assert_eq!(dashboard.post("/api/resume", &body).status, 200);
        env.redis::<i64>(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
    env.server().restart();
    assert_eq!(dashboard.get("/readyz").status, 200);
    queue.enqueue("add", (1, 1)).unwrap();
    env.server().restart();
    assert_eq!(queue.count(), Ok(6));
    assert_eq!(dashboard.post("/api/suspend", &serde_json::json!({ "queue": "default" })).status, 200);
}

/// A free port.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn info(url: &str) -> String {
    let environment = [("RQ_REDIS_URL".to_owned(), url.to_owned())];
    Process::start(&["info"], &environment).finish("").expect_failure(1)
}

#[test]
fn a_redis_at_its_client_limit_is_named() {
    let port = free_port();
    let server = RedisServer::start(&["--port", &port.to_string(), "--maxclients", "1"]);
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    // The first command may arrive while the test's own connection is still open.
    let mut held = None;
    eventually("one client is there", || {
        client.get_connection().is_ok_and(|mut c| redis::cmd("PING").query::<String>(&mut c).is_ok())
    });
    while held.is_none() {
        held = client.get_connection().ok();
    }
    let urls = [
        format!("redis://127.0.0.1:{port}"),
        format!("redis://:secret@127.0.0.1:{port}"),
        format!("redis://127.0.0.1:{port}/3"),
        server.url(),
    ];
    for url in urls {
        let said = info(&url);
        assert!(
            said.contains("max number of clients reached") && said.contains("maxclients"),
            "{url}: {said}"
        );
        assert!(!said.contains("start one with"), "{said}");
    }
    drop(held);
}

/// A certificate for localhost and its private key.
fn certificate(folder: &Path) -> [String; 2] {
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.join(name).display().to_string());
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-out", &cert, "-keyout", &key])
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{made:?}");
    [cert, key]
}

#[test]
fn a_plain_url_for_a_tls_port_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let ([cert, key], port) = (certificate(folder.path()), free_port());
    let tls = ["--tls-port", &port.to_string(), "--tls-cert-file", &cert, "--tls-key-file", &key];
    let _server = RedisServer::start(&[&tls[..], &["--tls-auth-clients", "no"]].concat());
    for url in [format!("redis://127.0.0.1:{port}"), format!("redis://:secret@127.0.0.1:{port}/1")] {
        let said = info(&url);
        assert!(said.contains("wants TLS"), "{url}: {said}");
    }
}

#[test]
fn a_sentinel_is_recognized() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let file = folder.path().join("sentinel.conf");
    std::fs::write(&file, format!("port {port}\n")).unwrap();
    let mut sentinel = Command::new("redis-server")
        .arg(&file)
        .args(["--sentinel", "--logfile", "/dev/null"])
        .spawn()
        .unwrap();
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    eventually("the sentinel is up", || client.get_connection().is_ok());
    let said = info(&format!("redis://127.0.0.1:{port}"));
    sentinel.kill().unwrap();
    sentinel.wait().unwrap();
    assert!(said.contains("is a Redis Sentinel") && said.contains("redis+sentinel://"), "{said}");
}

#[test]
fn a_cluster_node_is_recognized() {
    let port = free_port();
    let cluster =
        ["--port", &port.to_string(), "--cluster-enabled", "yes", "--cluster-port", &free_port().to_string()];
    let server = RedisServer::start(&cluster);
    let url = format!("redis://127.0.0.1:{port}");
    let says = |part: &str| {
        let said = info(&url);
        assert!(said.contains(part) && said.contains("Redis Cluster"), "{said}");
    };
    says("CLUSTERDOWN");
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let mut slots = redis::cmd("CLUSTER");
    slots.arg("ADDSLOTSRANGE").arg(0).arg(16383).query::<()>(&mut connection).unwrap();
    eventually("the cluster is up", || {
        let state: String =
            redis::cmd("CLUSTER").arg("INFO").query(&mut client.get_connection().unwrap()).unwrap();
        state.contains("cluster_state:ok")
    });
    // Scripts use keys of several hash slots.
    let queue = Queue::connect(&url, "default").unwrap();
    let error = queue.enqueue("add", (1, 1)).unwrap_err();
    assert!(error.to_string().contains("CROSSSLOT") && error.hint().unwrap().contains("Redis Cluster"));
}

#[test]
fn a_url_may_name_a_protocol_and_its_database_is_used() {
    let port = free_port();
    let server = RedisServer::start(&["--port", &port.to_string()]);
    let rq = |url: &str, words: &[&str]| {
        let environment = [("RQ_REDIS_URL".to_owned(), url.to_owned())];
        Process::start(words, &environment).finish("").ok()
    };
    for (n, parameters) in ["?protocol=3", "?db=1&protocol=resp3", "/2", "/3?db=4"].iter().enumerate() {
        let url = format!("redis://127.0.0.1:{port}{parameters}");
        let id = rq(&url, &["enqueue", "f", "--retry-max", "1"]);
        rq(&url, &["worker", "--burst", "--exec", "f=echo 7"]);
        assert!(rq(&url, &["job", "show", &id]).contains("finished"), "{url}");
        assert!(rq(&url, &["info"]).contains("default"), "{url}");
        let db = [0, 1, 2, 4][n];
        let mut connection =
            redis::Client::open(format!("{}?db={db}", server.url())).unwrap().get_connection().unwrap();
        let exists: bool =
            redis::cmd("EXISTS").arg(format!("rq-rs:job:{id}")).query(&mut connection).unwrap();
        assert!(exists, "{url}");
    }
}

#[test]
fn a_worker_that_may_open_too_few_files_says_so_and_does_not_start() {
    let env = TestEnv::new();
    env.cli(&["enqueue", "f"]).ok();
    let limited = |files: u32| {
        let script = format!("ulimit -n {files}; rq-rs worker --burst -c 2 --exec '*=cat'");
        crate::support::run_in(Path::new("/"), &script, &env.environment())
    };
    let said = limited(12).expect_failure(1);
    assert!(said.contains("this process may open 12 files") && said.contains("ulimit -n"), "{said}");
    let output = limited(26);
    assert!(output.stderr.contains("some jobs may wait"), "{output:?}");
    output.ok();
}

#[test]
fn a_host_and_its_companions_in_the_environment_are_used_where_there_is_no_url() {
    let port = free_port();
    let env = TestEnv::with_own_redis(&["--port", &port.to_string(), "--requirepass", "s3cret word"]);
    let port = port.to_string();
    let host = [("RQ_REDIS_URL", ""), ("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &port), ("REDIS_DB", "3")];
    let password = [("REDIS_PASSWORD", "s3cret word")];
    let variables = |more: &[(&str, &str)]| -> Vec<(String, String)> {
        let all = host.iter().chain(&password).chain(more);
        all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Process::start(&["enqueue", "add", "1", "2"], &variables(&[])).finish("").ok();
    let url = format!("redis://:s3cret%20word@127.0.0.1:{port}/3");
    assert!(env.via(&url).cli(&["info", "--prefix", "rq-rs"]).ok().contains("default"));
    let shown = Process::start(&["config", "show"], &variables(&[])).finish("").ok();
    let line = shown.lines().find(|line| line.trim_start().starts_with("url")).unwrap();
    assert!(line.contains(&format!("127.0.0.1:{port}/3")) && line.contains("REDIS_HOST"), "{line}");
    assert!(!shown.contains("s3cret"), "{shown}");
    // A URL goes before them.
    let with_url = variables(&[("REDIS_URL", "redis://127.0.0.1:1/")]);
    let shown = Process::start(&["config", "show"], &with_url).finish("").ok();
    let line = shown.lines().find(|line| line.trim_start().starts_with("url")).unwrap();
    assert!(line.contains("127.0.0.1:1") && line.contains("REDIS_URL"), "{line}");
    let wrong = variables(&[("REDIS_PORT", "many")]);
    let failure = Process::start(&["info"], &wrong).finish("").expect_failure(2);
    assert!(failure.contains("REDIS_PORT"), "{failure}");
}
