//! rq-rs' own dialect: Redis 5 or later, ids are pushed left and popped right.

use std::time::Duration;

use super::Facts;
use crate::job::{FAILURE_TTL, Serializer, Wire};

/// `LPUSH` in, `BRPOPLPUSH` out.
pub(super) const FACTS: Facts = Facts {
    name: "native",
    prefix: "rq-rs",
    oldest_server: (5, 0),
    pop: "RPOP",
    push: "LPUSH",
    push_front: "RPUSH",
    next_is_last: true,
    wait: ("BRPOPLPUSH", &[]),
    failed_forever: "-1",
    canceled_ttl: FAILURE_TTL,
    wire: Wire { serializer: Serializer::Json, is_compressed: false, has_all_fields: false, is_split: true },
    lease: Duration::from_secs(30),
    margin: Duration::ZERO,
    whole_seconds: false,
    retries_field: "number_of_retries",
    forgotten: Duration::from_secs(10),
    keeps_books: false,
    handlers: "give --exec NAME=COMMAND, or build your own binary with rq_rs::App",
};
