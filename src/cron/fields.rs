//! Translates the five fields from the syntax of cron and of RQ's croniter into the syntax of the parser `croner`.
//! Text that `croner` reads differently from cron is refused.

/// Valid values of a field: numbers, and names for them.
struct FieldRule {
    low: u32,
    high: u32,
    names: &'static [&'static str],
}

const MONTH_NAMES: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAY_NAMES: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FIELDS: [FieldRule; 5] = [
    FieldRule { low: 0, high: 59, names: &[] },
    FieldRule { low: 0, high: 23, names: &[] },
    FieldRule { low: 1, high: 31, names: &[] },
    FieldRule { low: 1, high: 12, names: &MONTH_NAMES },
    FieldRule { low: 0, high: 6, names: &DAY_NAMES },
];
/// Positions in [`FIELDS`].
const DAY_OF_MONTH: usize = 2;
const DAY_OF_WEEK: usize = 4;
const NICKNAMES: [&str; 7] =
    ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];

/// Translates five fields, or a name like `@daily`.
pub(super) fn to_parser_syntax(text: &str) -> Result<String, String> {
    if text.starts_with('@') {
        return nickname(text);
    }
    if let Some((_, rest)) = text.split_once("TZ=") {
        let zone = rest.split_whitespace().next().unwrap_or_default();
        return Err(in_tz(zone));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() != FIELDS.len() {
        return Err(wrong_number_of_fields(&words));
    }
    let fields: Result<Vec<String>, String> =
        words.iter().enumerate().map(|(n, word)| field(n, &word.to_ascii_lowercase())).collect();
    Ok(fields?.join(" "))
}

fn wrong_number_of_fields(words: &[&str]) -> String {
    match words {
        [_, _, _, _, _, zone] if zone.starts_with(|c: char| c.is_ascii_alphabetic()) => in_tz(zone),
        [_, _, _, _, _, _, ..] => {
            "it has more than five fields; for seconds there are intervals, as in \"every 30s\"".to_owned()
        }
        fields => format!("it has {} fields", fields.len()),
    }
}

fn in_tz(zone: &str) -> String {
    format!("a zone stands in tz, as in tz = {zone:?}")
}

fn nickname(text: &str) -> Result<String, String> {
    let name = text.to_ascii_lowercase();
    match name.as_str() {
        "@midnight" => Ok("@daily".to_owned()),
        "@reboot" => {
            Err("nothing is due when a machine starts; what starts there can enqueue the job".to_owned())
        }
        name if NICKNAMES.contains(&name) => Ok(name.to_owned()),
        _ => Err(format!("there are {}", NICKNAMES.join(" "))),
    }
}

fn field(n: usize, word: &str) -> Result<String, String> {
    let parts: Result<Vec<String>, String> = word.split(',').map(|part| item(n, part)).collect();
    Ok(parts?.join(","))
}

/// Translates one item of a comma-separated field.
fn item(n: usize, part: &str) -> Result<String, String> {
    if part.is_empty() {
        return Err("there is nothing beside a comma".to_owned());
    }
    // A message about a missing number quotes the whole item.
    let value = |n, text: &str| value(n, if text.is_empty() { part } else { text });
    if let Some(special) = special(n, part)? {
        return Ok(special);
    }
    let (base, step) = match part.split_once('/') {
        Some((base, step)) => (base, Some(step)),
        None => (part, None),
    };
    let is_number = |step: &str| step.parse::<u32>().is_ok_and(|step| step > 0);
    if step.is_some_and(|step| !is_number(step)) {
        return Err(format!("{part:?} has no number from 1 behind its slash"));
    }
    let behind = step.map(|step| format!("/{step}")).unwrap_or_default();
    if base == "*" || (base == "?" && [DAY_OF_MONTH, DAY_OF_WEEK].contains(&n)) {
        return Ok(format!("*{behind}"));
    }
    match base.split_once('-') {
        Some((first, last)) => range(n, part, (value(n, first)?, value(n, last)?), &behind),
        None => {
            let first = value(n, base)? % modulus(n);
            // `5/15`: from 5 to the end, in steps of 15.
            Ok(if behind.is_empty() {
                first.to_string()
            } else {
                format!("{first}-{}{behind}", FIELDS[n].high)
            })
        }
    }
}

/// Translates a range, which may go beyond the end of the field. `step` is empty, or a slash and a number.
fn range(n: usize, part: &str, (first, last): (u32, u32), step: &str) -> Result<String, String> {
    match (n, first, last) {
        // The parser accepts 0 only for Sunday.
        (DAY_OF_WEEK, 1..=6, 7) if step.is_empty() => Ok(format!("{first}-6,0")),
        (DAY_OF_WEEK, 7, 0..=6) => Ok(format!("0-{last}{step}")),
        _ if first <= last => Ok(format!("{first}-{last}{step}")),
        _ if !step.is_empty() => {
            Err(format!("{part:?} goes beyond the end, and has a step; write two ranges"))
        }
        _ => Ok(format!("{first}-{},{}-{last}", FIELDS[n].high, FIELDS[n].low)),
    }
}

/// Modulus of the numbers in a field: 7 and 0 are the same weekday.
fn modulus(n: usize) -> u32 {
    if n == DAY_OF_WEEK { 7 } else { u32::MAX }
}

/// Translates `L`, `LW` and `15W` in the day of month, and `5#2` and `5L` in the day of week: the last day, the last
/// working day, the working day nearest to the 15th, the second Friday, the last Friday.
fn special(n: usize, part: &str) -> Result<Option<String>, String> {
    let value = |n, text: &str| value(n, if text.is_empty() { part } else { text });
    // croniter writes the letter before the day, the parser behind it.
    let before_w = part.strip_suffix('w').or_else(|| part.strip_prefix('w'));
    let before_l = part.strip_prefix('l').or_else(|| part.strip_suffix('l'));
    Ok(match n {
        DAY_OF_MONTH if part == "l" || part == "lw" => Some(part.to_ascii_uppercase()),
        DAY_OF_MONTH => match before_w {
            Some(day) => Some(format!("{}W", value(n, day)?)),
            None => None,
        },
        DAY_OF_WEEK => match (part.split_once('#'), before_l) {
            (Some((day, week)), _) => {
                let day = value(n, day)? % 7;
                if !week.parse().is_ok_and(|week: u32| (1..=5).contains(&week)) {
                    return Err(format!("{part:?} has no number from 1 to 5 behind its #"));
                }
                Some(format!("{day}#{week}"))
            }
            (None, Some(day)) => Some(format!("{}L", value(n, day)? % 7)),
            (None, None) => None,
        },
        _ => None,
    })
}

fn value(n: usize, text: &str) -> Result<u32, String> {
    let FieldRule { low, high, names } = &FIELDS[n];
    // Sunday is 0 and 7.
    let high = if n == DAY_OF_WEEK { 7 } else { *high };
    if let Some(at) = names.iter().position(|name| *name == text) {
        return Ok(low + u32::try_from(at).unwrap_or_default());
    }
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| is_plain && (*low..=high).contains(number));
    let words = if names.is_empty() { "" } else { ", or a name of three letters" };
    number.ok_or_else(|| format!("{text:?} is not a number from {low} to {high}{words}"))
}

