//! Findings on the embedded broker: a campaign is found, a restart says nothing
//! new or different, and the internal log folded again says the same bytes.
#![allow(missing_docs)]

mod stream_support;

use pumpwatch::lab::simulate::{Scenario, SimEvent, Simulator, write_line};
use pumpwatch::model::{EventBody, Millis};
use pumpwatch::stream::{LogHandover, ReplayOptions, Role, StreamSettings, continue_log};
use stream_support::*;

/// Four minutes of the demonstration after twenty of honest history.
fn traffic() -> Vec<SimEvent> {
    let scenario = Scenario::demo().unwrap().with_warm_up(20 * 60_000);
    let start = now() - 20 * 60_000;
    let world = Simulator::starting_at(&scenario, 7, Millis(start));
    world.take_while(|sim| sim.ingest.0 < start + 4 * 60_000).collect()
}

fn produce(settings: &StreamSettings, events: &[SimEvent]) {
    let writer = Writer::new(settings);
    for (n, sim) in events.iter().enumerate() {
        let topic = match &sim.event.body {
            EventBody::Send(_) => SENDS,
            EventBody::Verification(_) => VERIFICATIONS,
            EventBody::Delivery(_) => "sms.delivery.v1",
        };
        let mut line = String::new();
        write_line(sim, None, &mut line);
        writer.put(topic, (n % 2) as i32, sim.ingest.0, line.trim_end().as_bytes());
    }
    writer.flush();
}

#[test]
fn a_campaign_is_found_and_neither_a_restart_nor_a_replay_says_anything_else() {
    let (_broker, settings) = broker();
    let events = traffic();
    produce(&settings, &events);

    let first = Running::start(&settings, Role::All);
    first.until("every event is read", |w| {
        let c = w.event_counts();
        c.counted + c.duplicate + c.late + c.quarantined == events.len() as u64
    });
    let counts = first.witness.event_counts();
    assert_eq!(
        (counts.counted, counts.duplicate, counts.quarantined),
        (events.len() as u64, 0, 0)
    );
    first.stop().unwrap();
    let before = publish_the_rest(&settings);
    let alerts = read_all(&settings, &settings.topics.alerts);
    let blocks = read_all(&settings, &settings.topics.blocklist);
    assert!(
        !alerts.is_empty() && !blocks.is_empty(),
        "the campaign is found and blocked"
    );

    // A second run finds everything said already; only the time that passes is new.
    let second = Running::start(&settings, Role::All);
    second.until("all partitions are restored", |w| {
        w.restored.lock().unwrap().len() == LOG_PARTITIONS as usize
    });
    second.stop().unwrap();
    let after = publish_the_rest(&settings);
    for (place, record) in &before {
        assert_eq!(after.get(place), Some(record));
    }

    // A member whose last commits are missing publishes again what was published,
    // byte for byte and under the same origins. (The mock broker takes no commit for
    // a group that has members, so a fresh group stands for the rewound one.)
    let again = StreamSettings {
        group: "again".into(),
        ..settings.clone()
    };
    let topic = &settings.topics.events;
    let rewound: Vec<_> = committed(&settings, &settings.detector_group(), topic, LOG_PARTITIONS as i32)
        .into_iter()
        .map(|position| position.map(|(offset, metadata)| (offset / 2, metadata)))
        .collect();
    commit(&again, &again.detector_group(), topic, &rewound);
    let already = read_all(&settings, &settings.topics.alerts).len();
    let third = Running::start(&again, Role::Detector);
    third.until("all partitions are restored", |w| {
        w.restored.lock().unwrap().len() == LOG_PARTITIONS as usize
    });
    third.until("the accounts are whole again", |w| {
        w.event_counts().counted == events.len() as u64
    });
    third.stop().unwrap();
    assert!(
        read_all(&settings, &settings.topics.alerts).len() > already,
        "some alerts came again"
    );
    assert_eq!(published(&settings), after, "and none of them is new or different");
}

/// Runs over what was produced so far, until all that the log says is published.
fn run(settings: &StreamSettings, events: usize) {
    let running = Running::start(settings, Role::All);
    running.until("every event is read", |w| w.event_counts().counted == events as u64);
    running.stop().unwrap();
    publish_the_rest(settings);
}

#[test]
fn a_replay_of_the_log_goes_on_where_an_earlier_one_ended() {
    let (_broker, settings) = broker();
    let events = traffic();
    // In the middle of the campaign.
    let half = events.len() * 2 / 3;
    produce(&settings, &events[..half]);
    run(&settings, half);
    let fold = |state: Option<Vec<u8>>| {
        let mut said = Collect::new(&settings);
        let mut handover = LogHandover {
            state,
            save: true,
            saved: None,
        };
        let summary = continue_log(&settings, &ReplayOptions::default(), &mut handover, &mut said).unwrap();
        (said.1, summary, handover.saved.unwrap())
    };
    let (mut said, first, state) = fold(None);
    assert!(!said.is_empty(), "the campaign was found");
    assert_eq!(first.events.counted, half as u64);
    produce(&settings, &events[half..]);
    run(&settings, events.len());

    let (rest, second, end) = fold(Some(state.clone()));
    assert!(!rest.is_empty(), "the campaign went on");
    assert!(said.keys().all(|place| !rest.contains_key(place)));
    said.extend(rest);
    let live = published(&settings);
    assert!(said == live, "two folds, one after the other, say what was published");
    let (_, whole, whole_end) = fold(None);
    assert!(end == whole_end, "the state is that of one fold");
    assert_eq!(second.events.counted, (events.len() - half) as u64);
    assert_eq!(first.records.usable + second.records.usable, whole.records.usable);
    assert_eq!(first.log_records + second.log_records, whole.log_records);

    let (_other_broker, other) = broker();
    produce(&other, &events[..100]);
    run(&other, 100);
    let mut handover = LogHandover {
        state: Some(state),
        ..LogHandover::default()
    };
    let mut nothing = Collect::new(&other);
    let error = continue_log(&other, &ReplayOptions::default(), &mut handover, &mut nothing).unwrap_err();
    assert!(error.to_string().contains("another internal log"), "{error}");
    assert_eq!(error.exit_code(), 64);
}
