//! A send: folded into its attempt, or opened as a new one and weighed.

use super::attempts::{AppIx, Attempt, AttemptId, Attributes};
use super::bounds::{Bounds, attribute_ratios};
use super::prices;
use super::tenant::{Known, RingEntry, Untold};
use super::{Due, Effect, Engine};
use crate::detector::baseline::{
    HeldCounts, History, ceiling_within, conversion_lower_bound, honest_per_hour, relative_conversion,
};
use crate::detector::evidence::digits::Bets;
use crate::detector::evidence::{Evidence, Ratios, launch, volume};
use crate::detector::order::Order;
use crate::detector::trie::{Place, TenantIx};
use crate::model::log::{NumberRef, RoutedEvent, RoutedSend};
use crate::model::{DAY, Micros, Money, Region, SECOND, SendStatus};
use crate::number_plan;

/// Approvals in a region's history from which a network operator can be strange there:
/// those that are known were learned from approvals.
const ASN_HISTORY_MIN: f64 = 60.0;
/// Approvals that make a network operator familiar.
const ASN_FAMILIAR: u16 = 2;
/// Age of a tenant from which its rates can be told from growth.
const RATE_MATURE_MS: i64 = 3 * DAY;
/// Attempts to a thousand numbers, as they fade, whose attributes speak against the region
/// too. What is told of a region must come from all over it: the next ones have in common
/// what one staff, or one range, has, and that is judged where it is.
const WITNESSES_OF_THOUSAND: f64 = 3.0;
/// Widest class whose rate is compared with a launch's or an enrolment's.
const RATE_CLASS_MAX: u8 = 4;

/// One place on the way from the region to the block, with its honest ceiling.
pub(super) struct Step {
    pub(super) place: Place,
    pub(super) class: u8,
    pub(super) ceiling: f64,
    pub(super) history: History,
}

/// One visit of an attempt to a place.
struct Visit {
    place: Place,
    /// Digits that a range leaves open; none for the wider places.
    class: Option<u8>,
    bets: Bets,
    /// The enclosing flow by which the bets are paid back.
    flow: f64,
    /// The flow of the thousand around a hundred.
    parent_flow: Option<f64>,
    /// Upper bound of the honest rate, where it is known.
    honest: Option<f64>,
    /// Whether the attempt's attributes tell anything of the place.
    tells: bool,
}

impl Visit {
    fn new(place: Place, bets: Bets, flow: f64) -> Self {
        Self {
            place,
            class: None,
            bets,
            flow,
            parent_flow: None,
            honest: None,
            tells: true,
        }
    }
}

impl Engine {
    pub(super) fn on_send(
        &mut self,
        app: AppIx,
        event: &RoutedEvent,
        send: &RoutedSend,
        order: &Order,
        effects: &mut Vec<Effect>,
    ) {
        let Some(number) = &event.number else { return };
        let region = number.class.region.unwrap_or(Region::WORLD);
        let cost = self.cost(send, region);
        self.apps[app as usize].sends += 1;
        let folded = self.fold_resend(app, event, send, number);
        self.count_window(app, number, send, cost, folded.is_none());
        if let Some(id) = folded {
            if send.status == SendStatus::Sent {
                self.spend_on(id, cost, effects);
                self.on_resend(id, cost, effects);
            }
            return;
        }
        let judged_under = self.judged_under(app, send);
        let mut attempt = self.new_attempt(judged_under, app, event, send, number);
        let cover = self.cover(&attempt);
        let covered = cover.is_some();
        if let Some((entry, cover)) = cover {
            self.on_covered(entry, &attempt, cover, effects);
        }
        attempt.free = !covered && !self.is_ignored(&attempt);
        if attempt.free {
            attempt.voter = self.may_vote(&attempt);
            self.expect_delivery(&attempt);
            self.weigh(&mut attempt, send);
            if !attempt.is_apart() {
                let health = &mut self.apps[app as usize].health;
                health.attempt(self.now, region, attempt.conversion);
            }
        }
        attempt.ring = self.remember(&attempt, covered);
        let answerable = send.status == SendStatus::Sent && !attempt.is_apart();
        let silent = attempt.free && answerable && order.verifications_exist(&event.tenant);
        let free = attempt.free;
        let opened = attempt.opened;
        let early = self.early.take(&attempt, self.tuning.pending_ms);
        let id = self.attempts.open(attempt);
        self.name_ring_entry(id);
        self.spend_on(id, cost, effects);
        if let Some(time) = early {
            self.approve(id, time, true, effects);
        } else if silent {
            self.due(opened + self.stages.due_ms[0], Due::Silence(id));
        }
        if free {
            self.count_watched(id, effects);
            self.judge(id, effects);
        }
    }

