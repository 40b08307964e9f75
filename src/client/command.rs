//! A Redis command or a script call, with its keys and arguments.

use chrono::Utc;
use redis::Cmd;

use crate::job::iso;
use crate::redis::Script;

/// A command for Redis. Calls of scripts are commands too: `EVALSHA` and `EVAL`.
pub(crate) struct RedisCommand {
    pub(super) cmd: Cmd,
    /// The script of an `EVALSHA`: its text is loaded when the server does not know it.
    pub(super) script: Option<&'static Script>,
}

impl RedisCommand {
    pub(crate) fn new(name: &str) -> Self {
        RedisCommand { cmd: redis::cmd(name), script: None }
    }

    /// Calls a script by its digest. The client loads the script and repeats the call if the server does not
    /// know the digest.
    pub(crate) fn evalsha(script: &'static Script, keys: &[&str]) -> Self {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&script.sha).arg(keys.len()).arg(keys);
        RedisCommand { cmd, script: Some(script) }
    }

    /// Calls a script by its text. Unlike [`evalsha`](Self::evalsha) it never has to be repeated, so it keeps
    /// its position among the commands of a pipeline.
    pub(crate) fn eval(script: &'static Script, keys: &[&str]) -> Self {
        let mut cmd = redis::cmd("EVAL");
        cmd.arg(script.source).arg(keys.len()).arg(keys);
        RedisCommand { cmd, script: None }
    }

    /// Combines two script calls into one call of `script`, which runs the script of `inner` as a function:
    /// the keys of `inner` come first, its arguments last.
    #[cfg(feature = "cron")]
    pub(crate) fn evalsha_nested(
        script: &'static Script,
        inner: &RedisCommand,
        outer: &RedisCommand,
    ) -> Self {
        let (inner, outer) = (inner.parts(), outer.parts());
        let keys = [inner.0, outer.0].concat();
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&script.sha).arg(keys.len()).arg(keys).arg(outer.1).arg(inner.1);
        RedisCommand { cmd, script: Some(script) }
    }

    /// Keys and arguments of a script call.
    fn parts(&self) -> (Vec<&[u8]>, Vec<&[u8]>) {
        let mut all = self.cmd.args_iter().skip(2).filter_map(|arg| match arg {
            redis::Arg::Simple(bytes) => Some(bytes),
            _ => None,
        });
        let count = all.next().and_then(|count| std::str::from_utf8(count).ok()?.parse().ok());
        let keys = all.by_ref().take(count.unwrap_or(0)).collect();
        (keys, all.collect())
    }

    /// Appends the current time of this machine in RQ's format.
    pub(crate) fn arg_now(self) -> Self {
        self.arg(now())
    }

    pub(crate) fn arg(mut self, arg: impl redis::ToRedisArgs) -> Self {
        self.cmd.arg(arg);
        self
    }
}

/// The current time of this machine in RQ's format.
pub(crate) fn now() -> String {
    iso(Utc::now())
}
