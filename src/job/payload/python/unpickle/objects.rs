//! The few classes that are data, and how pickles make their objects.

use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use uuid::Uuid;

use super::super::{PyDateTime, PyKind, PyTime};
use super::{Container, Index, Node, Unpickler, only_python, strings};

const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;

/// Python's limit of a `timedelta`.
const DAYS: i128 = 999_999_999;

/// What a pickle may name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KnownClass {
    Object,
    GetAttr,
    Bytes,
    Set,
    FrozenSet,
    Reconstructor,
    NewObject,
    Encode,
    OrderedDict,
    DateTime,
    Date,
    Time,
    TimeDelta,
    TimeZone,
    Decimal,
    Uuid,
}

/// All of them, with the names that Python 3 has for them.
const CLASSES: [(KnownClass, &str, &str); 16] = [
    (KnownClass::Object, "builtins", "object"),
    // Only there to be refused with the name of the class that follows it.
    (KnownClass::GetAttr, "builtins", "getattr"),
    (KnownClass::Bytes, "builtins", "bytes"),
    (KnownClass::Set, "builtins", "set"),
    (KnownClass::FrozenSet, "builtins", "frozenset"),
    (KnownClass::Reconstructor, "copyreg", "_reconstructor"),
    (KnownClass::NewObject, "copyreg", "__newobj__"),
    (KnownClass::Encode, "_codecs", "encode"),
    (KnownClass::OrderedDict, "collections", "OrderedDict"),
    (KnownClass::DateTime, "datetime", "datetime"),
    (KnownClass::Date, "datetime", "date"),
    (KnownClass::Time, "datetime", "time"),
    (KnownClass::TimeDelta, "datetime", "timedelta"),
    (KnownClass::TimeZone, "datetime", "timezone"),
    (KnownClass::Decimal, "decimal", "Decimal"),
    (KnownClass::Uuid, "uuid", "UUID"),
];

impl KnownClass {
    pub(super) fn name(self) -> String {
        CLASSES
            .iter()
            .find(|(class, ..)| *class == self)
            .map_or_else(String::new, |(_, module, name)| format!("{module}.{name}"))
    }

    fn wrong(self) -> String {
        format!("the payload holds a {} that is not one", self.name())
    }
}

