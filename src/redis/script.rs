//! A Lua script and its digest.

/// A Lua script. It is called by its digest (`EVALSHA`); the server may forget it at any time (restart, failover,
/// `SCRIPT FLUSH`), so every caller handles `NOSCRIPT`.
pub(crate) struct Script {
    pub(crate) source: &'static str,
    /// SHA-1 of the source, in hexadecimal.
    pub(crate) sha: String,
}

impl Script {
    pub(crate) fn new(source: &'static str) -> Self {
        let sha = redis::Script::new(source).get_hash().to_owned();
        Script { source, sha }
    }
}
