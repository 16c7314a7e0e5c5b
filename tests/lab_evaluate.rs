//! An evaluation as a whole: small worlds, every kind of judge, same figures again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pumpwatch::detector::{Policy, Tuning};
use pumpwatch::lab::evaluate::bound::Promise;
use pumpwatch::lab::evaluate::judge::{Decision, Judge};
use pumpwatch::lab::evaluate::peers::{PEERS, calibrate};
use pumpwatch::lab::evaluate::report::{Frame, Report, html, markdown, runs_ndjson};
use pumpwatch::lab::evaluate::run::{Entrant, Run, run};
use pumpwatch::lab::evaluate::score::FalseAlarm;
use pumpwatch::lab::evaluate::suite::Job;
use pumpwatch::lab::evaluate::{PUMPWATCH, detector};
use pumpwatch::lab::simulate::{Scenario, SimEvent, pairs};
use pumpwatch::model::{EventBody, Millis, Prefix};

fn job(overlays: &str, seed: u64) -> Job {
    let text = format!(
        "description: d\nworld: {{duration: 1d, tenants: [{{name: acme, sends_per_day: 4000, countries: 20}}]}}\n\
         overlays: [{overlays}]\n"
    );
    Job::new("small", Scenario::parse("small", &text).unwrap(), seed)
}

const BURST: &str = "{kind: burst, tenant: acme, app: signup-otp, start: 20h, duration: 1h, rate: 0.5, country: UZ}";
const HOPPING: &str = "{kind: burst, tenant: acme, app: signup-otp, start: 20h, duration: 1h, rate: 0.5, country: UZ, \
                       on_block: hop, hops: 3, hop_after: 2m}";

/// Blocks a prefix at the nth attack message, for a while; and one that nobody attacks.
struct Scripted {
    prefix: &'static str,
    at: u64,
    seen: u64,
    hours: i64,
}

impl Judge for Scripted {
    fn tell_time(&mut self, _now: Millis, _out: &mut Vec<Decision>) {}

    fn see(&mut self, event: &SimEvent, out: &mut Vec<Decision>) {
        let is_attack = event.label.is_some_and(|label| label.attack) && matches!(event.event.body, EventBody::Send(_));
        self.seen += u64::from(is_attack);
        if is_attack && self.seen == self.at {
            out.push(Decision::Block {
                tenant: event.event.tenant.clone(),
                app: None,
                prefix: Prefix::parse(self.prefix).unwrap(),
                until: event.ingest + self.hours * 3_600_000,
                allow_ratio: 0.0,
            });
        }
    }
}

fn scripted(name: &str, prefix: &'static str, at: u64, hours: i64) -> Entrant {
    Entrant {
        name: name.into(),
        title: String::new(),
        parameter: None,
        make: Arc::new(move || {
            Box::new(Scripted {
                prefix,
                at,
                seen: 0,
                hours,
            })
        }),
    }
}

fn run_all(jobs: &[Job], entrants: &[Entrant], threads: usize) -> Vec<Run> {
    run(jobs, entrants, threads, &|_| {})
}

#[test]
fn a_block_is_scored_by_what_it_covers() {
    let entrants = [
        scripted("tenth", "+998", 10, 24),
        scripted("elsewhere", "+8816", 10, 24),
        scripted("never", "+998", u64::MAX, 24),
        scripted("short", "+998", 10, 0),
    ];
    let runs = run_all(&[job(BURST, 3)], &entrants, 2);
    let campaign = |i: usize| &runs[i].outcome.campaigns[0];
    assert_eq!(campaign(0).delay_messages, Some(10));
    assert_eq!(campaign(0).leaked, 10);
    assert!(campaign(0).messages > 1_000 && campaign(0).cost_micros > campaign(0).leaked_micros);
    assert!(campaign(0).leaked_micros > 0);
    assert_eq!(runs[0].outcome.false_blocks, 0);
    assert_eq!(runs[0].outcome.stopped, campaign(0).messages - 10);

    assert_eq!((campaign(1).delay_messages, runs[1].outcome.false_blocks), (None, 1));
    assert_eq!(runs[1].outcome.false_alarms[0].prefix, "+8816");
    assert_eq!(campaign(2).leaked, campaign(2).messages);
    // A block that ends at once covers nothing.
    assert_eq!((campaign(3).delay_messages, runs[3].outcome.stopped), (None, 0));
}

#[test]
fn a_closed_loop_obeys_the_judge_and_the_attacker_reacts() {
    let entrants = [
        scripted("tenth", "+998", 10, 24),
        scripted("never", "+998", u64::MAX, 24),
    ];
    let runs = run_all(&[job(HOPPING, 3)], &entrants, 2);
    let (tenth, never) = (&runs[0].outcome.campaigns[0], &runs[1].outcome.campaigns[0]);
    assert!(tenth.ranges > 1, "the attacker moved on");
    assert_eq!(never.ranges, 1, "nobody blocked him");
    assert_eq!((never.leaked, never.delay_messages), (never.messages, None));
    // Messages that were under way when the block came are out.
    assert!((10..=13).contains(&tenth.leaked), "{}", tenth.leaked);
}

