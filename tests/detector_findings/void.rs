//! Numbers that cannot exist.

use pumpwatch::model::{HOUR, SECOND};

use crate::world::{ATTACK, World};

/// British numbers that begin with 4 or 6 exist in no plan: a billion under each.
const VOID: [u64; 2] = [444, 446];

/// Honest people, and robots that draw numbers from both.
fn scattered(customers_of_new_range: u64) -> Vec<String> {
    let mut world = World::honest(3);
    for i in 0..customers_of_new_range {
        let customer = world.local(444_123_450_000 + 17 * i, "GB", 7_010, 0x50_0000);
        let at = ATTACK - 60 * HOUR + 9 * HOUR * i as i64;
        world.ask(at, &customer);
        world.approve(at + 20 * SECOND, &customer);
    }
    for i in 0..60 {
        let prefix = VOID[i % 2];
        let number = prefix * 1_000_000_000 + world.dice.below(1_000_000_000);
        let robot = world.robot(number);
        world.ask(ATTACK + 3 * SECOND * i as i64, &robot);
    }
    world.told().blocked()
}

#[test]
fn numbers_drawn_from_where_there_are_none_are_answered_by_what_they_begin_with() {
    assert_eq!(scattered(0), ["+444", "+446"]);
}

#[test]
fn a_range_that_is_newer_than_the_plan_is_told_by_its_people() {
    let blocked = scattered(3);
    assert!(!blocked.contains(&"+444".to_owned()), "{blocked:?}");
    assert!(blocked.contains(&"+446".to_owned()), "{blocked:?}");
}
