//! Why a server closes a new connection at once. Asked only after that has happened.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use redis::ConnectionAddr;

/// What the server answers to a stranger.
pub(super) enum Finding {
    /// It says why it closes the connection: Redis' own words.
    Said(String),
    /// It wants TLS.
    SpeaksTls,
}

/// A server that has reached `maxclients`, or is in protected mode, says so and closes the connection without
/// reading. What was sent to it meanwhile makes its words hard to get at; so here nothing is sent at first.
pub(super) fn why_closed(address: &ConnectionAddr, patience: Duration) -> Option<Finding> {
    let patience = patience.min(Duration::from_millis(500));
    let words = read_words(connect(address, patience)?).map(Finding::Said);
    words.or_else(|| answers_tls(connect(address, patience)?))
}

/// What the server says to somebody who has not authenticated, where it is not that.
pub(super) fn why_denied(address: &ConnectionAddr, patience: Duration) -> Option<String> {
    let mut stream = connect(address, patience)?;
    stream.write_all(b"PING\r\n").ok()?;
    read_words(stream).filter(|words| !words.starts_with("NOAUTH"))
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn connect(address: &ConnectionAddr, patience: Duration) -> Option<Box<dyn Stream>> {
    match address {
        ConnectionAddr::Tcp(host, port) => {
            let address = (host.as_str(), *port).to_socket_addrs().ok()?.next()?;
            let stream = TcpStream::connect_timeout(&address, patience).ok()?;
            stream.set_read_timeout(Some(patience)).ok()?;
            Some(Box::new(stream))
        }
        ConnectionAddr::Unix(path) => {
            let stream = UnixStream::connect(path).ok()?;
            stream.set_read_timeout(Some(patience)).ok()?;
            Some(Box::new(stream))
        }
        _ => None,
    }
}

/// An error that comes without being asked for.
fn read_words(mut stream: impl Read) -> Option<String> {
    let mut buffer = [0; 512];
    let size = stream.read(&mut buffer).ok()?;
    let text = std::str::from_utf8(&buffer[..size]).ok()?;
    Some(text.strip_prefix('-')?.lines().next()?.trim().to_owned())
}

/// Whether the answer to a TLS greeting is TLS: its handshake (22), or an alert (21) about the greeting.
fn answers_tls(mut stream: impl Read + Write) -> Option<Finding> {
    stream.write_all(&greeting()).ok()?;
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    matches!(head, [21 | 22, 3]).then_some(Finding::SpeaksTls)
}

/// The smallest ClientHello of TLS 1.2: no session, one usual cipher, no compression, no extensions.
fn greeting() -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend([0x5a; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2f, 1, 0]);
    let mut message = vec![1, 0, 0, hello.len() as u8];
    message.extend(hello);
    let mut record = vec![22, 3, 1, 0, message.len() as u8];
    record.extend(message);
    record
}
