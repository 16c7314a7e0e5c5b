//! Apps that never verify: a pumped form is met by itself, a company's own messages
//! never are.

mod detector_support;

use std::collections::BTreeSet;

use detector_support::{fold, fold_changed};
use pumpwatch::detector::{Effect, Policy, Subject, Tuning};
use pumpwatch::lab::fold::Fold;
use pumpwatch::lab::simulate::{Scenario, Simulator};
use pumpwatch::model::{
    BlockChange, Client, Destination, E164, EntityKey, Event, EventBody, Feedback, FindingKind, Level, MINUTE, Millis,
    Outcome, Prefix, Region, Send, Verification,
};
use pumpwatch::number_plan::Reading;
use pumpwatch::render::explain::number;

/// A tenant with a form, a company's messages, and what is laid over them.
fn scenario(overlay: &str) -> String {
    format!(
        r"
description: an app that is never verified
world:
  duration: 3d
  tenants:
    - name: acme
      sends_per_day: 4000
      home: US
      countries: 20
      apps:
        - {{name: signup-otp, kind: signup, share: 0.35}}
        - {{name: login-otp, kind: login, share: 0.35}}
        - {{name: app-link, kind: link, share: 0.2}}
        - {{name: notices, kind: marketing, share: 0.1}}
overlays:
  - {overlay}
"
    )
}

const BURST: &str =
    "{kind: burst, tenant: acme, app: app-link, start: 2d 3h, duration: 40m, rate: 1, converted_share: 0}";
const BLAST: &str = "{kind: marketing_blast, tenant: acme, start: 2d 3h, duration: 1h, rate: 1, sorted: true}";

fn blocked(effects: &[Effect]) -> BTreeSet<EntityKey> {
    let puts = effects.iter().filter_map(|effect| match effect {
        Effect::Block(_, BlockChange::Put(block)) => Some(block.key.clone()),
        _ => None,
    });
    puts.collect()
}

/// Kinds, levels and keys of all findings.
fn found(effects: &[Effect]) -> BTreeSet<(FindingKind, Level, String)> {
    let findings = effects.iter().filter_map(|effect| match effect {
        Effect::Finding(finding) => Some((finding.kind, finding.level, finding.key.to_string())),
        _ => None,
    });
    findings.collect()
}

#[test]
fn a_burst_on_a_form_is_blocked_for_the_form_alone() {
    let (_, effects) = fold(&scenario(BURST), 5, Tuning::default());
    let blocks = blocked(&effects);
    assert!(!blocks.is_empty(), "{:?}", found(&effects));
    for key in &blocks {
        assert_eq!(key.app.as_deref(), Some("app-link"), "{key}");
    }
    let found = found(&effects);
    assert!(
        found.iter().all(|(_, _, key)| key.starts_with("acme|app-link|+")),
        "{found:?}"
    );
    assert!(found.iter().any(|(_, level, _)| *level == Level::Block), "{found:?}");
}

#[test]
fn a_verdict_on_a_form_s_finding_lifts_its_block_and_an_entry_of_its_own_shows_why() {
    // The last event is one of the attack.
    let short = scenario(BURST).replace("duration: 3d", "duration: 2d 3h 30m");
    let (_, mut fold, effects) = fold_changed(&short, 5, Tuning::default(), |_| {});
    let (uid, at, prefix) = effects
        .iter()
        .rev()
        .find_map(|effect| match effect {
            Effect::Block(at, BlockChange::Put(block)) => Some((block.finding_uid, *at, block.key.prefix.unwrap())),
            _ => None,
        })
        .expect("it is blocked");
    let look = |fold: &Fold| {
        let subject = Subject {
            prefix,
            digits: 0,
            region: region_of(&effects, prefix),
            region_digits: 3,
            number: None,
            tenant: Some("acme".into()),
        };
        let seen = fold.state().inspect(&subject).unwrap();
        let own = seen.tenants.iter().find(|t| t.app.as_deref() == Some("app-link"));
        let others = seen.tenants.iter().find(|t| t.app.is_none()).unwrap();
        assert!(others.blocks.is_empty() && others.verifies);
        let own = own.expect("the form has an entry of its own");
        assert!(!own.verifies);
        own.blocks.len()
    };
    assert!(look(&fold) > 0);
    let verdict = Feedback::Verdict {
        id: "v1".into(),
        time: at,
        finding_uid: uid.to_string().into(),
        true_positive: false,
        by: "somebody".into(),
    };
    let mut after = Vec::new();
    fold.feedback(verdict, fold.state().log_time(), &mut after);
    fold.finish(&mut after);
    assert_eq!(look(&fold), 0);
    let lifted = after.iter().any(|effect| {
        matches!(effect, Effect::Block(_, BlockChange::Delete(key))
            if key.prefix == Some(prefix) && key.app.as_deref() == Some("app-link"))
    });
    assert!(lifted, "{after:?}");
}

fn region_of(effects: &[Effect], prefix: Prefix) -> Region {
    let of = effects.iter().find_map(|effect| match effect {
        Effect::Finding(f) if f.prefixes.iter().any(|p| p.prefix == prefix) => f.region,
        _ => None,
    });
    of.expect("a finding names the block")
}

