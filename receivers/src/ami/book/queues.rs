//! Queues: who waits, who serves, and how it went.

use std::collections::HashSet;
use std::sync::Arc;

use hashbrown::HashMap;

use super::Book;
use super::change::{ChannelKey, Place};
use super::fields::{Fields, number, text};
use super::histogram::Histogram;
use super::names::Symbol;
use super::recent::What;
use crate::ami::signal::Nanos;

const SECOND: Nanos = 1_000_000_000;
/// Longer ids and interfaces are none of Asterisk's.
const ID_BYTES: usize = 150;

/// A caller who waits.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The queue, by [`Book::queue_names`].
    pub(crate) queue: Symbol,
    /// Since when.
    pub(crate) since: Nanos,
    touched: u32,
    listed: u32,
}

/// Who serves a queue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Member {
    /// State of its device (`enum ast_device_state` of `include/asterisk/devicestate.h`).
    pub(crate) state: u8,
    /// Takes no calls now.
    pub(crate) paused: bool,
    touched: u32,
    listed: u32,
}

/// By the number of a state.
const STATES: [&str; 9] = [
    "unknown",
    "not_in_use",
    "in_use",
    "busy",
    "invalid",
    "unavailable",
    "ringing",
    "ring_in_use",
    "on_hold",
];

impl Member {
    /// The value of the attribute.
    pub(crate) fn state_name(&self) -> &'static str {
        STATES.get(usize::from(self.state)).copied().unwrap_or("unknown")
    }
}

impl Queue {
    /// The states that some member was in, at some time.
    pub(crate) fn states_seen(&self) -> impl Iterator<Item = &'static str> {
        STATES
            .iter()
            .enumerate()
            .filter(|(state, _)| self.states_seen & (1 << state) != 0)
            .map(|(_, name)| *name)
    }
}

/// A queue.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Members by interface.
    pub(crate) members: HashMap<Arc<str>, Member>,
    /// Callers who joined.
    pub(crate) joined: u64,
    /// How waits ended.
    pub(crate) answered: u64,
    /// Callers who hung up.
    pub(crate) abandoned: u64,
    /// Callers whom the queue's time limit let go, or whom a manager sent elsewhere.
    pub(crate) timed_out: u64,
    /// Conversations that ended, by who ended them: `caller`, `agent`, `transfer`.
    pub(crate) completed: HashMap<&'static str, u64>,
    /// Times that a member was rung and did not answer.
    pub(crate) ring_no_answer: u64,
    /// Milliseconds that answered callers had waited.
    pub(crate) hold_time: Histogram,
    /// Milliseconds of conversations.
    pub(crate) talk_time: Histogram,
    /// Percent of answered calls within the queue's service level, as Asterisk counts them since its start.
    pub(crate) service_level: Option<f64>,
    /// One bit a state.
    states_seen: u16,
    /// A list named it, or an event told of it since: what was counted of a queue that is gone is kept.
    pub(crate) present: bool,
    touched: u32,
    listed: u32,
}

/// All queues.
#[derive(Debug, Default)]
pub(super) struct Queues {
    queues: HashMap<Symbol, Queue>,
    callers: HashMap<Arc<str>, Caller>,
    listing: u32,
    /// A list is being read.
    reading: bool,
    /// Callers and members who left since it was asked for: its rows can still name them.
    left: HashSet<(Symbol, Arc<str>)>,
}

impl Queues {
    pub(super) fn list_began(&mut self) {
        self.listing += 1;
        self.reading = true;
    }

    /// The list is over, complete or not.
    pub(super) fn list_over(&mut self) {
        self.reading = false;
        self.left.clear();
    }

    fn leaves(&mut self, queue: Symbol, who: &str) {
        if self.reading {
            self.left.insert((queue, Arc::from(who)));
        }
    }

    pub(super) fn forget_callers(&mut self) {
        self.callers.clear();
    }

    /// Takes a caller out.
    pub(super) fn forget(&mut self, uniqueid: &str) -> Option<Caller> {
        self.callers.remove(uniqueid)
    }
}

impl Book {
    /// The queues.
    pub(crate) fn queues(&self) -> impl Iterator<Item = (Symbol, &Queue)> {
        self.queues.queues.iter().map(|(name, queue)| (*name, queue))
    }

    /// The callers who wait.
    pub(crate) fn queue_callers(&self) -> impl Iterator<Item = &Caller> {
        self.queues.callers.values()
    }