#[cfg(test)]
mod tests {
    use super::to_parser_syntax;

    #[test]
    fn cron_syntax_is_translated_for_the_parser() {
        for (text, expected) in [
            ("5/15 * * * *", "5-59/15 * * * *"),
            ("0 22-2 * * *", "0 22-23,0-2 * * *"),
            ("0 0 * * fri-mon", "0 0 * * 5-6,0-1"),
            ("0 0 * NOV-feb *", "0 0 * 11-12,1-2 *"),
            ("0 0 28-3 * *", "0 0 28-31,1-3 * *"),
            ("0 0 * * 5-7", "0 0 * * 5-6,0"),
            ("0 0 * * 7-2", "0 0 * * 0-2"),
            ("0 0 * * 7,L5,fri#2", "0 0 * * 0,5L,5#2"),
            ("0 0 L,15w ? *", "not a month"),
            ("0 0 L,15w * ?", "0 0 L,15W * *"),
            ("*/5 1-5/2 * * mon-fri", "*/5 1-5/2 * * 1-5"),
            ("@Midnight", "@daily"),
        ] {
            assert_eq!(to_parser_syntax(text).unwrap_or("not a month".to_owned()), expected, "{text}");
        }
    }

    #[test]
    fn invalid_fields_say_why() {
        for (bad, part) in [
            ("1,2,,3 * * * *", "nothing beside a comma"),
            ("22-2/3 * * * *", "write two ranges"),
            ("*/0 * * * *", "behind its slash"),
            ("0 0 0 * * *", "more than five fields"),
            ("0 3 * * * Europe/Berlin", "tz = \"Europe/Berlin\""),
            ("CRON_TZ=Asia/Tokyo 0 3 * * *", "tz = \"Asia/Tokyo\""),
            ("TZ=UTC 0 3 * * *", "tz = \"UTC\""),
            ("@reboot", "what starts there"),
            ("@dayly", "@daily"),
            ("* * * *", "it has 4 fields"),
            ("60 * * * *", "from 0 to 59"),
            ("0 0 * * fry", "a name of three letters"),
            ("0 0 * * 5#6", "from 1 to 5"),
            ("mon * * * *", "from 0 to 59"),
            ("+5 * * * *", "from 0 to 59"),
            ("-1 * * * *", "\"-1\" is not a number from 0 to 59"),
            ("5- * * * *", "\"5-\" is not a number from 0 to 59"),
            ("/5 * * * *", "\"/5\" is not a number from 0 to 59"),
            ("0 0 * * L", "\"l\" is not a number from 0 to 7"),
            ("0 0 w * *", "\"w\" is not a number from 1 to 31"),
        ] {
            let error = to_parser_syntax(bad).err().unwrap_or_default();
            assert!(error.contains(part), "{bad}: {error:?}");
        }
    }
}
