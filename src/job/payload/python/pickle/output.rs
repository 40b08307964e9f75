//! Bytes of a pickle: opcodes with their operands, references to the memo, and frames.

use super::super::integer::trim_sign_bytes;
use super::super::opcode;
use super::memo_key::MemoKey;
use super::pickler::Pickler;

/// Python ends a frame of this size in bytes, and writes larger strings outside of frames.
pub(super) const FRAME_SIZE: usize = 64 * 1024;

/// Python writes shorter data without a frame.
const MIN_FRAME_SIZE: usize = 4;

/// An opcode and eight bytes of length.
const FRAME_HEADER_SIZE: usize = 9;

impl Pickler<'_> {
    pub(super) fn write_int(&mut self, number: i64) {
        if let Ok(byte) = u8::try_from(number) {
            self.write_op(opcode::BININT1);
            self.out.push(byte);
        } else if let Ok(short) = u16::try_from(number) {
            self.write_op(opcode::BININT2);
            self.out.extend_from_slice(&short.to_le_bytes());
        } else if let Ok(int) = i32::try_from(number) {
            self.write_op(opcode::BININT);
            self.out.extend_from_slice(&int.to_le_bytes());
        } else {
            self.write_long(trim_sign_bytes(&number.to_le_bytes()));
        }
    }

    pub(super) fn write_long(&mut self, bytes: &[u8]) {
        match u8::try_from(bytes.len()) {
            Ok(length) => {
                self.write_op(opcode::LONG1);
                self.out.push(length);
            }
            Err(_) => {
                self.write_op(opcode::LONG4);
                self.out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            }
        }
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn write_text(&mut self, text: &str, key: Option<MemoKey>) {
        self.write_sized(
            [opcode::SHORT_BINUNICODE, opcode::BINUNICODE, opcode::BINUNICODE8],
            text.as_bytes(),
        );
        self.remember(key);
    }

    pub(super) fn write_bytes(&mut self, bytes: &[u8], key: Option<MemoKey>) {
        self.write_sized([opcode::SHORT_BINBYTES, opcode::BINBYTES, opcode::BINBYTES8], bytes);
        self.remember(key);
    }

    fn write_sized(&mut self, [short, medium, long]: [u8; 3], bytes: &[u8]) {
        if bytes.len() >= FRAME_SIZE {
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

    /// Writes a reference if the object has been written before; returns whether it has.
    pub(super) fn write_reference(&mut self, key: MemoKey) -> bool {
        let Some(&number) = self.memo.get(&key) else { return false };
        match u8::try_from(number) {
            Ok(number) => {
                self.write_op(opcode::BINGET);
                self.out.push(number);
            }
            Err(_) => {
                self.write_op(opcode::LONG_BINGET);
                self.out.extend_from_slice(&number.to_le_bytes());
            }
        }
        true
    }

    /// Python numbers everything it remembers, also objects that nothing refers to.
    pub(super) fn remember(&mut self, key: Option<MemoKey>) {
        self.write_op(opcode::MEMOIZE);
        if let Some(key) = key {
            self.memo.insert(key, self.remembered);
        }
        self.remembered += 1;
    }

    pub(super) fn write_op(&mut self, op: u8) {
        self.begin_frame();
        self.out.push(op);
    }

    fn begin_frame(&mut self) {
        if self.frame.is_none() {
            self.frame = Some(self.out.len());
            self.out.extend_from_slice(&[opcode::FRAME, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
    }

    /// Ends a full frame. Python checks the size of a frame only before it writes a value.
    pub(super) fn before_value(&mut self) {
        if self.frame.is_some_and(|start| self.out.len() - start - FRAME_HEADER_SIZE >= FRAME_SIZE) {
            self.end_frame();
        }
    }

    pub(super) fn end_frame(&mut self) {
        let Some(start) = self.frame.take() else { return };
        let length = self.out.len() - start - FRAME_HEADER_SIZE;
        if length < MIN_FRAME_SIZE {
            self.out.drain(start..start + FRAME_HEADER_SIZE);
        } else {
            self.out[start + 1..start + FRAME_HEADER_SIZE].copy_from_slice(&(length as u64).to_le_bytes());
        }
    }
}
