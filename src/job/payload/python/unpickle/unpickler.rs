//! Reads a pickle without running any of it: plain data is built, and everything that only Python has is
//! refused.
//!
//! A pickle comes from Redis, so nothing in it is trusted: no length, no depth, no number of objects.

use std::collections::HashMap;

use super::super::opcode;
use super::super::value::{PyKind, PyValue};
use super::build::build_value;
use super::node::{Node, NodeIndex};
use super::refusal::{truncated, underflow};
use super::strings;
use crate::job::payload::limits::{MAX_DATA_BYTES, MAX_PARTS, check_bytes, too_deep, too_many};

/// Limit of the bytes that are copied from one object to another. An honest pickle copies its data once.
const MAX_COPIED_BYTES: usize = MAX_DATA_BYTES;

/// Limit of the tuples and lists that are open at a time.
const MAX_MARKS: usize = 1000;

/// Reads a pickle of any protocol.
///
/// # Errors
/// Says why the pickle cannot be read.
pub(crate) fn unpickle(bytes: &[u8]) -> Result<PyValue, String> {
    check_bytes(bytes.len())?;
    let mut reader = Unpickler::new(bytes);
    while let op = reader.read_byte()?
        && op != opcode::STOP
    {
        reader.run_opcode(op)?;
    }
    let root = reader.pop()?;
    build_value(reader.nodes, root)
}

/// A pickle is a program for a stack machine with a memo. This is the machine.
pub(super) struct Unpickler<'a> {
    /// Bytes that are still to be read.
    pub(super) rest: &'a [u8],
    nodes: Vec<Node>,
    pub(super) stack: Vec<NodeIndex>,
    /// Height of the stack at each open mark.
    pub(super) marks: Vec<usize>,
    pub(super) memo: HashMap<u32, NodeIndex>,
    /// Number of pushes so far.
    pushed: usize,
    /// Number of bytes copied so far.
    copied: usize,
}

impl<'a> Unpickler<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
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

    pub(super) fn read_bytes(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn read_array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn read_byte(&mut self) -> Result<u8, String> {
        Ok(u8::from_le_bytes(self.read_array()?))
    }

    /// Reads a length of `width` bytes, and then that many bytes.
    pub(super) fn read_sized(&mut self, width: usize) -> Result<&'a [u8], String> {
        let mut length = [0; 8];
        length[..width].copy_from_slice(self.read_bytes(width)?);
        self.read_bytes(usize::try_from(u64::from_le_bytes(length)).map_err(|_| truncated())?)
    }

    /// Reads up to the next line feed.
    pub(super) fn read_line(&mut self) -> Result<&'a [u8], String> {
        let length = self.rest.iter().position(|byte| *byte == b'\n').ok_or_else(truncated)?;
        let line = self.read_bytes(length)?;
        self.read_bytes(1)?;
        Ok(line)
    }

    pub(super) fn read_text_line(&mut self) -> Result<&'a str, String> {
        strings::utf8(self.read_line()?)
    }

    pub(super) fn node(&self, index: NodeIndex) -> &Node {
        &self.nodes[index as usize]
    }

    pub(super) fn node_mut(&mut self, index: NodeIndex) -> &mut Node {
        &mut self.nodes[index as usize]
    }

    pub(super) fn leaf(&self, index: NodeIndex) -> Option<&PyKind> {
        match self.node(index) {
            Node::Leaf(kind) => Some(kind),
            _ => None,
        }
    }

    pub(super) fn add(&mut self, node: Node) -> Result<(), String> {
        if self.nodes.len() >= MAX_PARTS {
            return Err(too_many());
        }
        self.nodes.push(node);
        self.push((self.nodes.len() - 1) as NodeIndex)
    }

    pub(super) fn push(&mut self, index: NodeIndex) -> Result<(), String> {
        self.pushed += 1;
        if self.pushed > MAX_PARTS {
            return Err(too_many());
        }
        self.stack.push(index);
        Ok(())
    }

    /// Height of the stack at the last mark. Nothing below it may be popped.
    pub(super) fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn top(&self) -> Result<NodeIndex, String> {
        self.stack[self.floor()..].last().copied().ok_or_else(underflow)
    }

    pub(super) fn pop(&mut self) -> Result<NodeIndex, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    pub(super) fn pop_array<const N: usize>(&mut self) -> Result<[NodeIndex; N], String> {
        let items = *self.stack[self.floor()..].last_chunk().ok_or_else(underflow)?;
        self.stack.truncate(self.stack.len() - N);
        Ok(items)
    }

    pub(super) fn mark(&mut self) -> Result<(), String> {
        if self.marks.len() >= MAX_MARKS {
            return Err(too_deep());
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    pub(super) fn pop_to_mark(&mut self) -> Result<Vec<NodeIndex>, String> {
        let mark =
            self.marks.pop().ok_or_else(|| "the pickle ends something that it did not begin".to_owned())?;
        Ok(self.stack.split_off(mark))
    }

    pub(super) fn remember(&mut self, number: u32) -> Result<(), String> {
        if self.memo.len() >= MAX_PARTS {
            return Err(too_many());
        }
        self.memo.insert(number, self.top()?);
        Ok(())
    }

    pub(super) fn recall(&mut self, number: u32) -> Result<(), String> {
        match self.memo.get(&number) {
            Some(index) => self.push(*index),
            None => Err(format!("the pickle refers to number {number}, which it did not store")),
        }
    }

    /// Guards against a pickle that copies one large object again and again.
    pub(super) fn count_copied(&mut self, bytes: usize) -> Result<(), String> {
        self.copied = self.copied.saturating_add(bytes);
        match self.copied > MAX_COPIED_BYTES {
            true => Err(format!("the pickle copies more than {MAX_COPIED_BYTES} bytes, which is the limit")),
            false => Ok(()),
        }
    }
}
