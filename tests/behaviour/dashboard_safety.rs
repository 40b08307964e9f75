//! Security of the dashboard.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rq_rs::{NewJob, Status};
use serde_json::json;

use crate::support::{DashboardProcess, Process, TestEnv, WAIT_LIMIT, eventually, response_at};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[test]
fn an_address_that_other_machines_reach_requires_a_password() {
    let env = TestEnv::new();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let told = env.cli(&["dashboard", "--listen", address]).expect_failure(2);
        assert!(
            told.contains("could see and change all jobs") && told.contains("RQ_RS_DASHBOARD_PASSWORD"),
            "{told}"
        );
    }
    let told = env.cli(&["worker", "--dashboard", "0.0.0.0:0", "--exec", "*=cat"]).expect_failure(2);
    assert!(told.contains("could see and change all jobs"), "{told}");
    let variables = [("RQ_RS_DASHBOARD_PASSWORD", "open sesame")];
    let mut environment = env.environment();
    environment.extend(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let dashboard =
        DashboardProcess::of(Process::start(&["dashboard", "--listen", "0.0.0.0:0"], &environment));
    assert_eq!(dashboard.get("/api/overview").status, 401);
    assert!(env.cli(&["dashboard", "--listen", "nowhere"]).expect_failure(2).contains("HOST:PORT"));
}

#[test]
fn a_password_or_token_is_required_for_every_page() {
    let env = TestEnv::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    // printf %s sesame | sha256sum
    std::fs::write(&file, "sha256:d0c04f4b1951e4aeaaec8223ed2039e542f3aae805a6fa7f6d794e5afff5d272\n")
        .unwrap();
    let words = ["--password-file", file.to_str().unwrap()];
    let dashboard = DashboardProcess::with(&env, &words, &[("RQ_RS_DASHBOARD_TOKEN", "t0ken")]);
    let with = |said: &str| dashboard.ask("GET", "/api/site", &[("authorization", said)], "");
    assert_eq!(with("Basic YWRhOnNlc2FtZQ==").json()["user"], "ada");
    assert_eq!(with("Bearer t0ken").json()["user"], "token");
    for wrong in ["Basic YWRhOndyb25n", "Bearer sesame", "Basic t0ken", "Basic", "Bearer ", "Digest x"] {
        let answer = with(wrong);
        assert_eq!(answer.status, 401, "{wrong}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Basic"));
    }
    for path in ["/", "/api/overview", "/metrics", "/assets/app.js"] {
        assert_eq!(dashboard.get(path).status, 401, "{path}");
    }
    // Probes need no password, and reveal nothing.
    assert_eq!((dashboard.get("/livez").status, dashboard.get("/livez").body.as_str()), (200, "ok\n"));
    std::fs::write(&file, "sha256:zz").unwrap();
    assert!(
        env.cli(&["dashboard", "--password-file", file.to_str().unwrap()])
            .expect_failure(2)
            .contains("SHA-256")
    );
}

#[test]
fn every_response_has_the_security_headers() {
    let env = TestEnv::new();
    let dashboard = DashboardProcess::start(&env, &[]);
    let all = [
        "/",
        "/jobs/x",
        "/assets/app.js",
        "/assets/nothing",
        "/api/overview",
        "/api/jobs/x",
        "/metrics",
        "/livez",
        "/x",
    ];
    for path in all {
        let answer = dashboard.get(path);
        let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        assert_eq!(header("content-security-policy"), POLICY, "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control")), "{path}");
    }
}

#[test]
fn get_requests_change_nothing() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let id = queue.enqueue("add", (1, 2)).unwrap().id().to_owned();
    let dashboard = DashboardProcess::start(&env, &[]);
    for path in [format!("/api/jobs/{id}/delete"), "/api/queues/default/empty".into(), "/api/suspend".into()]
    {
        for method in ["GET", "HEAD"] {
            assert!(dashboard.ask(method, &path, &[], "").status >= 400, "{method} {path}");
        }
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
            assert_eq!(dashboard.ask(method, &path, &[], "").status, 405, "{method} {path}");
        }
    }
    assert_eq!(queue.count().unwrap(), 1);
    assert!(!dashboard.get("/api/overview").json()["suspended"].as_bool().unwrap());
}

