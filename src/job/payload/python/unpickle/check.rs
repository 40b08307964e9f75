//! Checks that bytes are a pickle, of any classes of Python.

use super::super::opcode;
use super::refusal::{truncated, underflow};
use super::unpickler::{Unpickler, unpickle};
use crate::job::payload::limits::is_over_limit;

/// Data after an opcode.
enum Operand {
    /// A value of this many bytes.
    Bytes(usize),
    /// A length in this many bytes, followed by that number of bytes.
    Sized(usize),
    /// A number of lines of text.
    Lines(usize),
}

/// Checks a pickle of another program. It may hold objects that only Python can read, but it must be a
/// pickle, and keep to the limits as far as it can be read here.
pub(crate) fn check_pickle(bytes: &[u8]) -> Result<(), String> {
    match unpickle(bytes) {
        Ok(_) => Ok(()),
        Err(error) if is_over_limit(&error) || [truncated(), underflow()].contains(&error) => Err(error),
        Err(_) => check_opcodes(bytes),
    }
}

/// Steps from opcode to opcode until the pickle ends.
fn check_opcodes(bytes: &[u8]) -> Result<(), String> {
    let mut reader = Unpickler::new(bytes);
    while let op = reader.read_byte()?
        && op != opcode::STOP
    {
        match operand(op) {
            Some(Operand::Bytes(count)) => reader.read_bytes(count).map(drop)?,
            Some(Operand::Sized(width)) => reader.read_sized(width).map(drop)?,
            Some(Operand::Lines(count)) => (0..count).try_for_each(|_| reader.read_line().map(drop))?,
            None => return Err(format!("the pickle has an unknown opcode, 0x{op:02x}")),
        }
    }
    Ok(())
}

fn operand(op: u8) -> Option<Operand> {
    use opcode::*;
    Some(match op {
        MARK | POP | POP_MARK | DUP | NONE | NEWTRUE | NEWFALSE | BINPERSID => Operand::Bytes(0),
        EMPTY_LIST | APPEND | APPENDS | LIST | EMPTY_TUPLE | TUPLE | TUPLE1..=TUPLE3 => Operand::Bytes(0),
        EMPTY_DICT | DICT | SETITEM | SETITEMS | EMPTY_SET | ADDITEMS | FROZENSET => Operand::Bytes(0),
        REDUCE | BUILD | OBJ | NEWOBJ | NEWOBJ_EX | STACK_GLOBAL | MEMOIZE => Operand::Bytes(0),
        NEXT_BUFFER | READONLY_BUFFER => Operand::Bytes(0),
        BININT1 | BINGET | BINPUT | PROTO | EXT1 => Operand::Bytes(1),
        BININT2 | EXT2 => Operand::Bytes(2),
        BININT | LONG_BINGET | LONG_BINPUT | EXT4 => Operand::Bytes(4),
        BINFLOAT | FRAME => Operand::Bytes(8),
        SHORT_BINSTRING | SHORT_BINBYTES | LONG1 | SHORT_BINUNICODE => Operand::Sized(1),
        BINSTRING | BINUNICODE | BINBYTES | LONG4 => Operand::Sized(4),
        BINUNICODE8 | BINBYTES8 | BYTEARRAY8 => Operand::Sized(8),
        FLOAT | INT | LONG | PERSID | STRING | UNICODE | GET | PUT => Operand::Lines(1),
        GLOBAL | INST => Operand::Lines(2),
        _ => return None,
    })
}
