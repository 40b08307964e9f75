//! A Redis command or a script call, with its keys and arguments.

use chrono::Utc;
use redis::Cmd;

use super::scripts::{Script, ScriptCall, ScriptTexts};
use crate::job::iso;

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

    /// Calls a script by its digest: see [`Client::evalsha`](super::Client::evalsha).
    pub(super) fn evalsha<C: ScriptCall>(texts: &ScriptTexts, call: &C) -> Self {
        let mut cmd = redis::cmd("EVALSHA");
        call.add_to(cmd.arg(texts.digest(C::SCRIPT)));
        RedisCommand { cmd, script: Some(C::SCRIPT) }
    }

    /// Calls a script by its text: see [`Client::eval`](super::Client::eval).
    pub(super) fn eval<C: ScriptCall>(texts: &ScriptTexts, call: &C) -> Self {
        let mut cmd = redis::cmd("EVAL");
        call.add_to(cmd.arg(texts.text(C::SCRIPT)));
        RedisCommand { cmd, script: None }
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
