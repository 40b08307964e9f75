//! Opcodes of a pickle.

use super::super::integer::BigInt;
use super::super::value::PyKind;
use super::node::{Container, Node, NodeIndex};
use super::refusal::{only_python, truncated, underflow};
use super::unpickler::Unpickler;
use super::{numbers, strings};

impl Unpickler<'_> {
    pub(super) fn run_opcode(&mut self, op: u8) -> Result<(), String> {
        match op {
            b'N' | b'I' | b'J' | b'K' | b'M' | b'L' | b'F' | b'G' | 0x88..=0x8b => self.push_number(op),
            b'V' | b'X' | b'S' | b'T' | b'U' | b'B' | b'C' | 0x8c..=0x8e => self.push_string(op),
            b')' | b't' | b'l' | b'd' | 0x85..=0x87 | b']' | b'}' | 0x8f | 0x91 => self.push_container(op),
            b'a' | b'e' | b's' | b'u' | 0x90 => self.fill_container(op),
            b'c' | b'i' | b'o' | b'R' | b'b' | 0x81 | 0x92 | 0x93 => self.make_object(op),
            _ => self.run_control(op),
        }
    }

    fn push_number(&mut self, op: u8) -> Result<(), String> {
        let kind = match op {
            b'N' => PyKind::None,
            0x88 => PyKind::Bool(true),
            0x89 => PyKind::Bool(false),
            b'I' => numbers::int(self.read_line()?)?,
            b'L' => numbers::long(self.read_line()?)?,
            b'J' => PyKind::Int(i64::from(i32::from_le_bytes(self.read_array()?))),
            b'K' => PyKind::Int(i64::from(self.read_byte()?)),
            b'M' => PyKind::Int(i64::from(u16::from_le_bytes(self.read_array()?))),
            0x8a => BigInt::from_le_bytes(self.read_sized(1)?)?.into(),
            0x8b => BigInt::from_le_bytes(self.read_sized(4)?)?.into(),
            b'F' => numbers::float(self.read_line()?)?,
            b'G' => PyKind::Float(f64::from_be_bytes(self.read_array()?)),
            _ => return Err(unknown_opcode(op)),
        };
        self.add(Node::Leaf(kind))
    }

    fn push_string(&mut self, op: u8) -> Result<(), String> {
        let kind = match op {
            b'V' => PyKind::Str(strings::raw_unicode(self.read_line()?)?.into()),
            b'X' => PyKind::Str(strings::utf8(self.read_sized(4)?)?.into()),
            0x8c => PyKind::Str(strings::utf8(self.read_sized(1)?)?.into()),
            0x8d => PyKind::Str(strings::utf8(self.read_sized(8)?)?.into()),
            b'S' => PyKind::Str(strings::quoted(self.read_line()?)?.into()),
            b'T' => PyKind::Str(strings::ascii(self.read_sized(4)?)?.into()),
            b'U' => PyKind::Str(strings::ascii(self.read_sized(1)?)?.into()),
            b'B' => PyKind::Bytes(self.read_sized(4)?.into()),
            b'C' => PyKind::Bytes(self.read_sized(1)?.into()),
            0x8e => PyKind::Bytes(self.read_sized(8)?.into()),
            _ => return Err(unknown_opcode(op)),
        };
        self.add(Node::Leaf(kind))
    }

    fn push_container(&mut self, op: u8) -> Result<(), String> {
        let (shape, items) = match op {
            b')' => (Container::Tuple, Vec::new()),
            0x85 => (Container::Tuple, self.pop_array::<1>()?.to_vec()),
            0x86 => (Container::Tuple, self.pop_array::<2>()?.to_vec()),
            0x87 => (Container::Tuple, self.pop_array::<3>()?.to_vec()),
            b't' => (Container::Tuple, self.pop_to_mark()?),
            b']' => (Container::List, Vec::new()),
            b'l' => (Container::List, self.pop_to_mark()?),
            b'}' => (Container::Dict, Vec::new()),
            b'd' => (Container::Dict, check_pairs(self.pop_to_mark()?)?),
            0x8f => (Container::Set, Vec::new()),
            0x91 => (Container::FrozenSet, self.pop_to_mark()?),
            _ => return Err(unknown_opcode(op)),
        };
        self.add(Node::Container(shape, items))
    }

    fn fill_container(&mut self, op: u8) -> Result<(), String> {
        let items = match op {
            b'a' => self.pop_array::<1>()?.to_vec(),
            b's' => self.pop_array::<2>()?.to_vec(),
            b'u' => check_pairs(self.pop_to_mark()?)?,
            _ => self.pop_to_mark()?,
        };
        let top = self.top()?;
        match (op, self.node_mut(top)) {
            (b'a' | b'e', Node::Container(Container::List, old))
            | (b's' | b'u', Node::Container(Container::Dict | Container::OrderedDict, old))
            | (0x90, Node::Container(Container::Set, old)) => {
                old.extend(items);
                Ok(())
            }
            _ => Err("the pickle fills something that cannot be filled so".to_owned()),
        }
    }

    fn make_object(&mut self, op: u8) -> Result<(), String> {
        match op {
            b'c' => {
                let (module, name) = (self.read_text_line()?, self.read_text_line()?);
                self.push_global(module, name)
            }
            0x93 => {
                let [module, name] = self.pop_array()?;
                let (Some(PyKind::Str(module)), Some(PyKind::Str(name))) =
                    (self.leaf(module), self.leaf(name))
                else {
                    return Err("the pickle names a class with something else than text".to_owned());
                };
                let (module, name) = (module.clone(), name.clone());
                self.push_global(&module, &name)
            }
            b'R' => {
                let [class, arguments] = self.pop_array()?;
                self.call(class, arguments)
            }
            0x81 => {
                let [class, arguments] = self.pop_array()?;
                self.construct(class, arguments)
            }
            0x92 => {
                let [class, arguments, named] = self.pop_array()?;
                match self.node(named) {
                    Node::Container(Container::Dict, named) if named.is_empty() => {
                        self.construct(class, arguments)
                    }
                    _ => Err("the pickle makes an object with named arguments".to_owned()),
                }
            }
            b'i' => {
                let (module, name) = (self.read_text_line()?, self.read_text_line()?);
                let arguments = self.pop_to_mark()?;
                self.push_global(module, name)?;
                let class = self.pop()?;
                self.make_instance(class, arguments)
            }
            b'o' => {
                let mut items = self.pop_to_mark()?.into_iter();
                let class = items.next().ok_or_else(underflow)?;
                self.make_instance(class, items.collect())
            }
            b'b' => {
                let state = self.pop()?;
                let object = self.top()?;
                self.set_state(object, state)
            }
            _ => Err(unknown_opcode(op)),
        }
    }

    fn make_instance(&mut self, class: NodeIndex, arguments: Vec<NodeIndex>) -> Result<(), String> {
        self.add(Node::Container(Container::Tuple, arguments))?;
        let arguments = self.pop()?;
        self.call(class, arguments)
    }

    fn run_control(&mut self, op: u8) -> Result<(), String> {
        match op {
            0x80 => match self.read_byte()? {
                0..=5 => Ok(()),
                version => Err(format!("the pickle has protocol {version}, and only 0 to 5 are known")),
            },
            0x95 => match usize::try_from(u64::from_le_bytes(self.read_array()?)) {
                Ok(length) if length <= self.rest.len() => Ok(()),
                _ => Err(truncated()),
            },
            b'(' => self.mark(),
            b'0' if !self.marks.is_empty() && self.stack.len() == self.floor() => {
                self.marks.pop();
                Ok(())
            }
            b'0' => self.pop().map(drop),
            b'1' => self.pop_to_mark().map(drop),
            b'2' => {
                let top = self.top()?;
                self.push(top)
            }
            b'p' => {
                let number = numbers::memo_index(self.read_line()?)?;
                self.remember(number)
            }
            b'q' => {
                let number = u32::from(self.read_byte()?);
                self.remember(number)
            }
            b'r' => {
                let number = u32::from_le_bytes(self.read_array()?);
                self.remember(number)
            }
            0x94 => self.remember(self.memo.len() as u32),
            b'g' => {
                let number = numbers::memo_index(self.read_line()?)?;
                self.recall(number)
            }
            b'h' => {
                let number = u32::from(self.read_byte()?);
                self.recall(number)
            }
            b'j' => {
                let number = u32::from_le_bytes(self.read_array()?);
                self.recall(number)
            }
            _ => Err(unknown_opcode(op)),
        }
    }
}

fn check_pairs(items: Vec<NodeIndex>) -> Result<Vec<NodeIndex>, String> {
    if items.len().is_multiple_of(2) {
        Ok(items)
    } else {
        Err("the pickle has a key without a value".to_owned())
    }
}

fn unknown_opcode(op: u8) -> String {
    let name = match op {
        b'P' => "PERSID",
        b'Q' => "BINPERSID",
        0x82 => "EXT1",
        0x83 => "EXT2",
        0x84 => "EXT4",
        0x96 => return only_python("builtins.bytearray"),
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        _ => return format!("the pickle has an unknown opcode, 0x{op:02x}"),
    };
    format!("the pickle has the opcode {name}, which only Python can follow")
}
