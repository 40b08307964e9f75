//! Writes a pickle of protocol 5 with the opcodes that Python's own pickler chooses, so that both write the
//! same bytes.

use std::collections::HashMap;

use super::super::opcode;
use super::super::value::{PyKind, PyValue};
use super::memo_key::{MemoKey, memo_key};

/// Python fills containers in batches of this many items.
const BATCH_SIZE: usize = 1000;

/// Writes a pickle that Python reads as an equal value. Shared parts stay shared.
pub(crate) fn pickle(value: &PyValue) -> Vec<u8> {
    let mut pickler = Pickler {
        out: vec![opcode::PROTO, 5],
        frame: None,
        memo: HashMap::new(),
        remembered: 0,
        pending: Vec::new(),
    };
    pickler.pending.push(PendingWrite::Value(value));
    while let Some(part) = pickler.pending.pop() {
        pickler.write_pending(part);
    }
    pickler.write_op(opcode::STOP);
    pickler.end_frame();
    pickler.out
}

/// A part that is still to be written. A stack of these replaces recursion, because values can be deep.
enum PendingWrite<'a> {
    Value(&'a PyValue),
    Op(u8),
    /// Writes the opcode, and then remembers the object, which exists only now that it is complete.
    Close(u8, Option<MemoKey>),
    Items(&'a [PyValue], u8),
    /// Pairs of a dict. `true`: written as Python's writer for iterators does, which serves an
    /// `OrderedDict`; it gives a last single pair an opcode of its own, and never adds an empty batch.
    Pairs(&'a [(PyValue, PyValue)], bool),
}

pub(super) struct Pickler<'a> {
    pub(super) out: Vec<u8>,
    /// Position of the header of the open frame.
    pub(super) frame: Option<usize>,
    /// Numbers of the objects that later values can refer to.
    pub(super) memo: HashMap<MemoKey, u32>,
    /// Number of remembered objects.
    pub(super) remembered: u32,
    pending: Vec<PendingWrite<'a>>,
}

impl<'a> Pickler<'a> {
    fn write_pending(&mut self, part: PendingWrite<'a>) {
        match part {
            PendingWrite::Value(value) => {
                self.before_value();
                let key = memo_key(&value.0);
                if !key.is_some_and(|key| self.write_reference(key)) {
                    self.write_value(&value.0, key);
                }
            }
            PendingWrite::Op(op) => self.write_op(op),
            PendingWrite::Close(op, key) => {
                self.write_op(op);
                self.remember(key);
            }
            PendingWrite::Items(items, op) => {
                let (now, later) = items.split_at(items.len().min(BATCH_SIZE));
                self.write_op(opcode::MARK);
                // Python writes another batch after a full batch of a set, even an empty one.
                if !later.is_empty() || (op == opcode::ADDITEMS && now.len() == BATCH_SIZE) {
                    self.pending.push(PendingWrite::Items(later, op));
                }
                self.pending.push(PendingWrite::Op(op));
                self.push_all(now);
            }
            PendingWrite::Pairs(pairs, from_iterator) => self.write_pairs(pairs, from_iterator),
        }
    }

    fn write_value(&mut self, kind: &'a PyKind, key: Option<MemoKey>) {
        match kind {
            PyKind::None => self.write_op(opcode::NONE),
            PyKind::Bool(true) => self.write_op(opcode::NEWTRUE),
            PyKind::Bool(false) => self.write_op(opcode::NEWFALSE),
            PyKind::Int(number) => self.write_int(*number),
            PyKind::BigInt(number) => self.write_long(&number.to_le_bytes()),
            PyKind::Float(number) => {
                self.write_op(opcode::BINFLOAT);
                self.out.extend_from_slice(&number.to_be_bytes());
            }
            PyKind::Str(text) => self.write_text(text, key),
            PyKind::Bytes(bytes) => self.write_bytes(bytes, key),
            PyKind::List(items) => self.write_list(items, key),
            PyKind::Tuple(items) => self.write_tuple(items, key),
            PyKind::Set(items) => self.write_set(items, key),
            PyKind::FrozenSet(items) => {
                self.write_op(opcode::MARK);
                self.pending.push(PendingWrite::Close(opcode::FROZENSET, key));
                self.push_all(items);
            }
            PyKind::Dict(pairs) => self.write_dict(pairs, key),
            PyKind::OrderedDict(pairs) => self.write_ordered_dict(pairs, key),
            PyKind::Decimal(text) => self.write_decimal(text, key),
            other => self.write_object(other, key),
        }
    }

    fn write_list(&mut self, items: &'a [PyValue], key: Option<MemoKey>) {
        self.write_op(opcode::EMPTY_LIST);
        self.remember(key);
        match items {
            [] => {}
            [item] => self.pending.extend([PendingWrite::Op(opcode::APPEND), PendingWrite::Value(item)]),
            items => self.pending.push(PendingWrite::Items(items, opcode::APPENDS)),
        }
    }

    fn write_set(&mut self, items: &'a [PyValue], key: Option<MemoKey>) {
        self.write_op(opcode::EMPTY_SET);
        self.remember(key);
        if !items.is_empty() {
            self.pending.push(PendingWrite::Items(items, opcode::ADDITEMS));
        }
    }

    fn write_ordered_dict(&mut self, pairs: &'a [(PyValue, PyValue)], key: Option<MemoKey>) {
        self.write_class("collections", "OrderedDict");
        self.before_value();
        self.write_op(opcode::EMPTY_TUPLE);
        self.write_op(opcode::REDUCE);
        self.remember(key);
        if !pairs.is_empty() {
            self.pending.push(PendingWrite::Pairs(pairs, true));
        }
    }

    fn write_decimal(&mut self, text: &str, key: Option<MemoKey>) {
        self.write_class("decimal", "Decimal");
        self.before_value();
        self.write_text(text, None);
        self.call_with_tuple(opcode::TUPLE1);
        self.remember(key);
    }

    fn write_dict(&mut self, pairs: &'a [(PyValue, PyValue)], key: Option<MemoKey>) {
        self.write_op(opcode::EMPTY_DICT);
        self.remember(key);
        if !pairs.is_empty() {
            // Python's writer for exact dicts treats a dict of one pair as the writer for iterators does.
            self.pending.push(PendingWrite::Pairs(pairs, pairs.len() == 1));
        }
    }

    fn write_pairs(&mut self, pairs: &'a [(PyValue, PyValue)], from_iterator: bool) {
        let (now, later) = pairs.split_at(pairs.len().min(BATCH_SIZE));
        if !later.is_empty() || (!from_iterator && now.len() == BATCH_SIZE) {
            self.pending.push(PendingWrite::Pairs(later, from_iterator));
        }
        if from_iterator && pairs.len() == 1 {
            self.pending.push(PendingWrite::Op(opcode::SETITEM));
        } else {
            self.write_op(opcode::MARK);
            self.pending.push(PendingWrite::Op(opcode::SETITEMS));
        }
        self.pending.extend(
            now.iter().rev().flat_map(|(key, value)| [PendingWrite::Value(value), PendingWrite::Value(key)]),
        );
    }

    fn write_tuple(&mut self, items: &'a [PyValue], key: Option<MemoKey>) {
        let op = match items.len() {
            0 => return self.write_op(opcode::EMPTY_TUPLE),
            1 => opcode::TUPLE1,
            2 => opcode::TUPLE2,
            3 => opcode::TUPLE3,
            _ => {
                self.write_op(opcode::MARK);
                opcode::TUPLE
            }
        };
        self.pending.push(PendingWrite::Close(op, key));
        self.push_all(items);
    }

    fn push_all(&mut self, items: &'a [PyValue]) {
        self.pending.extend(items.iter().rev().map(PendingWrite::Value));
    }

    /// Ends the arguments of a class and calls it.
    pub(super) fn call_with_tuple(&mut self, tuple: u8) {
        self.write_op(tuple);
        self.remember(None);
        self.write_op(opcode::REDUCE);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::unpickle::unpickle;
    use super::super::output::FRAME_SIZE;
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
    fn large_values_are_split_into_frames_and_can_be_read() {
        let long = PyValue(PyKind::Str("é".repeat(FRAME_SIZE).into()));
        let parts = (0..5000).map(|number| PyValue(PyKind::Str(format!("part number {number}").into())));
        let value = list([long, list(parts)]);
        assert!(unpickle(&pickle(&value)) == Ok(value));
    }

    #[test]
    fn a_value_too_deep_to_be_read_is_still_written() {
        let mut value = PyValue(PyKind::None);
        for _ in 0..5000 {
            value = list([value.clone(), value]);
        }
        let bytes = pickle(&value);
        assert!(bytes.len() < 50_000);
        assert!(unpickle(&bytes).unwrap_err().contains("deep"));
    }
}
