//! A configuration file: TOML whose every key knows its line.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cli::exit::Failure;
use crate::program::see_help_of;

/// Larger ones are not read.
const MAX_FILE_SIZE: u64 = 4 * 1024 * 1024;

/// What a key holds.
#[derive(Debug)]
pub(crate) enum Node {
    Leaf(Value),
    /// A number that JSON does not have, as it was typed.
    NotJson(String),
    List(Vec<Item>),
    Table(Vec<(String, Item)>),
}

/// A value and the line of its key.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) line: usize,
    pub(crate) node: Node,
}

pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    root: Item,
}

impl ConfigFile {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let cannot = |what: String| {
            let what = format!("cannot read {}: {what}", path.display());
            Failure::Usage(what, format!("--config FILE is a TOML file; {}", see_help_of("config")))
        };
        let size = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?.len();
        if size > MAX_FILE_SIZE {
            return Err(cannot(format!("it has more than {MAX_FILE_SIZE} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
        let table = DeTable::parse(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| LineIndex::of(&text).at(span.start));
            Failure::Usage(
                format!("{}:{line}: {}", path.display(), error.message()),
                "the file is TOML (https://toml.io): key = \"text\", and [sections]".into(),
            )
        })?;
        let root = Item { line: 1, node: table_node(&LineIndex::of(&text), table.get_ref()) };
        Ok(ConfigFile { path: path.to_owned(), root })
    }

    /// All of it.
    pub(crate) fn root(&self) -> Section<'_> {
        Section { file: self, name: String::new(), item: &self.root }
    }
}

/// Where lines begin.
struct LineIndex(Vec<usize>);

impl LineIndex {
    fn of(text: &str) -> Self {
        LineIndex(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

fn table_node(lines: &LineIndex, table: &DeTable<'_>) -> Node {
    let item = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &Spanned<std::borrow::Cow<'_, str>> = key;
        (key.get_ref().to_string(), Item { line: lines.at(key.span().start), node: node(lines, value) })
    };
    Node::Table(table.iter().map(item).collect())
}

fn node(lines: &LineIndex, value: &Spanned<DeValue<'_>>) -> Node {
    match value.get_ref() {
        DeValue::String(string) => Node::Leaf(Value::from(string.as_ref())),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            let parsed = i64::from_str_radix(digits.trim_start_matches('+'), number.radix());
            parsed.map_or_else(|_| Node::NotJson(number.as_str().to_owned()), |n| Node::Leaf(Value::from(n)))
        }
        DeValue::Float(number) => match number.as_str().replace('_', "").parse::<f64>() {
            Ok(parsed) if parsed.is_finite() => Node::Leaf(Value::from(parsed)),
            _ => Node::NotJson(number.as_str().to_owned()),
        },
        DeValue::Boolean(flag) => Node::Leaf(Value::from(*flag)),
        DeValue::Datetime(time) => Node::Leaf(Value::from(time.to_string())),
        DeValue::Array(items) => {
            let item = |value: &Spanned<DeValue<'_>>| Item {
                line: lines.at(value.span().start),
                node: node(lines, value),
            };
            Node::List(items.iter().map(item).collect())
        }
        DeValue::Table(table) => table_node(lines, table),
    }
}

impl Item {
    /// As JSON, for arguments of jobs; or what JSON does not have.
    pub(crate) fn json(&self) -> Result<Value, String> {
        Ok(match &self.node {
            Node::Leaf(value) => value.clone(),
            Node::NotJson(text) => return Err(format!("{text} is no number of JSON")),
            Node::List(items) => items.iter().map(Item::json).collect::<Result<_, _>>()?,
            Node::Table(pairs) => {
                let pair = |(name, item): &(String, Item)| Ok((name.clone(), item.json()?));
                Value::Object(pairs.iter().map(pair).collect::<Result<_, String>>()?)
            }
        })
    }

    /// As one would type it: one text, or several.
    pub(crate) fn texts(&self) -> Option<Vec<String>> {
        let leaf = |item: &Item| match &item.node {
            Node::Leaf(Value::String(text)) => Some(text.clone()),
            Node::Leaf(value) => Some(value.to_string()),
            Node::NotJson(text) => Some(text.clone()),
            _ => None,
        };
        match &self.node {
            Node::List(items) => items.iter().map(leaf).collect(),
            _ => Some(vec![leaf(self)?]),
        }
    }
}

/// The word that was perhaps meant.
pub(super) fn closest_name<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let nearest = known.iter().map(|word| (strsim::jaro_winkler(name, word), *word));
    let nearest = nearest.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(likeness, _)| *likeness > 0.8);
    nearest.map(|(_, word)| word)
}

/// A table of the file.
#[derive(Clone)]
pub(crate) struct Section<'a> {
    pub(crate) file: &'a ConfigFile,
    /// As people write it: `handlers.resize`.
    pub(crate) name: String,
    pub(crate) item: &'a Item,
}

