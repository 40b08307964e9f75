//! Python RQ 3.0's dialect: Redis 6.2 or later, ids are pushed right and popped left.

use std::time::Duration;

use super::Facts;
use crate::job::{Serializer, Ttl, Wire};

/// `RPUSH` in, `BLMOVE` out.
pub(super) const FACTS: Facts = Facts {
    name: "rq",
    prefix: "rq",
    oldest_server: (6, 2),
    pop: "LPOP",
    push: "RPUSH",
    push_front: "LPUSH",
    next_is_last: false,
    wait: ("BLMOVE", &["LEFT", "RIGHT"]),
    failed_forever: "-1",
    canceled_ttl: Ttl::FOREVER,
    wire: Wire { serializer: Serializer::Pickle, is_compressed: true, has_all_fields: true, is_split: false },
    // Together RQ's 90 s: any Python tool fails a job whose score has passed, so we come first.
    lease: Duration::from_secs(45),
    margin: Duration::from_secs(45),
    whole_seconds: true,
    // RQ's own field counts only the retries that a job returned, and gives up by it.
    retries_field: "retries_made",
    // A Python worker that has just taken an id is not disturbed; its maintenance waits 60 s.
    forgotten: Duration::from_secs(20),
    keeps_books: true,
    handlers: "give --exec-server '*=python handler.py' for functions in Python (see docs/from-python-rq.md), --exec NAME=COMMAND, or build your own binary with rq_rs::App",
};
