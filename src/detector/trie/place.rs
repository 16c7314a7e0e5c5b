//! Addresses of nodes.

use serde::{Deserialize, Serialize};

use crate::model::{Prefix, Region};

/// A tenant within one partition.
pub(crate) type TenantIx = u16;

/// Narrowest class: the block of 10² numbers.
pub(crate) const CLASS_MIN: u8 = 2;
/// Widest class below the region: ranges of 10⁶ numbers.
pub(crate) const CLASS_MAX: u8 = 6;

/// Which node: a tenant's whole traffic, one region, or a range of numbers of
/// one length. A range of *class* m is a number without its last m digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum Place {
    /// All of the tenant's traffic.
    Root(TenantIx),
    /// A region.
    Region(TenantIx, Region),
    /// What returns to ranges of a region in which nobody was seen before.
    Frontier(TenantIx, Region),
    /// The numbers of `digits` digits that begin with the prefix.
    Range(TenantIx, Prefix, u8),
    /// One of a tenant's apps: only what is normal there.
    App(TenantIx, u32),
    /// What a tenant's attempts have in common on the client's side.
    Source(TenantIx, Source),
}

/// Where attempts come from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum Source {
    /// An autonomous system.
    Asn(u32),
    /// A /24 (IPv4) or /48 (IPv6), as its leading bits.
    Network(u64),
    /// A device, by its keyed hash.
    Device(u64),
}

impl Place {
    /// Digits that the range leaves open; `None` for the wider places.
    pub(crate) fn class(self) -> Option<u8> {
        match self {
            Self::Range(_, prefix, digits) => Some(digits.saturating_sub(prefix.len() as u8)),
            _ => None,
        }
    }
}
