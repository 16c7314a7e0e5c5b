//! The hash of every table in the state: keyed by the log's salt, so that nobody
//! outside can choose keys that collide, and kept in a snapshot with its table.

use std::hash::BuildHasher;

use serde::{Deserialize, Serialize};

/// aHash under four words of key. No result depends on it: what is iterated is sorted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Keyed([u64; 4]);

impl Keyed {
    /// A hash with this key.
    pub(crate) const fn with_seeds(k0: u64, k1: u64, k2: u64, k3: u64) -> Self {
        Self([k0, k1, k2, k3])
    }
}

impl BuildHasher for Keyed {
    type Hasher = ahash::AHasher;

    #[inline]
    fn build_hasher(&self) -> Self::Hasher {
        let [k0, k1, k2, k3] = self.0;
        ahash::RandomState::with_seeds(k0, k1, k2, k3).build_hasher()
    }
}
