//! Whether an attack is the same as one elsewhere, and for how long its block stands.

use pumpwatch::model::{BlockChange, DAY, HOUR, MINUTE};

use crate::world::{ATTACK, World};

/// What each attack of a world moved from.
fn links(world: &mut World) -> Vec<bool> {
    let told = world.told();
    let mut seen = Vec::new();
    let mut links = Vec::new();
    for finding in told.attacks() {
        if !seen.contains(&finding.uid.0) {
            seen.push(finding.uid.0);
            links.push(finding.moved_from.is_some());
        }
    }
    links
}

#[test]
fn an_attack_moved_where_it_looks_alike() {
    let mut world = World::honest(3);
    world.attack(ATTACK, 60, 99_890_123, 4, 3);
    world.attack(ATTACK + 90 * MINUTE, 60, 99_455_210, 5, 3);
    assert_eq!(links(&mut world), [false, true], "from the same networks");
}

#[test]
fn another_attack_at_the_same_time_did_not_move() {
    for (after, moved) in [(90 * MINUTE, false), (5 * MINUTE, true)] {
        let mut world = World::honest(3);
        world.attack(ATTACK, 60, 99_890_123, 4, 3);
        world.strangers(ATTACK + after, 60, 99_455_210, 5, "otp");
        assert_eq!(
            links(&mut world),
            [false, moved],
            "same app, other sources, {after} ms later"
        );
        let mut world = World::honest(3);
        world.attack(ATTACK, 60, 99_890_123, 4, 3);
        world.strangers(ATTACK + after, 60, 99_455_210, 5, "login");
        assert_eq!(links(&mut world), [false, false], "another app and other sources");
    }
}

#[test]
fn a_block_stands_longer_each_time_it_recurs() {
    let mut world = World::honest(12);
    for days in [0, 3, 6] {
        world.attack(ATTACK + days * DAY, 12, 99_890_123, 4, 3);
    }
    let told = world.told();
    let puts = told.blocks().into_iter().filter_map(|(at, change)| match change {
        BlockChange::Put(block) if block.since == at => Some((block.expires_at - at) / HOUR),
        _ => None,
    });
    let lives: Vec<i64> = puts.collect();
    assert_eq!(lives, [24, 48, 48]);
}