#[test]
fn the_same_seeds_give_the_same_bytes_on_any_number_of_threads() {
    let policy = Policy::default();
    let mut entrants = vec![detector(PUMPWATCH, "Pumpwatch", &policy, Tuning::default())];
    let history = [job("", 77)];
    entrants.extend(calibrate(PEERS, &history, 1.0, 2, &|_| {}));
    assert_eq!(entrants.len(), PEERS.len() + 1);
    let jobs = [
        job(BURST, 1),
        job(HOPPING, 2),
        job("{kind: launch, tenant: acme, start: 10h}", 3),
    ];
    let steps = AtomicU64::new(0);
    let first = run(&jobs, &entrants, 1, &|_| {
        steps.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(first.len(), jobs.len() * entrants.len());
    assert_eq!(
        steps.into_inner(),
        2 + entrants.len() as u64,
        "a world each that reacts"
    );
    let second = run_all(&jobs, &entrants, 3);
    assert_eq!(runs_ndjson(&first), runs_ndjson(&second));

    let frame = Frame {
        suite: "standard",
        seeds: 1,
        first_seed: 1,
        promise: Promise {
            per_million: 1.0,
            node_kinds: 8.0,
        },
    };
    let report = Report::new(frame, &entrants, &first, Vec::new());
    let own = report.find(PUMPWATCH, "all").unwrap();
    assert_eq!(own.campaigns, 2);
    assert!(own.honest > 10_000);
    let page = html::html(&report, &first);
    assert!(
        page.contains("<svg") && !page.contains("http"),
        "the page needs nothing else"
    );
    for entrant in &entrants {
        assert!(page.contains(&entrant.name), "{}", entrant.name);
    }
    // One of the three worlds has no attack.
    let text = markdown::markdown(&report);
    assert!(
        text.contains("in the 1 worlds without an attack") && text.contains("| block | 0 | 0 |"),
        "{text}"
    );
    assert!(page.contains("D·N/A") && !text.contains("in pairs"));
    let readme = "before\n<!-- evaluation:begin -->\nold\n<!-- evaluation:end -->\nafter\n";
    let fresh = markdown::refreshed(readme, &report).unwrap();
    assert!(
        fresh.starts_with("before\n<!-- evaluation:begin -->\n") && fresh.ends_with("<!-- evaluation:end -->\nafter\n")
    );
    assert!(!fresh.contains("old") && fresh.contains("| pumpwatch |"));
    assert_eq!(markdown::refreshed(&fresh, &report).unwrap(), fresh);
    assert_eq!(markdown::refreshed("no marks", &report), None);
}

#[test]
fn every_peer_finds_what_it_was_made_for() {
    let flood = "{kind: burst, tenant: acme, app: signup-otp, start: 20h, duration: 2h, rate: 4, country: UZ}";
    let hammering = "{kind: hammering, tenant: acme, app: signup-otp, start: 20h, rate: 1}";
    for peer in PEERS {
        let make = peer.make;
        let threshold = peer.grid[peer.grid.len() / 3];
        let entrant = Entrant {
            name: peer.name.into(),
            title: peer.title.into(),
            parameter: Some(threshold),
            make: Arc::new(move || make(threshold)),
        };
        assert!(peer.grid.is_sorted(), "{}", peer.name);
        // The volume rule wants two days of history: it cannot speak on the first.
        let world = job(if peer.name == "limits" { hammering } else { flood }, 5);
        let runs = run_all(&[world], &[entrant], 1);
        let met = runs[0].outcome.campaigns[0].delay_messages;
        assert_eq!(met.is_some(), peer.name != "volume", "{}: {met:?}", peer.name);
    }
}

#[test]
fn pairs_that_raise_an_alarm_are_named() {
    let own = [scripted("own", "+998", u64::MAX, 24)];
    let mut runs = run_all(&[job("", 1)], &own, 1);
    let pair = pairs::stretches(4).into_iter().find(|s| s.first != s.second).unwrap();
    let at = Scenario::load("pairs-4-a").unwrap().world.start + pair.start_ms;
    runs[0].scenario = "pairs-4".into();
    runs[0].outcome.false_alerts = 1;
    runs[0].outcome.false_alarms = vec![FalseAlarm {
        time: at.to_string(),
        tenant: pair.tenant.into(),
        prefix: "+4474".into(),
        level: "alert",
    }];
    let frame = Frame {
        suite: "pairs",
        seeds: 1,
        first_seed: 1,
        promise: Promise {
            per_million: 1.0,
            node_kinds: 8.0,
        },
    };
    let report = Report::new(frame, &own, &runs, Vec::new());
    let (text, page) = (markdown::markdown(&report), html::html(&report, &runs));
    let [first, second] = [pair.first, pair.second].map(|name| name.replace('_', " "));
    let row = format!("| {first}, {second} | A | 0 | 1 | alert +4474 {at} |");
    assert!(
        text.contains(&row) && text.contains("| own | 0 of 21 | 1 of 21 | 0 | 1 | 0 | 0 |"),
        "{text}"
    );
    assert!(text.contains("## Pairs\n"), "the worlds stand together");
    assert!(
        page.contains("<td class='alert'>a1</td>") && !page.contains("<td class='block'>"),
        "{page}"
    );
    runs[0].outcome.false_alarms[0].level = "block";
    let report = Report::new(frame, &own, &runs, Vec::new());
    assert!(html::html(&report, &runs).contains("<td class='block'>B1</td>"));
}
