//! The dialect native. Ids are pushed on the left and popped on the right, because Redis 5 has `BRPOPLPUSH` only.

use std::time::Duration;

use super::spec::DialectSpec;
use crate::job::{FAILURE_TTL, PayloadFormat, Serializer};

pub(super) const SPEC: DialectSpec = DialectSpec {
    name: "native",
    prefix: "rq-rs",
    oldest_server: (5, 0),
    pop: "RPOP",
    push: "LPUSH",
    push_front: "RPUSH",
    pops_from_right: true,
    blocking_move: ("BRPOPLPUSH", &[]),
    failed_forever: "-1",
    canceled_ttl: FAILURE_TTL,
    payload_format: PayloadFormat {
        serializer: Serializer::Json,
        is_compressed: false,
        writes_all_fields: false,
        is_chunked: true,
    },
    lease: Duration::from_secs(30),
    lease_score_offset: Duration::ZERO,
    integer_scores: false,
    retries_field: "number_of_retries",
    orphan_after: Duration::from_secs(10),
    result_field: Some("result"),
    error_field: Some("exc_info"),
    retry_error_field: "exc_info",
    writes_rq_metadata: false,
    is_shared_with_python: false,
    handlers_hint: "give --exec NAME=COMMAND, or build your own binary with rq_rs::App",
};
