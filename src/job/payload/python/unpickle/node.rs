//! Objects of a pickle while it is being read.

use uuid::Uuid;

use super::super::value::PyKind;
use super::known_class::KnownClass;

/// Index of a node. Only `Unpickler::add` makes one, so it is always in range.
pub(super) type NodeIndex = u32;

/// An object that is being read. A container may be filled after other nodes refer to it.
#[derive(Clone)]
pub(super) enum Node {
    /// A complete value.
    Leaf(PyKind),
    /// A container with its items; for a dict keys and values alternate.
    Container(Container, Vec<NodeIndex>),
    /// A UUID. Python makes it empty and sets its number later.
    Uuid(Option<Uuid>),
    /// A `datetime.timezone`, in microseconds east of UTC.
    Zone(i64),
    Class(KnownClass),
}

/// Type of a container.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Container {
    List,
    Tuple,
    Set,
    FrozenSet,
    Dict,
    OrderedDict,
}
