//! Writes a pickle of protocol 5, with the opcodes that Python's own pickler would choose.

mod objects;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use uuid::Uuid;

use super::integer::shortest;
use super::{Kind, PyValue};

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
        Writer { out: vec![0x80, 5], frame: None, memo: HashMap::new(), count: 0, steps: Vec::new() };
    writer.steps.push(Step::Value(value));
    while let Some(step) = writer.steps.pop() {
        writer.step(step);
    }
    writer.op(b'.');
    writer.end_frame();
    writer.out
}

/// What is still to be written. A list of steps instead of recursion: values can be deep.
enum Step<'a> {
    Value(&'a PyValue),
    Op(u8),
    /// Ends what is remembered only once it is complete.
    Close(u8, Option<Key>),
    Items(&'a [PyValue], u8),
    Pairs(&'a [(PyValue, PyValue)], bool),
}

/// What a later value can refer to: large things by their place in memory and their kind, small ones by
/// what they are.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
enum Key {
    Object(char, usize),
    Name(&'static str),
    Class(&'static str, &'static str),
    Zone(i64),
    Delta(i32, u32, u32),
    Moment(NaiveDateTime, bool, Option<i64>),
    Date(NaiveDate),
    Time(NaiveTime, bool, Option<i64>),
    Uuid(Uuid),
}

struct Writer<'a> {
    out: Vec<u8>,
    /// Where the header of the frame stands that is being filled.
    frame: Option<usize>,
    memo: HashMap<Key, u32>,
    count: u32,
    steps: Vec<Step<'a>>,
}

fn object<T: ?Sized>(tag: char, shared: &Arc<T>) -> Key {
    Key::Object(tag, Arc::as_ptr(shared).cast::<()>().addr())
}

/// By what a value is remembered, if it is at all.
fn key(kind: &Kind) -> Option<Key> {
    Some(match kind {
        Kind::Str(text) => object('s', text),
        Kind::Bytes(bytes) => object('b', bytes),
        Kind::List(items) => object('l', items),
        Kind::Tuple(items) if items.is_empty() => return None,
        Kind::Tuple(items) => object('t', items),
        Kind::Set(items) => object('S', items),
        Kind::FrozenSet(items) => object('F', items),
        Kind::Dict(pairs) => object('d', pairs),
        Kind::OrderedDict(pairs) => object('o', pairs),
        Kind::Decimal(text) => object('D', text),
        Kind::DateTime(moment) => Key::Moment(moment.naive, moment.fold, moment.offset),
        Kind::Date(date) => Key::Date(*date),
        Kind::Time(clock) => Key::Time(clock.time, clock.fold, clock.offset),
        Kind::TimeDelta(days, seconds, micros) => Key::Delta(*days, *seconds, *micros),
        Kind::Uuid(uuid) => Key::Uuid(*uuid),
        Kind::None | Kind::Bool(_) | Kind::Int(_) | Kind::BigInt(_) | Kind::Float(_) => return None,
    })
}

impl<'a> Writer<'a> {
    fn step(&mut self, step: Step<'a>) {
        match step {
            Step::Value(value) => {
                self.value_starts();
                let key = key(&value.0);
                if !key.is_some_and(|key| self.met(key)) {
                    self.value(&value.0, key);
                }
            }
            Step::Op(op) => self.op(op),
            Step::Close(op, key) => {
                self.op(op);
                self.remember(key);
            }
            Step::Items(items, op) => {
                let (now, later) = items.split_at(items.len().min(BATCH));
                self.op(b'(');
                if !later.is_empty() || (op == ADD_ITEMS && now.len() == BATCH) {
                    self.steps.push(Step::Items(later, op));
                }
                self.steps.push(Step::Op(op));
                self.push_all(now);
            }
            Step::Pairs(pairs, ordered) => self.pairs(pairs, ordered),
        }
    }

    fn value(&mut self, kind: &'a Kind, key: Option<Key>) {
        match kind {
            Kind::None => self.op(b'N'),
            Kind::Bool(true) => self.op(0x88),
            Kind::Bool(false) => self.op(0x89),
            Kind::Int(number) => self.int(*number),
            Kind::BigInt(number) => self.long(&number.to_le_bytes()),
            Kind::Float(number) => {
                self.op(b'G');
                self.out.extend_from_slice(&number.to_be_bytes());
            }
            Kind::Str(text) => self.text(text, key),
            Kind::Bytes(bytes) => self.bytes(bytes, key),
            Kind::List(items) => {
                self.op(b']');
                self.remember(key);
                match &items[..] {
                    [] => {}
                    [item] => self.steps.extend([Step::Op(b'a'), Step::Value(item)]),
                    items => self.steps.push(Step::Items(items, b'e')),
                }
            }
            Kind::Tuple(items) => self.tuple(items, key),
            Kind::Set(items) => {
                self.op(0x8f);
                self.remember(key);
                if !items.is_empty() {
                    self.steps.push(Step::Items(items, ADD_ITEMS));
                }
            }
            Kind::FrozenSet(items) => {
                self.op(b'(');
                self.steps.push(Step::Close(0x91, key));
                self.push_all(items);
            }
            Kind::Dict(pairs) => self.dict(pairs, key),
            Kind::OrderedDict(pairs) => {
                self.class("collections", "OrderedDict");
                self.value_starts();
                self.op(b')');
                self.op(b'R');
                self.remember(key);
                if !pairs.is_empty() {
                    self.steps.push(Step::Pairs(pairs, true));
                }
            }
            Kind::Decimal(text) => {
                self.class("decimal", "Decimal");
                self.value_starts();
                self.text(text, None);
                self.arguments(0x85);
                self.remember(key);
            }
            other => self.point(other, key),
        }
    }

    fn dict(&mut self, pairs: &'a [(PyValue, PyValue)], key: Option<Key>) {
        self.op(b'}');
        self.remember(key);
        if !pairs.is_empty() {
            // Only a dictionary of one entry has it alone; its last batch may hold just one.
            self.steps.push(Step::Pairs(pairs, pairs.len() == 1));
        }
    }

    fn pairs(&mut self, pairs: &'a [(PyValue, PyValue)], alone: bool) {
        let (now, later) = pairs.split_at(pairs.len().min(BATCH));
        if !later.is_empty() || (!alone && now.len() == BATCH) {
            self.steps.push(Step::Pairs(later, alone));
        }
        if alone && pairs.len() == 1 {
            self.steps.push(Step::Op(b's'));
        } else {
            self.op(b'(');
            self.steps.push(Step::Op(b'u'));
        }
        self.steps.extend(now.iter().rev().flat_map(|(key, value)| [Step::Value(value), Step::Value(key)]));
    }

    fn tuple(&mut self, items: &'a [PyValue], key: Option<Key>) {
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
        self.steps.push(Step::Close(op, key));
        self.push_all(items);
    }

    fn push_all(&mut self, items: &'a [PyValue]) {
        self.steps.extend(items.iter().rev().map(Step::Value));
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

    fn text(&mut self, text: &str, key: Option<Key>) {
        self.sized([0x8c, b'X', 0x8d], text.as_bytes());
        self.remember(key);
    }

    fn bytes(&mut self, bytes: &[u8], key: Option<Key>) {
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
    fn met(&mut self, key: Key) -> bool {
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
    fn remember(&mut self, key: Option<Key>) {
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
        PyValue(Kind::List(items.into_iter().collect()))
    }

    #[test]
    fn a_job_is_written_as_python_writes_it() {
        let none = PyValue(Kind::None);
        let arguments = PyValue(Kind::Tuple([2, 3].map(|number| PyValue(Kind::Int(number))).into()));
        let job = [PyValue(Kind::Str("tasks.add".into())), none, arguments, PyValue(Kind::Dict([].into()))];
        let expected = b"\x80\x05\x95\x19\0\0\0\0\0\0\0(\x8c\x09tasks.add\x94NK\x02K\x03\x86\x94}\x94t\x94.";
        assert_eq!(pickle(&PyValue(Kind::Tuple(job.into()))), expected);
        assert_eq!(pickle(&PyValue(Kind::Int(5))), b"\x80\x05K\x05.");
    }

    #[test]
    fn much_is_split_into_frames_and_can_be_read() {
        let long = PyValue(Kind::Str("é".repeat(FRAME).into()));
        let parts = (0..5000).map(|number| PyValue(Kind::Str(format!("part number {number}").into())));
        let value = list([long, list(parts)]);
        assert!(unpickle(&pickle(&value)) == Ok(value));
    }

    #[test]
    fn what_is_too_deep_to_be_read_is_still_written() {
        let mut value = PyValue(Kind::None);
        for _ in 0..5000 {
            value = list([value.clone(), value]);
        }
        let bytes = pickle(&value);
        assert!(bytes.len() < 50_000);
        assert!(unpickle(&bytes).unwrap_err().contains("deep"));
    }
}
