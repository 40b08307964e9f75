//! Lua scripts by name. `EVALSHA` first; the server may forget a script at any time
//! (restart, failover, `SCRIPT FLUSH`), so every caller is ready for `NOSCRIPT`.

/// One script file with its digest.
pub(crate) struct Script {
    pub(crate) source: &'static str,
    pub(crate) sha: String,
}

impl Script {
    pub(crate) fn new(source: &'static str) -> Self {
        let sha = redis::Script::new(source).get_hash().to_owned();
        Script { source, sha }
    }
}
