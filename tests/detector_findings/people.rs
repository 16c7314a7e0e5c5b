//! What people decide: the mode, what is safe, what was no attack.

use pumpwatch::detector::{Effect, Policy, TenantView, Tuning};
use pumpwatch::lab::explain::Question;
use pumpwatch::lab::fold::Fold;
use pumpwatch::model::{Activity, BlockChange, DAY, HOUR, MINUTE, Millis, Mode, Prefix, SECOND};
use pumpwatch::render::explain::conclusion;

use crate::world::{ATTACK, Told, World, enforcing};

#[test]
fn a_change_of_mode_reaches_every_standing_block_at_once() {
    let mut world = World::honest(3);
    world.attack(ATTACK, 60, 99_890_123, 4, 3);
    world.attack(ATTACK, 60, 99_893_555, 4, 3);
    let (mut fold, told) = world.folded(&enforcing(), Tuning::default());
    let modes = |effects: &[Effect]| -> Vec<(String, Mode)> {
        let puts = effects.iter().filter_map(|effect| match effect {
            Effect::Block(_, BlockChange::Put(block)) => Some((block.key.to_string(), block.mode)),
            _ => None,
        });
        puts.collect()
    };
    let before = modes(&told.0);
    assert!(
        before.len() >= 2 && before.iter().all(|(_, mode)| *mode == Mode::Enforce),
        "{before:?}"
    );
    let bytes = fold.to_snapshot(&mut Vec::new());
    let again = |policy: &Policy| {
        let mut effects = Vec::new();
        let tuning = Tuning::default();
        Fold::from_snapshot(&bytes, Some(policy), &tuning, None, &mut effects).unwrap();
        modes(&effects)
    };
    let shadowed = again(&Policy::default());
    assert!(shadowed.len() >= 2, "{shadowed:?}");
    assert!(shadowed.iter().all(|(_, mode)| *mode == Mode::Shadow));
    assert!(shadowed.is_sorted_by(|a, b| a.0 < b.0), "{shadowed:?}");
    let other = Policy {
        lateness_ms: 30 * MINUTE,
        ..enforcing()
    };
    assert_eq!(again(&other), [], "no mode changed");
}

#[test]
fn one_safe_number_does_not_protect_its_range() {
    let mut world = World::honest(3);
    world.attack(ATTACK, 300, 99_890_123, 4, 3);
    let open = world.told().blocked();
    assert_eq!(open, ["+99890123"]);
    world.safelist(ATTACK - MINUTE, "+998901235555");
    let told = world.told();
    let blocked = told.blocked();
    let safe = Prefix::parse("+9989012355").unwrap();
    let prefixes: Vec<Prefix> = blocked.iter().map(|p| Prefix::parse(p).unwrap()).collect();
    assert!(!prefixes.is_empty() && prefixes.len() <= 18, "{blocked:?}");
    for prefix in &prefixes {
        assert!(!prefix.covers(safe) && !safe.covers(*prefix), "{prefix}");
        assert!(Prefix::parse("+99890123").unwrap().covers(*prefix), "{prefix}");
    }
    let whole = world.told().attacks().last().unwrap().attempts;
    assert!(whole > 200, "{whole} of 300 attempts");
}

#[test]
fn what_lies_in_a_safe_range_accuses_nobody_beside_it() {
    let mut world = World::honest(3);
    world.attack(ATTACK, 300, 99_890_123, 4, 3);
    world.safelist(ATTACK - MINUTE, "+99890123");
    // A customer in the same country.
    let customer = world.robot(998_931_234_567);
    world.ask(ATTACK + 10 * MINUTE, &customer);
    let told = world.told();
    assert!(told.blocked().is_empty(), "{:?}", told.blocked());
}

/// What the detector knows of a number or range in the end.
fn inspected(fold: &Fold, asked: &str) -> TenantView {
    let Ok(Question::Number(asked)) = Question::parse(asked, Some("acme")) else {
        panic!("no number or range: {asked}")
    };
    let inspection = fold.state().inspect(&asked.subject(fold.ingest()).unwrap());
    inspection.unwrap().tenants.remove(0)
}

#[test]
fn explain_names_the_safe_entry() {
    let mut world = World::honest(3);
    let end = world.attack(ATTACK, 60, 9_989_012_355, 2, 3);
    world.safelist(ATTACK - MINUTE, "+998901235555");
    let (fold, told) = world.folded(&enforcing(), Tuning::default());
    assert!(told.blocked().is_empty() && end > ATTACK);
    let said = conclusion("+99890123", &inspected(&fold, "+99890123"), false);
    assert!(said.contains("safe-list") && said.contains("+998901235555"), "{said}");
}

#[test]
fn a_finding_that_is_over_is_made_good_by_a_late_verdict() {
    let mut world = World::honest(8);
    world.attack(ATTACK, 60, 99_890_123, 4, 3);
    let again = Millis(7 * DAY);
    world.attack(again, 60, 99_890_123, 4, 3);
    let told = world.told();
    let closed: Vec<_> = told
        .attacks()
        .into_iter()
        .filter(|f| f.activity == Activity::Close)
        .collect();
    let first = (*closed.first().unwrap()).clone();
    assert!(first.time < again, "{}", first.time);
    let since = |told: &Told| {
        let blocks = told.blocks().into_iter().filter(|(at, _)| *at >= again);
        blocks.count()
    };
    assert!(since(&told) > 0, "the same range is blocked again");

    world.not_an_attack(again - HOUR, &first);
    let told = world.told();
    assert_eq!(since(&told), 0, "it is safe by then");
    assert!(
        told.0
            .iter()
            .any(|e| matches!(e, Effect::Audit(a) if a.action == "verdict"))
    );
}

#[test]
fn a_late_verdict_lifts_what_stands_again() {
    let mut world = World::honest(8);
    world.attack(ATTACK, 60, 99_890_123, 4, 3);
    let again = Millis(7 * DAY);
    world.attack(again, 60, 99_890_123, 4, 3);
    let told = world.told();
    let first = told
        .attacks()
        .into_iter()
        .find(|f| f.activity == Activity::Close)
        .unwrap()
        .clone();
    let verdict = again + HOUR;
    world.not_an_attack(verdict, &first);
    let told = world.told();
    // Log time is told between events, so that the verdict finds it a little behind.
    let after: Vec<_> = told.blocks().into_iter().filter(|(at, _)| *at >= again).collect();
    let Some((at, BlockChange::Delete(_))) = after.last() else {
        panic!("{after:?}")
    };
    assert!(*at <= verdict && told.attacks().last().unwrap().time <= verdict, "{at}");
    let last = told.attacks().last().unwrap().activity;
    assert_eq!(last, Activity::Close);
}

#[test]
fn a_campaign_that_is_over_is_not_held_against_its_country_for_long() {
    let mut world = World::honest(3);
    for i in 0..1_200_i64 {
        let line = world.dice.below(100_000_000);
        let robot = world.robot(4_915_200_000_000 + line);
        world.ask(ATTACK + 9 * HOUR + 3 * SECOND * i, &robot);
    }
    let (fold, told) = world.folded(&enforcing(), Tuning::default());
    assert!(!told.attacks().is_empty());
    let seen = inspected(&fold, "+4915100000000");
    let country = seen.places.iter().find(|p| p.open_digits.is_none()).unwrap();
    assert!(!country.is_refuted(), "two dozen people came since: {country:?}");
}
