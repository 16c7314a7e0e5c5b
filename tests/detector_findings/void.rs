//! Numbers that cannot exist.

use pumpwatch::model::{HOUR, SECOND};

use crate::world::{ATTACK, World};

/// British numbers that begin with 4 or 6 exist in no plan: a billion under each.
const VOID: [u64; 2] = [444, 446];

/// Honest people, and robots of which one in `every` draws its number from both, the
/// others from what customers have.
fn scattered(world: &mut World, robots: usize, every: usize) {
    for i in 0..robots {
        let number = if i % every == 0 {
            let prefix = VOID[i / every % 2];
            prefix * 1_000_000_000 + world.dice.below(1_000_000_000)
        } else {
            447_400_000_000 + world.dice.below(99_999_999)
        };
        let robot = world.robot(number);
        world.ask(ATTACK + 3 * SECOND * i as i64, &robot);
    }
}

/// Honest people, of whom some have numbers that the plan does not know yet, and sixty
/// robots.
fn blocked(customers_of_new_range: u64) -> Vec<String> {
    let mut world = World::honest(3);
    for i in 0..customers_of_new_range {
        let customer = world.local(444_123_450_000 + 17 * i, "GB", 7_010, 0x50_0000);
        let at = ATTACK - 60 * HOUR + 9 * HOUR * i as i64;
        world.ask(at, &customer);
        world.approve(at + 20 * SECOND, &customer);
    }
    scattered(&mut world, 60, 1);
    world.told().blocked()
}

#[test]
fn numbers_drawn_from_where_there_are_none_are_answered_by_what_they_begin_with() {
    assert_eq!(blocked(0), ["+444", "+446"]);
}

#[test]
fn a_range_that_is_newer_than_the_plan_is_told_by_its_people() {
    let blocked = blocked(3);
    assert!(!blocked.contains(&"+444".to_owned()), "{blocked:?}");
    assert!(blocked.contains(&"+446".to_owned()), "{blocked:?}");
}

#[test]
fn no_more_than_people_mistype_is_no_reason() {
    let answered = |robots, every| {
        let mut world = World::honest(3);
        scattered(&mut world, robots, every);
        let blocked = world.told().blocked();
        blocked
            .iter()
            .any(|prefix| VOID.iter().any(|void| *prefix == format!("+{void}")))
    };
    assert!(answered(300, 3), "a third of them");
    assert!(!answered(300, 12), "a twelfth of them");
    assert!(!answered(4, 1), "four");
}

#[test]
fn without_verification_nothing_tells_that_the_plan_is_old() {
    let mut world = World::honest(3);
    world.drop_verifications();
    scattered(&mut world, 60, 1);
    let blocked = world.told().blocked();
    assert!(!blocked.contains(&"+444".to_owned()), "{blocked:?}");
    assert!(!blocked.contains(&"+446".to_owned()), "{blocked:?}");
}
