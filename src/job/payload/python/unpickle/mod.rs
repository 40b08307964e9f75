//! Reads a pickle without running any of it: plain data is built, and what only Python has is refused.
//!
//! A pickle comes from Redis, so nothing in it is trusted: no length, no depth, no number of things.

mod build;
#[cfg(feature = "worker")]
mod check;
mod hash_key;
mod numbers;
mod objects;
mod opcodes;
mod strings;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use uuid::Uuid;

#[cfg(feature = "worker")]
pub(crate) use self::check::check_pickle;
use self::objects::KnownClass;
pub(crate) use self::strings::is_decimal;
use super::{PyKind, PyValue};
use crate::job::payload::limits::{MAX_DATA_BYTES, MAX_PARTS, check_bytes, too_deep, too_many};

/// How many bytes may be copied from one thing to another. Honest pickles copy what they hold once.
const COPIED_BYTES: usize = MAX_DATA_BYTES;

/// How many tuples or lists may be open at a time.
const MARKS: usize = 1000;

/// Reads what Python pickled, in any protocol, or says what stands against it.
pub(crate) fn unpickle(bytes: &[u8]) -> Result<PyValue, String> {
    check_bytes(bytes.len())?;
    let mut reader = Unpickler::of(bytes);
    while let op = reader.byte()?
        && op != b'.'
    {
        reader.step(op)?;
    }
    let root = reader.pop()?;
    build::build_value(reader.nodes, root)
}

/// Where a thing stands among the nodes. Only `Unpickler::add` makes one, so it always points to a node.
type Index = u32;

/// A thing that is being read. Containers are filled after others refer to them.
#[derive(Clone)]
enum Node {
    Leaf(PyKind),
    /// The items; for dictionaries keys and values in turn.
    Many(Container, Vec<Index>),
    /// An UUID is made without its number, which is set later.
    Uuid(Option<Uuid>),
    /// A `datetime.timezone`: microseconds east of UTC.
    Zone(i64),
    Class(KnownClass),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Container {
    List,
    Tuple,
    Set,
    FrozenSet,
    Dict,
    OrderedDict,
}

/// The machine that a pickle is a program for.
struct Unpickler<'a> {
    rest: &'a [u8],
    nodes: Vec<Node>,
    stack: Vec<Index>,
    /// How high the stack was at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Index>,
    pushed: usize,
    copied: usize,
}

impl<'a> Unpickler<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Unpickler {
            rest: bytes,
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            pushed: 0,
            copied: 0,
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// What follows a length of so many bytes.
    fn sized(&mut self, width: usize) -> Result<&'a [u8], String> {
        let mut length = [0; 8];
        length[..width].copy_from_slice(self.take(width)?);
        self.take(usize::try_from(u64::from_le_bytes(length)).map_err(|_| cut_short())?)
    }

    /// What stands before the next line feed.
    fn line(&mut self) -> Result<&'a [u8], String> {
        let length = self.rest.iter().position(|byte| *byte == b'\n').ok_or_else(cut_short)?;
        let line = self.take(length)?;
        self.take(1)?;
        Ok(line)
    }

    fn text_line(&mut self) -> Result<&'a str, String> {
        strings::utf8(self.line()?)
    }

    fn node(&self, index: Index) -> &Node {
        &self.nodes[index as usize]
    }

    fn node_mut(&mut self, index: Index) -> &mut Node {
        &mut self.nodes[index as usize]
    }

    fn leaf(&self, index: Index) -> Option<&PyKind> {
        match self.node(index) {
            Node::Leaf(kind) => Some(kind),
            _ => None,
        }
    }

    fn add(&mut self, node: Node) -> Result<(), String> {
        if self.nodes.len() >= MAX_PARTS {
            return Err(too_many());
        }
        self.nodes.push(node);
        self.push((self.nodes.len() - 1) as Index)
    }

    fn push(&mut self, index: Index) -> Result<(), String> {
        self.pushed += 1;
        if self.pushed > MAX_PARTS {
            return Err(too_many());
        }
        self.stack.push(index);
        Ok(())
    }

    /// Below the last mark nothing may be taken.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Index, String> {
        self.stack[self.floor()..].last().copied().ok_or_else(underflow)
    }

    fn pop(&mut self) -> Result<Index, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_array<const N: usize>(&mut self) -> Result<[Index; N], String> {
        let items = *self.stack[self.floor()..].last_chunk().ok_or_else(underflow)?;
        self.stack.truncate(self.stack.len() - N);
        Ok(items)
    }

    fn mark(&mut self) -> Result<(), String> {
        if self.marks.len() >= MARKS {
            return Err(too_deep());
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Index>, String> {
        let mark =
            self.marks.pop().ok_or_else(|| "the pickle ends something that it did not begin".to_owned())?;
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, number: u32) -> Result<(), String> {
        if self.memo.len() >= MAX_PARTS {
            return Err(too_many());
        }
        self.memo.insert(number, self.top()?);
        Ok(())
    }

    fn recall(&mut self, number: u32) -> Result<(), String> {
        match self.memo.get(&number) {
            Some(index) => self.push(*index),
            None => Err(format!("the pickle refers to number {number}, which it did not store")),
        }
    }

    /// Guards against a pickle that copies one large thing again and again.
    fn copying(&mut self, bytes: usize) -> Result<(), String> {
        self.copied = self.copied.saturating_add(bytes);
        match self.copied > COPIED_BYTES {
            true => Err(format!("the pickle copies more than {COPIED_BYTES} bytes, which is the limit")),
            false => Ok(()),
        }
    }
}

fn cut_short() -> String {
    "the pickle is cut short".to_owned()
}

fn underflow() -> String {
    "the pickle takes more than it made".to_owned()
}

fn only_python(what: &str) -> String {
    format!("the payload holds a {what}, which only Python can read")
}
