//! Checks that bytes are a pickle, of any classes of Python.

use super::refusal::{truncated, underflow};
use super::unpickler::{Unpickler, unpickle};
use crate::job::payload::limits::is_over_limit;

/// Data after an opcode.
enum Operand {
    /// This many bytes.
    Bytes(usize),
    /// A length of this many bytes, and then as many bytes as it says.
    Sized(usize),
    /// This many lines of text.
    Lines(usize),
}

/// Checks a pickle of another program. It may hold objects that only Python can read, but it must be a pickle, and
/// keep to the limits as far as it can be read here.
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
        && op != b'.'
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
    Some(match op {
        b'(' | b')' | b'0' | b'1' | b'2' | b'N' | b'Q' | b'R' | b'a' | b'b' | b'd' | b'e' | b'l' | b'o' => {
            Operand::Bytes(0)
        }
        b's' | b't' | b'u' | b']' | b'}' | 0x81 | 0x85..=0x89 | 0x8f..=0x94 | 0x97 | 0x98 => {
            Operand::Bytes(0)
        }
        b'K' | b'h' | b'q' | 0x80 | 0x82 => Operand::Bytes(1),
        b'M' | 0x83 => Operand::Bytes(2),
        b'J' | b'j' | b'r' | 0x84 => Operand::Bytes(4),
        b'G' | 0x95 => Operand::Bytes(8),
        b'U' | b'C' | 0x8a | 0x8c => Operand::Sized(1),
        b'T' | b'X' | b'B' | 0x8b => Operand::Sized(4),
        0x8d | 0x8e | 0x96 => Operand::Sized(8),
        b'F' | b'I' | b'L' | b'P' | b'S' | b'V' | b'g' | b'p' => Operand::Lines(1),
        b'c' | b'i' => Operand::Lines(2),
        _ => return None,
    })
}
