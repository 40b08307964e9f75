//! Finds out why a server closes a new connection at once. Runs only after that has happened.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use redis::ConnectionAddr;

/// A reason for a closed connection.
pub(super) enum Finding {
    /// The server's own error message.
    ErrorMessage(String),
    RequiresTls,
    SpeaksPlain,
}

/// Asks why the server closes new connections. One that has reached `maxclients`, or is in protected mode, sends
/// an error and closes the connection without reading. Bytes sent to it meanwhile could reset the connection
/// before the error is read, so this sends nothing at first.
pub(super) fn why_closed(address: &ConnectionAddr, timeout: Duration) -> Option<Finding> {
    let timeout = timeout.min(Duration::from_millis(500));
    let message = read_error(connect(address, timeout)?).map(Finding::ErrorMessage);
    message.or_else(|| detect_tls(connect(address, timeout)?))
}

/// Asks what the server replies to an unauthenticated `PING`; `None` if the reply is the usual `NOAUTH`.
pub(super) fn why_denied(address: &ConnectionAddr, timeout: Duration) -> Option<String> {
    let mut stream = connect(address, timeout)?;
    stream.write_all(b"PING\r\n").ok()?;
    read_error(stream).filter(|message| !message.starts_with("NOAUTH"))
}

/// Asks whether a server that does not answer a TLS handshake replies to a plain `PING`.
pub(super) fn why_no_handshake(address: &ConnectionAddr, timeout: Duration) -> Option<Finding> {
    let mut stream = connect(address, timeout.min(Duration::from_millis(500)))?;
    stream.write_all(b"PING\r\n").ok()?;
    let mut first = [0];
    stream.read_exact(&mut first).ok()?;
    matches!(first, [b'+' | b'-']).then_some(Finding::SpeaksPlain)
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

fn connect(address: &ConnectionAddr, timeout: Duration) -> Option<Box<dyn ReadWrite>> {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            let address = (host.as_str(), *port).to_socket_addrs().ok()?.next()?;
            let stream = TcpStream::connect_timeout(&address, timeout).ok()?;
            stream.set_read_timeout(Some(timeout)).ok()?;
            Some(Box::new(stream))
        }
        ConnectionAddr::Unix(path) => {
            let stream = UnixStream::connect(path).ok()?;
            stream.set_read_timeout(Some(timeout)).ok()?;
            Some(Box::new(stream))
        }
        _ => None,
    }
}

/// Reads an error reply.
fn read_error(mut stream: impl Read) -> Option<String> {
    let mut buffer = [0; 512];
    let size = stream.read(&mut buffer).ok()?;
    let text = std::str::from_utf8(&buffer[..size]).ok()?;
    Some(text.strip_prefix('-')?.lines().next()?.trim().to_owned())
}

/// Sends a TLS ClientHello and checks whether the reply is TLS: a handshake record (22) or an alert (21).
fn detect_tls(mut stream: impl Read + Write) -> Option<Finding> {
    stream.write_all(&client_hello()).ok()?;
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    matches!(head, [21 | 22, 3]).then_some(Finding::RequiresTls)
}

/// The smallest ClientHello of TLS 1.2: no session, one common cipher, no compression, no extensions.
fn client_hello() -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend([0x5a; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2f, 1, 0]);
    let mut message = vec![1, 0, 0, hello.len() as u8];
    message.extend(hello);
    let mut record = vec![22, 3, 1, 0, message.len() as u8];
    record.extend(message);
    record
}
