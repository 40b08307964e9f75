//! The file of `--pid`.

use std::path::Path;

use super::exit::Failure;

/// Writes the process id, completely or not at all: a script that reads an empty file could signal the
/// wrong processes.
pub(crate) fn write_pid_file(path: &Path) -> Result<(), Failure> {
    std::fs::write(path, std::process::id().to_string()).map_err(|error| {
        // A full disk leaves an empty file. Devices and the like are left alone.
        if path.metadata().is_ok_and(|found| found.is_file() && found.len() == 0) {
            let _ = std::fs::remove_file(path);
        }
        let what = format!("cannot write {}: {error}", path.display());
        Failure::Other(what, "choose another --pid file, or make room".into())
    })
}
