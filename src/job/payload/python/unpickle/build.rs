//! Turns what was read into a value, each thing once, so that what is shared stays shared.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use super::super::{Pairs, PyKind, PyValue};
use super::hash_key::HashKey;
use super::{Container, Index, Node, only_python};
use crate::job::payload::limits::{MAX_DEPTH, MAX_PARTS, MAX_TEXT_BYTES, too_deep, too_many, too_much_text};

pub(super) fn build_value(nodes: Vec<Node>, root: Index) -> Result<PyValue, String> {
    let order = order(&nodes, root)?;
    check_size(&nodes, &order)?;
    let keys = find_keys(&nodes, &order);
    let mut builder = ValueBuilder {
        ids: vec![0; nodes.len()],
        nodes,
        keys,
        equal: HashMap::new(),
        seen: vec![(0, 0)],
        owner: 0,
    };
    for index in order {
        builder.build(index)?;
    }
    Ok(builder.value(root))
}

fn children(node: &Node) -> &[Index] {
    match node {
        Node::Many(_, items) => items,
        _ => &[],
    }
}

/// All that belongs to the value, each thing after those it holds.
fn order(nodes: &[Node], root: Index) -> Result<Vec<Index>, String> {
    const OPEN: u16 = u16::MAX;
    let mut heights = vec![0u16; nodes.len()];
    let mut order = Vec::new();
    let mut path: Vec<(Index, usize, u16)> = vec![(root, 0, 0)];
    while let Some((index, next, height)) = path.pop() {
        let at = index as usize;
        heights[at] = OPEN;
        let Some(child) = children(&nodes[at]).get(next) else {
            heights[at] = height + 1;
            order.push(index);
            continue;
        };
        // A plain value in `MAX_DEPTH` containers makes a chain of one more.
        let chain = match heights[*child as usize] {
            OPEN => return Err("the payload holds something that contains itself".to_owned()),
            0 => {
                path.extend([(index, next, height), (*child, 0, 0)]);
                path.len()
            }
            below => {
                path.push((index, next + 1, height.max(below)));
                path.len() + usize::from(below)
            }
        };
        if chain > MAX_DEPTH + 1 {
            return Err(too_deep());
        }
    }
    Ok(order)
}

/// A small pickle can say "twice that" many times over: what it means is counted, not what it says.
fn check_size(nodes: &[Node], order: &[Index]) -> Result<(), String> {
    let mut sizes = vec![(0usize, 0usize); nodes.len()];
    for index in order {
        let node = &nodes[*index as usize];
        let mut size = (1, leaf_bytes(node));
        for child in children(node) {
            let below = sizes[*child as usize];
            size = (size.0 + below.0, size.1 + below.1);
            if size.0 > MAX_PARTS {
                return Err(too_many());
            }
            if size.1 > MAX_TEXT_BYTES {
                return Err(too_much_text());
            }
        }
        sizes[*index as usize] = size;
    }
    Ok(())
}

fn leaf_bytes(node: &Node) -> usize {
    match node {
        Node::Leaf(PyKind::Str(text) | PyKind::Decimal(text)) => text.len(),
        Node::Leaf(PyKind::Bytes(bytes)) => bytes.len(),
        Node::Leaf(PyKind::BigInt(number)) => number.to_le_bytes().len(),
        _ => 0,
    }
}

/// Which things are keys, items of sets, or parts of such: only those must be compared.
fn find_keys(nodes: &[Node], order: &[Index]) -> Vec<bool> {
    let mut keys = vec![false; nodes.len()];
    // Backwards, so that what holds a thing comes before it.
    for index in order.iter().rev() {
        let Node::Many(shape, items) = &nodes[*index as usize] else { continue };
        match shape {
            Container::Set | Container::FrozenSet => {
                items.iter().for_each(|item| keys[*item as usize] = true)
            }
            Container::Dict | Container::OrderedDict => {
                items.iter().step_by(2).for_each(|key| keys[*key as usize] = true);
            }
            Container::Tuple if keys[*index as usize] => {
                items.iter().for_each(|item| keys[*item as usize] = true);
            }
            Container::Tuple | Container::List => {}
        }
    }
    keys
}

