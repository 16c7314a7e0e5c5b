//! Members come, go and are killed: the work is shared without loss, and nothing new
//! or different is published. How to run it: `tests/kafka/mod.rs`.

mod kafka;

use std::collections::BTreeSet;
use std::time::Duration;

use kafka::check::{self, Finding};
use kafka::traffic::{Accounts, Traffic};
use kafka::{Deployment, Replay, events_wanted, wait_until};

/// Times that the only member is killed while it works.
const KILLS: usize = 4;

#[test]
#[ignore = "needs a real broker: PUMPWATCH_TEST_BROKERS"]
fn a_second_member_shares_the_work_without_loss() {
    let traffic = Traffic::generate(2, events_wanted() / 2);
    let (before, rest) = traffic.lines.split_at(traffic.lines.len() / 3);
    let (during, after) = rest.split_at(rest.len() / 2);
    let deployment = Deployment::create("members");

    let first = deployment.start("a");
    deployment.produce(before, &[]);
    let second = deployment.start("b");
    // Work goes on while the group finds its new balance.
    deployment.produce(during, &[]);
    for role in ["router", "detector"] {
        let group = format!("{}.{role}", deployment.group());
        let shares = wait_until(&format!("{group} is shared by two members"), || {
            let shares = deployment.broker.members(&group);
            (shares.len() == 2 && shares.values().all(|n| *n > 0)).then_some(shares)
        });
        println!("{group}: {shares:?}");
    }
    deployment.wait_drained();
    let status = second.terminate();
    assert!(status.success(), "the second member drained: {status}");
    deployment.produce(after, &[]);
    deployment.wait_drained();
    let status = first.terminate();
    assert!(status.success(), "the first member drained: {status}");

    let replay = deployment.replay_from_kafka();
    nothing_lost_or_counted_twice(&replay, &traffic.expected);
    published_is_what_the_log_gives(&deployment, &replay);
}

#[test]
#[ignore = "needs a real broker: PUMPWATCH_TEST_BROKERS"]
fn a_killed_member_publishes_nothing_new_or_different() {
    let traffic = Traffic::generate(3, events_wanted() / 2);
    let deployment = Deployment::create("killed");
    let total = traffic.expected.usable as f64;
    // Slow enough to be killed in the midst of it.
    let events_per_second = (traffic.lines.len() / 30).max(1).to_string();

    std::thread::scope(|scope| {
        let producing = scope.spawn(|| deployment.produce(&traffic.lines, &["--rate", &events_per_second]));
        for kill in 1..=KILLS {
            let member = deployment.start("a");
            let far_enough = total * kill as f64 / (KILLS + 1) as f64;
            wait_until("the member has worked", || {
                let usable = member.metric("pumpwatch_records_total", &[("outcome", "usable")]);
                (usable >= far_enough).then_some(())
            });
            member.kill();
        }
        producing.join().expect("all is produced");
    });
    let member = deployment.start("a");
    deployment.wait_drained();
    // Once more when there is nothing left to do.
    member.kill();
    let member = deployment.start("a");
    std::thread::sleep(Duration::from_secs(5));
    let status = member.terminate();
    assert!(status.success(), "drained: {status}");

    let replay = deployment.replay_from_kafka();
    nothing_lost_or_counted_twice(&replay, &traffic.expected);
    published_is_what_the_log_gives(&deployment, &replay);
}

fn nothing_lost_or_counted_twice(replay: &Replay, expected: &Accounts) {
    let events = |name: &str| replay.summary["events"][name].as_u64().expect("a count");
    let records = |name: &str| replay.summary["records"][name].as_u64().expect("a count");
    let found = Accounts {
        usable: records("usable"),
        dead_lettered: records("dead_lettered"),
        counted: events("counted"),
        duplicate: events("duplicate"),
        late: events("late"),
        quarantined: events("quarantined"),
    };
    assert_eq!(found, *expected, "accounts");
}

/// The same `metadata.uid`s with the same bytes; a record may have been published
/// twice, but only as it was ([`check::episodes`] sees to that).
fn published_is_what_the_log_gives(deployment: &Deployment, replay: &Replay) {
    let records = deployment.read("sms.pumping.alerts.v1");
    let findings = check::episodes(&records);
    println!(
        "{} alert records, {} of them repeated",
        records.len(),
        records.len() - findings.len()
    );
    assert!(
        findings
            .iter()
            .any(|f: &Finding| f.kind == "sms_pumping" && f.level == "block"),
        "the campaign was found"
    );
    let published: BTreeSet<&str> = findings.iter().map(|f| f.text.as_str()).collect();
    let replayed: BTreeSet<&str> = replay.alerts.iter().map(String::as_str).collect();
    assert_eq!(published, replayed, "alerts");

    let mut blocked = BTreeSet::new();
    for record in deployment.read("sms.pumping.blocklist.v1") {
        let change = check::block(&record, "enforce");
        blocked.extend(change.text.map(|text| (change.key, text)));
    }
    let replayed: BTreeSet<(String, String)> = replay
        .blocklist
        .iter()
        .filter_map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).expect("changes are JSON");
            let (_, text) = line.split_once("\"value\":").filter(|_| value["op"] == "put")?;
            let text = text.strip_suffix('}').expect("the value is the last field");
            Some((value["key"].as_str().expect("a key").to_owned(), text.to_owned()))
        })
        .collect();
    assert_eq!(blocked, replayed, "blocklist");
}
