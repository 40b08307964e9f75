//! The texts of the scripts as they are sent. Each is made of the constants of the deployment and the functions of the
//! library that the script names, its keys and arguments as locals, and its file in `src/lua/`.

use std::collections::HashSet;
use std::sync::OnceLock;

use super::constants::constants;
use super::declaration::Script;
use super::table::COUNT;
use crate::dialect::{DialectSpec, Keys};

/// The library, in three parts. A definition uses only those before it.
const LIBRARY: [&str; 3] = [
    concat!(
        include_str!("../../lua/lib/scores.lua"),
        include_str!("../../lua/lib/statuses.lua"),
        include_str!("../../lua/lib/checks.lua"),
        include_str!("../../lua/lib/newest_entry.lua"),
        include_str!("../../lua/lib/store_jobs.lua"),
        include_str!("../../lua/lib/reset_job.lua"),
        include_str!("../../lua/lib/put_in_queue.lua"),
    ),
    RQ_LIBRARY,
    concat!(
        include_str!("../../lua/lib/enqueue_or_wait.lua"),
        include_str!("../../lua/lib/take_out.lua"),
        include_str!("../../lua/lib/delete_job.lua"),
    ),
];

/// The functions that have something to do in a deployment with RQ's metadata only.
const RQ_LIBRARY: &str = concat!(
    include_str!("../../lua/lib/rq/executions.lua"),
    include_str!("../../lua/lib/rq/rate_limits.lua"),
    include_str!("../../lua/lib/rq/dependents.lua"),
    include_str!("../../lua/lib/rq/related_keys.lua"),
);

/// The scripts of a deployment: its constants, and the digests of the scripts that were called.
pub(crate) struct ScriptTexts {
    constants: String,
    writes_rq_metadata: bool,
    digests: [OnceLock<String>; COUNT],
}

impl ScriptTexts {
    pub(crate) fn new(dialect: &DialectSpec, keys: &Keys) -> Self {
        ScriptTexts {
            constants: constants(dialect, keys),
            writes_rq_metadata: dialect.writes_rq_metadata,
            digests: [const { OnceLock::new() }; COUNT],
        }
    }

    /// SHA-1 of a script's text, in hexadecimal.
    pub(crate) fn digest(&self, script: &Script) -> &str {
        self.digests[script.index]
            .get_or_init(|| redis::Script::new(&self.text(script)).get_hash().to_owned())
    }

    /// The text of a script. It is made anew each time: a server asks for it once.
    pub(crate) fn text(&self, script: &Script) -> String {
        let declared = declared_locals(script);
        let body: Vec<&str> = code(&declared).chain(code(script.body)).collect();
        let no_rq = if self.writes_rq_metadata { String::new() } else { without_effect(RQ_LIBRARY) };
        let [first, rq, last] = LIBRARY;
        let rq = if self.writes_rq_metadata { rq } else { &no_rq };
        let available = definitions([&self.constants, first, rq, last].into_iter().flat_map(code));
        let needed = keep_needed(available, &body);
        let lines = needed.into_iter().flat_map(|definition| definition.lines).chain(body);
        lines.flat_map(|line| [line, "\n"]).collect()
    }
}

/// The definitions of a library as functions that do nothing. They are one function, because each function that a
/// script defines costs time in each call.
fn without_effect(library: &str) -> String {
    let names = definitions(code(library)).into_iter().map(|definition| definition.name);
    let lines = names.map(|name| format!("local {name} = do_nothing\n"));
    std::iter::once("local function do_nothing() end\n".to_owned()).chain(lines).collect()
}

/// Lua's names for the keys and arguments of a script.
fn declared_locals(script: &Script) -> String {
    let numbered = |n: usize| n + 1;
    let keys = script.keys.iter().enumerate();
    let mut locals: Vec<(String, String)> =
        keys.map(|(n, name)| (name.to_uppercase(), format!("KEYS[{}]", numbered(n)))).collect();
    let arguments = script.arguments.iter().enumerate();
    locals.extend(arguments.map(|(n, (name, lua_type))| ((*name).to_owned(), lua_type.read(numbered(n)))));
    if script.has_more_keys {
        locals.push(("FIRST_KEY".to_owned(), numbered(script.keys.len()).to_string()));
    }
    if script.has_more_arguments {
        locals.push(("FIRST_ARG".to_owned(), numbered(script.arguments.len()).to_string()));
    }
    if locals.is_empty() {
        return String::new();
    }
    let (names, values): (Vec<String>, Vec<String>) = locals.into_iter().unzip();
    format!("local {} = {}\n", names.join(", "), values.join(", "))
}

/// A definition at the outermost level of a Lua text: a function or a value.
struct Definition<'a> {
    name: &'a str,
    lines: Vec<&'a str>,
}

/// Splits lines of Lua at the definitions of their outermost level.
fn definitions<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Definition<'a>> {
    let mut definitions: Vec<Definition<'a>> = Vec::new();
    for line in lines {
        if let Some(rest) = line.strip_prefix("local ") {
            let name = words(rest).find(|word| *word != "function").unwrap_or_default();
            definitions.push(Definition { name, lines: Vec::new() });
        }
        if let Some(definition) = definitions.last_mut() {
            definition.lines.push(line);
        }
    }
    definitions
}

/// Keeps the definitions that the body names, and those that these name.
fn keep_needed<'a>(available: Vec<Definition<'a>>, body: &[&'a str]) -> Vec<Definition<'a>> {
    let mut named: HashSet<&str> = body.iter().copied().flat_map(words).collect();
    let mut needed = Vec::new();
    // From the last to the first, because a definition uses only those before it.
    for definition in available.into_iter().rev() {
        if named.contains(definition.name) {
            named.extend(definition.lines.iter().copied().flat_map(words));
            needed.push(definition);
        }
    }
    needed.reverse();
    needed
}

/// Lines of Lua without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let without_comment = |line| str::split(line, " -- ").next().unwrap_or_default();
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("--");
    text.lines().map(without_comment).filter(is_code)
}

/// Names and keywords in a line.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}