#[test]
fn read_only_is_enforced_on_the_server() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let id = queue.enqueue("add", (1, 2)).unwrap().id().to_owned();
    let dashboard = DashboardProcess::start(&env, &["--read-only"]);
    for path in [
        format!("/api/jobs/{id}/cancel"),
        format!("/api/jobs/{id}/delete"),
        "/api/queues/default/empty".into(),
        "/api/queues/default/suspend".into(),
        "/api/queues/default/queued/delete".into(),
        "/api/suspend".into(),
        "/api/cron/x/pause".into(),
        "/api/workers/x/shutdown".into(),
        "/nothing".into(),
    ] {
        let answer = dashboard.post(&path, &json!({"all": true}));
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{path}");
    }
    assert_eq!((queue.count().unwrap(), queue.job(&id).unwrap().status), (1, Status::Queued));
}

#[test]
fn a_cross_site_change_is_refused() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    queue.enqueue("add", (1, 2)).unwrap();
    let dashboard = DashboardProcess::start(&env, &[]);
    let json = ("content-type", "application/json");
    let own = format!("http://{}", dashboard.address);
    for headers in [
        vec![json, ("sec-fetch-site", "cross-site"), ("origin", "http://evil.example")],
        vec![json, ("sec-fetch-site", "same-site")],
        vec![json, ("origin", "http://evil.example")],
        vec![json, ("origin", "null")],
        vec![json, ("origin", "http://127.0.0.1:1")],
    ] {
        assert_eq!(
            dashboard.ask("POST", "/api/queues/default/empty", &headers, "{}").status,
            403,
            "{headers:?}"
        );
    }
    // A form on another site can send these headers.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let headers = [("content-type", kind), ("origin", &*own)];
        assert_eq!(dashboard.ask("POST", "/api/queues/default/empty", &headers, "{}").status, 415, "{kind}");
    }
    assert_eq!(queue.count().unwrap(), 1);
    // A script sends neither header.
    assert_eq!(dashboard.ask("POST", "/api/queues/default/empty", &[json], "{}").json()["done"], 1);
}

#[test]
fn a_host_name_that_is_not_allowed_is_refused() {
    let env = TestEnv::new();
    let dashboard = DashboardProcess::start(&env, &["--allowed-host", "jobs.example"]);
    let with = |host: &str| dashboard.ask("GET", "/api/site", &[("host", host)], "").status;
    for host in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:9",
        "[::1]:9181",
        "10.2.3.4",
        "jobs.example",
        "jobs.example:443",
    ] {
        assert_eq!(with(host), 200, "{host}");
    }
    for host in
        ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "jobs.example.evil.example"]
    {
        assert!([400, 403].contains(&with(host)), "{host:?}");
    }
    let refused = dashboard.ask("GET", "/", &[("host", "evil.example")], "");
    assert!(refused.body.contains("start it with --allowed-host NAME"), "{}", refused.body);
    let words = ["worker", "--exec", "*=cat", "--dashboard", "127.0.0.1:0", "--dashboard-read-only"];
    let of_worker = DashboardProcess::of(env.start(&words));
    let refused = of_worker.ask("GET", "/", &[("host", "evil.example")], "");
    assert!(refused.body.contains("start it with --dashboard-allowed-host NAME"), "{}", refused.body);
    let refused = of_worker.post("/api/suspend", &json!({}));
    assert!(refused.body.contains("start it without --dashboard-read-only"), "{}", refused.body);
}

