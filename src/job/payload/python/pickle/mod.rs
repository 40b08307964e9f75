//! Writes a pickle of protocol 5, with the opcodes that Python's own pickler would choose.

mod objects;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use uuid::Uuid;

use super::integer::shortest;
use super::{PyKind, PyValue};

/// Python fills containers in batches of this many.
const BATCH: usize = 1000;

/// Fills a set. After a full batch of a set or a dictionary Python writes another one, if need be empty.
const ADD_ITEMS: u8 = 0x90;

/// Python ends a frame when it has this many bytes, and leaves larger texts out of frames.
const FRAME: usize = 64 * 1024;

/// Python writes no frame for less.
const SMALLEST_FRAME: usize = 4;

const FRAME_HEADER: usize = 9;

/// The value as a pickle that Python reads as an equal one. What is shared stays shared.
pub(crate) fn pickle(value: &PyValue) -> Vec<u8> {
    let mut writer =
        Pickler { out: vec![0x80, 5], frame: None, memo: HashMap::new(), count: 0, steps: Vec::new() };
    writer.steps.push(PendingWrite::Value(value));
    while let Some(step) = writer.steps.pop() {
        writer.step(step);
    }
    writer.op(b'.');
    writer.end_frame();
    writer.out
}

/// What is still to be written. A list of steps instead of recursion: values can be deep.
enum PendingWrite<'a> {
    Value(&'a PyValue),
    Op(u8),
    /// Ends what is remembered only once it is complete.
    Close(u8, Option<MemoKey>),
    Items(&'a [PyValue], u8),
    Pairs(&'a [(PyValue, PyValue)], bool),
}

/// What a later value can refer to: large things by their place in memory and their kind, small ones by
/// what they are.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
enum MemoKey {
    Object(char, usize),
    Name(&'static str),
    Class(&'static str, &'static str),
    Zone(i64),
    Delta(i32, u32, u32),
    PyDateTime(NaiveDateTime, bool, Option<i64>),
    Date(NaiveDate),
    Time(NaiveTime, bool, Option<i64>),
    Uuid(Uuid),
}

struct Pickler<'a> {
    out: Vec<u8>,
    /// Where the header of the frame stands that is being filled.
    frame: Option<usize>,
    memo: HashMap<MemoKey, u32>,
    count: u32,
    steps: Vec<PendingWrite<'a>>,
}

fn object<T: ?Sized>(tag: char, shared: &Arc<T>) -> MemoKey {
    MemoKey::Object(tag, Arc::as_ptr(shared).cast::<()>().addr())
}

/// By what a value is remembered, if it is at all.
fn key(kind: &PyKind) -> Option<MemoKey> {
    Some(match kind {
        PyKind::Str(text) => object('s', text),
        PyKind::Bytes(bytes) => object('b', bytes),
        PyKind::List(items) => object('l', items),
        PyKind::Tuple(items) if items.is_empty() => return None,
        PyKind::Tuple(items) => object('t', items),
        PyKind::Set(items) => object('S', items),
        PyKind::FrozenSet(items) => object('F', items),
        PyKind::Dict(pairs) => object('d', pairs),
        PyKind::OrderedDict(pairs) => object('o', pairs),
        PyKind::Decimal(text) => object('D', text),
        PyKind::DateTime(moment) => MemoKey::PyDateTime(moment.naive, moment.fold, moment.offset),
        PyKind::Date(date) => MemoKey::Date(*date),
        PyKind::Time(clock) => MemoKey::Time(clock.time, clock.fold, clock.offset),
        PyKind::TimeDelta(days, seconds, micros) => MemoKey::Delta(*days, *seconds, *micros),
        PyKind::Uuid(uuid) => MemoKey::Uuid(*uuid),
        PyKind::None | PyKind::Bool(_) | PyKind::Int(_) | PyKind::BigInt(_) | PyKind::Float(_) => {
            return None;
        }
    })
}

impl<'a> Pickler<'a> {
    fn step(&mut self, step: PendingWrite<'a>) {
        match step {
            PendingWrite::Value(value) => {
                self.value_starts();
                let key = key(&value.0);
                if !key.is_some_and(|key| self.met(key)) {
                    self.value(&value.0, key);
                }
            }
            PendingWrite::Op(op) => self.op(op),
            PendingWrite::Close(op, key) => {
                self.op(op);
                self.remember(key);
            }
            PendingWrite::Items(items, op) => {
                let (now, later) = items.split_at(items.len().min(BATCH));
                self.op(b'(');
                if !later.is_empty() || (op == ADD_ITEMS && now.len() == BATCH) {
                    self.steps.push(PendingWrite::Items(later, op));
                }
                self.steps.push(PendingWrite::Op(op));
                self.push_all(now);
            }
            PendingWrite::Pairs(pairs, ordered) => self.pairs(pairs, ordered),
        }
    }

    fn value(&mut self, kind: &'a PyKind, key: Option<MemoKey>) {
        match kind {
            PyKind::None => self.op(b'N'),
            PyKind::Bool(true) => self.op(0x88),
            PyKind::Bool(false) => self.op(0x89),
            PyKind::Int(number) => self.int(*number),
            PyKind::BigInt(number) => self.long(&number.to_le_bytes()),
            PyKind::Float(number) => {
                self.op(b'G');
                self.out.extend_from_slice(&number.to_be_bytes());
            }
            PyKind::Str(text) => self.text(text, key),
            PyKind::Bytes(bytes) => self.bytes(bytes, key),
            PyKind::List(items) => {
                self.op(b']');
                self.remember(key);
                match &items[..] {
                    [] => {}
                    [item] => self.steps.extend([PendingWrite::Op(b'a'), PendingWrite::Value(item)]),
                    items => self.steps.push(PendingWrite::Items(items, b'e')),
                }
            }
            PyKind::Tuple(items) => self.tuple(items, key),
            PyKind::Set(items) => {
                self.op(0x8f);
                self.remember(key);
                if !items.is_empty() {
                    self.steps.push(PendingWrite::Items(items, ADD_ITEMS));
                }
            }
            PyKind::FrozenSet(items) => {
                self.op(b'(');
                self.steps.push(PendingWrite::Close(0x91, key));
                self.push_all(items);
            }
            PyKind::Dict(pairs) => self.dict(pairs, key),
            PyKind::OrderedDict(pairs) => {
                self.class("collections", "OrderedDict");
                self.value_starts();
                self.op(b')');
                self.op(b'R');
                self.remember(key);
                if !pairs.is_empty() {
                    self.steps.push(PendingWrite::Pairs(pairs, true));
                }
            }
            PyKind::Decimal(text) => {
                self.class("decimal", "Decimal");
                self.value_starts();
                self.text(text, None);
                self.arguments(0x85);
                self.remember(key);
            }
            other => self.point(other, key),
        }
    }

    fn dict(&mut self, pairs: &'a [(PyValue, PyValue)], key: Option<MemoKey>) {
        self.op(b'}');
        self.remember(key);
        if !pairs.is_empty() {
            // Only a dictionary of one entry has it alone; its last batch may hold just one.
            self.steps.push(PendingWrite::Pairs(pairs, pairs.len() == 1));
        }
    }

    fn pairs(&mut self, pairs: &'a [(PyValue, PyValue)], alone: bool) {
        let (now, later) = pairs.split_at(pairs.len().min(BATCH));
        if !later.is_empty() || (!alone && now.len() == BATCH) {
            self.steps.push(PendingWrite::Pairs(later, alone));
        }
        if alone && pairs.len() == 1 {
            self.steps.push(PendingWrite::Op(b's'));
        } else {
            self.op(b'(');
            self.steps.push(PendingWrite::Op(b'u'));
        }
        self.steps.extend(
            now.iter().rev().flat_map(|(key, value)| [PendingWrite::Value(value), PendingWrite::Value(key)]),
        );
    }

    fn tuple(&mut self, items: &'a [PyValue], key: Option<MemoKey>) {
        let op = match items.len() {
            0 => return self.op(b')'),
            1 => 0x85,
            2 => 0x86,
            3 => 0x87,
            _ => {
                self.op(b'(');
                b't'
            }
        };
        self.steps.push(PendingWrite::Close(op, key));
        self.push_all(items);
    }

    fn push_all(&mut self, items: &'a [PyValue]) {
        self.steps.extend(items.iter().rev().map(PendingWrite::Value));
    }

    /// Ends the arguments of a class, and makes an object with them.
    fn arguments(&mut self, tuple: u8) {
        self.op(tuple);
        self.remember(None);
        self.op(b'R');
    }

    fn int(&mut self, number: i64) {
        if let Ok(byte) = u8::try_from(number) {
            self.op(b'K');
            self.out.push(byte);
        } else if let Ok(short) = u16::try_from(number) {
            self.op(b'M');
            self.out.extend_from_slice(&short.to_le_bytes());
        } else if let Ok(int) = i32::try_from(number) {
            self.op(b'J');
            self.out.extend_from_slice(&int.to_le_bytes());
        } else {
            self.long(shortest(&number.to_le_bytes()));
        }
    }

    fn long(&mut self, bytes: &[u8]) {
        match u8::try_from(bytes.len()) {
            Ok(length) => {
                self.op(0x8a);
                self.out.push(length);
            }
            Err(_) => {
                self.op(0x8b);
                self.out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            }
        }
        self.out.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str, key: Option<MemoKey>) {
        self.sized([0x8c, b'X', 0x8d], text.as_bytes());
        self.remember(key);
    }

    fn bytes(&mut self, bytes: &[u8], key: Option<MemoKey>) {
        self.sized([b'C', b'B', 0x8e], bytes);
        self.remember(key);
    }

    fn sized(&mut self, [short, medium, long]: [u8; 3], bytes: &[u8]) {
        if bytes.len() >= FRAME {
            self.end_frame();
        } else {
            self.begin_frame();
        }
        if let Ok(length) = u8::try_from(bytes.len()) {
            self.out.extend_from_slice(&[short, length]);
        } else if let Ok(length) = u32::try_from(bytes.len()) {
            self.out.push(medium);
            self.out.extend_from_slice(&length.to_le_bytes());
        } else {
            self.out.push(long);
            self.out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        }
        self.out.extend_from_slice(bytes);
    }

    /// Whether the thing is already written; refers to it then.
    fn met(&mut self, key: MemoKey) -> bool {
        let Some(&number) = self.memo.get(&key) else { return false };
        match u8::try_from(number) {
            Ok(number) => {
                self.op(b'h');
                self.out.push(number);
            }
            Err(_) => {
                self.op(b'j');
                self.out.extend_from_slice(&number.to_le_bytes());
            }
        }
        true
    }

    /// Python counts everything it remembers, so this does too.
    fn remember(&mut self, key: Option<MemoKey>) {
        self.op(0x94);
        if let Some(key) = key {
            self.memo.insert(key, self.count);
        }
        self.count += 1;
    }

    fn op(&mut self, op: u8) {
        self.begin_frame();
        self.out.push(op);
    }

    fn begin_frame(&mut self) {
        if self.frame.is_none() {
            self.frame = Some(self.out.len());
            self.out.extend_from_slice(&[0x95, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
    }

    /// Python looks at the size of a frame only before it writes a value.
    fn value_starts(&mut self) {
        if self.frame.is_some_and(|start| self.out.len() - start - FRAME_HEADER >= FRAME) {
            self.end_frame();
        }
    }

    fn end_frame(&mut self) {
        let Some(start) = self.frame.take() else { return };
        let length = self.out.len() - start - FRAME_HEADER;
        if length < SMALLEST_FRAME {
            self.out.drain(start..start + FRAME_HEADER);
        } else {
            self.out[start + 1..start + FRAME_HEADER].copy_from_slice(&(length as u64).to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::unpickle;
    use super::*;

    fn list(items: impl IntoIterator<Item = PyValue>) -> PyValue {
        PyValue(PyKind::List(items.into_iter().collect()))
    }

    #[test]
    fn a_job_is_written_as_python_writes_it() {
        let none = PyValue(PyKind::None);
        let arguments = PyValue(PyKind::Tuple([2, 3].map(|number| PyValue(PyKind::Int(number))).into()));
        let job =
            [PyValue(PyKind::Str("tasks.add".into())), none, arguments, PyValue(PyKind::Dict([].into()))];
        let expected = b"\x80\x05\x95\x19\0\0\0\0\0\0\0(\x8c\x09tasks.add\x94NK\x02K\x03\x86\x94}\x94t\x94.";
        assert_eq!(pickle(&PyValue(PyKind::Tuple(job.into()))), expected);
        assert_eq!(pickle(&PyValue(PyKind::Int(5))), b"\x80\x05K\x05.");
    }

    #[test]
    fn much_is_split_into_frames_and_can_be_read() {
        let long = PyValue(PyKind::Str("é".repeat(FRAME).into()));
        let parts = (0..5000).map(|number| PyValue(PyKind::Str(format!("part number {number}").into())));
        let value = list([long, list(parts)]);
        assert!(unpickle(&pickle(&value)) == Ok(value));
    }

    #[test]
    fn what_is_too_deep_to_be_read_is_still_written() {
        let mut value = PyValue(PyKind::None);
        for _ in 0..5000 {
            value = list([value.clone(), value]);
        }
        let bytes = pickle(&value);
        assert!(bytes.len() < 50_000);
        assert!(unpickle(&bytes).unwrap_err().contains("deep"));
    }
}