    pub(super) fn cost(&self, send: &RoutedSend, region: Region) -> Micros {
        if send.status != SendStatus::Sent {
            return Micros(0);
        }
        let convert = |money: Money| self.policy.convert(money);
        send.price
            .and_then(convert)
            .or_else(|| convert(prices::estimate(Some(region), send.segments)))
            .unwrap_or(Micros(0))
    }

    /// An impatient user is one trial: a further send to a pending number moves
    /// nothing but the names under which it is found. Returns the attempt it is
    /// folded into.
    fn fold_resend(
        &mut self,
        app: AppIx,
        event: &RoutedEvent,
        send: &RoutedSend,
        number: &NumberRef,
    ) -> Option<AttemptId> {
        let id = self.attempts.of_number(app, number.token)?;
        let attempt = self.attempts.get(id)?;
        if attempt.verified || event.time - attempt.event_time >= self.tuning.pending_ms {
            return None;
        }
        self.attempts.add_names([send.session, send.message_id], id);
        if let Some(attempt) = self.attempts.get_mut(id) {
            attempt.asked = true;
        }
        Some(id)
    }

    fn new_attempt(
        &mut self,
        tenant: TenantIx,
        app: AppIx,
        event: &RoutedEvent,
        send: &RoutedSend,
        number: &NumberRef,
    ) -> Attempt {
        let now = self.now;
        let region = number.class.region.unwrap_or(Region::WORLD);
        let cost = self.cost(send, region);
        let known = &mut self.tenants[usize::from(tenant)];
        let before = known.numbers.get(&number.token);
        let verified = before.is_some_and(|before| before.verified);
        known.numbers.put(number.token, Known { at: now, verified });
        let repeat = before.is_some_and(|before| now - before.at < self.tuning.repeat_ms);
        let missing = !send.tells_of_client();
        let device = match send.device {
            _ if missing => false,
            None => true,
            Some(device) => known
                .devices
                .put(device, (number.token, now))
                .is_some_and(|(last, at)| last != number.token && now - at < DAY),
        };
        let root = Place::Root(tenant);
        let place = Place::Region(tenant, region);
        let approvals = self.trie.get(place).map_or(0.0, |n| n.history.verified());
        let asns = &known.region(region, &self.hasher).asns;
        let strange = send
            .asn
            .is_some_and(|asn| approvals >= ASN_HISTORY_MIN && asns.get(&asn).unwrap_or(0) < ASN_FAMILIAR);
        let foreign = send
            .country
            .is_some_and(|country| !number_plan::same_country(country, region));
        let width = known.slice_ms(now, &self.tuning);
        let slice = known.hold.current(now, width);
        known.source_hold.current(now, width);
        let digits = if number.digits == 0 {
            number.block.len() as u8 + 4
        } else {
            number.digits
        };
        let calling_digits = number.class.region_digits;
        let conversion = {
            let wide = super::attempts::ranges(tenant, number.block, digits, calling_digits).next_back();
            let places = [Some(root), Some(place), wide.map(|(_, p)| p)];
            let nodes = places.into_iter().flatten().filter_map(|p| self.trie.get(p));
            let app = &self.apps[app as usize].history;
            let relative = relative_conversion(app, &self.history(root), &self.tuning);
            relative * conversion_lower_bound(nodes.map(|n| &n.history), &self.tuning)
        };
        Attempt {
            tenant,
            owner: self.apps[app as usize].tenant,
            app,
            opened: now,
            event_time: event.time,
            number: number.token,
            names: [send.session, send.message_id].into_iter().flatten().collect(),
            receipt: super::attempts::Receipt::Awaited,
            block: number.block,
            digits,
            region,
            calling_digits,
            asn: send.asn,
            network: send.network,
            device: send.device,
            agent: send.user_agent.filter(|_| self.tuning.enabled.agents),
            accused: None,
            attributes: Attributes {
                missing,
                odd: !missing && (foreign || strange),
                device,
                invalid: !number.class.valid,
                fresh: before.is_none(),
                suspect: false,
            },
            repeat,
            weight: if repeat { self.tuning.repeat_weight } else { 1.0 },
            conversion,
            cost,
            stage: 0,
            credited: 0.0,
            voter: false,
            returning: verified && !repeat,
            source_credited: 0.0,
            verified: false,
            asked: false,
            wrong: false,
            free: true,
            frontier: false,
            slice,
            ring: 0,
        }
    }

