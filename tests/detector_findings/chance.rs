//! What chance makes of honest people, and what it does not.

use pumpwatch::model::{HOUR, SECOND};

use crate::world::{ATTACK, World};

/// A thousand numbers of a German operator, in which customers live.
const LIVED_IN: u64 = 4_915_112_345;

/// Customers of that thousand over two days, then `count` more within a minute who do
/// not verify.
fn meeting(count: u64) -> World {
    let mut world = World::honest(3);
    for i in 0..8 {
        let customer = world.local(LIVED_IN * 1_000 + 17 * i, "DE", 7_020, 0x50_0000);
        let at = ATTACK - 60 * HOUR + 4 * HOUR * i as i64;
        world.ask(at, &customer);
        world.approve(at + 20 * SECOND, &customer);
    }
    for i in 0..count {
        let customer = world.local(LIVED_IN * 1_000 + 500 + 31 * i, "DE", 7_020, 0x50_0000);
        world.ask(ATTACK + 3 * SECOND * i as i64, &customer);
    }
    world
}

#[test]
fn three_customers_may_meet_in_a_range_where_people_live() {
    let blocked = meeting(3).told().blocked();
    assert!(blocked.is_empty(), "{blocked:?}");
    assert!(
        !meeting(14).told().blocked().is_empty(),
        "fourteen do not meet by chance"
    );
}