struct ValueBuilder {
    nodes: Vec<Node>,
    keys: Vec<bool>,
    /// The number of each key, the same for equal ones; zero for what is none.
    ids: Vec<u32>,
    equal: HashMap<HashKey, u32>,
    /// By number of a key: the last container that had it, and where.
    seen: Vec<(u32, u32)>,
    owner: u32,
}

impl ValueBuilder {
    fn build(&mut self, index: Index) -> Result<(), String> {
        let at = index as usize;
        let kind = match mem::replace(&mut self.nodes[at], Node::Zone(0)) {
            Node::Leaf(kind) => kind,
            Node::Uuid(Some(uuid)) => PyKind::Uuid(uuid),
            Node::Uuid(None) => return Err("the payload holds an UUID without its number".to_owned()),
            Node::Zone(_) => return Err(only_python("datetime.timezone")),
            Node::Class(class) => return Err(only_python(&class.name())),
            Node::Many(shape, items) => self.container(at, shape, &items)?,
        };
        if self.keys[at] && self.ids[at] == 0 {
            let key = HashKey::of(&kind, index)?;
            self.ids[at] = self.number(key);
        }
        self.nodes[at] = Node::Leaf(kind);
        Ok(())
    }

    fn container(&mut self, at: usize, shape: Container, items: &[Index]) -> Result<PyKind, String> {
        Ok(match shape {
            Container::List => PyKind::List(self.all(items)),
            Container::Tuple => {
                if self.keys[at] {
                    let ids = items.iter().map(|item| self.ids[*item as usize]).collect();
                    self.ids[at] = self.number(HashKey::Tuple(ids));
                }
                PyKind::Tuple(self.all(items))
            }
            Container::Set => {
                let unique = self.unique(items);
                PyKind::Set(self.all(&unique))
            }
            Container::FrozenSet => {
                let unique = self.unique(items);
                if self.keys[at] {
                    let mut ids: Vec<u32> = unique.iter().map(|item| self.ids[*item as usize]).collect();
                    ids.sort_unstable();
                    self.ids[at] = self.number(HashKey::FrozenSet(ids));
                }
                PyKind::FrozenSet(self.all(&unique))
            }
            Container::Dict => PyKind::Dict(self.pairs(items)),
            Container::OrderedDict => PyKind::OrderedDict(self.pairs(items)),
        })
    }

    fn number(&mut self, key: HashKey) -> u32 {
        let next = self.seen.len() as u32;
        let number = *self.equal.entry(key).or_insert(next);
        if number == next {
            self.seen.push((0, 0));
        }
        number
    }

    fn value(&self, index: Index) -> PyValue {
        match &self.nodes[index as usize] {
            Node::Leaf(kind) => PyValue(kind.clone()),
            // What is held stands before what holds it, so all is a leaf by now.
            _ => PyValue(PyKind::None),
        }
    }

    fn all(&self, items: &[Index]) -> Arc<[PyValue]> {
        items.iter().map(|item| self.value(*item)).collect()
    }

    /// Of equal ones the first.
    fn unique(&mut self, items: &[Index]) -> Vec<Index> {
        self.owner += 1;
        let mut unique = Vec::with_capacity(items.len());
        for item in items {
            let seen = &mut self.seen[self.ids[*item as usize] as usize];
            if seen.0 != self.owner {
                *seen = (self.owner, 0);
                unique.push(*item);
            }
        }
        unique
    }

    /// Of equal keys the first, with the value of the last.
    fn pairs(&mut self, items: &[Index]) -> Pairs {
        self.owner += 1;
        let mut pairs: Vec<(PyValue, PyValue)> = Vec::with_capacity(items.len() / 2);
        for pair in items.chunks_exact(2) {
            let value = self.value(pair[1]);
            let seen = &mut self.seen[self.ids[pair[0] as usize] as usize];
            if seen.0 == self.owner {
                pairs[seen.1 as usize].1 = value;
            } else {
                *seen = (self.owner, pairs.len() as u32);
                pairs.push((self.value(pair[0]), value));
            }
        }
        pairs.into()
    }
}