    fn queue(&mut self, fields: &Fields<'_>) -> Option<(Symbol, &mut Queue)> {
        text(fields.queue)?;
        let name = self.queue_names.intern(fields.queue);
        let empty = || self.tally.queue_histogram();
        let listing = self.queues.listing;
        let queue = self.queues.queues.entry(name).or_insert_with(|| Queue {
            members: HashMap::new(),
            joined: 0,
            answered: 0,
            abandoned: 0,
            timed_out: 0,
            completed: HashMap::new(),
            ring_no_answer: 0,
            hold_time: empty(),
            talk_time: empty(),
            service_level: None,
            states_seen: 0,
            present: true,
            touched: listing,
            listed: 0,
        });
        Some((name, queue))
    }

    /// The queue that an event tells of.
    fn queue_heard(&mut self, fields: &Fields<'_>) -> Option<(Symbol, &mut Queue)> {
        let listing = self.queues.listing;
        let (name, queue) = self.queue(fields)?;
        queue.touched = listing;
        queue.present = true;
        Some((name, queue))
    }

    pub(super) fn queue_joined(&mut self, fields: &Fields<'_>) {
        let Some((name, queue)) = self.queue_heard(fields) else { return };
        queue.joined += 1;
        self.waits(fields, name, self.now, false);
    }

    fn waits(&mut self, fields: &Fields<'_>, queue: Symbol, since: Nanos, found: bool) {
        let Some(uniqueid) = text(fields.uniqueid).filter(|id| id.len() <= ID_BYTES) else { return };
        if self.recent.has(What::Channel, uniqueid)
            || self.queues.callers.len() >= self.config.limits.channels
        {
            return;
        }
        let listing = self.queues.listing;
        let caller = Caller { queue, since, touched: if found { 0 } else { listing }, listed: listing };
        self.queues.callers.insert(Arc::from(uniqueid), caller);
        if let Some(leg) = self.leg(fields) {
            self.enter(leg, Place::Queue(queue), found);
        }
    }

    pub(super) fn queue_left(&mut self, fields: &Fields<'_>) {
        let Some((name, _)) = self.queue_heard(fields) else { return };
        let Some(uniqueid) = text(fields.uniqueid) else { return };
        self.queues.leaves(name, uniqueid);
        self.queues.forget(uniqueid);
        if let Some(leg) = self.leg(fields) {
            self.leave(leg, Place::Queue(name), false);
        }
    }

    /// Asterisk says abandoned of callers whom the queue's time limit let go, too, and of those whom a manager sent
    /// elsewhere. Of one who hung up the request to do so came first.
    pub(super) fn queue_abandoned(&mut self, fields: &Fields<'_>) {
        let leg = self.leg(fields).and_then(|leg| self.channels.get(leg));
        let hung_up = leg.is_none_or(|leg| leg.hangup_requested);
        let Some((_, queue)) = self.queue_heard(fields) else { return };
        if hung_up {
            queue.abandoned += 1;
        } else {
            queue.timed_out += 1;
        }
    }

    pub(super) fn agent_connected(&mut self, fields: &Fields<'_>) {
        self.leg(fields);
        self.leg_of(fields.dest_uniqueid, fields.dest_linkedid);
        let call = linkedid(fields).zip(Some(self.now));
        let Some((_, queue)) = self.queue_heard(fields) else { return };
        queue.answered += 1;
        if let Some(seconds) = number::<f64>(fields.hold_time) {
            queue.hold_time.record(seconds * 1000.0, call.as_ref().map(|(linkedid, at)| (linkedid, *at)));
        }
    }

    /// Of a call whose caller is gone it can name the agent's channel only.
    pub(super) fn agent_completed(&mut self, fields: &Fields<'_>) {
        let call = linkedid(fields).zip(Some(self.now));
        let Some((_, queue)) = self.queue_heard(fields) else { return };
        let reason = match fields.reason {
            b"caller" => "caller",
            b"agent" => "agent",
            b"transfer" => "transfer",
            _ => "other",
        };
        *queue.completed.entry(reason).or_default() += 1;
        if let Some(seconds) = number::<f64>(fields.talk_time) {
            queue.talk_time.record(seconds * 1000.0, call.as_ref().map(|(linkedid, at)| (linkedid, *at)));
        }
    }

    pub(super) fn agent_rang_no_answer(&mut self, fields: &Fields<'_>) {
        if let Some((_, queue)) = self.queue_heard(fields) {
            queue.ring_no_answer += 1;
        }
    }

