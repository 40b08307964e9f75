//! Resident memory of this process.

use nix::sys::resource::{UsageWho, getrusage};

/// Resident memory in bytes, on systems with `/proc`.
pub(super) fn resident() -> Option<u64> {
    status_bytes(&std::fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// The largest resident memory that this process has had, in bytes; 0 if it is unknown.
pub(super) fn peak_resident() -> u64 {
    // On Linux, getrusage may give the peak of the worker before it started this process.
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        return status_bytes(&status, "VmHWM:").unwrap_or(0);
    }
    let peak = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    u64::try_from(peak).unwrap_or(0) * unit
}

/// A field of `/proc/self/status`, which counts in KiB.
fn status_bytes(status: &str, field: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(field))?;
    value.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
