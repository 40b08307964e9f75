//! The protocol between a worker and its work horses: JSON values over a socket, each behind its length (four
//! bytes, big-endian).

use std::fs::File;
use std::io::Read;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::job::{Outcome, read_trusted_json};
use crate::worker::run::RunInfo;

/// Environment variable that makes a process a work horse. Its value is the pid of the worker, so that the
/// children of a work horse, which inherit the variable, do not become work horses.
pub(crate) const WORK_HORSE_ENV: &str = "RQ_RS_HORSE";

/// Size of the length prefix in bytes.
const LENGTH: usize = 4;

/// The request to a work horse to run a job.
#[derive(Serialize, Deserialize)]
pub(crate) struct RunRequest {
    pub(crate) info: RunInfo,
    /// Seconds until the job's deadline.
    pub(crate) seconds_left: Option<f64>,
    /// The job's payload as stored in Redis, in base64.
    pub(crate) payload: String,
    /// Maximum size of the result in bytes.
    pub(crate) max_result: usize,
    /// Address space in bytes.
    pub(crate) memory: Option<u64>,
}

/// A message of a work horse.
#[derive(Serialize, Deserialize)]
pub(crate) enum ChildMessage {
    /// The handler saves a field of the job's record. The value is in base64.
    SaveField { field: String, value: String },
    /// The job has ended. `peak_memory` is the largest resident size of the process so far, in bytes.
    Ended { outcome: Outcome, peak_memory: u64 },
}

/// Encodes one frame.
pub(crate) fn encode_frame(message: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![0; LENGTH];
    // Both message types are plain data, which always serializes.
    let _ = serde_json::to_writer(&mut bytes, message);
    let length = u32::try_from(bytes.len() - LENGTH).unwrap_or(u32::MAX);
    bytes[..LENGTH].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// Returns the body of the first frame if it is complete, and adds the frame's size to `consumed`.
pub(super) fn split_frame<'a>(bytes: &'a [u8], consumed: &mut usize) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let length = u32::from_be_bytes(*length) as usize;
    let body = rest.get(..length)?;
    *consumed += LENGTH + length;
    Some(body)
}

/// Reads one frame; blocks until it is complete.
pub(crate) fn read_frame<T: DeserializeOwned>(socket: &mut File) -> std::io::Result<T> {
    let mut length = [0; LENGTH];
    socket.read_exact(&mut length)?;
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    socket.read_exact(&mut bytes)?;
    read_trusted_json(&bytes).map_err(std::io::Error::other)
}
