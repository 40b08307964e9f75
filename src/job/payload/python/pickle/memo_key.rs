//! Identity of objects in a pickle's memo.

use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use uuid::Uuid;

use super::super::value::PyKind;

/// Identity of an object in the memo, to which later values can refer: the address for shared data, the
/// value for small objects.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
pub(super) enum MemoKey {
    /// A letter for the type, because an empty list and an empty tuple may share an address.
    Object(char, usize),
    Name(&'static str),
    Class(&'static str, &'static str),
    /// Offset of a `datetime.timezone` in microseconds.
    Zone(i64),
    TimeDelta(i32, u32, u32),
    DateTime(NaiveDateTime, bool, Option<i64>),
    Date(NaiveDate),
    Time(NaiveTime, bool, Option<i64>),
    Uuid(Uuid),
}

fn shared_key<T: ?Sized>(tag: char, shared: &Arc<T>) -> MemoKey {
    MemoKey::Object(tag, Arc::as_ptr(shared).cast::<()>().addr())
}

/// Returns the memo key of a value; `None` for types that Python does not remember.
pub(super) fn memo_key(kind: &PyKind) -> Option<MemoKey> {
    Some(match kind {
        PyKind::Str(text) => shared_key('s', text),
        PyKind::Bytes(bytes) => shared_key('b', bytes),
        PyKind::List(items) => shared_key('l', items),
        PyKind::Tuple(items) if items.is_empty() => return None,
        PyKind::Tuple(items) => shared_key('t', items),
        PyKind::Set(items) => shared_key('S', items),
        PyKind::FrozenSet(items) => shared_key('F', items),
        PyKind::Dict(pairs) => shared_key('d', pairs),
        PyKind::OrderedDict(pairs) => shared_key('o', pairs),
        PyKind::Decimal(text) => shared_key('D', text),
        PyKind::DateTime(moment) => MemoKey::DateTime(moment.naive, moment.fold, moment.offset),
        PyKind::Date(date) => MemoKey::Date(*date),
        PyKind::Time(clock) => MemoKey::Time(clock.time, clock.fold, clock.offset),
        PyKind::TimeDelta(days, seconds, micros) => MemoKey::TimeDelta(*days, *seconds, *micros),
        PyKind::Uuid(uuid) => MemoKey::Uuid(*uuid),
        PyKind::None | PyKind::Bool(_) | PyKind::Int(_) | PyKind::BigInt(_) | PyKind::Float(_) => {
            return None;
        }
    })
}