impl<'a> Section<'a> {
    pub(crate) fn pairs(&self) -> &'a [(String, Item)] {
        match &self.item.node {
            Node::Table(pairs) => pairs,
            _ => &[],
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'a Item> {
        self.pairs().iter().find(|(name, _)| name == key).map(|(_, item)| item)
    }

    /// The table of this name; an empty one when there is none.
    pub(crate) fn table(&self, key: &str) -> Result<Option<Section<'a>>, Failure> {
        match self.get(key) {
            None => Ok(None),
            Some(item) if matches!(item.node, Node::Table(_)) => Ok(Some(self.subsection(key, item))),
            Some(item) => {
                Err(self.error_at(item.line, &format!("{key} is not a section"), "write it as [section]"))
            }
        }
    }

    /// The tables of this name, as in `[[cron]]`.
    pub(crate) fn tables(&self, key: &str) -> Result<Vec<Section<'a>>, Failure> {
        let wrong = |line| {
            self.error_at(line, &format!("{key} is not a list of sections"), "write each as [[section]]")
        };
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(Item { node: Node::List(items), .. }) => {
                let table = |item: &'a Item| match item.node {
                    Node::Table(_) => Ok(self.subsection(key, item)),
                    _ => Err(wrong(item.line)),
                };
                items.iter().map(table).collect()
            }
            Some(item) => Err(wrong(item.line)),
        }
    }

    pub(crate) fn subsection(&self, key: &str, item: &'a Item) -> Section<'a> {
        let name = if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        Section { file: self.file, name, item }
    }

    pub(crate) fn error_at(&self, line: usize, what: &str, hint: &str) -> Failure {
        Failure::Usage(format!("{}:{line}: {what}", self.file.path.display()), hint.to_owned())
    }

    /// The one of two words for the same that is there.
    pub(crate) fn either<'w>(&self, word: &'w str, other: &'w str) -> Result<&'w str, Failure> {
        match (self.get(word), self.get(other)) {
            (Some(_), Some(item)) => Err(self.error_at(
                item.line,
                &format!("{word} and {other} say the same"),
                "leave one of them",
            )),
            (None, Some(_)) => Ok(other),
            _ => Ok(word),
        }
    }

    /// Refuses keys that are none of these, and says which one was perhaps meant.
    pub(crate) fn check_keys(&self, known: &[&str]) -> Result<(), Failure> {
        let unknown = |(name, _): &&(String, Item)| !known.contains(&name.as_str());
        let Some((name, item)) = self.pairs().iter().find(unknown) else { return Ok(()) };
        let place =
            if self.name.is_empty() { "the top of the file".to_owned() } else { format!("[{}]", self.name) };
        let hint = match closest_name(name, known) {
            Some(word) => format!("did you mean {word}?"),
            None => format!("there are: {}", known.join(", ")),
        };
        Err(self.error_at(item.line, &format!("{place} has no key {name:?}"), &hint))
    }

    /// A value that is written as text or number, read by `parse`.
    pub(crate) fn parse_one<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        let mut all = self.parse_all(key, parse)?;
        match (self.get(key), all.len()) {
            (Some(item), 0 | 2..) => {
                Err(self.error_at(item.line, &format!("{key}: one value is wanted"), "not a list"))
            }
            _ => Ok(all.pop()),
        }
    }

    /// The same, one or several.
    pub(crate) fn parse_all<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, Failure> {
        let Some(item) = self.get(key) else { return Ok(Vec::new()) };
        let wrong = |what: &str| self.error_at(item.line, &format!("{key}: {what}"), &see_help_of("config"));
        let texts = item.texts().ok_or_else(|| wrong("text or a number is wanted"))?;
        texts.iter().map(|text| parse(text).map_err(|what| wrong(&what))).collect()
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, Failure> {
        self.parse_one(key, |text| Ok(text.to_owned()))
    }

    /// Values for a job, and their line.
    pub(crate) fn json_value(&self, key: &str) -> Result<Option<(usize, Value)>, Failure> {
        let Some(item) = self.get(key) else { return Ok(None) };
        match item.json() {
            Ok(value) => Ok(Some((item.line, value))),
            Err(what) => {
                Err(self.error_at(item.line, &format!("{key}: {what}"), "write it as text, in quotes"))
            }
        }
    }

    /// A table of values for a job.
    pub(crate) fn object(&self, key: &str) -> Result<Map<String, Value>, Failure> {
        match self.json_value(key)? {
            None => Ok(Map::new()),
            Some((_, Value::Object(map))) => Ok(map),
            Some((line, _)) => {
                Err(self.error_at(line, &format!("{key} is not a table"), "as in { name = 1 }"))
            }
        }
    }
}
