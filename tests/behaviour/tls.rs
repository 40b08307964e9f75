//! TLS: `rediss://` with the certificates of people's servers, and a plain sentence for each way in which it goes wrong.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rq_rs::{Error, Queue, Status, Worker};
use tempfile::TempDir;

use crate::support::{RunningWorker, TestEnv, eventually};

/// A Redis with a TLS port beside its socket, and certificates of an authority that only the tests know.
struct TlsRedis {
    env: TestEnv,
    port: u16,
    files: TempDir,
}

impl TlsRedis {
    fn start(certificate: &str, more: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        make_certificates(files.path());
        let port = free_port();
        let path = |name: &str| files.path().join(name).display().to_string();
        let certificate = path(&format!("{certificate}.crt"));
        let (tls_port, key, authority) = (port.to_string(), path("server.key"), path("authority.crt"));
        let settings = ["--tls-port", &tls_port, "--tls-cert-file", &certificate, "--tls-key-file", &key];
        let settings = [&settings[..], &["--tls-ca-cert-file", &authority], more].concat();
        TlsRedis { env: TestEnv::with_own_redis(&settings), port, files }
    }

    fn file(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }

    /// A URL with these parameters.
    fn url(&self, host: &str, parameters: &str) -> String {
        format!("rediss://{host}:{}?{parameters}", self.port)
    }

    fn trusted_url(&self) -> String {
        self.url("localhost", &format!("ssl_ca_certs={}", self.file("authority.crt")))
    }

    /// The error of a command of the command line with this URL.
    fn failure(&self, url: &str, code: i32) -> String {
        self.env.via(url).cli(&["info"]).expect_failure(code)
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Makes an authority, and certificates that it has signed: for localhost, for another host, an expired one and one of
/// a client.
fn make_certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ')).current_dir(folder).stderr(Stdio::null()).stdout(Stdio::null());
        assert!(command.status().expect("openssl runs").success(), "openssl {arguments}");
    };
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout authority.key -out authority.crt -days 2 -subj /CN=authority",
    );
    openssl("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server");
    let names = [
        ("server", "DNS:localhost", "2"),
        ("other", "DNS:redis.example.com", "2"),
        ("expired", "DNS:localhost", "-1"),
    ];
    for (name, host, days) in names {
        std::fs::write(folder.join("names"), format!("subjectAltName={host}")).unwrap();
        openssl(&format!(
            "x509 -req -in server.csr -CA authority.crt -CAkey authority.key -CAcreateserial -out {name}.crt -days {days} -extfile names"
        ));
    }
}

#[test]
fn jobs_run_over_tls_and_go_on_after_redis_was_restarted() {
    let redis = TlsRedis::start("server", &["--tls-auth-clients", "no"]);
    let env = redis.env.via(&redis.trusted_url());
    let worker = RunningWorker::start(env.worker(&["default"]));
    let job = env.queue("default").enqueue("add", (1, 2)).unwrap();
    worker.wait_for_finish(job.id());
    redis.env.server().restart();
    let queue = env.queue("default");
    let job = queue.enqueue("add", (3, 4)).unwrap();
    worker.wait_for_finish(job.id());
    assert_eq!(job.wait::<i64>(Duration::from_secs(10)), Ok(7));
    worker.stop();
}

#[test]
fn the_command_line_takes_files_as_options_and_warns_of_unchecked_certificates() {
    let redis = TlsRedis::start("server", &["--tls-auth-clients", "no"]);
    let (url, authority) = (redis.url("localhost", ""), redis.file("authority.crt"));
    let env = redis.env.via(&url);
    let id = env.cli(&["enqueue", "add", "1", "2", "--tls-ca", &authority]).ok();
    assert!(env.cli(&["info", "--tls-ca", &authority]).ok().contains("default"), "{id}");
    let output = env.cli(&["info", "--tls-insecure"]);
    assert!(output.stderr.contains("is not checked"), "{}", output.stderr);
    assert!(output.ok().contains("default"));
}

#[test]
fn urls_of_other_clients_mean_the_same() {
    let redis = TlsRedis::start("other", &["--tls-auth-clients", "no"]);
    let authority = redis.file("authority.crt");
    for (parameters, is_accepted) in [
        ("ssl_cert_reqs=none".to_owned(), true),
        ("ssl_cert_reqs=CERT_NONE".to_owned(), true),
        (format!("ssl_cert_reqs=required&ssl_check_hostname=false&ssl_ca_certs={authority}"), true),
        (
            "socket_timeout=5&decode_responses=True&ssl_cert_reqs=none&health_check_interval=30".to_owned(),
            true,
        ),
        (format!("ssl_ca_certs={authority}"), false),
        ("ssl_check_hostname=false".to_owned(), false),
    ] {
        let queue = Queue::connect(&redis.url("localhost", &parameters), "default");
        assert_eq!(queue.is_ok(), is_accepted, "{parameters}: {:?}", queue.err());
    }
    let insecure = format!("valkeys://localhost:{}#insecure", redis.port);
    assert!(Queue::connect(&insecure, "default").is_ok());
}

