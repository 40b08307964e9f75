//! Imports between the files of `src/`: which file uses an item that another file defines, and on which line.
//!
//! A `mod x;` is no import. Neither is a re-export, unless the file itself uses the name. A path through a re-export
//! leads to the file that defines the item.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// `from` uses an item that `to` defines.
#[derive(Debug, Clone)]
pub(super) struct Import {
    pub(super) from: String,
    pub(super) to: String,
    /// The first line that does, with its number.
    pub(super) line: String,
}

/// Imports of files, given by name below `src/` with their text. At most one for each pair.
pub(super) fn imports(files: &[(String, String)]) -> Vec<Import> {
    let modules: HashMap<Vec<String>, Module> =
        files.iter().map(|(name, text)| (module_path(name), Module::parse(name, text))).collect();
    let mut found = BTreeMap::new();
    for (name, text) in files {
        let path = module_path(name);
        for reference in modules[&path].references() {
            let target = resolve(&modules, &path, &reference.path, 0).filter(|to| to != name);
            if let Some(to) = target {
                let line = text.lines().nth(reference.line).unwrap_or_default().trim();
                let line = format!("{}: {line}", reference.line + 1);
                found.entry((name.clone(), to)).or_insert(line);
            }
        }
    }
    found.into_iter().map(|((from, to), line)| Import { from, to, line }).collect()
}

/// Groups of files that all import each other, directly or through others.
pub(super) fn cycles(imports: &[Import]) -> Vec<BTreeSet<&str>> {
    let mut targets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for import in imports {
        targets.entry(&import.from).or_default().push(&import.to);
    }
    let reachable = |start: &str| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![start]);
        while let Some(file) = next.pop() {
            let fresh = targets.get(file).into_iter().flatten().copied().filter(|to| reached.insert(*to));
            next.extend(fresh.collect::<Vec<_>>());
        }
        reached
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        targets.keys().map(|file| (*file, reachable(file))).collect();
    let mut groups = BTreeSet::new();
    for (file, all) in &reached {
        if all.contains(file) {
            let returns = |other: &&&str| reached.get(**other).is_some_and(|back| back.contains(file));
            groups.insert(all.iter().filter(returns).copied().collect::<BTreeSet<&str>>());
        }
    }
    groups.into_iter().collect()
}

/// `job/payload/mod.rs` is `job::payload`.
fn module_path(name: &str) -> Vec<String> {
    let name = name.trim_end_matches(".rs").trim_end_matches("/mod");
    if name == "lib" { Vec::new() } else { name.split('/').map(str::to_owned).collect() }
}

/// A path in the code, as it is written.
struct Reference {
    path: Vec<String>,
    line: usize,
}

struct Use {
    alias: String,
    target: Reference,
    is_public: bool,
}

/// The names of one file.
#[derive(Default)]
struct Module {
    file: String,
    items: HashSet<String>,
    children: HashSet<String>,
    uses: Vec<Use>,
    paths: Vec<Reference>,
    /// All words outside of `use`.
    words: HashSet<String>,
}

impl Module {
    fn parse(file: &str, text: &str) -> Self {
        let mut parser = Parser {
            tokens: tokens(text),
            at: 0,
            module: Module { file: file.to_owned(), ..Module::default() },
        };
        parser.parse();
        parser.module
    }

    fn references(&self) -> impl Iterator<Item = &Reference> {
        let uses = self.uses.iter().filter(|one| !one.is_public || self.words.contains(&one.alias));
        uses.map(|one| &one.target).chain(&self.paths)
    }
}

/// The file that defines the item at the end of a path; none for a module, and for what is not of this crate.
fn resolve(
    modules: &HashMap<Vec<String>, Module>,
    here: &[String],
    path: &[String],
    depth: usize,
) -> Option<String> {
    let (mut here, mut rest) = (here.to_vec(), path);
    while let Some((first, behind)) = rest.split_first() {
        match first.as_str() {
            "crate" => here.clear(),
            "super" => drop(here.pop()),
            "self" => {}
            _ => break,
        }
        rest = behind;
    }
    while let Some((name, behind)) = rest.split_first() {
        let module = modules.get(&here)?;
        let is_last = behind.is_empty();
        if module.children.contains(name) && !is_last {
            here.push(name.clone());
            rest = behind;
            continue;
        }
        if module.items.contains(name) || name == "*" {
            return Some(module.file.clone());
        }
        let one = module.uses.iter().find(|one| one.alias == *name).filter(|_| depth < 20)?;
        let path: Vec<String> = one.target.path.iter().chain(behind).cloned().collect();
        return resolve(modules, &here, &path, depth + 1);
    }
    None
}

struct Token {
    text: String,
    line: usize,
}

