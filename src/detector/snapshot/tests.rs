//! The parts of the state that a simulated day does not bring to their limits.

use std::collections::{BinaryHeap, HashMap, VecDeque};

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::codec::{entries, least_first, roomy};
use super::*;
use crate::detector::Keyed;
use crate::detector::trie::{Place, Trie};
use crate::detector::window::{Destination, SendSample, Windows};
use crate::model::log::Token;
use crate::model::{MINUTE, Micros, Millis, Prefix, Region};

const HASHER: Keyed = Keyed::with_seeds(1, 2, 3, 4);

/// There and back; what comes back must be written as it came.
fn again<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let bytes = write(SnapshotKind::State, value);
    let back: T = read(SnapshotKind::State, &bytes).unwrap();
    assert!(write(SnapshotKind::State, &back) == bytes);
    back
}

#[derive(Serialize, Deserialize)]
struct Collections {
    #[serde(with = "entries")]
    map: HashMap<u64, u8, Keyed>,
    #[serde(with = "least_first")]
    queue: BinaryHeap<std::cmp::Reverse<u64>>,
    #[serde(with = "roomy")]
    row: VecDeque<u64>,
}

fn collections(keys: impl Iterator<Item = u64>) -> Collections {
    let mut all = Collections {
        map: HashMap::with_hasher(HASHER),
        queue: BinaryHeap::new(),
        row: VecDeque::with_capacity(100),
    };
    for key in keys {
        all.map.insert(key, key as u8);
        all.queue.push(std::cmp::Reverse(key));
    }
    all.row.extend([3, 1, 2]);
    all.row.rotate_left(1);
    all
}

#[test]
fn equal_collections_have_equal_bytes_whatever_their_history() {
    let bytes = |c: &Collections| write(SnapshotKind::State, c);
    let (up, down) = (collections(0..500), collections((0..500).rev()));
    assert!(bytes(&up) == bytes(&down));
    let back = again(&up);
    assert_eq!(back.map, up.map);
    assert_eq!((back.row.capacity(), back.row.clone()), (100, up.row.clone()));
    assert_eq!(back.queue.into_sorted_vec(), up.queue.into_sorted_vec());
}

#[derive(Debug, Deserialize)]
struct Row(
    #[allow(dead_code)] u8,
    #[allow(dead_code)]
    #[serde(with = "roomy")]
    Vec<u64>,
);

#[test]
fn a_row_of_impossible_size_is_refused_before_it_is_made() {
    for room in [2u64, 1 << 20, u64::MAX] {
        let bytes = write(SnapshotKind::State, &(0u8, (room, [1u64, 2, 3].as_slice())));
        let error = read::<Row>(SnapshotKind::State, &bytes).unwrap_err();
        assert!(matches!(error, SnapshotError::Unreadable(_)), "{room}: {error}");
    }
}

fn send(windows: &mut Windows, now: Millis, place: u16, number: u32) {
    let prefix = Prefix::from_digits(99_890_000 + u64::from(place)).unwrap();
    let to = [
        Destination::country(Region::parse(["UZ", "DE", "FR"][usize::from(place % 3)])),
        Destination::range(None, prefix, 12),
    ];
    let sample = SendSample {
        blocked: number.is_multiple_of(7),
        opens_attempt: true,
        number: Token(u128::from(number)),
        cost: Micros(1_000),
    };
    windows.on_send(now, u32::from(place % 2), &to, &sample);
    if number.is_multiple_of(3) {
        windows.on_verified(now, u32::from(place % 2), &to, f64::from(number % 100));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// With room for so few destinations that they drive each other out, and
    /// numbers enough for every sketch.
    #[test]
    fn windows_under_pressure_go_on_as_before(
        sends in prop::collection::vec((0i64..MINUTE / 2, 0u16..90, any::<u32>()), 200..1_200),
        cut in 0usize..200,
        rush in 0usize..1_100,
    ) {
        let mut whole = Windows::new(40, 9);
        let mut parts = Windows::new(40, 9);
        let mut now = Millis(1_795_000_000_000);
        let (mut whole_closed, mut parts_closed) = (Vec::new(), Vec::new());
        for (n, (gap, place, number)) in sends.into_iter().enumerate() {
            // A rush into one place fills its sketches within a minute.
            now = now + if n < rush { gap / 1_000 } else { gap };
            let place = if n < rush { 0 } else { place };
            send(&mut whole, now, place, number);
            send(&mut parts, now, place, number);
            if n % 200 == cut {
                parts = again(&parts);
            }
            if n % 5 == 0 {
                whole.close_until(now, &mut whole_closed);
                parts.close_until(now, &mut parts_closed);
            }
        }
        whole.close_until(now + MINUTE, &mut whole_closed);
        parts.close_until(now + MINUTE, &mut parts_closed);
        prop_assert_eq!(whole_closed, parts_closed);
        prop_assert_eq!(whole.evicted(), parts.evicted());
        prop_assert_eq!(whole.refused(), parts.refused());
        prop_assert_eq!(whole.latency(0, None), parts.latency(0, None));
        prop_assert!(write(SnapshotKind::State, &whole) == write(SnapshotKind::State, &parts));
    }

    #[test]
    fn a_full_trie_goes_on_as_before(touches in prop::collection::vec((0u64..120, any::<bool>()), 100..500), cut in 0usize..100) {
        let place = |n: u64| Place::Range(0, Prefix::from_digits(1_000_000 + n).unwrap(), 10);
        let (mut whole, mut parts) = (Trie::new(64, HASHER), Trie::new(64, HASHER));
        for (n, (at, learns)) in touches.into_iter().enumerate() {
            for trie in [&mut whole, &mut parts] {
                let node = trie.touch(place(at));
                if learns {
                    node.history.learn(1.0, 1.0, 0.5, Millis(n as i64 + 1), 1e9);
                }
            }
            if n == cut {
                parts = again(&parts);
            }
        }
        prop_assert_eq!(whole.evictions(), parts.evictions());
        prop_assert!((0..120).all(|n| whole.get(place(n)).is_some() == parts.get(place(n)).is_some()));
        prop_assert!(write(SnapshotKind::State, &whole) == write(SnapshotKind::State, &parts));
    }
}
