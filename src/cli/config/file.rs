//! Reads a configuration file as TOML with the line of each key, for errors.

use std::path::{Path, PathBuf};

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cli::exit::Failure;
use crate::program::help_hint;

/// Maximum size of a file, in bytes.
const MAX_FILE_SIZE: u64 = 4 * 1024 * 1024;

/// The value of a key.
#[derive(Debug)]
pub(crate) enum ConfigValue {
    Leaf(Value),
    /// A number that JSON cannot express, such as `nan`, as it is written in the file.
    NotJson(String),
    List(Vec<Item>),
    Table(Vec<(String, Item)>),
}

/// A value with the line of its key.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) line: usize,
    pub(crate) node: ConfigValue,
}

pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    pub(super) root: Item,
}

impl ConfigFile {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let cannot = |what: String| {
            let what = format!("cannot read {}: {what}", path.display());
            Failure::Usage(what, format!("--config FILE is a TOML file; {}", help_hint("config")))
        };
        let size = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?.len();
        if size > MAX_FILE_SIZE {
            return Err(cannot(format!("it has more than {MAX_FILE_SIZE} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
        let table = DeTable::parse(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| LineIndex::new(&text).at(span.start));
            Failure::Usage(
                format!("{}:{line}: {}", path.display(), error.message()),
                "the file is TOML (https://toml.io): key = \"text\", and [sections]".into(),
            )
        })?;
        let root = Item { line: 1, node: table_node(&LineIndex::new(&text), table.get_ref()) };
        Ok(ConfigFile { path: path.to_owned(), root })
    }
}

/// The offsets of the line ends, to find the line of an offset.
struct LineIndex(Vec<usize>);

impl LineIndex {
    fn new(text: &str) -> Self {
        LineIndex(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

fn table_node(lines: &LineIndex, table: &DeTable<'_>) -> ConfigValue {
    let item = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &Spanned<std::borrow::Cow<'_, str>> = key;
        (key.get_ref().to_string(), Item { line: lines.at(key.span().start), node: node(lines, value) })
    };
    ConfigValue::Table(table.iter().map(item).collect())
}

fn node(lines: &LineIndex, value: &Spanned<DeValue<'_>>) -> ConfigValue {
    match value.get_ref() {
        DeValue::String(string) => ConfigValue::Leaf(Value::from(string.as_ref())),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            let parsed = i64::from_str_radix(digits.trim_start_matches('+'), number.radix());
            parsed.map_or_else(
                |_| ConfigValue::NotJson(number.as_str().to_owned()),
                |n| ConfigValue::Leaf(Value::from(n)),
            )
        }
        DeValue::Float(number) => match number.as_str().replace('_', "").parse::<f64>() {
            Ok(parsed) if parsed.is_finite() => ConfigValue::Leaf(Value::from(parsed)),
            _ => ConfigValue::NotJson(number.as_str().to_owned()),
        },
        DeValue::Boolean(flag) => ConfigValue::Leaf(Value::from(*flag)),
        DeValue::Datetime(time) => ConfigValue::Leaf(Value::from(time.to_string())),
        DeValue::Array(items) => {
            let item = |value: &Spanned<DeValue<'_>>| Item {
                line: lines.at(value.span().start),
                node: node(lines, value),
            };
            ConfigValue::List(items.iter().map(item).collect())
        }
        DeValue::Table(table) => table_node(lines, table),
    }
}

impl Item {
    /// Converts the value to JSON, for arguments of jobs. The error is the message.
    pub(crate) fn json(&self) -> Result<Value, String> {
        Ok(match &self.node {
            ConfigValue::Leaf(value) => value.clone(),
            ConfigValue::NotJson(text) => return Err(format!("{text} is not a JSON number")),
            ConfigValue::List(items) => items.iter().map(Item::json).collect::<Result<_, _>>()?,
            ConfigValue::Table(pairs) => {
                let pair = |(name, item): &(String, Item)| Ok((name.clone(), item.json()?));
                Value::Object(pairs.iter().map(pair).collect::<Result<_, String>>()?)
            }
        })
    }

    /// Returns the value as it would be typed on the command line: one text, or several for a list.
    pub(crate) fn texts(&self) -> Option<Vec<String>> {
        let leaf = |item: &Item| match &item.node {
            ConfigValue::Leaf(Value::String(text)) => Some(text.clone()),
            ConfigValue::Leaf(value) => Some(value.to_string()),
            ConfigValue::NotJson(text) => Some(text.clone()),
            _ => None,
        };
        match &self.node {
            ConfigValue::List(items) => items.iter().map(leaf).collect(),
            _ => Some(vec![leaf(self)?]),
        }
    }
}
