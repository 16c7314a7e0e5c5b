//! Addresses of nodes.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

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
    /// A user agent, by its keyed hash.
    Agent(u64),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Asn(asn) => write!(f, "AS{asn}"),
            Self::Network(bits) if bits < 1 << 24 => write!(f, "{}/24", Ipv4Addr::from((bits as u32) << 8)),
            Self::Network(bits) => write!(f, "{}/48", Ipv6Addr::from(u128::from(bits) << 80)),
            // As much of the hash as tells them apart for a reader.
            Self::Device(hash) | Self::Agent(hash) => write!(f, "{:08x}", hash >> 32),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_named_as_people_write_them() {
        for (source, name) in [
            (Source::Network(0x00cb_0071), "203.0.113.0/24"),
            (Source::Network(0x2001_0db8_0001), "2001:db8:1::/48"),
            (Source::Asn(64_500), "AS64500"),
            (Source::Device(0x0123_4567_89ab_cdef), "01234567"),
        ] {
            assert_eq!(source.to_string(), name);
        }
    }
}