#[test]
fn a_certificate_that_cannot_be_accepted_is_explained() {
    let redis = TlsRedis::start("server", &["--tls-auth-clients", "no"]);
    let unknown = redis.failure(&redis.url("localhost", ""), 1);
    assert!(unknown.contains("an authority that this machine does not know"), "{unknown}");
    assert!(unknown.contains("--tls-ca FILE") && unknown.contains("ssl_cert_reqs=none"), "{unknown}");
    let trusted = format!("ssl_ca_certs={}", redis.file("authority.crt"));
    let by_address = redis.failure(&redis.url("127.0.0.1", &trusted), 1);
    assert!(by_address.contains("is not for the name 127.0.0.1: it is for"), "{by_address}");
    assert!(by_address.contains("localhost"), "{by_address}");

    let expired = TlsRedis::start("expired", &["--tls-auth-clients", "no"]);
    let failure = expired.failure(&expired.trusted_url(), 1);
    assert!(failure.contains("its certificate has expired"), "{failure}");
}

#[test]
fn a_server_that_wants_a_certificate_of_the_client_gets_one() {
    let redis = TlsRedis::start("server", &[]);
    let without = redis.failure(&redis.trusted_url(), 1);
    assert!(without.contains("wants a certificate of this client"), "{without}");
    let (certificate, key) = (redis.file("server.crt"), redis.file("server.key"));
    let url = format!("{}&ssl_certfile={certificate}&ssl_keyfile={key}", redis.trusted_url());
    assert!(Queue::connect(&url, "default").is_ok());
    let env = redis.env.via(&redis.trusted_url());
    env.cli(&["info", "--tls-cert", &certificate, "--tls-key", &key]).ok();
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let redis = TlsRedis::start("server", &["--tls-auth-clients", "no"]);
    let key = redis.file("server.key");
    for (parameters, text) in [
        ("ssl_ca_certs=/nowhere.pem".to_owned(), "/nowhere.pem cannot be read: No such file"),
        (format!("ssl_ca_certs={key}"), "server.key has no PEM section CERTIFICATE"),
        (format!("ssl_keyfile={key}"), "no ssl_certfile"),
        ("ssl_cert_reqs=maybe".to_owned(), "ssl_cert_reqs=maybe, which means nothing"),
        ("ssl_frobnicate=1".to_owned(), "\"ssl_frobnicate\", which means nothing"),
    ] {
        let failure = redis.failure(&redis.url("localhost", &parameters), 2);
        assert!(failure.contains(text) && failure.contains("hint:"), "{parameters}: {failure}");
    }
    let plain = format!("redis://localhost:{}?ssl_cert_reqs=none", redis.port);
    assert!(redis.failure(&plain, 2).contains("no TLS"));
}

#[test]
fn tls_to_a_plain_port_and_the_other_way_round_is_explained() {
    let redis = TlsRedis::start("server", &["--tls-auth-clients", "no"]);
    let plain = redis.failure(&format!("redis://localhost:{}", redis.port), 1);
    assert!(plain.contains("wants TLS") && plain.contains("rediss://"), "{plain}");
    let port = free_port();
    let env = TestEnv::with_own_redis(&["--port", &port.to_string()]);
    let error = Queue::connect(&format!("rediss://localhost:{port}"), "default").err().unwrap();
    assert!(matches!(&error, Error::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("does not speak TLS") && error.hint().unwrap().contains("redis://"));
    drop(env);
}

#[test]
fn work_horses_and_the_dashboard_use_redis_over_tls() {
    let redis = TlsRedis::start("server", &["--tls-auth-clients", "no"]);
    let env = redis.env.via(&redis.trusted_url());
    let queue = env.queue("default");
    let job = queue.enqueue("echo", ("hello",)).unwrap();
    env.cli(&["worker", "--burst", "--exec", "echo=cat"]).ok();
    eventually("the job ended", || queue.job(job.id()).is_ok_and(|job| job.status != Status::Queued));
    let _ = Worker::connect(env.url(), ["default"]).unwrap();
}
