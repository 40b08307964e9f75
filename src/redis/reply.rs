//! Replies of Redis.

/// One reply of Redis, as it came.
pub(crate) type Reply = redis::Value;
