//! The block of a hammered number: its hundred is shut for hours, not days, and only
//! while that number is sent to.

mod detector_support;

use pumpwatch::detector::{Effect, Policy, Tuning};
use pumpwatch::lab::fold::Fold;
use pumpwatch::lab::simulate::{Scenario, Simulator};
use pumpwatch::model::{BlockAction, BlockChange, Event, EventBody, HOUR, Level, Millis, SECOND};

const HONEST: &str = "description: test\n\
    world:\n  kind: a\n  duration: 4d\n  tenants: [{name: acme, sends_per_day: 5000, home: US, countries: 25}]\n";

/// What comes of it when the first number that was sent to after two days is sent to
/// every twenty seconds for six hours, and when that was.
fn hammered() -> (Millis, Vec<Effect>) {
    let scenario = Scenario::parse("test", HONEST).unwrap();
    let mut effects = Vec::new();
    let mut fold = Fold::new(&Policy::default(), Tuning::default(), None, &mut effects);
    let simulator = Simulator::new(&scenario, 3);
    let start = simulator.live_start() + 48 * HOUR;
    let mut again: Option<Event> = None;
    for event in simulator {
        if again.is_none() && event.ingest >= start && matches!(event.event.body, EventBody::Send(_)) {
            again = Some(event.event.clone());
        }
        while let Some(send) = again.as_mut().filter(|send| send.time + 20 * SECOND <= event.ingest) {
            send.time = send.time + 20 * SECOND;
            send.id = format!("hammer-{}", send.time).into();
            if send.time < start + 6 * HOUR {
                fold.usable([send.clone()], send.time, &mut effects);
            }
        }
        fold.usable([event.event], event.ingest, &mut effects);
    }
    fold.finish(&mut effects);
    (start, effects)
}

#[test]
fn a_hundred_is_blocked_no_longer_than_its_number_is_hammered() {
    let (start, effects) = hammered();
    let (mut puts, mut gone) = (Vec::new(), Vec::new());
    for effect in &effects {
        match effect {
            Effect::Block(at, BlockChange::Put(block)) if block.action == BlockAction::Block => {
                assert_eq!(block.expires_at - *at, 2 * HOUR, "{}", block.key);
                puts.push((*at, block.key.clone()));
            }
            Effect::Block(at, BlockChange::Delete(key)) => gone.push((*at, key.clone())),
            _ => {}
        }
    }
    let (first, key) = puts.first().unwrap();
    assert!(*first - start < HOUR / 2, "{first}");
    assert!(puts.len() >= 4, "it is renewed while the number is hammered: {puts:?}");
    assert!(
        puts.iter().all(|(at, k)| k == key && *at < start + 6 * HOUR),
        "{puts:?}"
    );
    let [(last, only)] = &gone[..] else { panic!("{gone:?}") };
    assert!(only == key && *last - start < 9 * HOUR, "{last}");
    let found = effects.iter().filter_map(|effect| match effect {
        Effect::Finding(finding) if finding.level == Level::Block => Some(finding),
        _ => None,
    });
    let evidence = found.clone().flat_map(|finding| &finding.evidence);
    assert!(evidence.into_iter().any(|item| item.family == "hammering"));
    // A launch or an enrolment makes nobody ask again.
    for finding in found {
        let names: Vec<&str> = finding.explanations.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["nothing_unusual", "outage"]);
        detector_support::reconcile(finding);
    }
}
