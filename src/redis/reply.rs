//! Replies of Redis.

/// A reply of Redis, not yet decoded.
pub(crate) type Reply = redis::Value;
