//! The schedule of an entry, without a clock: times are seconds since 1970.

use std::fmt;

use croner::Direction;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::fields::to_parser_syntax;
use crate::job::parse_duration;

/// Valid intervals in seconds.
const INTERVALS: std::ops::RangeInclusive<u64> = 1..=366 * 86_400;

/// Five fields (minute, hour, day of month, month, day of week), a name like `@daily`, or an interval like
/// `every 90s`.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    text: String,
    /// The zone of the fields. The default is UTC, because the machines of one deployment may be in different zones
    /// and must agree on the ticks.
    zone: TimeZone,
    zone_name: String,
    kind: Kind,
}

/// The reason why a text is no schedule.
#[derive(Debug, PartialEq)]
pub(crate) enum ScheduleError {
    /// The text is wrong.
    Invalid(String),
    /// The system has no time zones but UTC.
    NoTimeZones(String),
}

impl From<String> for ScheduleError {
    fn from(reason: String) -> Self {
        ScheduleError::Invalid(reason)
    }
}

#[derive(Debug, Clone)]
enum Kind {
    /// An interval in seconds.
    Every(i64),
    Fields(Box<croner::Cron>),
}

impl Schedule {
    pub(crate) fn parse(text: &str, zone: Option<&str>) -> Result<Self, ScheduleError> {
        let zone_name = zone.unwrap_or("UTC").to_owned();
        let zone = parse_zone(&zone_name)?;
        let text = text.trim();
        let words = text.trim_start_matches('@').split_once(char::is_whitespace);
        let kind = match words.filter(|(word, _)| word.eq_ignore_ascii_case("every")) {
            Some((_, interval)) => Kind::Every(parse_interval(interval.trim())?),
            None => Kind::Fields(Box::new(parse_fields(text)?)),
        };
        let schedule = Schedule { text: text.to_owned(), zone, zone_name, kind };
        match schedule.next_after(0) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Invalid(format!("{text:?} is never due"))),
        }
    }

    /// The interval in seconds, if the schedule has one.
    pub(crate) fn interval(&self) -> Option<i64> {
        match self.kind {
            Kind::Every(seconds) => Some(seconds),
            Kind::Fields(_) => None,
        }
    }

    /// The time zone as it was given; `local` for that of the machine.
    pub(crate) fn zone(&self) -> &str {
        &self.zone_name
    }

    /// The name of the time zone in the IANA database, if it has one.
    pub(crate) fn iana_zone(&self) -> Option<&str> {
        self.zone.iana_name()
    }

    /// The first tick after `moment`. An interval counts from `moment`.
    pub(crate) fn next_after(&self, moment: i64) -> Option<i64> {
        match &self.kind {
            Kind::Every(seconds) => moment.checked_add(*seconds),
            Kind::Fields(fields) => self.step(fields, moment, Direction::Forward),
        }
    }

    /// The last tick after `moment` that is not after `now`.
    pub(crate) fn last_until(&self, moment: i64, now: i64) -> Option<i64> {
        match &self.kind {
            Kind::Every(seconds) => Some((now - moment) / seconds * seconds + moment),
            Kind::Fields(fields) => self.step(fields, now, Direction::Backward),
        }
        .filter(|tick| *tick > moment && *tick <= now)
    }

    /// The tick before `tick`, unless it is before `first`.
    pub(crate) fn previous(&self, tick: i64, first: i64) -> Option<i64> {
        match &self.kind {
            Kind::Every(seconds) => Some(tick - seconds),
            Kind::Fields(fields) => self.step(fields, tick - 1, Direction::Backward),
        }
        .filter(|before| *before >= first)
    }

    /// Forward finds a tick after the moment, backward the moment itself or a tick before it.
    fn step(&self, fields: &croner::Cron, moment: i64, direction: Direction) -> Option<i64> {
        let moment = Timestamp::from_second(moment).ok()?.to_zoned(self.zone.clone());
        let found = match direction {
            Direction::Forward => fields.find_next_occurrence(&moment, false),
            Direction::Backward => fields.find_previous_occurrence(&moment, true),
        };
        found.ok().map(|tick| tick.timestamp().as_second())
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Finds a zone in the time zone database of the system. UTC needs no database.
fn parse_zone(name: &str) -> Result<TimeZone, ScheduleError> {
    if name.eq_ignore_ascii_case("UTC") {
        return Ok(TimeZone::UTC);
    }
    if name == "local" {
        return local_zone();
    }
    TimeZone::get(name).map_err(|_| match TimeZone::get("Europe/Berlin") {
        Ok(_) => {
            ScheduleError::Invalid(format!("{name:?} is not a time zone: a name like Europe/Berlin, or UTC"))
        }
        Err(_) => {
            ScheduleError::NoTimeZones(format!("{name:?} is unknown here, as is every time zone but UTC"))
        }
    })
}

/// The zone of the machine: UTC if none is set. A zone that is set but cannot be read is an error.
fn local_zone() -> Result<TimeZone, ScheduleError> {
    let Err(error) = TimeZone::try_system() else { return Ok(TimeZone::system()) };
    let is_set = std::env::var_os("TZ").is_some_and(|zone| !zone.is_empty() && zone != "UTC")
        || std::fs::read_link("/etc/localtime").is_ok_and(|file| !file.ends_with("UTC"));
    match is_set {
        true => {
            Err(ScheduleError::NoTimeZones(format!("the machine's own time zone cannot be read: {error}")))
        }
        false => Ok(TimeZone::UTC),
    }
}

fn parse_interval(text: &str) -> Result<i64, String> {
    let seconds = parse_duration(text).map_err(|what| format!("every {text}: {what}"))?.as_secs_f64();
    let is_whole = seconds.fract() == 0.0 && INTERVALS.contains(&(seconds as u64));
    is_whole.then_some(seconds as i64).ok_or_else(|| format!("every {text}: whole seconds from 1s to 366d"))
}

fn parse_fields(text: &str) -> Result<croner::Cron, String> {
    let invalid = |reason: String| {
        format!(
            "{text:?} is not a schedule: {reason}; five fields as in \"0 3 * * mon-fri\", @daily, or \"every 90s\""
        )
    };
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(&to_parser_syntax(text).map_err(invalid)?).map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{Schedule, ScheduleError};

    fn moment(text: &str) -> i64 {
        text.parse::<DateTime<Utc>>().map(|time| time.timestamp()).unwrap_or_default()
    }

    /// The ticks after a moment, as hours and minutes in UTC.
    fn ticks(schedule: &str, zone: &str, after: &str, n: usize) -> Vec<String> {
        let schedule = Schedule::parse(schedule, Some(zone)).expect("a schedule");
        let mut at = moment(after);
        let mut found = Vec::new();
        while found.len() < n {
            at = schedule.next_after(at).expect("another tick");
            found.push(DateTime::from_timestamp(at, 0).expect("a time").format("%d %H:%M").to_string());
        }
        found
    }

    #[test]
    fn ticks_in_an_hour_that_a_day_lacks_are_due_right_after_it() {
        // Berlin goes from 02:00 to 03:00 on 29 March, which is 01:00 UTC.
        let of = |schedule, n| ticks(schedule, "Europe/Berlin", "2026-03-28T23:30:00Z", n);
        assert_eq!(of("30 2 * * *", 2), ["29 01:00", "30 00:30"]);
        assert_eq!(of("0 3 * * *", 2), ["29 01:00", "30 01:00"]);
        assert_eq!(of("0 * * * *", 3), ["29 00:00", "29 01:00", "29 02:00"]);
        assert_eq!(of("*/30 * * * *", 4), ["29 00:00", "29 00:30", "29 01:00", "29 01:30"]);
    }

    #[test]
    fn in_an_hour_that_comes_twice_fixed_times_are_due_once_and_repeated_times_twice() {
        // Berlin has 02:00 to 03:00 twice on 25 October: from 00:00 and from 01:00 UTC.
        let of = |schedule, n| ticks(schedule, "Europe/Berlin", "2026-10-24T23:30:00Z", n);
        assert_eq!(of("30 2 * * *", 2), ["25 00:30", "26 01:30"]);
        assert_eq!(of("0 * * * *", 4), ["25 00:00", "25 01:00", "25 02:00", "25 03:00"]);
        assert_eq!(of("*/30 * * * *", 4), ["25 00:00", "25 00:30", "25 01:00", "25 01:30"]);
    }

    #[test]
    fn the_newest_tick_is_the_last_one_going_forward() {
        let rng = &mut fastrand::Rng::with_seed(7);
        let fields =
            ["* * * * *", "*/7 * * * *", "13 4 * * *", "0 9 * * mon-fri", "30 2 1,15 * *", "5 */6 * * sun"];
        let zones = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"];
        for n in 0..400 {
            let (text, zone) = (fields[n % fields.len()], zones[n / fields.len() % zones.len()]);
            let schedule = Schedule::parse(text, Some(zone)).expect("a schedule");
            let first = moment("2026-01-01T00:00:00Z") + rng.i64(0..365 * 86_400);
            let now = first + rng.i64(0..3 * 86_400);
            let (mut newest, mut at, mut all) = (None, first, Vec::new());
            while let Some(next) = schedule.next_after(at).filter(|next| *next <= now) {
                (newest, at) = (Some(next), next);
                all.push(next);
            }
            assert_eq!(schedule.last_until(first, now), newest, "{text} {zone} {first} {now}");
            let mut back: Vec<i64> = newest.into_iter().collect();
            while let Some(before) = back.last().and_then(|tick| schedule.previous(*tick, first + 1)) {
                back.push(before);
            }
            back.reverse();
            assert_eq!(back, all, "{text} {zone} {first} {now}");
        }
    }

    #[test]
    fn intervals_are_whole_seconds() {
        let every = |text| Schedule::parse(text, None).map(|schedule| schedule.interval());
        assert_eq!(every("every 90s"), Ok(Some(90)));
        assert_eq!(every("@every 5m"), Ok(Some(300)));
        assert_eq!((every("every  90s"), every("Every\t1m ")), (Ok(Some(90)), Ok(Some(60))));
        for bad in ["every 0s", "every 1.5s", "every 900d", "every", "every day"] {
            assert!(every(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn invalid_schedules_are_refused() {
        for (bad, part) in [
            ("61 * * * *", "61 * * * *"),
            ("* * * *", "is not a schedule"),
            ("0 0 * * * *", "is not a schedule"),
            ("0 0 30 2 *", "never due"),
            ("", "is not a schedule"),
        ] {
            let error = Schedule::parse(bad, None).err();
            assert!(
                matches!(&error, Some(ScheduleError::Invalid(text)) if text.contains(part)),
                "{bad}: {error:?}"
            );
        }
        assert!(Schedule::parse("@midnight", None).is_ok());
        assert!(Schedule::parse("* * * * *", Some("Mars/Olympus")).is_err());
    }
}
