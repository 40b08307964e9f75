//! A proxy between a client and Redis that cuts connections at a chosen command.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

/// Fault that the proxy injects at a command.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// The command passes.
    None,
    /// The connection breaks before Redis receives the command.
    CutBefore,
    /// Redis carries the command out, and the connection breaks before the reply.
    CutAfter,
    /// Redis never receives the command, no reply comes, and the connection stays open.
    Silence,
}

type Decide = Arc<Mutex<dyn FnMut(&[String]) -> Fault + Send>>;

/// A proxy on a port of its own, until the process ends.
pub(crate) struct Proxy {
    url: String,
}

impl Proxy {
    /// `decide` gets the words of each command and returns its fault.
    pub(crate) fn start(redis: &str, decide: impl FnMut(&[String]) -> Fault + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let socket = redis.strip_prefix("unix://").unwrap().to_owned();
        let decide: Decide = Arc::new(Mutex::new(decide));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (socket, decide) = (socket.clone(), Arc::clone(&decide));
                std::thread::spawn(move || serve(client.unwrap(), &socket, &decide));
            }
        });
        Proxy { url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// Forwards commands one by one and waits for each reply, so that a fault hits exactly one command.
fn serve(client: TcpStream, socket: &str, decide: &Decide) {
    let Ok(server) = UnixStream::connect(socket) else { return };
    let mut commands = BufReader::new(client.try_clone().unwrap());
    let mut answers = BufReader::new(server.try_clone().unwrap());
    let (mut to_client, mut to_server) = (client, server);
    while let Some((raw, words)) = read_command(&mut commands) {
        let cut = (decide.lock().unwrap())(&words);
        if cut == Fault::Silence {
            loop {
                std::thread::park();
            }
        }
        let mut answer = Vec::new();
        if cut != Fault::CutBefore {
            let passed =
                to_server.write_all(&raw).is_ok() && read_answer(&mut answers, &mut answer).is_some();
            if !passed {
                break;
            }
        }
        if cut != Fault::None || to_client.write_all(&answer).is_err() {
            break;
        }
    }
    let _ = to_client.shutdown(Shutdown::Both);
}

fn read_line(from: &mut impl BufRead, into: &mut Vec<u8>) -> Option<i64> {
    let start = into.len();
    from.read_until(b'\n', into).ok().filter(|n| *n > 0)?;
    let line = std::str::from_utf8(&into[start + 1..]).ok()?;
    Some(line.trim().parse().unwrap_or(0))
}

fn read_command(from: &mut impl BufRead) -> Option<(Vec<u8>, Vec<String>)> {
    let (mut raw, mut words) = (Vec::new(), Vec::new());
    for _ in 0..read_line(from, &mut raw)? {
        let length = usize::try_from(read_line(from, &mut raw)?).ok()?;
        let start = raw.len();
        raw.resize(start + length + 2, 0);
        from.read_exact(&mut raw[start..]).ok()?;
        words.push(String::from_utf8_lossy(&raw[start..start + length]).into_owned());
    }
    Some((raw, words))
}

fn read_answer(from: &mut impl BufRead, into: &mut Vec<u8>) -> Option<()> {
    let start = into.len();
    let number = read_line(from, into)?;
    match into[start] {
        b'$' if number >= 0 => {
            let end = into.len();
            into.resize(end + usize::try_from(number).ok()? + 2, 0);
            from.read_exact(&mut into[end..]).ok()?;
        }
        b'*' => {
            for _ in 0..number.max(0) {
                read_answer(from, into)?;
            }
        }
        _ => {}
    }
    Some(())
}
