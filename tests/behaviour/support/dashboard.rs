//! The dashboard as a browser, a script or an attacker meets it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::{Process, TestEnv, WAIT_LIMIT};

/// A running dashboard.
pub(crate) struct DashboardProcess {
    pub(crate) process: Process,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
}

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Some(Answer { status, headers: lines.map(header).collect(), body: body.to_owned() })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

/// Sends bytes and reads until the connection ends; `None` if no HTTP response arrives.
pub(crate) fn response_at(address: &str, bytes: &[u8]) -> Option<Answer> {
    let mut stream = connect(address);
    // A server that refuses may close the connection before it has read all bytes.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Answer::parse(&answer)
}

impl DashboardProcess {
    pub(crate) fn start(env: &TestEnv, words: &[&str]) -> Self {
        Self::with(env, words, &[])
    }

    pub(crate) fn with(env: &TestEnv, words: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut environment = env.environment();
        environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let words = [&["dashboard", "--listen", "127.0.0.1:0"], words].concat();
        Self::of(Process::start(&words, &environment))
    }

    /// The dashboard of another command, such as `worker --dashboard`.
    pub(crate) fn of(mut process: Process) -> Self {
        let said = process.wait_for_stderr("dashboard: http://");
        let address = said.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        DashboardProcess { process, address }
    }

    /// Sends bytes and reads the response until the connection ends.
    #[track_caller]
    pub(crate) fn raw(&self, bytes: &[u8]) -> Answer {
        response_at(&self.address, bytes).expect("an answer")
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(&self.address)
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            head += &format!("host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            head += &format!("content-length: {}\r\n", body.len());
        }
        self.raw(format!("{head}\r\n{body}").as_bytes())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    /// Posts as the dashboard's own page does.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        let origin = format!("http://{}", self.address);
        let headers =
            [("content-type", "application/json"), ("origin", &*origin), ("sec-fetch-site", "same-origin")];
        self.ask("POST", path, &headers, &body.to_string())
    }
}
