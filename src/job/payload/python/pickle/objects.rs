//! Objects of Python's classes: times, UUIDs, and the classes themselves.

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};
use uuid::Uuid;

use super::super::opcode;
use super::super::value::{PyDateTime, PyKind, PyTime};
use super::memo_key::MemoKey;
use super::pickler::Pickler;

const DAY_SECONDS: i64 = 86_400;

impl Pickler<'_> {
    /// Writes a time or a UUID.
    pub(super) fn write_object(&mut self, kind: &PyKind, key: Option<MemoKey>) {
        match kind {
            PyKind::DateTime(PyDateTime { naive, fold, offset }) => {
                let mut state = [0; 10];
                state[..4].copy_from_slice(&date_state(naive.date()));
                state[4..].copy_from_slice(&clock_state(naive.time()));
                // The highest bit of the month is the fold: the second of two equal wall clock times.
                state[2] |= u8::from(*fold) << 7;
                self.write_class("datetime", "datetime");
                self.write_state(&state, *offset);
            }
            PyKind::Time(PyTime { time, fold, offset }) => {
                let mut state = clock_state(*time);
                state[0] |= u8::from(*fold) << 7;
                self.write_class("datetime", "time");
                self.write_state(&state, *offset);
            }
            PyKind::Date(date) => {
                self.write_class("datetime", "date");
                self.write_state(&date_state(*date), None);
            }
            PyKind::TimeDelta(days, seconds, micros) => {
                self.write_timedelta(i64::from(*days), *seconds, *micros);
            }
            PyKind::Uuid(uuid) => return self.write_uuid(*uuid, key),
            _ => {}
        }
        self.remember(key);
    }

    fn write_state(&mut self, state: &[u8], offset: Option<i64>) {
        self.before_value();
        self.write_bytes(state, None);
        if let Some(micros) = offset {
            self.write_zone(micros);
        }
        self.call_with_tuple(if offset.is_some() { opcode::TUPLE2 } else { opcode::TUPLE1 });
    }

    fn write_zone(&mut self, micros: i64) {
        let key = MemoKey::Zone(micros);
        self.before_value();
        if self.write_reference(key) {
            return;
        }
        let seconds = micros.div_euclid(1_000_000);
        let days = seconds.div_euclid(DAY_SECONDS);
        self.write_class("datetime", "timezone");
        self.before_value();
        self.write_timedelta(
            days,
            seconds.rem_euclid(DAY_SECONDS) as u32,
            micros.rem_euclid(1_000_000) as u32,
        );
        // Python makes a new timedelta each time, so nothing refers to this one.
        self.remember(None);
        self.call_with_tuple(opcode::TUPLE1);
        self.remember(Some(key));
    }

    fn write_timedelta(&mut self, days: i64, seconds: u32, micros: u32) {
        self.write_class("datetime", "timedelta");
        for number in [days, i64::from(seconds), i64::from(micros)] {
            self.before_value();
            self.write_int(number);
        }
        self.call_with_tuple(opcode::TUPLE3);
    }

    /// Python makes an empty UUID and then sets its attribute `int`.
    fn write_uuid(&mut self, uuid: Uuid, key: Option<MemoKey>) {
        self.write_class("uuid", "UUID");
        self.before_value();
        self.write_op(opcode::EMPTY_TUPLE);
        self.write_op(opcode::NEWOBJ);
        self.remember(key);
        self.before_value();
        self.write_op(opcode::EMPTY_DICT);
        self.remember(None);
        self.write_name("int");
        self.before_value();
        match PyKind::from_u128(uuid.as_u128()) {
            PyKind::Int(number) => self.write_int(number),
            PyKind::BigInt(number) => self.write_long(&number.to_le_bytes()),
            _ => {}
        }
        self.write_op(opcode::SETITEM);
        self.write_op(opcode::BUILD);
    }

    pub(super) fn write_class(&mut self, module: &'static str, name: &'static str) {
        let key = MemoKey::Class(module, name);
        self.before_value();
        if self.write_reference(key) {
            return;
        }
        self.write_name(module);
        // Python shares the names of modules, but not those of classes.
        self.before_value();
        self.write_text(name, None);
        self.write_op(opcode::STACK_GLOBAL);
        self.remember(Some(key));
    }

    fn write_name(&mut self, name: &'static str) {
        self.before_value();
        if !self.write_reference(MemoKey::Name(name)) {
            self.write_text(name, Some(MemoKey::Name(name)));
        }
    }
}

fn date_state(date: NaiveDate) -> [u8; 4] {
    let [high, low] = (date.year() as u16).to_be_bytes();
    [high, low, date.month() as u8, date.day() as u8]
}

fn clock_state(time: NaiveTime) -> [u8; 6] {
    // chrono stores a leap second as more than a second of nanoseconds; Python has no leap seconds.
    let [_, high, middle, low] = (time.nanosecond() / 1000).min(999_999).to_be_bytes();
    [time.hour() as u8, time.minute() as u8, time.second() as u8, high, middle, low]
}
