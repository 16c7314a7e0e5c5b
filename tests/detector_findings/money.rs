//! Money per verified user, against what it was in the first weeks.

use pumpwatch::detector::Effect;
use pumpwatch::model::{Activity, DAY, Finding, FindingKind, Millis, SECOND};

use crate::world::{Told, World};

fn about_money(told: &Told) -> Vec<&Finding> {
    let findings = told.0.iter().filter_map(|effect| match effect {
        Effect::Finding(finding) if finding.kind == FindingKind::BudgetExceeded => Some(&**finding),
        _ => None,
    });
    findings.collect()
}

/// Messages all over a busy region, one every 80 seconds for two days, that nobody
/// verifies: no range stands out.
fn scattered(world: &mut World, from: Millis) {
    for i in 0..2 * DAY / (80 * SECOND) {
        let number = 12_122_000_000 + world.dice.below(7_999_999);
        let asked = world.local(number, "US", 7_000, 0x0050_0000);
        world.ask(from + i * 80 * SECOND, &asked);
    }
}

#[test]
fn what_hides_among_people_shows_in_what_a_verified_user_costs() {
    let begin = Millis(14 * DAY);
    let mut world = World::honest(17);
    scattered(&mut world, begin);
    let told = world.told();
    let found = about_money(&told);
    let first = found.first().expect("a finding");
    assert_eq!(first.activity, Activity::Create);
    assert_eq!(first.key.prefix.map(|p| p.to_string()).as_deref(), Some("+1201"));
    let (evidence, day) = (&first.evidence[0], begin + 30 * DAY / 24);
    assert_eq!(evidence.family, "money_per_verified_user");
    assert!(evidence.observed >= 2.0 * evidence.expected, "{evidence:?}");
    assert!(
        (0.25..0.32).contains(&evidence.expected),
        "0.20 USD at 70 %: {evidence:?}"
    );
    assert!(first.time >= begin && first.time <= day, "{}", first.time);
    assert!(first.loss.0 > 0);
}

#[test]
fn honest_weeks_cost_what_they_cost() {
    assert!(about_money(&World::honest(17).told()).is_empty());
}
