//! A failing plan made smaller: items are left out as long as the rule is still broken.

use super::plan::Plan;
use super::trace::Trace;
use super::world::{self, Sabotage};

/// Leaves out whatever the violation of this rule does not need.
pub(super) fn shrink(plan: &Plan, sabotage: Sabotage, rule: &'static str) -> Plan {
    let breaks = |plan: &Plan| {
        let violation = world::run(plan, sabotage, Trace::Off).violation;
        violation.is_some_and(|violation| violation.rule == rule)
    };
    let mut smallest = plan.clone();
    let mut size = smallest.items.len() / 2;
    while size > 0 {
        let before = smallest.items.len();
        let mut from = 0;
        while from < smallest.items.len() {
            let mut smaller = smallest.clone();
            smaller.items.drain(from..(from + size).min(smallest.items.len()));
            if breaks(&smaller) {
                smallest = smaller;
            } else {
                from += size;
            }
        }
        let has_shrunk = smallest.items.len() < before;
        size = if has_shrunk && size == 1 { 1 } else { size / 2 };
    }
    smallest
}
