//! What chance makes of honest people, and what it does not.

use pumpwatch::detector::{Policy, Tuning};
use pumpwatch::model::{EventBody, HOUR, SECOND, Send};

use crate::world::{ATTACK, Told, World, enforcing};

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

/// A company's staff of `count`, twenty of each hundred of its thousand, one every 100
/// seconds from home; after the first sixty, those whose place among their twenty is
/// `silent` do not verify, the others after `delay` seconds.
fn staff(count: u64, silent: std::ops::Range<u64>, delay: fn(&mut World) -> i64) -> Vec<String> {
    let mut world = World::honest(3);
    for i in 0..count {
        let colleague = world.local(40_765_873_000 + 5 * i, "RO", 7_030, 0x51_0000);
        let at = ATTACK + 100 * SECOND * i as i64;
        world.ask(at, &colleague);
        if i < 60 || !silent.contains(&(i % 20)) {
            let after = delay(&mut world) * SECOND;
            world.approve(at + after, &colleague);
        }
    }
    world.told().blocked()
}

/// How long people take.
fn as_people(world: &mut World) -> i64 {
    8 + world.dice.below(40) as i64
}

#[test]
fn people_around_a_range_speak_for_its_parts() {
    let blocked = staff(200, 3..6, as_people);
    assert!(blocked.is_empty(), "{blocked:?}");
    assert!(
        !staff(200, 0..20, as_people).is_empty(),
        "after the first sixty nobody verifies"
    );
}

#[test]
fn machines_do_not_speak_for_the_parts_of_a_range() {
    let people = staff(160, 3..6, as_people);
    assert!(people.is_empty(), "{people:?}");
    assert!(!staff(160, 3..6, |_| 3).is_empty(), "three seconds, each of them");
}

/// Ranges of eight operators in seven countries, and how many digits are open in each.
const ELSEWHERE: [(u64, u32); 8] = [
    (99_890_123, 4),
    (99_893_555, 4),
    (88_017_123, 5),
    (92_300_123, 4),
    (62_811_123, 4),
    (23_480_312, 5),
    (21_261_234, 4),
    (38_050_123, 4),
];

/// Whether a customer's hundred is blocked who asks once and then again `resends` times,
/// one every 20 seconds, after attacks elsewhere.
fn is_impatience_blocked(resends: i64, attacks: &[(u64, u32)]) -> bool {
    let mut world = World::honest(3);
    for (i, (prefix, open)) in attacks.iter().enumerate() {
        world.attack(ATTACK - HOUR + 300 * SECOND * i as i64, 40, *prefix, *open, 2);
    }
    let customer = world.local(LIVED_IN * 1_000 + 500, "DE", 7_020, 0x50_0000);
    for i in 0..=resends {
        world.ask(ATTACK + 20 * SECOND * i, &customer);
    }
    let blocked = world.told().blocked();
    let (own, others): (Vec<_>, Vec<_>) = blocked.into_iter().partition(|prefix| prefix.starts_with("+49"));
    assert!(others.len() >= attacks.len(), "{others:?}");
    !own.is_empty()
}

#[test]
fn attacks_elsewhere_make_nobody_less_patient() {
    let enough = (1..40).find(|resends| is_impatience_blocked(*resends, &[])).unwrap();
    assert!(is_impatience_blocked(enough, &ELSEWHERE));
    assert!(
        !is_impatience_blocked(enough - 1, &ELSEWHERE),
        "{enough} resends, less one"
    );
}

/// How many of twenty ranges of one country are blocked after two robots asked for a
/// number of each, in a state of at most `bytes`.
fn blocked_of_twenty(bytes: u64) -> usize {
    let mut world = World::honest(3);
    let range = |i: u64| 491_520_001 + 417 * (i % 20);
    for i in 0..40 {
        let robot = world.robot(range(i) * 10_000 + 167 * i);
        world.ask(ATTACK + 20 * SECOND * i as i64, &robot);
    }
    let policy = Policy {
        state_bytes_max: bytes,
        ..enforcing()
    };
    let blocked = world.folded(&policy, Tuning::default()).1.blocked();
    let is_blocked = |i: &u64| {
        blocked
            .iter()
            .any(|prefix| format!("+{}", range(*i)).starts_with(prefix))
    };
    (0..20).filter(is_blocked).count()
}

#[test]
fn a_state_that_is_full_sees_a_campaign_over_many_ranges_too() {
    let with_room = blocked_of_twenty(Policy::default().state_bytes_max);
    let full = blocked_of_twenty(1 << 20);
    assert!(
        with_room >= 10 && 4 * full >= with_room,
        "{full}, {with_room} with room"
    );
}

/// A campaign over three ranges of one operator, and beside it `people` customers who
/// asked, three times in all, for codes that they never typed in: what is blocked where
/// they live.
fn beside_a_campaign(people: u64) -> Vec<String> {
    let mut world = World::honest(3);
    for i in 0..120 {
        let robot = world.robot((4_915_200_000 + 13 * (i % 3)) * 1_000 + 8 * i);
        world.ask(ATTACK + 30 * SECOND * i as i64, &robot);
    }
    for i in 0..3 {
        let customer = world.local(4_915_200_090_500 + 37 * (i % people), "DE", 7_020, 0x50_0000);
        world.ask(ATTACK + 600 * SECOND * (i + 2) as i64, &customer);
    }
    let mut blocked = world.told().blocked();
    blocked.retain(|prefix| "+4915200090500".starts_with(prefix));
    blocked
}

#[test]
fn one_who_asks_again_and_again_is_not_three() {
    assert!(!beside_a_campaign(3).is_empty(), "three people");
    assert!(beside_a_campaign(1).is_empty(), "one: {:?}", beside_a_campaign(1));
}

/// A staff of 400 is enrolled, through a system that tells of no client: what the detector
/// says of it, if verifications are `late`.
fn enrolled_by_a_system(late: bool) -> Told {
    let mut world = World::honest(3);
    let mut at = ATTACK;
    for i in 0..400 {
        at = at + (1 + world.dice.below(16) as i64) * SECOND;
        let number = 4_915_140_562_000 + i + world.dice.below(3);
        let colleague = world.local(number, "DE", 7_020, 0x50_0000);
        world.put(at, number, "otp", EventBody::Send(Send::default()));
        if i % 4 > 0 {
            let after = as_people(&mut world) * SECOND;
            world.approve(at + after, &colleague);
        }
    }
    if late {
        world.delay_verifications(ATTACK - HOUR, ATTACK + 2 * HOUR);
    }
    world.told()
}

#[test]
fn one_staff_does_not_speak_for_its_country() {
    let told = enrolled_by_a_system(false);
    assert!(told.attacks().is_empty(), "{:?}", told.attacks()[0]);
    let blocked = enrolled_by_a_system(true).blocked();
    assert!(blocked.is_empty(), "verifications are late: {blocked:?}");
}
