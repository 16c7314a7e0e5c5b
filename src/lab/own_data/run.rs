//! The same events under several settings and two rules of others, each on a
//! thread of its own, in one pass over the input.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::report::{Judged, OwnReport};
use super::traffic::Gathering;
use crate::detector::Policy;
use crate::lab::evaluate::judge::Judge;
use crate::lab::evaluate::peers::Peer;
use crate::lab::ledger::{Ledger, Prices, Seen};
use crate::lab::replay::{Findings, Replay, ReplayError, Replayed};
use crate::lab::simulate::SimEvent;
use crate::lab::source::{Item, Source, What};
use crate::model::{Event, Micros, Millis};

/// Records that are handed to the threads at once.
const CHUNK: usize = 4_096;
/// Chunks that wait for the slowest thread.
const WAITING: usize = 4;

/// What is asked for.
#[derive(Debug)]
pub struct Options<'a> {
    /// The settings; the first is the one that the report is about.
    pub policies: Vec<Policy>,
    /// Rules of others, each with its threshold.
    pub rules: Vec<(&'a Peer, f64)>,
    /// Key of the pseudonyms.
    pub secret: Option<&'a [u8]>,
    /// What a message costs where nothing is told of its country.
    pub assumed_price: Option<Micros>,
}

struct Entry {
    item: Item,
    seen: Vec<Arc<Seen>>,
}

type Chunk = Arc<Vec<Entry>>;

/// What a thread comes to.
struct Done {
    ledger: Ledger,
    replayed: Option<Replayed>,
}

/// Puts the records of `source` before every setting and rule. The second value
/// is what became of the records, under the first setting.
///
/// # Errors
/// What reading fails with.
pub fn examine(
    source: &mut dyn Source,
    options: &Options<'_>,
    told: &mut dyn FnMut(u64, u64),
) -> Result<(OwnReport, Replayed), ReplayError> {
    let mut gathering = Gathering::default();
    let mut prices = Prices::new(options.assumed_price);
    let done = thread::scope(|scope| {
        let mut senders: Vec<SyncSender<Chunk>> = Vec::new();
        let mut threads = Vec::new();
        for policy in &options.policies {
            let (sender, chunks) = sync_channel(WAITING);
            senders.push(sender);
            threads.push(scope.spawn(move || detect(policy, options.secret, &chunks)));
        }
        for (peer, threshold) in &options.rules {
            let (sender, chunks) = sync_channel(WAITING);
            senders.push(sender);
            let make = peer.make;
            threads.push(scope.spawn(move || follow(make(*threshold).as_mut(), &chunks)));
        }
        let fed = feed(
            source,
            &options.policies[0],
            &senders,
            (&mut gathering, &mut prices),
            told,
        );
        drop(senders);
        let done = threads.into_iter().map(thread::ScopedJoinHandle::join);
        let done: Vec<Done> = done
            .map(|joined| joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect();
        fed.map(|()| done)
    })?;
    let mut done = done.into_iter();
    let mut replayed = None;
    let mut ledgers = Vec::new();
    let settings: Vec<Judged> = options
        .policies
        .iter()
        .zip(done.by_ref())
        .map(|(policy, done)| {
            replayed = replayed.take().or(done.replayed);
            let judged = Judged::of_setting(policy, &done.ledger, &prices);
            ledgers.push(done.ledger);
            judged
        })
        .collect();
    let rules = options.rules.iter().zip(done);
    let rules = rules.map(|((peer, threshold), done)| Judged::of_rule(peer, *threshold, &done.ledger, &prices));
    let rules = rules.collect();
    // The first setting always has a thread, and its thread a result.
    let replayed = replayed.unwrap_or_else(|| Replay::new(&options.policies[0], None).result(Findings::default()));
    let report = OwnReport::new(
        (&options.policies[0], &ledgers[0]),
        (settings, rules),
        (&gathering, &prices),
        replayed.summary.records,
    );
    Ok((report, replayed))
}

fn feed(
    source: &mut dyn Source,
    policy: &Policy,
    senders: &[SyncSender<Chunk>],
    (gathering, prices): (&mut Gathering, &mut Prices),
    told: &mut dyn FnMut(u64, u64),
) -> Result<(), ReplayError> {
    let mut chunk = Vec::with_capacity(CHUNK);
    loop {
        let item = source.next_item()?;
        let is_end = item.is_none();
        if let Some(item) = item {
            let mut all = Vec::new();
            if let What::Usable { events, at, .. } = &item.what {
                for event in events {
                    let Some(seen) = Seen::of(event, *at, policy) else {
                        continue;
                    };
                    gathering.take(event, *at, &seen, prices);
                    all.push(Arc::new(seen));
                }
            }
            chunk.push(Entry { item, seen: all });
        }
        if chunk.len() == CHUNK || is_end {
            let full: Chunk = Arc::new(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK)));
            for sender in senders {
                // A thread that has ended early has panicked: joining it tells.
                let _ = sender.send(Arc::clone(&full));
            }
            if let Some((done, of)) = source.progress() {
                told(done, of);
            }
        }
        if is_end {
            return Ok(());
        }
    }
}

fn detect(policy: &Policy, secret: Option<&[u8]>, chunks: &Receiver<Chunk>) -> Done {
    let mut replay = Replay::new(policy, secret);
    let mut ledger = Ledger::default();
    let publish = |replay: &mut Replay, ledger: &mut Ledger| {
        let heard = replay.publish(|effect| {
            ledger.said(effect);
            Ok(())
        });
        heard.expect("a ledger never fails");
    };
    for chunk in chunks {
        for entry in chunk.iter() {
            entry.seen.iter().for_each(|seen| ledger.saw(Arc::clone(seen)));
            replay.take(entry.item.place, entry.item.what.clone());
            publish(&mut replay, &mut ledger);
        }
    }
    replay.finish();
    publish(&mut replay, &mut ledger);
    ledger.finish();
    let mut episodes = crate::lab::replay::EpisodeCounter::default();
    for episode in ledger.found() {
        episodes.add(episode.uid, episode.kind, episode.level);
    }
    Done {
        ledger,
        replayed: Some(replay.result(episodes.counts())),
    }
}

fn follow(judge: &mut dyn Judge, chunks: &Receiver<Chunk>) -> Done {
    let mut ledger = Ledger::default();
    let mut said = Vec::new();
    for chunk in chunks {
        for entry in chunk.iter() {
            entry.seen.iter().for_each(|seen| ledger.saw(Arc::clone(seen)));
            let What::Usable { events, at, .. } = &entry.item.what else {
                continue;
            };
            for event in events {
                judge.tell_time(*at, &mut said);
                judge.see(&shown(event, *at), &mut said);
                for decision in said.drain(..) {
                    ledger.decided(&decision, *at);
                }
            }
        }
    }
    ledger.finish();
    Done { ledger, replayed: None }
}

fn shown(event: &Event, at: Millis) -> SimEvent {
    SimEvent {
        ingest: at,
        event: event.clone(),
        label: None,
        price: Micros(0),
    }
}
