//! Limits per number and per address.

use std::collections::VecDeque;
use std::net::IpAddr;

use ahash::AHashMap;
use compact_str::CompactString;

use super::Peer;
use super::rule::range_of;
use crate::lab::evaluate::judge::{Decision, Judge, digits_of};
use crate::lab::simulate::SimEvent;
use crate::model::{DAY, EventBody, HOUR, MINUTE, Millis, Prefix};

pub(super) const PEER: Peer = Peer {
    name: "limits",
    title: "More than the threshold's sends to one number within ten minutes (the number is blocked), or three times as \
            many from one address within an hour (the range of 10,000 it asks for is blocked)",
    grid: &[
        3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 30.0, 50.0, 100.0, 300.0, 1_000.0,
    ],
    make: |threshold| {
        Box::new(Limits {
            threshold,
            numbers: AHashMap::new(),
            addresses: AHashMap::new(),
            blocked: AHashMap::new(),
        })
    },
};

const PER_ADDRESS: f64 = 3.0;

struct Limits {
    threshold: f64,
    numbers: AHashMap<(CompactString, Prefix), VecDeque<i64>>,
    addresses: AHashMap<(CompactString, IpAddr), VecDeque<i64>>,
    blocked: AHashMap<(CompactString, Prefix), i64>,
}

fn over(times: &mut VecDeque<i64>, at: i64, window_ms: i64, most: f64) -> bool {
    times.push_back(at);
    while times.front().is_some_and(|first| *first <= at - window_ms) {
        times.pop_front();
    }
    times.len() as f64 > most
}

impl Judge for Limits {
    fn tell_time(&mut self, _now: Millis, _out: &mut Vec<Decision>) {}

    fn see(&mut self, event: &SimEvent, out: &mut Vec<Decision>) {
        let EventBody::Send(send) = &event.event.body else {
            return;
        };
        let (tenant, at) = (&event.event.tenant, event.ingest.0);
        let blocked = &mut self.blocked;
        let mut block = |prefix: Option<Prefix>| {
            // A block is renewed once an hour of it is over.
            let is_due = |prefix: &Prefix| {
                let until = blocked.entry((tenant.clone(), *prefix)).or_default();
                let is_due = *until < at + DAY - HOUR;
                if is_due {
                    *until = at + DAY;
                }
                is_due
            };
            if let Some(prefix) = prefix.filter(is_due) {
                out.push(Decision::Block {
                    tenant: tenant.clone(),
                    app: None,
                    prefix,
                    until: Millis(at + DAY),
                    allow_ratio: 0.0,
                });
            }
        };
        if let Some(number) = digits_of(&event.event.to) {
            let times = self.numbers.entry((tenant.clone(), number)).or_default();
            if over(times, at, 10 * MINUTE, self.threshold) {
                block(Some(number));
            }
        }
        if let Some(address) = send.client.ip {
            let times = self.addresses.entry((tenant.clone(), address)).or_default();
            if over(times, at, HOUR, PER_ADDRESS * self.threshold) {
                block(range_of(&event.event.to));
            }
        }
    }
}