impl Token {
    fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Words, `::` and single signs; no comments, no literals.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut found, mut at, mut line) = (Vec::new(), 0, 0);
    let peek = |at: usize| chars.get(at).copied().unwrap_or('\0');
    while at < chars.len() {
        let start = at;
        match chars[at] {
            '/' if peek(at + 1) == '/' => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
            }
            '"' => at = end_of_string(&chars, at),
            'r' if peek(at + 1) == '"' || (peek(at + 1) == '#' && matches!(peek(at + 2), '"' | '#')) => {
                at = end_of_raw_string(&chars, at + 1);
            }
            '\'' if peek(at + 1) == '\\' || peek(at + 2) == '\'' => {
                at += 2;
                while peek(at) != '\'' && at < chars.len() {
                    at += 1;
                }
                at += 1;
            }
            c if c.is_alphanumeric() || c == '_' => {
                while peek(at).is_alphanumeric() || peek(at) == '_' {
                    at += 1;
                }
                // The letters before a literal: `b"…"`, `c"…"`, `br"…"`.
                if !matches!(peek(at), '"' | '#') || at - start > 2 {
                    found.push(Token { text: chars[start..at].iter().collect(), line });
                }
            }
            ':' if peek(at + 1) == ':' => {
                found.push(Token { text: "::".to_owned(), line });
                at += 2;
            }
            c => {
                if !c.is_whitespace() {
                    found.push(Token { text: c.to_string(), line });
                }
                at += 1;
            }
        }
        line += chars[start..at.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    found
}

fn end_of_string(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// `start` is behind the `r`.
fn end_of_raw_string(chars: &[char], start: usize) -> usize {
    let hashes = chars[start..].iter().take_while(|c| **c == '#').count();
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let inside = start + hashes + 1;
    let length = chars[inside..].windows(end.len()).position(|part| part == end);
    length.map_or(chars.len(), |length| inside + length + end.len())
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    module: Module,
}

impl Parser {
    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }

    fn parse(&mut self) {
        let mut depth = 0;
        // Modules written inside of the file, by the depth of their braces.
        let mut inline = Vec::new();
        while self.at < self.tokens.len() {
            let before = if self.at > 0 { self.text(self.at - 1).to_owned() } else { String::new() };
            match self.text(self.at) {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    inline.retain(|inner| *inner <= depth);
                }
                "use" => {
                    let is_public = matches!(before.as_str(), "pub" | ")");
                    self.at += 1;
                    self.use_tree(&[], is_public, inline.len());
                    continue;
                }
                "mod" if self.text(self.at + 2) == ";" => {
                    let name = self.text(self.at + 1).to_owned();
                    self.module.children.insert(name);
                }
                "mod" if self.text(self.at + 2) == "{" => inline.push(depth + 1),
                word => {
                    let is_macro = word == "macro_rules";
                    let is_item = matches!(
                        word,
                        "fn" | "struct" | "enum" | "trait" | "type" | "union" | "const" | "static"
                    );
                    if depth == 0 && is_item {
                        let name = self.text(self.at + 1).to_owned();
                        self.module.items.insert(name);
                    }
                    if is_macro {
                        let name = self.text(self.at + 2).to_owned();
                        self.module.items.insert(name);
                    }
                    self.path(&before, inline.len());
                }
            }
            self.at += 1;
        }
    }

    /// Keeps the word at this place, and the path that begins with it.
    fn path(&mut self, before: &str, inline: usize) {
        let token = &self.tokens[self.at];
        if !token.is_word() {
            return;
        }
        let line = token.line;
        self.module.words.insert(token.text.clone());
        if matches!(before, "::" | ".") || self.text(self.at + 1) != "::" {
            return;
        }
        let mut path = vec![self.text(self.at).to_owned()];
        let mut at = self.at + 1;
        while self.text(at) == "::" && self.tokens.get(at + 1).is_some_and(Token::is_word) {
            path.push(self.text(at + 1).to_owned());
            at += 2;
        }
        let path = outside(path, inline);
        self.module.paths.push(Reference { path, line });
    }

    /// One part of a `use`, up to the `,`, `}` or `;` behind it.
    fn use_tree(&mut self, prefix: &[String], is_public: bool, inline: usize) {
        let mut path = prefix.to_vec();
        let line = self.tokens[self.at].line;
        let mut alias = None;
        loop {
            match self.text(self.at) {
                "::" => {}
                "{" => {
                    while self.text(self.at) != "}" {
                        self.at += 1;
                        if self.text(self.at) != "}" {
                            self.use_tree(&path, is_public, inline);
                        }
                    }
                    self.at += 1;
                    return;
                }
                "," | "}" | ";" | "" => break,
                "as" => {
                    alias = Some(self.text(self.at + 1).to_owned());
                    self.at += 1;
                }
                "self" if !path.is_empty() => {}
                word => path.push(word.to_owned()),
            }
            self.at += 1;
        }
        let alias = alias.or_else(|| path.last().cloned()).unwrap_or_default();
        let path = outside(path, inline);
        self.module.uses.push(Use { alias, target: Reference { path, line }, is_public });
    }
}

/// A path inside of inline modules, as the file would write it.
fn outside(path: Vec<String>, inline: usize) -> Vec<String> {
    let leading = path.iter().take_while(|part| *part == "super").count().min(inline);
    if leading > 0 && path.get(leading).is_none_or(|part| part != "super") {
        return std::iter::once("self".to_owned()).chain(path.into_iter().skip(leading)).collect();
    }
    path.into_iter().skip(leading).collect()
}
