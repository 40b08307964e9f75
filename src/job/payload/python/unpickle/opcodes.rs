//! Opcodes of a pickle and their effects.

use super::super::integer::BigInt;
use super::super::opcode;
use super::super::value::PyKind;
use super::node::{Container, Node, NodeIndex};
use super::refusal::{only_python, truncated, underflow};
use super::unpickler::Unpickler;
use super::{numbers, strings};

impl Unpickler<'_> {
    pub(super) fn run_opcode(&mut self, op: u8) -> Result<(), String> {
        use opcode::*;
        match op {
            NONE | NEWTRUE | NEWFALSE | INT | BININT | BININT1 | BININT2 | LONG | LONG1 | LONG4 | FLOAT
            | BINFLOAT => self.push_scalar(op),
            UNICODE | BINUNICODE | SHORT_BINUNICODE | BINUNICODE8 | STRING | BINSTRING | SHORT_BINSTRING
            | BINBYTES | SHORT_BINBYTES | BINBYTES8 => self.push_string(op),
            EMPTY_TUPLE
            | TUPLE
            | TUPLE1..=TUPLE3
            | EMPTY_LIST
            | LIST
            | EMPTY_DICT
            | DICT
            | EMPTY_SET
            | FROZENSET => self.push_container(op),
            APPEND | APPENDS | SETITEM | SETITEMS | ADDITEMS => self.fill_container(op),
            GLOBAL | STACK_GLOBAL => self.push_class(op),
            REDUCE | NEWOBJ | NEWOBJ_EX | INST | OBJ => self.make_object(op),
            BUILD => {
                let state = self.pop()?;
                let object = self.top()?;
                self.set_state(object, state)
            }
            PUT | BINPUT | LONG_BINPUT | MEMOIZE | GET | BINGET | LONG_BINGET => self.use_memo(op),
            _ => self.control_stack(op),
        }
    }

    fn push_scalar(&mut self, op: u8) -> Result<(), String> {
        let kind = match op {
            opcode::NONE => PyKind::None,
            opcode::NEWTRUE => PyKind::Bool(true),
            opcode::NEWFALSE => PyKind::Bool(false),
            opcode::INT => numbers::int(self.read_line()?)?,
            opcode::LONG => numbers::long(self.read_line()?)?,
            opcode::BININT => PyKind::Int(i64::from(i32::from_le_bytes(self.read_array()?))),
            opcode::BININT1 => PyKind::Int(i64::from(self.read_byte()?)),
            opcode::BININT2 => PyKind::Int(i64::from(u16::from_le_bytes(self.read_array()?))),
            opcode::LONG1 => BigInt::from_le_bytes(self.read_sized(1)?)?.into(),
            opcode::LONG4 => BigInt::from_le_bytes(self.read_sized(4)?)?.into(),
            opcode::FLOAT => numbers::float(self.read_line()?)?,
            opcode::BINFLOAT => PyKind::Float(f64::from_be_bytes(self.read_array()?)),
            _ => return Err(refuse_opcode(op)),
        };
        self.add(Node::Leaf(kind))
    }

    fn push_string(&mut self, op: u8) -> Result<(), String> {
        let kind = match op {
            opcode::UNICODE => PyKind::Str(strings::raw_unicode(self.read_line()?)?.into()),
            opcode::BINUNICODE => PyKind::Str(strings::utf8(self.read_sized(4)?)?.into()),
            opcode::SHORT_BINUNICODE => PyKind::Str(strings::utf8(self.read_sized(1)?)?.into()),
            opcode::BINUNICODE8 => PyKind::Str(strings::utf8(self.read_sized(8)?)?.into()),
            opcode::STRING => PyKind::Str(strings::quoted(self.read_line()?)?.into()),
            opcode::BINSTRING => PyKind::Str(strings::ascii(self.read_sized(4)?)?.into()),
            opcode::SHORT_BINSTRING => PyKind::Str(strings::ascii(self.read_sized(1)?)?.into()),
            opcode::BINBYTES => PyKind::Bytes(self.read_sized(4)?.into()),
            opcode::SHORT_BINBYTES => PyKind::Bytes(self.read_sized(1)?.into()),
            opcode::BINBYTES8 => PyKind::Bytes(self.read_sized(8)?.into()),
            _ => return Err(refuse_opcode(op)),
        };
        self.add(Node::Leaf(kind))
    }

    fn push_container(&mut self, op: u8) -> Result<(), String> {
        let (container, items) = match op {
            opcode::EMPTY_TUPLE => (Container::Tuple, Vec::new()),
            opcode::TUPLE1 => (Container::Tuple, self.pop_array::<1>()?.to_vec()),
            opcode::TUPLE2 => (Container::Tuple, self.pop_array::<2>()?.to_vec()),
            opcode::TUPLE3 => (Container::Tuple, self.pop_array::<3>()?.to_vec()),
            opcode::TUPLE => (Container::Tuple, self.pop_to_mark()?),
            opcode::EMPTY_LIST => (Container::List, Vec::new()),
            opcode::LIST => (Container::List, self.pop_to_mark()?),
            opcode::EMPTY_DICT => (Container::Dict, Vec::new()),
            opcode::DICT => (Container::Dict, check_pairs(self.pop_to_mark()?)?),
            opcode::EMPTY_SET => (Container::Set, Vec::new()),
            opcode::FROZENSET => (Container::FrozenSet, self.pop_to_mark()?),
            _ => return Err(refuse_opcode(op)),
        };
        self.add(Node::Container(container, items))
    }

    fn fill_container(&mut self, op: u8) -> Result<(), String> {
        let items = match op {
            opcode::APPEND => self.pop_array::<1>()?.to_vec(),
            opcode::SETITEM => self.pop_array::<2>()?.to_vec(),
            opcode::SETITEMS => check_pairs(self.pop_to_mark()?)?,
            _ => self.pop_to_mark()?,
        };
        let top = self.top()?;
        match (op, self.node_mut(top)) {
            (opcode::APPEND | opcode::APPENDS, Node::Container(Container::List, old))
            | (
                opcode::SETITEM | opcode::SETITEMS,
                Node::Container(Container::Dict | Container::OrderedDict, old),
            )
            | (opcode::ADDITEMS, Node::Container(Container::Set, old)) => {
                old.extend(items);
                Ok(())
            }
            _ => Err("the pickle fills something that cannot be filled so".to_owned()),
        }
    }

    fn push_class(&mut self, op: u8) -> Result<(), String> {
        if op == opcode::GLOBAL {
            let (module, name) = (self.read_text_line()?, self.read_text_line()?);
            return self.push_global(module, name);
        }
        let [module, name] = self.pop_array()?;
        let (Some(PyKind::Str(module)), Some(PyKind::Str(name))) = (self.leaf(module), self.leaf(name))
        else {
            return Err("the pickle names a class with something else than text".to_owned());
        };
        let (module, name) = (module.clone(), name.clone());
        self.push_global(&module, &name)
    }

    fn make_object(&mut self, op: u8) -> Result<(), String> {
        match op {
            opcode::REDUCE => {
                let [class, arguments] = self.pop_array()?;
                self.call(class, arguments)
            }
            opcode::NEWOBJ => {
                let [class, arguments] = self.pop_array()?;
                self.construct(class, arguments)
            }
            opcode::NEWOBJ_EX => {
                let [class, arguments, keywords] = self.pop_array()?;
                match self.node(keywords) {
                    Node::Container(Container::Dict, pairs) if pairs.is_empty() => {
                        self.construct(class, arguments)
                    }
                    _ => Err("the pickle makes an object with named arguments".to_owned()),
                }
            }
            opcode::INST => {
                let (module, name) = (self.read_text_line()?, self.read_text_line()?);
                let arguments = self.pop_to_mark()?;
                self.push_global(module, name)?;
                let class = self.pop()?;
                self.call_with_items(class, arguments)
            }
            opcode::OBJ => {
                let mut items = self.pop_to_mark()?.into_iter();
                let class = items.next().ok_or_else(underflow)?;
                self.call_with_items(class, items.collect())
            }
            _ => Err(refuse_opcode(op)),
        }
    }

    fn call_with_items(&mut self, class: NodeIndex, arguments: Vec<NodeIndex>) -> Result<(), String> {
        self.add(Node::Container(Container::Tuple, arguments))?;
        let arguments = self.pop()?;
        self.call(class, arguments)
    }

    fn use_memo(&mut self, op: u8) -> Result<(), String> {
        let number = match op {
            opcode::PUT | opcode::GET => numbers::memo_index(self.read_line()?)?,
            opcode::BINPUT | opcode::BINGET => u32::from(self.read_byte()?),
            opcode::LONG_BINPUT | opcode::LONG_BINGET => u32::from_le_bytes(self.read_array()?),
            _ => self.memo.len() as u32,
        };
        match op {
            opcode::GET | opcode::BINGET | opcode::LONG_BINGET => self.recall(number),
            _ => self.remember(number),
        }
    }

    fn control_stack(&mut self, op: u8) -> Result<(), String> {
        match op {
            opcode::PROTO => match self.read_byte()? {
                0..=5 => Ok(()),
                version => Err(format!("the pickle has protocol {version}, and only 0 to 5 are known")),
            },
            opcode::FRAME => match usize::try_from(u64::from_le_bytes(self.read_array()?)) {
                Ok(length) if length <= self.rest.len() => Ok(()),
                _ => Err(truncated()),
            },
            opcode::MARK => self.mark(),
            // Python's unpickler also pops a mark that has nothing above it.
            opcode::POP if !self.marks.is_empty() && self.stack.len() == self.floor() => {
                self.marks.pop();
                Ok(())
            }
            opcode::POP => self.pop().map(drop),
            opcode::POP_MARK => self.pop_to_mark().map(drop),
            opcode::DUP => {
                let top = self.top()?;
                self.push(top)
            }
            _ => Err(refuse_opcode(op)),
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

fn refuse_opcode(op: u8) -> String {
    let name = match op {
        opcode::PERSID => "PERSID",
        opcode::BINPERSID => "BINPERSID",
        opcode::EXT1 => "EXT1",
        opcode::EXT2 => "EXT2",
        opcode::EXT4 => "EXT4",
        opcode::BYTEARRAY8 => return only_python("builtins.bytearray"),
        opcode::NEXT_BUFFER => "NEXT_BUFFER",
        opcode::READONLY_BUFFER => "READONLY_BUFFER",
        _ => return format!("the pickle has an unknown opcode, 0x{op:02x}"),
    };
    format!("the pickle has the opcode {name}, which only Python can follow")
}