#[test]
fn probes_scrapes_and_authenticated_requests_work_under_any_host_name() {
    let env = TestEnv::new();
    let open = ["dashboard", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    let mut process = env.start(&open);
    let metrics = process.wait_for_stderr("metrics: http://");
    let metrics = metrics.split("http://").nth(1).unwrap().trim_end_matches("/metrics").to_owned();
    let mut dashboard = DashboardProcess::of(process);
    let named = |dashboard: &DashboardProcess, path: &str, said: &str| {
        dashboard.ask("GET", path, &[("host", "jobs.example:9181"), ("authorization", said)], "").status
    };
    let machines = ["/livez", "/readyz", "/metrics"];
    for path in machines {
        assert_eq!(named(&dashboard, path, ""), 200, "{path}");
    }
    for path in ["/", "/api/overview", "/assets/app.js", "/metrics/x"] {
        assert_eq!(named(&dashboard, path, ""), 403, "{path}");
    }
    let change = [("host", "jobs.example"), ("content-type", "application/json")];
    assert_eq!(dashboard.ask("POST", "/api/suspend", &change, "{}").status, 403);
    assert_eq!(dashboard.ask("POST", "/metrics", &change, "{}").status, 403);
    dashboard.address = metrics;
    for path in machines {
        assert_eq!(named(&dashboard, path, ""), 200, "at --metrics-listen: {path}");
    }

    let closed = DashboardProcess::with(&env, &[], &[("RQ_RS_DASHBOARD_TOKEN", "t0ken")]);
    for path in ["/livez", "/readyz", "/metrics", "/", "/api/overview"] {
        assert_eq!(named(&closed, path, "Bearer t0ken"), 200, "{path}");
    }
    assert_eq!((named(&closed, "/metrics", ""), named(&closed, "/", "Bearer no")), (401, 401));
    let headers = [change[0], change[1], ("authorization", "Bearer t0ken")];
    assert_eq!(closed.ask("POST", "/api/resume", &headers, "{}").status, 200);
    let foreign = [headers[0], headers[1], headers[2], ("origin", "http://evil.example")];
    assert_eq!(closed.ask("POST", "/api/resume", &foreign, "{}").status, 403);
}

#[test]
fn failed_logins_are_logged_without_their_credentials() {
    let env = TestEnv::new();
    let mut dashboard = DashboardProcess::with(&env, &[], &[("RQ_RS_DASHBOARD_PASSWORD", "sesame")]);
    assert_eq!(dashboard.get("/").status, 401);
    for said in ["Basic YWRhOmd1ZXNz", "Bearer guess", "Basic YWRhOmd1ZXNz"] {
        assert_eq!(dashboard.ask("GET", "/", &[("authorization", said)], "").status, 401);
    }
    dashboard.process.wait_for_stderr("dashboard: a wrong password or token from 127.0.0.1");
    let headers = [("content-type", "application/json"), ("authorization", "Basic YWRhOnNlc2FtZQ==")];
    assert_eq!(dashboard.ask("POST", "/api/suspend", &headers, "{}").status, 200);
    // One line covers all of them; a request without credentials is not logged.
    let rest = dashboard.process.wait_for_stderr("dashboard: ada");
    assert!(rest.contains(": suspend: done"), "{rest}");
    dashboard.process.signal("TERM");
    let all = dashboard.process.finish("").stderr;
    assert_eq!(all.matches("a wrong password").count(), 1, "{all}");
    assert!(!all.contains("guess") && !all.contains("YWRh"), "{all}");
}

#[test]
fn no_path_leads_out_of_the_assets() {
    let env = TestEnv::new();
    let dashboard = DashboardProcess::start(&env, &[]);
    for path in [
        "/assets/../Cargo.toml",
        "/assets/..%2fCargo.toml",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/assets//etc/passwd",
        "/assets/app.js%00",
        "/assets/",
        "/assets",
        "/etc/passwd",
        "/api/jobs/../../site",
        "/%ff",
    ] {
        let answer = dashboard.get(path);
        assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
        assert!(!answer.body.contains("root:") && !answer.body.contains("[package]"), "{path}");
    }
}

#[test]
fn behind_a_path_prefix_only_paths_under_it_exist() {
    let env = TestEnv::new();
    let dashboard = DashboardProcess::start(&env, &["--url-prefix", "/rq/"]);
    assert!(dashboard.get("/rq/").body.contains("data-base=\"/rq\""));
    assert_eq!(
        (dashboard.get("/rq/api/site").status, dashboard.get("/rq/assets/app.css").status),
        (200, 200)
    );
    assert!(dashboard.get("/rq").body.contains("data-base=\"/rq\""));
    for path in ["/", "/api/site", "/rqx/api/site"] {
        assert_eq!(dashboard.get(path).status, 404, "{path}");
    }
    // Probes and scrapes bypass the proxy, and so the prefix.
    assert_eq!((dashboard.get("/livez").status, dashboard.get("/metrics").status), (200, 200));
    assert!(
        env.cli(&["dashboard", "--url-prefix", "/\"><script>"])
            .expect_failure(2)
            .contains("is not a prefix for paths")
    );
}

#[test]
fn ambiguous_requests_are_refused_and_the_connection_is_closed() {
    let env = TestEnv::new();
    let dashboard = DashboardProcess::start(&env, &[]);
    let host = "host: localhost\r\n";
    let json = "content-type: application/json\r\n";
    for (what, request) in [
        (
            "both lengths",
            format!(
                "POST /api/suspend HTTP/1.1\r\n{host}{json}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{{}}"
            ),
        ),
        (
            "both, the other way",
            format!(
                "POST /api/suspend HTTP/1.1\r\n{host}{json}transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
            ),
        ),
        (
            "chunks",
            format!(
                "POST /api/suspend HTTP/1.1\r\n{host}{json}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
            ),
        ),
        (
            "unknown chunks",
            format!(
                "POST /api/suspend HTTP/1.1\r\n{host}{json}transfer-encoding: xchunked\r\ncontent-length: 2\r\n\r\n{{}}"
            ),
        ),
        (
            "two lengths",
            format!(
                "POST /api/suspend HTTP/1.1\r\n{host}{json}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}"
            ),
        ),
        (
            "a huge length",
            format!(
                "POST /api/suspend HTTP/1.1\r\n{host}{json}content-length: 99999999999999999999\r\n\r\n{{}}"
            ),
        ),
        ("a folded line", format!("GET /livez HTTP/1.1\r\n{host}x: a\r\n b\r\n\r\n")),
        ("CR alone", format!("GET /livez HTTP/1.1\r\n{host}x: a\rb\r\n\r\n")),
        ("LF alone", "GET /livez HTTP/1.1\nhost: localhost\n\n".to_owned()),
        ("LF alone in one line", format!("GET /livez HTTP/1.1\r\n{host}x: a\ny: b\r\n\r\n")),
        (
            "LF alone in the second request",
            format!("GET /livez HTTP/1.1\r\n{host}\r\nGET /livez HTTP/1.1\n{host}\r\n"),
        ),
        ("no host", "GET /livez HTTP/1.1\r\n\r\n".to_owned()),
        ("two hosts", format!("GET /livez HTTP/1.1\r\n{host}{host}\r\n")),
        ("a proxy's address", format!("GET http://evil.example/livez HTTP/1.1\r\n{host}\r\n")),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\r\n\r\n".to_owned()),
    ] {
        let mut stream = dashboard.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answers = String::new();
        // The server closes the connection, though the client did not ask for it.
        stream.read_to_string(&mut answers).unwrap();
        let last = answers.rfind("HTTP/1.").map(|at| &answers[at..]).unwrap_or_default();
        assert!(last.starts_with("HTTP/1.1 400") || last.starts_with("HTTP/1.0 400"), "{what}: {answers:?}");
    }
    assert!(!dashboard.get("/api/overview").json()["suspended"].as_bool().unwrap());
}

#[test]
fn valid_requests_are_served_in_every_form() {
    let env = TestEnv::new();
    let dashboard = DashboardProcess::start(&env, &[]);
    let host = "host: localhost\r\n";
    let two =
        format!("GET /livez HTTP/1.1\r\n{host}\r\nGET /readyz HTTP/1.1\r\n{host}connection: close\r\n\r\n");
    assert_eq!(
        dashboard.raw(two.as_bytes()).body.matches("HTTP/1.1 200").count(),
        1,
        "and the one that was parsed"
    );
    assert_eq!(dashboard.raw(b"GET /livez HTTP/1.0\r\n\r\n").status, 200);
    let head =
        dashboard.raw(format!("HEAD /livez HTTP/1.1\r\n{host}connection: TE, close\r\n\r\n").as_bytes());
    assert_eq!((head.status, head.body.as_str(), head.header("content-length")), (200, "", Some("3")));
    let later = format!(
        "POST /api/resume HTTP/1.1\r\n{host}content-type: application/json\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: 2\r\n\r\n"
    );
    let mut stream = dashboard.connect();
    stream.write_all(later.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100"));
    stream.write_all(b"{}").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("HTTP/1.1 200"), "{rest}");
}

#[test]
fn request_heads_and_bodies_have_a_limit() {
    let env = TestEnv::new();
    let dashboard = DashboardProcess::start(&env, &[]);
    let head = format!("GET /livez HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(2_000_000));
    assert_eq!(dashboard.raw(head.as_bytes()).status, 431);
    let many: String = (0..500).map(|n| format!("x{n}: a\r\n")).collect();
    assert_eq!(
        dashboard.raw(format!("GET /livez HTTP/1.1\r\nhost: localhost\r\n{many}\r\n").as_bytes()).status,
        431
    );
    let body = json!({"ids": ["x".repeat(70_000)]});
    assert_eq!(dashboard.post("/api/queues/default/failed/delete", &body).status, 413);
    let body = json!({"ids": vec!["x"; 1001]});
    assert_eq!(dashboard.post("/api/queues/default/failed/delete", &body).status, 400);
    for body in ["[]", "{", "\"x\"", &"[".repeat(60_000)] {
        let headers = [("content-type", "application/json")];
        assert_eq!(dashboard.ask("POST", "/api/suspend", &headers, body).status, 400);
    }
}

#[test]
fn slow_clients_do_not_lock_others_out() {
    let env = TestEnv::new();
    let dashboard = DashboardProcess::start(&env, &[]);
    let mut slow: Vec<_> = (0..200).map(|_| dashboard.connect()).collect();
    for (n, stream) in slow.iter_mut().enumerate() {
        // The evicted connections are closed.
        let _ = stream.write_all(if n % 2 == 0 { b"GET /livez HTT" } else { b"" });
    }
    for _ in 0..20 {
        assert_eq!(dashboard.get("/livez").status, 200);
    }
    // A request head has a time limit, however many bytes arrive.
    let mut last = slow.pop().unwrap();
    last.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
    let mut rest = Vec::new();
    let _ = last.read_to_end(&mut rest);
    let mut dripping = dashboard.connect();
    dripping.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let still_waits = |_: &i32| {
        // The client reads nothing for a while, or sees the end of the connection.
        let _ = dripping.write_all(b"G");
        !matches!(dripping.read(&mut [0; 1]), Ok(0)) && dripping.take_error().unwrap().is_none()
    };
    let dripped = (0..100).take_while(still_waits);
    assert!(dripped.count() < 100, "it would have waited for ever");
}

#[test]
fn probes_are_answered_while_300_clients_are_busy() {
    let env = TestEnv::new();
    env.queue("mail").enqueue_many((0..20).map(|n| NewJob::new("add", (n, n)))).unwrap();
    let dashboard = DashboardProcess::with(&env, &[], &[("RQ_RS_DASHBOARD_TOKEN", "t0ken")]);
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let unanswered: Vec<_> = std::thread::scope(|scope| {
        for n in 0..300 {
            let (address, is_over, answered) = (dashboard.address.clone(), &is_over, &answered);
            // Requests with the token are served; wrong tokens are delayed.
            let said = if n % 3 == 0 { "Bearer guess" } else { "Bearer t0ken" };
            scope.spawn(move || {
                let head = format!("GET /api/overview HTTP/1.1\r\nhost: localhost\r\nauthorization: {said}\r\nconnection: close\r\n\r\n");
                while !is_over.load(Ordering::Relaxed) {
                    answered.fetch_add(usize::from(response_at(&address, head.as_bytes()).is_some()), Ordering::Relaxed);
                }
            });
        }
        eventually("clients are busy", || answered.load(Ordering::Relaxed) > 300);
        let probe = b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let told = (0..200)
            .map(|_| response_at(&dashboard.address, probe).map_or(0, |answer| answer.status))
            .collect();
        is_over.store(true, Ordering::Relaxed);
        told
    });
    let unanswered = unanswered.iter().filter(|status| **status != 200).count();
    assert_eq!(unanswered, 0, "of 200 probes");
}

#[test]
fn a_hanging_redis_does_not_fail_the_liveness_probe() {
    let env = TestEnv::with_own_redis(&[]);
    let dashboard = DashboardProcess::start(&env, &[]);
    assert_eq!(dashboard.get("/readyz").status, 200);
    env.server().signal("STOP");
    let waiting: Vec<_> = (0..80)
        .map(|_| {
            let mut stream = dashboard.connect();
            stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
            stream
        })
        .collect();
    for _ in 0..5 {
        assert_eq!(dashboard.get("/livez").status, 200);
    }
    drop(waiting);
    env.server().signal("CONT");
}

#[test]
fn a_password_file_that_cannot_be_read_is_an_error() {
    use std::os::unix::ffi::OsStrExt;
    let env = TestEnv::new();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rq-rs"));
    command.args(["dashboard", "--listen", "127.0.0.1:0"]);
    command.env("RQ_RS_DASHBOARD_PASSWORD", std::ffi::OsStr::from_bytes(b"s\xffcret"));
    let told = Process::spawn(command, &env.environment()).finish("").expect_failure(2);
    assert!(told.contains("RQ_RS_DASHBOARD_PASSWORD is not UTF-8"), "{told}");
}

#[test]
fn one_connection_serves_many_requests() {
    let env = TestEnv::new();
    let dashboard = DashboardProcess::start(&env, &[]);
    let mut stream = dashboard.connect();
    let post = "POST /api/resume HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    for n in 0..1500 {
        stream.write_all(post.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            let mut part = [0; 1024];
            let read = stream.read(&mut part).unwrap();
            assert!(read > 0, "closed at the {n}th request");
            answer.extend_from_slice(&part[..read]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn hidden_arguments_appear_on_no_page() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let call = || NewJob::new("echo", "s3cret").meta(json!({"card": "s3cret"}));
    let id = queue.enqueue_job(call()).unwrap().id().to_owned();
    env.drain(env.worker(&["default"]).handler("echo", |_: &rq_rs::Context, text: String| Ok(text)));
    queue.enqueue_job(call()).unwrap();
    let dashboard = DashboardProcess::start(&env, &["--hide-args"]);
    for path in [
        format!("/api/jobs/{id}"),
        format!("/api/jobs/{id}/result"),
        "/api/queues/default/queued".into(),
        "/api/queues/default/finished".into(),
        "/metrics".into(),
    ] {
        assert!(!dashboard.get(&path).body.contains("s3cret"), "{path}");
    }
    // Filters do not reveal hidden arguments letter by letter.
    let count = |part: &str| {
        dashboard.get(&format!("/api/queues/default/queued/count?text={part}")).json()["matched"].clone()
    };
    assert_eq!((count("s3c"), count("zzz")), (json!(0), json!(0)));
    let job = dashboard.get(&format!("/api/jobs/{id}")).json();
    assert_eq!((&job["handler"], &job["args"], &job["result"]), (&json!("echo"), &json!(null), &json!(null)));
    assert!(DashboardProcess::start(&env, &[]).get(&format!("/api/jobs/{id}")).body.contains("s3cret"));
}

#[test]
fn the_log_names_user_and_action_and_http_errors_leak_nothing() {
    let env = TestEnv::new();
    env.queue("mail").enqueue_many((0..3).map(|n| NewJob::new("add", (n, n)))).unwrap();
    let mut dashboard = DashboardProcess::with(&env, &[], &[("RQ_RS_DASHBOARD_PASSWORD", "sesame")]);
    let headers = [("content-type", "application/json"), ("authorization", "Basic YWRhOnNlc2FtZQ==")];
    assert_eq!(dashboard.ask("POST", "/api/queues/mail/empty", &headers, "{}").status, 200);
    let line = dashboard.process.wait_for_stderr("dashboard: ada");
    assert!(line.contains("127.0.0.1") && line.contains("queues mail empty: 3 done"), "{line}");
    assert_eq!(dashboard.ask("POST", "/api/queues/x%0Aforged/empty", &headers, "{}").status, 400);
}

#[test]
fn metrics_can_have_a_listener_that_serves_nothing_else() {
    let env = TestEnv::new();
    env.queue("mail").enqueue("add", (1, 2)).unwrap();
    let words = ["dashboard", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    let mut process = env.start(&words);
    let said = process.wait_for_stderr("metrics: http://");
    let address = said.split("http://").nth(1).unwrap().trim_end_matches("/metrics").to_owned();
    let mut dashboard = DashboardProcess::of(process);
    assert_eq!(dashboard.get("/api/site").status, 200);
    dashboard.address = address;
    assert!(dashboard.get("/metrics").body.contains("rq_jobs{queue=\"mail\""));
    assert_eq!((dashboard.get("/livez").status, dashboard.get("/readyz").status), (200, 200));
    for path in ["/", "/api/overview", "/api/queues/mail/queued", "/assets/app.js"] {
        assert_eq!(dashboard.get(path).status, 404, "{path}");
    }
    assert_eq!(dashboard.post("/api/queues/mail/empty", &json!({})).status, 405);
    assert!(
        env.cli(&["dashboard", "--metrics-listen", "0.0.0.0:0"])
            .expect_failure(2)
            .contains("could see the names of")
    );
}

#[test]
fn a_worker_can_serve_metrics_without_the_page() {
    let env = TestEnv::new();
    let mut process = env.start(&["worker", "--exec", "*=cat", "--dashboard-metrics-listen", "127.0.0.1:0"]);
    let said = process.wait_for_stderr("metrics: http://");
    let address = said.split("http://").nth(1).unwrap().trim_end_matches("/metrics").to_owned();
    let ask = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        crate::support::response_at(&address, request.as_bytes()).map(|answer| answer.status)
    };
    eventually("it is ready", || ask("/readyz") == Some(200));
    assert_eq!((ask("/metrics"), ask("/")), (Some(200), Some(404)));
    process.signal("TERM");
    process.finish("").ok();
}

#[test]
fn a_failure_at_run_time_is_not_a_usage_error() {
    let env = TestEnv::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = env.cli(&["dashboard", "--listen", &address]).expect_failure(1);
    assert!(told.contains(&format!("cannot listen on {address}")) && told.contains("another port"), "{told}");
    env.cli(&["worker", "--exec", "*=cat", "--dashboard", &address]).expect_failure(1);
    env.cli(&["dashboard", "--listen", "127.0.0.1:0", "--metrics-listen", &address]).expect_failure(1);
    // A name may become resolvable later.
    env.cli(&["dashboard", "--listen", "nobody.invalid:0"]).expect_failure(1);
    for wrong in ["nowhere", "127.0.0.1:99999", "127.0.0.1"] {
        env.cli(&["dashboard", "--listen", wrong]).expect_failure(2);
    }
}

#[test]
fn a_request_whose_body_does_not_arrive_times_out() {
    let env = TestEnv::new();
    let dashboard = DashboardProcess::start(&env, &[]);
    let head = "POST /api/resume HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{";
    let mut stream = dashboard.connect();
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
}

#[test]
fn metrics_have_a_limit_of_lines() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    queue.enqueue_many((0..300).map(|n| NewJob::new(format!("handler{n}"), ()))).unwrap();
    for n in 0..250 {
        queue.sibling(&format!("queue{n}")).unwrap().enqueue("add", (1, 2)).unwrap();
    }
    env.drain(env.worker(&["default"]));
    let page = DashboardProcess::start(&env, &[]).get("/metrics").body;
    let queues = page.lines().filter(|line| line.starts_with("rq_oldest_waiting_seconds{")).count();
    assert_eq!(queues, 201, "200, and one for all others");
    assert!(page.contains("queue=\"other\",status=\"queued\"} 51"), "{page}");
    assert!(!page.contains("handler299") || page.matches("rq_run_seconds_count{").count() <= 201);
}
