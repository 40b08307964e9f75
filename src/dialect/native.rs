//! rq-rs' own dialect: Redis 5 or later, ids are pushed left and popped right.

use super::Dialect;

/// `LPUSH` in, `BRPOPLPUSH` out.
pub(crate) const NATIVE: Dialect = Dialect {
    prefix: "rq-rs",
    pop: "RPOP",
    push: "LPUSH",
    push_front: "RPUSH",
    next_is_last: true,
    wait: ("BRPOPLPUSH", &[]),
    failed_forever: "-1",
};
