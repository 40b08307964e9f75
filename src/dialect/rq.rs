//! The dialect rq, Python RQ 3.0's. Ids are pushed on the right and popped on the left, as RQ does.

use std::time::Duration;

use super::spec::DialectSpec;
use crate::job::{PayloadFormat, Serializer, Ttl};

pub(super) const SPEC: DialectSpec = DialectSpec {
    name: "rq",
    prefix: "rq",
    oldest_server: (6, 2),
    pop: "LPOP",
    push: "RPUSH",
    push_front: "LPUSH",
    pops_from_right: false,
    blocking_move: ("BLMOVE", &["LEFT", "RIGHT"]),
    failed_forever: "-1",
    canceled_ttl: Ttl::FOREVER,
    payload_format: PayloadFormat {
        serializer: Serializer::Pickle,
        is_compressed: true,
        writes_all_fields: true,
        is_chunked: false,
    },
    // Lease and score offset add up to RQ's 90 s. Any Python tool fails a job whose score has passed; rq-rs recovers it
    // before that.
    lease: Duration::from_secs(45),
    lease_score_offset: Duration::from_secs(45),
    integer_scores: true,
    // RQ's `number_of_retries` counts only retries that a handler asked for, and limits them.
    retries_field: "retries_made",
    // Long enough for a Python worker between its two steps of taking an id. RQ's own maintenance waits 60 s.
    orphan_after: Duration::from_secs(20),
    result_field: None,
    error_field: None,
    // RQ stores no error for a run that is retried, and its tools show `exc_info` as the job's last one.
    retry_error_field: "retry_error",
    writes_rq_metadata: true,
    is_shared_with_python: true,
    handlers_hint: "give --exec-server '*=python handler.py' for functions in Python (see docs/from-python-rq.md), --exec NAME=COMMAND, or build your own binary with rq_rs::App",
};