impl Unpickler<'_> {
    pub(super) fn global(&mut self, module: &str, name: &str) -> Result<(), String> {
        let module = match module {
            "__builtin__" => "builtins",
            "copy_reg" => "copyreg",
            other => other,
        };
        match CLASSES.iter().find(|(_, its_module, its_name)| *its_module == module && *its_name == name) {
            Some((class, ..)) => self.add(Node::Class(*class)),
            None => Err(only_python(&readable(module, name))),
        }
    }

    /// What a class or function makes of its arguments: they are few wherever they are data.
    pub(super) fn call(&mut self, class: Index, arguments: Index) -> Result<(), String> {
        let (class, arguments) = self.class_and_arguments(class, arguments)?;
        let node = self.make(class, &arguments)?.ok_or_else(|| class.wrong())?;
        self.add(node)
    }

    /// As `call`, but an UUID may still be without its number.
    pub(super) fn construct(&mut self, class: Index, arguments: Index) -> Result<(), String> {
        match self.class_and_arguments(class, arguments)? {
            (KnownClass::Uuid, none) if none.is_empty() => self.add(Node::Uuid(None)),
            _ => self.call(class, arguments),
        }
    }

    fn class_and_arguments(
        &self,
        class: Index,
        arguments: Index,
    ) -> Result<(KnownClass, Vec<Index>), String> {
        let Node::Class(class) = self.node(class) else {
            return Err("the pickle calls something that is not a class".to_owned());
        };
        match self.node(arguments) {
            Node::Many(Container::Tuple, items) if items.len() <= 3 => Ok((*class, items.clone())),
            _ => Err(class.wrong()),
        }
    }

    fn make(&mut self, class: KnownClass, arguments: &[Index]) -> Result<Option<Node>, String> {
        Ok(match (class, arguments) {
            (KnownClass::Bytes, []) => Some(Node::Leaf(PyKind::Bytes([].into()))),
            (KnownClass::Encode, [text, encoding]) => self.encode(*text, *encoding)?.map(Node::Leaf),
            (KnownClass::Set, items) => self.copy(Container::Set, items)?,
            (KnownClass::FrozenSet, items) => self.copy(Container::FrozenSet, items)?,
            (KnownClass::OrderedDict, items) => self.copy(Container::OrderedDict, items)?,
            (KnownClass::Reconstructor, [class, base, state]) => {
                let expected = matches!(self.node(*class), Node::Class(KnownClass::Uuid))
                    && matches!(self.node(*base), Node::Class(KnownClass::Object))
                    && matches!(self.leaf(*state), Some(PyKind::None));
                expected.then_some(Node::Uuid(None))
            }
            (KnownClass::NewObject, [class]) => match self.node(*class) {
                Node::Class(KnownClass::Uuid) => Some(Node::Uuid(None)),
                Node::Class(KnownClass::OrderedDict) => Some(Node::Many(Container::OrderedDict, Vec::new())),
                _ => None,
            },
            (KnownClass::DateTime, [state]) => self.moment(*state, None).map(Node::Leaf),
            (KnownClass::DateTime, [state, zone]) => {
                self.moment(*state, Some(self.zone(*zone)?)).map(Node::Leaf)
            }
            (KnownClass::Time, [state]) => self.clock(*state, None).map(Node::Leaf),
            (KnownClass::Time, [state, zone]) => self.clock(*state, Some(self.zone(*zone)?)).map(Node::Leaf),
            (KnownClass::Date, [state]) => {
                self.state(*state).and_then(date).map(|date| Node::Leaf(PyKind::Date(date)))
            }
            (KnownClass::TimeDelta, numbers) => self.delta(numbers).map(Node::Leaf),
            (KnownClass::TimeZone, [delta]) => self.offset(*delta).map(Node::Zone),
            (KnownClass::TimeZone, [_, _]) => return Err(only_python("datetime.timezone with a name")),
            (KnownClass::Decimal, [number]) => self.decimal(*number)?.map(Node::Leaf),
            (KnownClass::Uuid, [number]) => match self.leaf(*number) {
                // Longer than any way to write it.
                Some(PyKind::Str(text)) if text.len() < 60 => {
                    Uuid::parse_str(text).ok().map(|uuid| Node::Uuid(Some(uuid)))
                }
                _ => None,
            },
            _ => None,
        })
    }

    /// The older protocols have no bytes: they make them of a text.
    fn encode(&mut self, text: Index, encoding: Index) -> Result<Option<PyKind>, String> {
        let (Some(PyKind::Str(text)), Some(PyKind::Str(encoding))) = (self.leaf(text), self.leaf(encoding))
        else {
            return Ok(None);
        };
        if !matches!(&**encoding, "latin1" | "latin-1") {
            return Ok(None);
        }
        let text = text.clone();
        self.copying(text.len())?;
        let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        Ok(bytes.ok().map(|bytes| PyKind::Bytes(bytes.into())))
    }

    /// A set of a list, or an ordered dictionary of a list of pairs.
    fn copy(&mut self, shape: Container, arguments: &[Index]) -> Result<Option<Node>, String> {
        let items = match arguments {
            [] => return Ok(Some(Node::Many(shape, Vec::new()))),
            [list] => match self.node(*list) {
                Node::Many(Container::List | Container::Tuple, items) => items,
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        let length = items.len();
        let mut copied = Vec::new();
        if shape == Container::OrderedDict {
            for pair in items {
                match self.node(*pair) {
                    Node::Many(Container::List | Container::Tuple, pair) if pair.len() == 2 => {
                        copied.extend(pair)
                    }
                    _ => return Ok(None),
                }
            }
        } else {
            copied.clone_from(items);
        }
        self.copying(length.saturating_mul(8))?;
        Ok(Some(Node::Many(shape, copied)))
    }

    fn decimal(&mut self, text: Index) -> Result<Option<PyKind>, String> {
        let Some(PyKind::Str(text)) = self.leaf(text) else { return Ok(None) };
        let text = text.clone();
        self.copying(text.len())?;
        // Each object has its own, because two that are no numbers are two.
        Ok(strings::is_decimal(&text).then(|| PyKind::Decimal(Arc::from(&*text))))
    }

    /// The packed numbers of a time. Python 2 wrote them as text.
    fn state<const N: usize>(&self, index: Index) -> Option<[u8; N]> {
        match self.leaf(index)? {
            PyKind::Bytes(bytes) => bytes.as_ref().try_into().ok(),
            PyKind::Str(text) if text.len() == N && text.is_ascii() => text.as_bytes().try_into().ok(),
            _ => None,
        }
    }

    fn zone(&self, zone: Index) -> Result<i64, String> {
        match self.node(zone) {
            Node::Zone(micros) => Ok(*micros),
            _ => Err("the payload holds a time mode zone is not a datetime.timezone".to_owned()),
        }
    }

    fn moment(&self, state: Index, offset: Option<i64>) -> Option<PyKind> {
        let [year_high, year_low, month, day, clock_state @ ..] = self.state::<10>(state)?;
        let date = date([year_high, year_low, month & 0x7f, day])?;
        let naive = NaiveDateTime::new(date, clock(clock_state)?);
        Some(PyKind::DateTime(PyDateTime { naive, fold: month & 0x80 != 0, offset }))
    }

    fn clock(&self, state: Index, offset: Option<i64>) -> Option<PyKind> {
        let mut state = self.state::<6>(state)?;
        let fold = state[0] & 0x80 != 0;
        state[0] &= 0x7f;
        Some(PyKind::Time(PyTime { time: clock(state)?, fold, offset }))
    }

    fn delta(&self, numbers: &[Index]) -> Option<PyKind> {
        let mut micros: i128 = 0;
        for (number, unit) in numbers.iter().zip([DAY, SECOND, 1]) {
            let PyKind::Int(number) = self.leaf(*number)? else { return None };
            micros += i128::from(*number) * unit;
        }
        let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
        let within = (-DAYS..=DAYS).contains(&days);
        within.then_some(PyKind::TimeDelta(days as i32, (rest / SECOND) as u32, (rest % SECOND) as u32))
    }

    fn offset(&self, delta: Index) -> Option<i64> {
        let PyKind::TimeDelta(days, seconds, micros) = self.leaf(delta)? else { return None };
        let offset = i128::from(*days) * DAY + i128::from(*seconds) * SECOND + i128::from(*micros);
        (-DAY < offset && offset < DAY).then_some(offset as i64)
    }

    /// Only an UUID has a state that is data.
    pub(super) fn set_state(&mut self, object: Index, state: Index) -> Result<(), String> {
        let ready = match (self.node(object), self.node(state)) {
            (Node::Uuid(None), Node::Many(Container::Dict, pairs)) => {
                let uuid = self.uuid_state(pairs).ok_or_else(|| KnownClass::Uuid.wrong())?;
                *self.node_mut(object) = Node::Uuid(Some(uuid));
                true
            }
            (Node::Many(Container::OrderedDict, _), Node::Leaf(PyKind::None)) => true,
            (Node::Many(Container::OrderedDict, _), Node::Many(Container::Dict, pairs)) => pairs.is_empty(),
            _ => false,
        };
        if ready { Ok(()) } else { Err("the payload holds an object with a state of its own".to_owned()) }
    }

    fn uuid_state(&self, pairs: &[Index]) -> Option<Uuid> {
        let mut uuid = None;
        // There are two: its number, and whether it was made safely, which does not matter.
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
    // More would be a leap second here, which Python does not have.
    (micros < 1_000_000)
        .then(|| NaiveTime::from_hms_micro_opt(hour.into(), minute.into(), second.into(), micros))?
}

/// The name comes from the pickle and goes to logs: no control characters, and not without end.
fn readable(module: &str, name: &str) -> String {
    let class = name.strip_suffix("._unpickle").unwrap_or(name);
    let shown = |text: &str| -> String {
        text.chars().take(100).map(|char| if char.is_control() { '?' } else { char }).collect()
    };
    format!("{}.{}", shown(module), shown(class))
}
