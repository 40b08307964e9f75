//! Typed access to the tables of a configuration file; errors name the line.

use serde_json::{Map, Value};

use super::file::{ConfigFile, ConfigValue, Item};
use super::suggest::closest_name;
use crate::cli::exit::Failure;
use crate::program::help_hint;

/// A table of the file, such as `[worker]`.
#[derive(Clone)]
pub(crate) struct Section<'a> {
    pub(crate) file: &'a ConfigFile,
    /// The name in brackets, such as `handlers.resize`.
    pub(crate) name: String,
    pub(crate) item: &'a Item,
}

impl<'a> Section<'a> {
    /// Returns the top level of the file.
    pub(super) fn root(file: &'a ConfigFile) -> Self {
        Section { file, name: String::new(), item: &file.root }
    }

    pub(crate) fn pairs(&self) -> &'a [(String, Item)] {
        match &self.item.node {
            ConfigValue::Table(pairs) => pairs,
            _ => &[],
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'a Item> {
        self.pairs().iter().find(|(name, _)| name == key).map(|(_, item)| item)
    }

    /// Returns the table with this name, if there is one.
    pub(crate) fn table(&self, key: &str) -> Result<Option<Section<'a>>, Failure> {
        match self.get(key) {
            None => Ok(None),
            Some(item) if matches!(item.node, ConfigValue::Table(_)) => Ok(Some(self.subsection(key, item))),
            Some(item) => {
                Err(self.error_at(item.line, &format!("{key} is not a section"), "write it as [section]"))
            }
        }
    }

    /// Returns the tables of a list, such as `[[cron]]`.
    pub(crate) fn tables(&self, key: &str) -> Result<Vec<Section<'a>>, Failure> {
        let wrong = |line| {
            self.error_at(line, &format!("{key} is not a list of sections"), "write each as [[section]]")
        };
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(Item { node: ConfigValue::List(items), .. }) => {
                let table = |item: &'a Item| match item.node {
                    ConfigValue::Table(_) => Ok(self.subsection(key, item)),
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

    /// Returns which one of two names of an option is set. Both at once are an error.
    pub(crate) fn either<'n>(&self, name: &'n str, alias: &'n str) -> Result<&'n str, Failure> {
        match (self.get(name), self.get(alias)) {
            (Some(_), Some(item)) => Err(self.error_at(
                item.line,
                &format!("{name} and {alias} set the same option"),
                "remove one of them",
            )),
            (None, Some(_)) => Ok(alias),
            _ => Ok(name),
        }
    }

    /// Refuses unknown keys, and suggests a known one.
    pub(crate) fn check_keys(&self, known: &[&str]) -> Result<(), Failure> {
        let unknown = |(name, _): &&(String, Item)| !known.contains(&name.as_str());
        let Some((name, item)) = self.pairs().iter().find(unknown) else { return Ok(()) };
        let section =
            if self.name.is_empty() { "the top of the file".to_owned() } else { format!("[{}]", self.name) };
        let hint = match closest_name(name, known) {
            Some(word) => format!("did you mean {word}?"),
            None => format!("there are: {}", known.join(", ")),
        };
        Err(self.error_at(item.line, &format!("{section} has no key {name:?}"), &hint))
    }

    /// Reads one value, a text or a number, with `parse`.
    pub(crate) fn parse_one<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        let mut all = self.parse_all(key, parse)?;
        match (self.get(key), all.len()) {
            (Some(item), 0 | 2..) => {
                Err(self.error_at(item.line, &format!("{key}: expected one value"), "not a list"))
            }
            _ => Ok(all.pop()),
        }
    }

    /// Reads one value or a list of values with `parse`.
    pub(crate) fn parse_all<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, Failure> {
        let Some(item) = self.get(key) else { return Ok(Vec::new()) };
        let wrong = |what: &str| self.error_at(item.line, &format!("{key}: {what}"), &help_hint("config"));
        let texts = item.texts().ok_or_else(|| wrong("expected text or a number"))?;
        texts.iter().map(|text| parse(text).map_err(|what| wrong(&what))).collect()
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, Failure> {
        self.parse_one(key, |text| Ok(text.to_owned()))
    }

    /// Reads a value for a job as JSON, with its line.
    pub(crate) fn json_value(&self, key: &str) -> Result<Option<(usize, Value)>, Failure> {
        let Some(item) = self.get(key) else { return Ok(None) };
        match item.json() {
            Ok(value) => Ok(Some((item.line, value))),
            Err(what) => {
                Err(self.error_at(item.line, &format!("{key}: {what}"), "write it as text, in quotes"))
            }
        }
    }

    /// Reads a table of values for a job. A missing table is empty.
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