    /// The attempt's places with their honest ceilings, narrowest first; its region
    /// has `region` attempts in history.
    fn steps(&mut self, attempt: &Attempt, region: f64) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::with_capacity(5);
        for (class, place) in attempt.ranges().rev() {
            // An attack's ranges are worth more than whatever was seen once elsewhere.
            if !self.trie.admits(place, steps.last().map(|s| s.place)) && !self.is_region_suspected(attempt) {
                break;
            }
            let history = self.trie.touch(place).history;
            let wider = steps.last().map(|s| (s.ceiling, s.history.attempts()));
            steps.push(Step {
                place,
                class,
                ceiling: ceiling_within(wider, history.attempts(), region, class, &self.tuning),
                history,
            });
        }
        steps.reverse();
        steps
    }

    /// Evidence at every place of a free attempt.
    fn weigh(&mut self, attempt: &mut Attempt, send: &RoutedSend) {
        let bounds = self.bounds(attempt);
        let region = self.trie.touch(attempt.region_place()).history.attempts();
        let steps = self.steps(attempt, region);
        let age = self.now - self.tenants[usize::from(attempt.tenant)].first;
        let flow = self.tenants[usize::from(attempt.tenant)]
            .region(attempt.region, &self.hasher)
            .flow;
        let somebody = attempt.repeat || attempt.returning;
        attempt.frontier = self.tuning.enabled.frontier && !somebody && self.is_at_frontier(&steps, region);
        let thousand = steps.iter().find(|s| s.class == 3);
        let thousand = thousand.and_then(|s| self.trie.evidence(s.place));
        let thousand_flow = thousand.map(|e| e.visits);
        let is_crowded =
            thousand.is_some_and(|e| e.attempts_at(self.now, self.tuning.counter_decay_ms) >= WITNESSES_OF_THOUSAND);
        attempt.attributes.suspect = self.is_suspect(&steps, region, flow);
        attempt.accused = self.weigh_sources(attempt, &bounds);
        let bounds = self.with_lead(&bounds, attempt);
        let hour = self.hour_of(attempt).map(|hour| hour.region.largest);
        let region_rate = self.region_rate(attempt);
        for step in &steps {
            let honest = (age >= RATE_MATURE_MS && step.class <= RATE_CLASS_MAX).then(|| {
                let own = honest_per_hour(&step.history, step.class, age, &self.tuning);
                volume::upper_rate_within(own, step.ceiling, region_rate, hour)
            });
            let bets = Bets::of_range(step.class, step.ceiling, region, &self.tuning);
            let parent = (step.class == 2).then_some(thousand_flow).flatten();
            let visit = Visit {
                class: Some(step.class),
                parent_flow: parent,
                honest,
                ..Visit::new(step.place, bets, flow)
            };
            self.visit(&visit, attempt, send, &bounds);
        }
        let wider = attempt.frontier.then(|| attempt.frontier_place());
        for place in wider.into_iter().chain([attempt.region_place()]) {
            let (bets, flow) = self.dues(place, attempt);
            let visit = Visit {
                tells: !is_crowded,
                ..Visit::new(place, bets, flow)
            };
            self.visit(&visit, attempt, send, &bounds);
        }
        self.hold(
            attempt,
            HeldCounts {
                attempts: 1.0,
                judged: f64::from(u8::from(self.apps[attempt.app as usize].verifies())),
                verified: 0.0,
            },
        );
        if !attempt.repeat {
            self.note_usual(attempt);
            let tenant = &mut self.tenants[usize::from(attempt.tenant)];
            tenant.note_untold(Untold {
                region: attempt.region,
                place: attempt.attributes.missing,
                device: attempt.device.is_none(),
                odd: attempt.attributes.odd,
            });
            tenant.flow += 1.0;
            tenant.region(attempt.region, &self.hasher).flow += 1.0;
        }
    }

    fn visit(&mut self, visit: &Visit, attempt: &Attempt, send: &RoutedSend, bounds: &Bounds) {
        let Visit {
            place,
            class,
            ref bets,
            flow,
            parent_flow,
            honest,
            tells,
        } = *visit;
        let (now, tuning) = (self.now, &self.tuning);
        let node = self.trie.touch(place);
        let first = node.evidence.is_none();
        let evidence = node.evidence.get_or_insert_with(|| Box::new(Evidence::new(now)));
        let gap = (now - evidence.last) as f64 / SECOND as f64;
        if !first && tuning.enabled.digits {
            let missed = (flow - evidence.flow_seen).max(0.0);
            evidence.misses(missed, bets, tuning);
        }
        evidence.fade(now, tuning.counter_decay_ms);
        let mut ratios = if tells {
            attribute_ratios(evidence, attempt, bounds, place, tuning)
        } else {
            Ratios::default()
        };
        if !attempt.repeat && !first && tuning.enabled.digits {
            (ratios.digits, ratios.launch_digits) = bets.inside(tuning);
        }
        if !attempt.repeat
            && let (Some(now), Some(before)) = (send.network, evidence.network)
        {
            ratios.network_change = launch::network_change(now == before);
            ratios.other_network = now != before;
        }
        if class.is_some_and(|m| m > 3) && !attempt.repeat && !first {
            let near = evidence.block.map(|b| launch::is_near(b, attempt.block));
            ratios.scatter = near.map_or(1.0, launch::scatter);
        }
        if let (Some(flow), false) = (parent_flow, first) {
            ratios.fill = launch::fill(flow - evidence.parent_flow_seen, !attempt.repeat);
        }
        if class.is_some_and(|m| m <= RATE_CLASS_MAX) && !first {
            let class = class.unwrap_or_default();
            ratios.launch_rate = launch::launch_rate(class, gap, tuning);
            ratios.desk_rate = launch::desk_rate(gap, tuning);
            if let Some(honest) = honest
                && tuning.enabled.volume
                && !attempt.repeat
            {
                ratios.volume = volume::gap(honest, gap, tuning);
            }
        }
        if tuning.enabled.regularity && !attempt.repeat {
            ratios.regularity = evidence.rhythm.observe(attempt.event_time);
        }
        evidence.visit(now, &ratios, tuning);
        let counted = f64::from(u8::from(!attempt.repeat));
        evidence.visits += counted;
        evidence.last = now;
        evidence.flow_seen = flow + counted;
        evidence.parent_flow_seen = parent_flow.unwrap_or_default() + counted;
        evidence.network = send.network.or(evidence.network);
        evidence.block = Some(attempt.block);
        evidence.note(attempt.event_time, attempt.cost, flow);
        if !attempt.repeat {
            evidence.count(&attempt.attributes.into());
        }
    }

    /// Whether an attempt may teach what is normal: one vote for each device and day,
    /// and none for a source that is refuted.
    pub(super) fn is_vote(&self, attempt: &Attempt) -> bool {
        let has_voted = attempt.device.is_some() && attempt.attributes.device;
        !self.tuning.enabled.votes || !(has_voted || attempt.accused.is_some())
    }

    /// Adds to what waits to become history, at every place of the attempt.
    pub(super) fn hold(&mut self, attempt: &Attempt, counts: HeldCounts) {
        if !self.is_vote(attempt) {
            return;
        }
        let hold = &mut self.tenants[usize::from(attempt.tenant)].hold;
        for place in attempt.places() {
            hold.add(attempt.slice, place, counts);
        }
        hold.add(attempt.slice, Place::App(attempt.tenant, attempt.app), counts);
        hold.add(attempt.slice, Place::Root(attempt.tenant), counts);
    }

    fn remember(&mut self, attempt: &Attempt, covered: bool) -> u64 {
        let entry = RingEntry {
            at: self.now,
            block: attempt.block,
            digits: attempt.digits,
            attempt: 0,
            verified: false,
            covered: covered || !attempt.free,
            repeat: attempt.repeat,
            counted: false,
            sends: 1,
            cost: attempt.cost,
        };
        self.tenants[usize::from(attempt.tenant)]
            .region(attempt.region, &self.hasher)
            .remember(entry)
    }

    fn name_ring_entry(&mut self, id: u64) {
        let Some(attempt) = self.attempts.get(id) else { return };
        let (tenant, region, ring) = (attempt.tenant, attempt.region, attempt.ring);
        if let Some(entry) = self.tenants[usize::from(tenant)]
            .region(region, &self.hasher)
            .recall(ring)
        {
            entry.attempt = id;
        }
    }

    /// History of a place.
    pub(super) fn history(&self, place: Place) -> History {
        self.trie.get(place).map(|n| n.history).unwrap_or_default()
    }
}
