//! Wrong passwords and tokens, in the log: one line for each address and some seconds, with a count, so that whoever
//! guesses does not fill the log. What was given stands in none of them.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So long an address has no second line.
const QUIET: Duration = Duration::from_secs(10);
/// Addresses that have lines of their own within that time; the others share one.
const PEERS: usize = 32;

#[derive(Default)]
pub(super) struct LoginFailures(Mutex<HashMap<Option<IpAddr>, Told>>);

struct Told {
    at: Instant,
    /// How many there were since.
    more: u64,
}

/// A line of the log.
pub(super) struct Line {
    peer: Option<IpAddr>,
    count: u64,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "dashboard: a wrong password or token from {peer}")?,
            None => write!(f, "dashboard: wrong passwords or tokens from many more addresses")?,
        }
        if self.count > 1 { write!(f, ", {} times since the last such line", self.count) } else { Ok(()) }
    }
}

impl LoginFailures {
    /// One has failed. Says what the log is to say, if anything.
    pub(super) fn fails(&self, peer: IpAddr, now: Instant) -> Option<Line> {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever has nothing left to be told is forgotten.
        peers.retain(|_, told| told.more > 0 || now.duration_since(told.at) < QUIET);
        let is_known = peers.contains_key(&Some(peer)) || peers.len() < PEERS;
        let peer = Some(peer).filter(|_| is_known);
        let Some(told) = peers.get_mut(&peer) else {
            peers.insert(peer, Told { at: now, more: 0 });
            return Some(Line { peer, count: 1 });
        };
        told.more += 1;
        if now.duration_since(told.at) < QUIET {
            return None;
        }
        told.at = now;
        Some(Line { peer, count: std::mem::take(&mut told.more) })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::{Duration, Instant};

    use super::LoginFailures;

    #[test]
    fn whoever_guesses_has_few_lines_with_counts() {
        let (logins, start) = (LoginFailures::default(), Instant::now());
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let lines: Vec<String> = (0..300)
            .filter_map(|n| logins.fails(peer, start + Duration::from_millis(n * 100)))
            .map(|line| line.to_string())
            .collect();
        assert_eq!(
            lines,
            [
                "dashboard: a wrong password or token from 127.0.0.1",
                "dashboard: a wrong password or token from 127.0.0.1, 100 times since the last such line",
                "dashboard: a wrong password or token from 127.0.0.1, 100 times since the last such line",
            ]
        );
    }

    #[test]
    fn many_addresses_share_a_line() {
        let (logins, now) = (LoginFailures::default(), Instant::now());
        let lines = (0..10_000_u32).filter_map(|n| logins.fails(IpAddr::V4(Ipv4Addr::from_bits(n)), now));
        assert_eq!(lines.count(), 33);
        let later = now + Duration::from_secs(60);
        let told = logins.fails(IpAddr::V4(Ipv4Addr::from_bits(20_000)), later);
        assert!(
            told.is_some_and(
                |line| line.to_string().contains("20000") || line.to_string().contains("0.0.78.32")
            )
        );
    }
}
