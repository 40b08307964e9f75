//! Builds the value from the nodes. Each node becomes one value, so that shared parts stay shared.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use super::super::value::{PyKind, PyPairs, PyValue};
use super::hash_key::HashKey;
use super::node::{Container, Node, NodeIndex};
use super::refusal::only_python;
use crate::job::payload::limits::{MAX_DEPTH, MAX_PARTS, MAX_TEXT_BYTES, too_deep, too_many, too_much_text};

pub(super) fn build_value(nodes: Vec<Node>, root: NodeIndex) -> Result<PyValue, String> {
    let order = build_order(&nodes, root)?;
    check_size(&nodes, &order)?;
    let is_key = find_keys(&nodes, &order);
    let mut builder = ValueBuilder {
        key_numbers: vec![0; nodes.len()],
        is_key,
        nodes,
        numbers: HashMap::new(),
        seen: vec![(0, 0)],
        container: 0,
    };
    for index in order {
        builder.build(index)?;
    }
    Ok(builder.value(root))
}

fn children(node: &Node) -> &[NodeIndex] {
    match node {
        Node::Container(_, items) => items,
        _ => &[],
    }
}

/// Returns the nodes that belong to the value, each after its children. Refuses cycles and too deep
/// nesting.
fn build_order(nodes: &[Node], root: NodeIndex) -> Result<Vec<NodeIndex>, String> {
    // Height of a node whose children are being visited.
    const OPEN: u16 = u16::MAX;
    let mut heights = vec![0u16; nodes.len()];
    let mut order = Vec::new();
    let mut path: Vec<(NodeIndex, usize, u16)> = vec![(root, 0, 0)];
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

/// Checks the size of the value rather than of the pickle: a few bytes can double a list again and again.
fn check_size(nodes: &[Node], order: &[NodeIndex]) -> Result<(), String> {
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

/// Finds the keys of dicts, the items of sets, and their parts: only these nodes need a hash key.
fn find_keys(nodes: &[Node], order: &[NodeIndex]) -> Vec<bool> {
    let mut keys = vec![false; nodes.len()];
    // Backwards, so that a container comes before its items.
    for index in order.iter().rev() {
        let Node::Container(container, items) = &nodes[*index as usize] else { continue };
        match container {
            Container::Set | Container::FrozenSet => {
                items.iter().for_each(|item| keys[*item as usize] = true);
            }
            Container::Dict | Container::OrderedDict => {
                items.iter().step_by(2).for_each(|key| keys[*key as usize] = true);
            }
            Container::Tuple if keys[*index as usize] => {
                items.iter().for_each(|item| keys[*item as usize] = true);
            }
            // No item of these is a key.
            Container::Tuple | Container::List => {}
        }
    }
    keys
}

struct ValueBuilder {
    /// Nodes that are built are leaves.
    nodes: Vec<Node>,
    /// By node: whether it needs a hash key.
    is_key: Vec<bool>,
    /// By node: the number of its hash key, the same for equal keys; zero for a node without one.
    key_numbers: Vec<u32>,
    numbers: HashMap<HashKey, u32>,
    /// By number of a hash key: the last container that had it, and its position there.
    seen: Vec<(u32, u32)>,
    /// Number of the container that is being built.
    container: u32,
}

impl ValueBuilder {
    fn build(&mut self, index: NodeIndex) -> Result<(), String> {
        let at = index as usize;
        let kind = match mem::replace(&mut self.nodes[at], Node::Zone(0)) {
            Node::Leaf(kind) => kind,
            Node::Uuid(Some(uuid)) => PyKind::Uuid(uuid),
            Node::Uuid(None) => return Err("the payload holds an UUID without its number".to_owned()),
            Node::Zone(_) => return Err(only_python("datetime.timezone")),
            Node::Class(class) => return Err(only_python(&class.name())),
            Node::Container(container, items) => self.build_container(at, container, &items)?,
        };
        if self.is_key[at] && self.key_numbers[at] == 0 {
            let key = HashKey::from_leaf(&kind, index)?;
            self.key_numbers[at] = self.number_key(key);
        }
        self.nodes[at] = Node::Leaf(kind);
        Ok(())
    }

    fn build_container(
        &mut self,
        at: usize,
        container: Container,
        items: &[NodeIndex],
    ) -> Result<PyKind, String> {
        Ok(match container {
            Container::List => PyKind::List(self.values(items)),
            Container::Tuple => {
                if self.is_key[at] {
                    let numbers = items.iter().map(|item| self.key_numbers[*item as usize]).collect();
                    self.key_numbers[at] = self.number_key(HashKey::Tuple(numbers));
                }
                PyKind::Tuple(self.values(items))
            }
            Container::Set => {
                let unique = self.unique_items(items);
                PyKind::Set(self.values(&unique))
            }
            Container::FrozenSet => {
                let unique = self.unique_items(items);
                if self.is_key[at] {
                    let mut numbers: Vec<u32> =
                        unique.iter().map(|item| self.key_numbers[*item as usize]).collect();
                    numbers.sort_unstable();
                    self.key_numbers[at] = self.number_key(HashKey::FrozenSet(numbers));
                }
                PyKind::FrozenSet(self.values(&unique))
            }
            Container::Dict => PyKind::Dict(self.merged_pairs(items)),
            Container::OrderedDict => PyKind::OrderedDict(self.merged_pairs(items)),
        })
    }

    /// Returns the number of a hash key, a new one if no equal key has been seen.
    fn number_key(&mut self, key: HashKey) -> u32 {
        let next = self.seen.len() as u32;
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.seen.push((0, 0));
        }
        number
    }

    fn value(&self, index: NodeIndex) -> PyValue {
        match &self.nodes[index as usize] {
            Node::Leaf(kind) => PyValue(kind.clone()),
            // Children are built before their container, so every node asked for is a leaf.
            _ => PyValue(PyKind::None),
        }
    }

    fn values(&self, items: &[NodeIndex]) -> Arc<[PyValue]> {
        items.iter().map(|item| self.value(*item)).collect()
    }

    /// Returns the first of equal items.
    fn unique_items(&mut self, items: &[NodeIndex]) -> Vec<NodeIndex> {
        self.container += 1;
        let mut unique = Vec::with_capacity(items.len());
        for item in items {
            let seen = &mut self.seen[self.key_numbers[*item as usize] as usize];
            if seen.0 != self.container {
                *seen = (self.container, 0);
                unique.push(*item);
            }
        }
        unique
    }

    /// Returns the first of equal keys with the value of the last, as a dict keeps them.
    fn merged_pairs(&mut self, items: &[NodeIndex]) -> PyPairs {
        self.container += 1;
        let mut pairs: Vec<(PyValue, PyValue)> = Vec::with_capacity(items.len() / 2);
        for pair in items.chunks_exact(2) {
            let value = self.value(pair[1]);
            let seen = &mut self.seen[self.key_numbers[pair[0] as usize] as usize];
            if seen.0 == self.container {
                pairs[seen.1 as usize].1 = value;
            } else {
                *seen = (self.container, pairs.len() as u32);
                pairs.push((self.value(pair[0]), value));
            }
        }
        pairs.into()
    }
}
