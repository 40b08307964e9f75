//! Log lines about wrong passwords and tokens: one for each address and ten seconds, with a count, so that an attacker
//! cannot fill the log. The line never contains what was given.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest time between two lines about the same address.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// Addresses that are counted on their own; the others share one line.
const MAX_ADDRESSES: usize = 32;

/// Failures by address; `None` stands for all addresses above the limit.
#[derive(Default)]
pub(super) struct LoginFailures(Mutex<HashMap<Option<IpAddr>, FailureCount>>);

struct FailureCount {
    reported_at: Instant,
    /// Failures since then.
    unreported: u64,
}

/// A line of the log.
pub(super) struct FailureReport {
    peer: Option<IpAddr>,
    count: u64,
}

impl fmt::Display for FailureReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "dashboard: a wrong password or token from {peer}")?,
            None => write!(f, "dashboard: wrong passwords or tokens from many more addresses")?,
        }
        if self.count > 1 { write!(f, ", {} times since the last such line", self.count) } else { Ok(()) }
    }
}

impl LoginFailures {
    /// Records a failure. Returns a report if one is due.
    pub(super) fn record(&self, peer: IpAddr, now: Instant) -> Option<FailureReport> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |count: &FailureCount| now.duration_since(count.reported_at) < REPORT_INTERVAL;
        counts.retain(|_, count| count.unreported > 0 || is_recent(count));
        let has_own_line = counts.contains_key(&Some(peer)) || counts.len() < MAX_ADDRESSES;
        let peer = Some(peer).filter(|_| has_own_line);
        let Some(count) = counts.get_mut(&peer) else {
            counts.insert(peer, FailureCount { reported_at: now, unreported: 0 });
            return Some(FailureReport { peer, count: 1 });
        };
        count.unreported += 1;
        if is_recent(count) {
            return None;
        }
        count.reported_at = now;
        Some(FailureReport { peer, count: std::mem::take(&mut count.unreported) })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::{Duration, Instant};

    use super::LoginFailures;

    #[test]
    fn repeated_failures_of_an_address_share_a_line_with_a_count() {
        let (failures, start) = (LoginFailures::default(), Instant::now());
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let lines: Vec<String> = (0..300)
            .filter_map(|n| failures.record(peer, start + Duration::from_millis(n * 100)))
            .map(|report| report.to_string())
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
        let (failures, now) = (LoginFailures::default(), Instant::now());
        let reports =
            (0..10_000_u32).filter_map(|n| failures.record(IpAddr::V4(Ipv4Addr::from_bits(n)), now));
        assert_eq!(reports.count(), 33);
        let later = now + Duration::from_secs(60);
        let report = failures.record(IpAddr::V4(Ipv4Addr::from_bits(20_000)), later);
        assert!(report.is_some_and(|report| report.to_string().contains("0.0.78.32")));
    }
}
