//! Where evidence and history are kept: a bounded set of nodes over prefixes.
//!
//! A node is addressed by tenant and place; its relatives are found by taking
//! off or adding a digit. When the set is full, the node that was touched
//! longest ago among those with no standing goes first (segmented LRU: Karedla,
//! Love and Wherry, 1994): a flood of destinations seen once passes through the
//! probationary segment and evicts nothing that holds evidence or history.

mod arena;
pub(crate) mod attribution;
mod place;

pub(crate) use arena::Trie;
pub(crate) use place::{CLASS_MAX, CLASS_MIN, Place, Source, TenantIx};