#[test]
fn a_safe_list_for_the_form_or_for_all_apps_keeps_it_from_being_blocked() {
    let (_, effects) = fold(&scenario(BURST), 5, Tuning::default());
    let prefixes: BTreeSet<Prefix> = blocked(&effects).into_iter().filter_map(|key| key.prefix).collect();
    for (app, holds) in [("app-link", true), ("*", true), ("login-otp", false)] {
        let blocks = with_safe_list(app, &prefixes);
        let inside = blocks.iter().filter_map(|key| key.prefix);
        let inside = inside.filter(|p| prefixes.iter().any(|safe| safe.covers(*p) || p.covers(*safe)));
        assert_eq!(inside.count() == 0, holds, "{app}: {blocks:?}");
    }
}

/// What is blocked of the burst where `app` is safe-listed in front of it.
fn with_safe_list(app: &str, prefixes: &BTreeSet<Prefix>) -> BTreeSet<EntityKey> {
    let scenario = Scenario::parse("test", &scenario(BURST)).unwrap();
    let mut effects = Vec::new();
    let mut fold = Fold::new(&Policy::default(), Tuning::default(), None, &mut effects);
    for (n, sim) in Simulator::new(&scenario, 5).enumerate() {
        fold.usable([sim.event.clone()], sim.ingest, &mut effects);
        if n == 100 {
            for (i, prefix) in prefixes.iter().enumerate() {
                let entry = Feedback::Safelist {
                    id: format!("s{i}").into(),
                    time: sim.ingest,
                    tenant: "acme".into(),
                    app: app.into(),
                    prefix: *prefix,
                    put: true,
                    expires_at: None,
                    by: "somebody".into(),
                    reason: "".into(),
                };
                fold.feedback(entry, sim.ingest, &mut effects);
            }
        }
    }
    fold.finish(&mut effects);
    blocked(&effects)
}

/// A send of the form from a network of its own, or an approval by session alone.
fn event(at: Millis, n: usize, approved: bool) -> Event {
    let session = Some(format!("session-{n}").into());
    Event {
        id: format!("{n}-{approved}").into(),
        time: at,
        tenant: "acme".into(),
        app: "app-link".into(),
        to: if approved {
            Destination::Unknown
        } else {
            Destination::Number(E164::parse(&format!("+99890123{n:04}")).unwrap())
        },
        body: if approved {
            EventBody::Verification(Verification {
                session,
                message_id: None,
                outcome: Outcome::Approved,
            })
        } else {
            EventBody::Send(Send {
                session,
                client: Client {
                    ip: Some(format!("198.51.{n}.7").parse().unwrap()),
                    ..Client::default()
                },
                ..Send::default()
            })
        },
    }
}

#[test]
fn a_form_that_verifies_after_all_is_judged_with_the_others_again() {
    let (_, mut fold, _) = fold_changed(&scenario(BLAST), 5, Tuning::default(), |_| {});
    let mut at = fold.state().log_time();
    let subject = Subject {
        prefix: Prefix::parse("+99890").unwrap(),
        digits: 12,
        region: Region::parse("UZ").unwrap(),
        region_digits: 3,
        number: None,
        tenant: Some("acme".into()),
    };
    let mut effects = Vec::new();
    // Attempts and approvals at the region: of the form's own entry, and of the tenant's.
    let mut approvals = false;
    let mut send = |fold: &mut Fold, n: usize, approved: bool| {
        approvals |= approved;
        at = at + 10 * MINUTE;
        fold.usable([event(at, n, approved)], at, &mut effects);
        fold.finish(&mut effects);
        fold.tell_time(at + 1_000, &mut effects);
        let seen = fold.state().inspect(&subject).unwrap();
        let text = number("+99890", Reading::Range, &seen);
        assert!(text.contains("Tenant acme, app app-link"), "{text}");
        let never = text.contains("App app-link has never verified a number");
        assert_eq!(never, !approvals, "{text}");
        let of = |app: Option<&str>| {
            let entry = seen.tenants.iter().find(|t| t.app.as_deref() == app).unwrap();
            let region = entry.places.last().unwrap();
            (region.attempts, region.verified)
        };
        (of(Some("app-link")), of(None))
    };
    for n in 0..3 {
        send(&mut fold, n, false);
    }
    assert_eq!(send(&mut fold, 3, false), ((4, 0), (0, 0)));
    assert_eq!(send(&mut fold, 3, true), ((4, 1), (0, 0)));
    assert_eq!(send(&mut fold, 4, false), ((4, 1), (1, 0)));
}

#[test]
fn a_blast_in_the_order_of_numbers_leads_to_nothing() {
    for seed in [5, 6] {
        let (_, effects) = fold(&scenario(BLAST), seed, Tuning::default());
        assert_eq!(found(&effects), BTreeSet::new());
    }
}

#[test]
fn nor_does_one_whose_server_tells_its_own_address() {
    let named = |event: &mut Event| {
        if event.app == "notices"
            && let EventBody::Send(send) = &mut event.body
        {
            send.client.ip = Some("203.0.113.7".parse().unwrap());
        }
    };
    let (_, _, effects) = fold_changed(&scenario(BLAST), 5, Tuning::default(), named);
    assert_eq!(found(&effects), BTreeSet::new());
}

#[test]
fn the_first_customers_of_a_country_are_welcome_at_the_form() {
    let launch = "{kind: launch, tenant: acme, app: app-link, start: 2d 3h, duration: 8h, rate: 0.3}";
    for seed in [5, 6] {
        let (_, effects) = fold(&scenario(launch), seed, Tuning::default());
        assert_eq!(found(&effects), BTreeSet::new());
    }
}
