//! Calls of classes: how a pickle makes objects of the known classes.

use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use uuid::Uuid;

use super::super::decimal::is_decimal;
use super::super::value::{PyDateTime, PyKind, PyTime};
use super::known_class::{KnownClass, python3_module};
use super::node::{Container, Node, NodeIndex};
use super::refusal::only_python;
use super::unpickler::Unpickler;

/// Microseconds.
const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;

/// Python's limit of a `timedelta`.
const MAX_DAYS: i128 = 999_999_999;

impl Unpickler<'_> {
    /// Pushes the class or function with this name.
    pub(super) fn push_global(&mut self, module: &str, name: &str) -> Result<(), String> {
        let module = python3_module(module);
        match KnownClass::find(module, name) {
            Some(class) => self.add(Node::Class(class)),
            None => Err(only_python(&printable_name(module, name))),
        }
    }

    /// Calls a class or function with its arguments.
    pub(super) fn call(&mut self, class: NodeIndex, arguments: NodeIndex) -> Result<(), String> {
        let (class, arguments) = self.class_and_arguments(class, arguments)?;
        let node = self.make(class, &arguments)?.ok_or_else(|| class.invalid())?;
        self.add(node)
    }

    /// Makes an object with `__new__`, which for a UUID leaves its number unset.
    pub(super) fn construct(&mut self, class: NodeIndex, arguments: NodeIndex) -> Result<(), String> {
        match self.class_and_arguments(class, arguments)? {
            (KnownClass::Uuid, none) if none.is_empty() => self.add(Node::Uuid(None)),
            _ => self.call(class, arguments),
        }
    }

    fn class_and_arguments(
        &self,
        class: NodeIndex,
        arguments: NodeIndex,
    ) -> Result<(KnownClass, Vec<NodeIndex>), String> {
        let Node::Class(class) = self.node(class) else {
            return Err("the pickle calls something that is not a class".to_owned());
        };
        match self.node(arguments) {
            // No known class takes more than three arguments.
            Node::Container(Container::Tuple, items) if items.len() <= 3 => Ok((*class, items.clone())),
            _ => Err(class.invalid()),
        }
    }

    /// Returns the new object; `None` if the arguments are not valid.
    fn make(&mut self, class: KnownClass, arguments: &[NodeIndex]) -> Result<Option<Node>, String> {
        Ok(match (class, arguments) {
            (KnownClass::Bytes, []) => Some(Node::Leaf(PyKind::Bytes([].into()))),
            (KnownClass::Encode, [text, encoding]) => self.encode_latin1(*text, *encoding)?.map(Node::Leaf),
            (KnownClass::Set, items) => self.copy_container(Container::Set, items)?,
            (KnownClass::FrozenSet, items) => self.copy_container(Container::FrozenSet, items)?,
            (KnownClass::OrderedDict, items) => self.copy_container(Container::OrderedDict, items)?,
            (KnownClass::Reconstructor, [class, base, state]) => self.reconstruct(*class, *base, *state),
            (KnownClass::NewObject, [class]) => self.new_object(*class),
            (KnownClass::Decimal, [number]) => self.decimal(*number)?.map(Node::Leaf),
            (KnownClass::Uuid, [text]) => self.uuid(*text),
            (KnownClass::TimeZone, [_, _]) => return Err(only_python("datetime.timezone with a name")),
            (KnownClass::TimeZone, [delta]) => self.zone_offset(*delta).map(Node::Zone),
            _ => self.make_time(class, arguments)?.map(Node::Leaf),
        })
    }

    fn make_time(&self, class: KnownClass, arguments: &[NodeIndex]) -> Result<Option<PyKind>, String> {
        Ok(match (class, arguments) {
            (KnownClass::DateTime, [state]) => self.datetime(*state, None),
            (KnownClass::DateTime, [state, zone]) => self.datetime(*state, Some(self.zone(*zone)?)),
            (KnownClass::Time, [state]) => self.time(*state, None),
            (KnownClass::Time, [state, zone]) => self.time(*state, Some(self.zone(*zone)?)),
            (KnownClass::Date, [state]) => self.packed_state(*state).and_then(date).map(PyKind::Date),
            (KnownClass::TimeDelta, numbers) => self.timedelta(numbers),
            _ => None,
        })
    }

    /// Protocols 0 and 1 make a UUID with a function of `copyreg`.
    fn reconstruct(&self, class: NodeIndex, base: NodeIndex, state: NodeIndex) -> Option<Node> {
        let is_uuid = matches!(self.node(class), Node::Class(KnownClass::Uuid))
            && matches!(self.node(base), Node::Class(KnownClass::Object))
            && matches!(self.leaf(state), Some(PyKind::None));
        is_uuid.then_some(Node::Uuid(None))
    }

    fn new_object(&self, class: NodeIndex) -> Option<Node> {
        match self.node(class) {
            Node::Class(KnownClass::Uuid) => Some(Node::Uuid(None)),
            Node::Class(KnownClass::OrderedDict) => Some(Node::Container(Container::OrderedDict, Vec::new())),
            _ => None,
        }
    }

    fn uuid(&self, text: NodeIndex) -> Option<Node> {
        match self.leaf(text)? {
            // Every notation of a UUID is shorter.
            PyKind::Str(text) if text.len() < 60 => {
                Uuid::parse_str(text).ok().map(|uuid| Node::Uuid(Some(uuid)))
            }
            _ => None,
        }
    }

    /// The older protocols have no bytes: they encode a text as Latin-1.
    fn encode_latin1(&mut self, text: NodeIndex, encoding: NodeIndex) -> Result<Option<PyKind>, String> {
        let (Some(PyKind::Str(text)), Some(PyKind::Str(encoding))) = (self.leaf(text), self.leaf(encoding))
        else {
            return Ok(None);
        };
        if !matches!(&**encoding, "latin1" | "latin-1") {
            return Ok(None);
        }
        let text = text.clone();
        self.count_copied(text.len())?;
        let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        Ok(bytes.ok().map(|bytes| PyKind::Bytes(bytes.into())))
    }

    /// Makes a set from a list, or an `OrderedDict` from a list of pairs.
    fn copy_container(
        &mut self,
        container: Container,
        arguments: &[NodeIndex],
    ) -> Result<Option<Node>, String> {
        let items = match arguments {
            [] => return Ok(Some(Node::Container(container, Vec::new()))),
            [list] => match self.node(*list) {
                Node::Container(Container::List | Container::Tuple, items) => items,
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        let length = items.len();
        let mut copied = Vec::new();
        if container == Container::OrderedDict {
            for pair in items {
                match self.node(*pair) {
                    Node::Container(Container::List | Container::Tuple, pair) if pair.len() == 2 => {
                        copied.extend(pair);
                    }
                    _ => return Ok(None),
                }
            }
        } else {
            copied.clone_from(items);
        }
        self.count_copied(length.saturating_mul(8))?;
        Ok(Some(Node::Container(container, copied)))
    }

    fn decimal(&mut self, text: NodeIndex) -> Result<Option<PyKind>, String> {
        let Some(PyKind::Str(text)) = self.leaf(text) else { return Ok(None) };
        let text = text.clone();
        self.count_copied(text.len())?;
        // Each object gets a text of its own, because two NaN are different objects.
        Ok(is_decimal(&text).then(|| PyKind::Decimal(Arc::from(&*text))))
    }

    /// Returns the packed state of a time. Python 2 wrote it as text.
    fn packed_state<const N: usize>(&self, index: NodeIndex) -> Option<[u8; N]> {
        match self.leaf(index)? {
            PyKind::Bytes(bytes) => bytes.as_ref().try_into().ok(),
            PyKind::Str(text) if text.len() == N && text.is_ascii() => text.as_bytes().try_into().ok(),
            _ => None,
        }
    }

    fn zone(&self, zone: NodeIndex) -> Result<i64, String> {
        match self.node(zone) {
            Node::Zone(micros) => Ok(*micros),
            _ => Err("the payload holds a time whose zone is not a datetime.timezone".to_owned()),
        }
    }

    fn datetime(&self, state: NodeIndex, offset: Option<i64>) -> Option<PyKind> {
        let [year_high, year_low, month, day, clock_state @ ..] = self.packed_state::<10>(state)?;
        let date = date([year_high, year_low, month & 0x7f, day])?;
        let naive = NaiveDateTime::new(date, clock(clock_state)?);
        Some(PyKind::DateTime(PyDateTime { naive, fold: month & 0x80 != 0, offset }))
    }

    fn time(&self, state: NodeIndex, offset: Option<i64>) -> Option<PyKind> {
        let mut state = self.packed_state::<6>(state)?;
        let fold = state[0] & 0x80 != 0;
        state[0] &= 0x7f;
        Some(PyKind::Time(PyTime { time: clock(state)?, fold, offset }))
    }

    fn timedelta(&self, numbers: &[NodeIndex]) -> Option<PyKind> {
        let mut micros: i128 = 0;
        for (number, unit) in numbers.iter().zip([DAY, SECOND, 1]) {
            let PyKind::Int(number) = self.leaf(*number)? else { return None };
            micros += i128::from(*number) * unit;
        }
        let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
        let within = (-MAX_DAYS..=MAX_DAYS).contains(&days);
        within.then_some(PyKind::TimeDelta(days as i32, (rest / SECOND) as u32, (rest % SECOND) as u32))
    }

    fn zone_offset(&self, delta: NodeIndex) -> Option<i64> {
        let PyKind::TimeDelta(days, seconds, micros) = self.leaf(delta)? else { return None };
        let offset = i128::from(*days) * DAY + i128::from(*seconds) * SECOND + i128::from(*micros);
        (-DAY < offset && offset < DAY).then_some(offset as i64)
    }

    /// Sets the state of an object, which only a UUID has among the known classes.
    pub(super) fn set_state(&mut self, object: NodeIndex, state: NodeIndex) -> Result<(), String> {
        let ready = match (self.node(object), self.node(state)) {
            (Node::Uuid(None), Node::Container(Container::Dict, pairs)) => {
                let uuid = self.uuid_state(pairs).ok_or_else(|| KnownClass::Uuid.invalid())?;
                *self.node_mut(object) = Node::Uuid(Some(uuid));
                true
            }
            (Node::Container(Container::OrderedDict, _), Node::Leaf(PyKind::None)) => true,
            (Node::Container(Container::OrderedDict, _), Node::Container(Container::Dict, pairs)) => {
                pairs.is_empty()
            }
            _ => false,
        };
        if ready { Ok(()) } else { Err("the payload holds an object with a state of its own".to_owned()) }
    }

    fn uuid_state(&self, pairs: &[NodeIndex]) -> Option<Uuid> {
        let mut uuid = None;
        // A UUID has two attributes: its number, and `is_safe`, which does not matter here.
        if pairs.len() > 4 {
            return None;
        }
        for pair in pairs.chunks_exact(2) {
            match (self.leaf(pair[0])?, self.leaf(pair[1])?) {
                (PyKind::Str(key), PyKind::Int(number)) if &**key == "int" => {
                    uuid = Some(Uuid::from_u128(u128::try_from(*number).ok()?));
                }
                (PyKind::Str(key), PyKind::BigInt(number)) if &**key == "int" => {
                    uuid = Some(Uuid::from_u128(number.as_u128()?));
                }
                // The value of a UUID does not depend on `is_safe`.
                (PyKind::Str(key), PyKind::Int(_) | PyKind::None) if &**key == "is_safe" => {}
                _ => return None,
            }
        }
        uuid
    }
}

fn date([high, low, month, day]: [u8; 4]) -> Option<NaiveDate> {
    let year = i32::from(u16::from_be_bytes([high, low]));
    (1..=9999).contains(&year).then(|| NaiveDate::from_ymd_opt(year, month.into(), day.into()))?
}

fn clock([hour, minute, second, high, middle, low]: [u8; 6]) -> Option<NaiveTime> {
    let micros = u32::from_be_bytes([0, high, middle, low]);
    // chrono would take more for a leap second, which Python does not have.
    (micros < 1_000_000)
        .then(|| NaiveTime::from_hms_micro_opt(hour.into(), minute.into(), second.into(), micros))?
}

/// Makes a name from a pickle fit for logs: without control characters, and not too long.
fn printable_name(module: &str, name: &str) -> String {
    let class = name.strip_suffix("._unpickle").unwrap_or(name);
    let shown = |text: &str| -> String {
        text.chars().take(100).map(|char| if char.is_control() { '?' } else { char }).collect()
    };
    format!("{}.{}", shown(module), shown(class))
}
