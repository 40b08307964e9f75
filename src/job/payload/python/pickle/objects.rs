//! Times, identifiers and the names of classes.

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};
use uuid::Uuid;

use super::super::{BigInt, PyDateTime, PyKind, PyTime};
use super::{MemoKey, Pickler};

const DAY_SECONDS: i64 = 86_400;

impl Pickler<'_> {
    /// Times and identifiers.
    pub(super) fn point(&mut self, kind: &PyKind, key: Option<MemoKey>) {
        match kind {
            PyKind::DateTime(PyDateTime { naive, fold, offset }) => {
                let mut state = [0; 10];
                state[..4].copy_from_slice(&date_state(naive.date()));
                state[4..].copy_from_slice(&clock_state(naive.time()));
                // The highest bit of the month says that it is the second of two equal times.
                state[2] |= u8::from(*fold) << 7;
                self.class("datetime", "datetime");
                self.state(&state, *offset);
            }
            PyKind::Time(PyTime { time, fold, offset }) => {
                let mut state = clock_state(*time);
                state[0] |= u8::from(*fold) << 7;
                self.class("datetime", "time");
                self.state(&state, *offset);
            }
            PyKind::Date(date) => {
                self.class("datetime", "date");
                self.state(&date_state(*date), None);
            }
            PyKind::TimeDelta(days, seconds, micros) => self.delta(i64::from(*days), *seconds, *micros),
            PyKind::Uuid(uuid) => return self.uuid(*uuid, key),
            _ => {}
        }
        self.remember(key);
    }

    fn state(&mut self, state: &[u8], offset: Option<i64>) {
        self.value_starts();
        self.bytes(state, None);
        if let Some(micros) = offset {
            self.zone(micros);
        }
        self.arguments(if offset.is_some() { 0x86 } else { 0x85 });
    }

    fn zone(&mut self, micros: i64) {
        let key = MemoKey::Zone(micros);
        self.value_starts();
        if self.met(key) {
            return;
        }
        let seconds = micros.div_euclid(1_000_000);
        let days = seconds.div_euclid(DAY_SECONDS);
        self.class("datetime", "timezone");
        self.value_starts();
        self.delta(days, seconds.rem_euclid(DAY_SECONDS) as u32, micros.rem_euclid(1_000_000) as u32);
        // Python makes this one anew each time: nothing refers to it.
        self.remember(None);
        self.arguments(0x85);
        self.remember(Some(key));
    }

    fn delta(&mut self, days: i64, seconds: u32, micros: u32) {
        self.class("datetime", "timedelta");
        for number in [days, i64::from(seconds), i64::from(micros)] {
            self.value_starts();
            self.int(number);
        }
        self.arguments(0x87);
    }

    /// Python makes it empty, and then sets its number.
    fn uuid(&mut self, uuid: Uuid, key: Option<MemoKey>) {
        self.class("uuid", "UUID");
        self.value_starts();
        self.op(b')');
        self.op(0x81);
        self.remember(key);
        self.value_starts();
        self.op(b'}');
        self.remember(None);
        self.name("int");
        self.value_starts();
        match BigInt::kind_of_u128(uuid.as_u128()) {
            PyKind::Int(number) => self.int(number),
            PyKind::BigInt(number) => self.long(&number.to_le_bytes()),
            _ => {}
        }
        self.op(b's');
        self.op(b'b');
    }

    pub(super) fn class(&mut self, module: &'static str, name: &'static str) {
        let key = MemoKey::Class(module, name);
        self.value_starts();
        if self.met(key) {
            return;
        }
        self.name(module);
        // Python shares the names of modules, but not those of classes.
        self.value_starts();
        self.text(name, None);
        self.op(0x93);
        self.remember(Some(key));
    }

    fn name(&mut self, name: &'static str) {
        self.value_starts();
        if !self.met(MemoKey::Name(name)) {
            self.text(name, Some(MemoKey::Name(name)));
        }
    }
}

fn date_state(date: NaiveDate) -> [u8; 4] {
    let [high, low] = (date.year() as u16).to_be_bytes();
    [high, low, date.month() as u8, date.day() as u8]
}

fn clock_state(time: NaiveTime) -> [u8; 6] {
    // A leap second, which Python does not have, is more than a second of nanoseconds.
    let [_, high, middle, low] = (time.nanosecond() / 1000).min(999_999).to_be_bytes();
    [time.hour() as u8, time.minute() as u8, time.second() as u8, high, middle, low]
}