    /// A member was added, or its state changed.
    pub(super) fn member_told(&mut self, fields: &Fields<'_>) {
        let Some(interface) = interface(fields) else { return };
        let listing = self.queues.listing;
        let limit = self.config.limits.peers;
        let Some((_, queue)) = self.queue_heard(fields) else { return };
        if queue.members.len() >= limit && !queue.members.contains_key(interface) {
            self.tally.peers_over_limit += 1;
            return;
        }
        let member = queue.members.entry(Arc::from(interface)).or_default();
        member.touched = listing;
        member.update(fields);
        queue.states_seen |= 1 << member.state.min(15);
    }

    pub(super) fn member_removed(&mut self, fields: &Fields<'_>) {
        let Some(interface) = interface(fields) else { return };
        let Some((name, queue)) = self.queue_heard(fields) else { return };
        queue.members.remove(interface);
        self.queues.leaves(name, interface);
    }

    /// `QueueParams`, a `QueueMember` or a `QueueEntry`.
    pub(super) fn queue_listed(&mut self, row: &[u8], fields: &Fields<'_>) {
        let listing = self.queues.listing;
        let Some((name, queue)) = self.queue(fields) else { return };
        match row {
            b"QueueParams" => {
                queue.listed = listing;
                queue.present = true;
                let within: Option<u64> = number(fields.service_level).filter(|within| *within > 0);
                queue.service_level = within.and_then(|_| number(fields.service_level_reached));
            }
            b"QueueMember" => {
                let Some(interface) = interface(fields) else { return };
                if self.queues.left.contains(&(name, Arc::from(interface))) {
                    return;
                }
                let newer = queue_member(&mut self.queues, name, interface)
                    .is_some_and(|member| member.touched == listing);
                if !newer {
                    self.member_told(fields);
                }
                if let Some(member) = queue_member(&mut self.queues, name, interface) {
                    member.listed = listing;
                    if !newer {
                        member.touched = 0;
                    }
                }
            }
            b"QueueEntry" => {
                let Some(uniqueid) = text(fields.uniqueid) else { return };
                if self.queues.left.contains(&(name, Arc::from(uniqueid))) {
                    return;
                }
                if let Some(caller) =
                    self.queues.callers.get_mut(uniqueid).filter(|caller| caller.queue == name)
                {
                    caller.listed = listing;
                    return;
                }
                let waited = number::<u64>(fields.wait).unwrap_or(0).saturating_mul(SECOND);
                self.waits(fields, name, self.now.saturating_sub(waited), true);
            }
            _ => {}
        }
    }

    /// The list of queues is complete.
    pub(super) fn queues_listed(&mut self) {
        let listing = self.queues.listing;
        let old = |touched: u32, listed: u32| touched != listing && listed != listing;
        let gone: Vec<Arc<str>> = self
            .queues
            .callers
            .iter()
            .filter(|(_, caller)| old(caller.touched, caller.listed))
            .map(|(uniqueid, _)| Arc::clone(uniqueid))
            .collect();
        for uniqueid in gone {
            let Some(caller) = self.queues.forget(&uniqueid) else { continue };
            if let Some(leg) = self.find_channel(uniqueid.as_bytes()) {
                self.leave(leg, Place::Queue(caller.queue), true);
            }
        }
        for queue in self.queues.queues.values_mut() {
            queue.members.retain(|_, member| !old(member.touched, member.listed));
            queue.present = !old(queue.touched, queue.listed);
        }
    }

    /// A channel is not up any more: it waits nowhere.
    pub(super) fn leave_queue(&mut self, leg: ChannelKey) {
        let Some(channel) = self.channels.get(leg) else { return };
        self.queues.forget(&channel.uniqueid);
    }
}

impl Member {
    fn update(&mut self, fields: &Fields<'_>) {
        if let Some(state) = number(fields.status) {
            self.state = state;
        }
        if !fields.paused.is_empty() {
            self.paused = fields.paused == b"1";
        }
    }
}

fn queue_member<'q>(queues: &'q mut Queues, queue: Symbol, interface: &str) -> Option<&'q mut Member> {
    queues.queues.get_mut(&queue)?.members.get_mut(interface)
}

fn interface<'a>(fields: &Fields<'a>) -> Option<&'a str> {
    text(fields.interface).filter(|interface| interface.len() <= ID_BYTES)
}

fn linkedid(fields: &Fields<'_>) -> Option<Arc<str>> {
    let linkedid = if fields.linkedid.is_empty() { fields.dest_linkedid } else { fields.linkedid };
    text(linkedid).filter(|id| id.len() <= ID_BYTES).map(Arc::from)
}
