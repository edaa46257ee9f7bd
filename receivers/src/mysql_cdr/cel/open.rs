//! The calls that are open: their rows so far, and where in the table the first of them stands.

use std::collections::HashMap;
use std::sync::Arc;

use super::event::{Event, Kind};
use crate::call_trace::TracesLimits;
use crate::mysql_cdr::calls::MARGIN;
use crate::mysql_cdr::read::binlog::is_before;
use crate::mysql_cdr::seen::Seen;
use crate::mysql_cdr::table::BinlogPosition;
use crate::mysql_cdr::time::Naive;

/// Settings that the state depends on.
#[derive(Debug, Clone)]
pub(in crate::mysql_cdr) struct Rules {
    /// What is kept of calls.
    pub(in crate::mysql_cdr) limits: TracesLimits,
    /// Seconds after which an open call is given up.
    pub(in crate::mysql_cdr) call_age: i64,
}

/// Where a row stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mysql_cdr) struct Place {
    /// Its key, where the table has one.
    pub(in crate::mysql_cdr) id: Option<u64>,
    /// Its time.
    pub(in crate::mysql_cdr) time: Naive,
    /// A place in the binary log before it, where it came from there.
    pub(in crate::mysql_cdr) log: Option<BinlogPosition>,
}

/// From where rows must be read again so that no open call loses one. Each of the three is the first there is.
pub(in crate::mysql_cdr) type Held = Place;

/// Of a call of so many channels, as of a room that is never empty, those that are gone are forgotten.
const MANY: usize = 256;

/// What a row did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mysql_cdr) enum Taken {
    /// It belongs to a call that is open.
    Kept,
    /// It is known to belong to a trace that was sent, or to a call that has none.
    Known,
    /// It came after the trace of its call was sent.
    Late,
}

/// A call whose rows are gathered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenCall {
    pub(super) system: Box<str>,
    pub(super) linkedid: Box<str>,
    pub(super) events: Vec<Arc<Event>>,
    /// Events that a limit left out.
    pub(super) dropped: u32,
    /// It was open for too long.
    pub(super) is_cut: bool,
    /// Its channels, each with whether it is gone.
    channels: Vec<(u64, bool)>,
    first: Place,
    last: Naive,
    /// When it is over if no other row comes, in milliseconds since 1970.
    due_ms: Option<u64>,
}

impl OpenCall {
    fn new(event: &Event, first: Place) -> Self {
        Self {
            system: event.system.clone(),
            linkedid: event.linkedid.clone(),
            events: Vec::new(),
            dropped: 0,
            is_cut: false,
            channels: Vec::new(),
            last: first.time,
            first,
            due_ms: None,
        }
    }

    /// Takes an event in; the call is over once all of its channels are gone.
    fn add(&mut self, event: Arc<Event>, due_ms: u64, limits: &TracesLimits) {
        let (kind, channel) = (event.kind, event.channel);
        self.last = self.last.max(event.time);
        match self.channels.iter_mut().find(|(known, _)| *known == channel) {
            Some((_, gone)) => *gone |= kind.ends_channel(),
            None => {
                if self.channels.len() >= MANY {
                    self.channels.retain(|(_, gone)| !gone);
                }
                self.channels.push((channel, kind.ends_channel()));
            }
        }
        if kind == Kind::LinkedidEnd {
            self.channels.iter_mut().for_each(|(_, gone)| *gone = true);
        }
        self.due_ms = self.channels.iter().all(|(_, gone)| *gone).then_some(due_ms);
        // An end weighs more than what came before it.
        let room = limits.spans_per_call.saturating_mul(if kind.ends_channel() { 8 } else { 4 });
        if self.events.len() >= room {
            self.dropped += 1;
        } else if kind != Kind::Other {
            self.events.push(event);
        }
    }
}

/// The call of a channel, and where its first row stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ChannelOf {
    call: u64,
    linkedid: Box<str>,
    first: Place,
    last: Naive,
}

/// The calls of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::mysql_cdr) struct Events {
    open: HashMap<u64, OpenCall>,
    /// Calls that are over, and whose traces are not on their way yet.
    finished: Vec<(u64, OpenCall)>,
    /// Calls whose traces are, or that get none; each with the time up to which rows of it are expected.
    sent: Seen,
    channels: HashMap<u64, ChannelOf>,
    /// Calls that got no trace because too many were open.
    cut_open: u64,
    /// Calls that were given up because they were too old.
    cut_age: u64,
}

impl Events {
    /// Takes up a record: the calls whose traces were sent.
    pub(in crate::mysql_cdr) fn from_record(sent: Seen) -> Self {
        Self { sent, ..Self::default() }
    }

    /// The calls whose traces were sent, for the record.
    pub(in crate::mysql_cdr) fn sent(&self) -> &Seen {
        &self.sent
    }

    /// Takes an event that was not seen before.
    pub(in crate::mysql_cdr) fn take(
        &mut self,
        event: &Arc<Event>,
        mut place: Place,
        due_ms: u64,
        rules: &Rules,
    ) -> Taken {
        let joined = self.follow_channel(event, &mut place, due_ms, rules);
        let call = event.call;
        if let Some(until) = self.sent.time(call) {
            self.sent.insert(call, event.time);
            return if event.time > until { Taken::Late } else { Taken::Known };
        }
        if !self.open.contains_key(&call) {
            // Nothing of it was read but its end.
            if event.kind == Kind::LinkedidEnd {
                return Taken::Known;
            }
            if self.open.len() >= rules.limits.open_calls {
                self.cut_open += 1;
                self.sent.insert(call, event.time.saturating_add(rules.call_age));
                return Taken::Known;
            }
        }
        let open = self.open.entry(call).or_insert_with(|| OpenCall::new(event, place.clone()));
        open.first = first_of(&open.first, &place);
        if let Some(from) = joined {
            let joined = Event { kind: Kind::JoinedFrom, extra: from, ..Event::clone(event) };
            open.add(Arc::new(joined), due_ms, &rules.limits);
        }
        open.add(Arc::clone(event), due_ms, &rules.limits);
        Taken::Kept
    }

    /// Notes in which call a channel is. If it was in another one before, that one is told and its Linkedid returned; the
    /// call that it comes into then has to be read from the channel's first row on.
    fn follow_channel(
        &mut self,
        event: &Event,
        place: &mut Place,
        due_ms: u64,
        rules: &Rules,
    ) -> Option<Box<str>> {
        // Told of the channel that went last, which has gone.
        if event.kind == Kind::LinkedidEnd {
            return None;
        }
        let known = self.channels.entry(event.channel).or_insert_with(|| ChannelOf {
            call: event.call,
            linkedid: event.linkedid.clone(),
            first: place.clone(),
            last: event.time,
        });
        known.last = known.last.max(event.time);
        let from = (known.call != event.call).then(|| {
            *place = first_of(&known.first, place);
            let linkedid = std::mem::replace(&mut known.linkedid, event.linkedid.clone());
            (std::mem::replace(&mut known.call, event.call), linkedid)
        });
        if event.kind == Kind::ChanEnd {
            self.channels.remove(&event.channel);
        }
        let (left, linkedid) = from?;
        if let Some(left) = self.open.get_mut(&left) {
            let moved = Event { kind: Kind::MovedInto, extra: event.linkedid.clone(), ..event.clone() };
            left.add(Arc::new(moved), due_ms, &rules.limits);
        }
        Some(linkedid)
    }

    /// Takes out the calls that were due by `due_ms`, and those that are too old for `newest`, the time of the newest row.
    /// Among rows of long ago, `reached`, the time of the latest row read, stands for the clock. True if there were any.
    pub(in crate::mysql_cdr) fn settle(
        &mut self,
        due_ms: u64,
        settle_ms: u64,
        [reached, newest]: [Option<Naive>; 2],
        rules: &Rules,
    ) -> bool {
        let settle = i64::try_from(settle_ms / 1000).unwrap_or(i64::MAX / 2);
        let passed = reached.map(|reached| reached.saturating_sub(settle).saturating_sub(MARGIN));
        let oldest = newest.map(|newest| newest.saturating_sub(rules.call_age));
        let before = self.finished.len();
        let over: Vec<u64> = self
            .open
            .iter_mut()
            .filter_map(|(call, open)| {
                let is_over = open
                    .due_ms
                    .is_some_and(|due| due <= due_ms || passed.is_some_and(|passed| open.last < passed));
                // One that is over is not given up while it waits for late rows.
                open.is_cut = open.due_ms.is_none() && oldest.is_some_and(|oldest| open.first.time < oldest);
                self.cut_age += u64::from(open.is_cut);
                (is_over || open.is_cut).then_some(*call)
            })
            .collect();
        for call in over {
            self.finished.extend(self.open.remove(&call).map(|open| (call, open)));
        }
        self.finished[before..].sort_by(|(_, a), (_, b)| {
            (a.first.time, a.first.id, &a.linkedid).cmp(&(b.first.time, b.first.id, &b.linkedid))
        });
        self.finished.len() > before
    }

    /// The next calls to send, at most `most`.
    pub(super) fn finished(&self, most: usize) -> impl Iterator<Item = &OpenCall> {
        self.finished.iter().take(most).map(|(_, call)| call)
    }

    /// The traces of the first `count` finished calls are on their way.
    pub(in crate::mysql_cdr) fn were_sent(&mut self, count: usize, rules: &Rules) {
        for (call, sent) in self.finished.drain(..count.min(self.finished.len())) {
            let more = if sent.is_cut { rules.call_age } else { 0 };
            self.sent.insert(call, sent.last.saturating_add(more));
        }
    }

    /// Calls that got no whole trace since this was asked last: because too many were open, and because of their age.
    pub(in crate::mysql_cdr) fn take_cut(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.cut_open), std::mem::take(&mut self.cut_age))
    }

    /// When the next call is due, in milliseconds since 1970.
    pub(in crate::mysql_cdr) fn next_due(&self) -> Option<u64> {
        self.open.values().filter_map(|open| open.due_ms).min()
    }

    /// A clock that was set back must not make calls wait for it to come round again.
    pub(in crate::mysql_cdr) fn due_by(&mut self, latest_ms: u64) {
        for due in self.open.values_mut().filter_map(|open| open.due_ms.as_mut()) {
            *due = (*due).min(latest_ms);
        }
    }

    /// Rows were not read for a while: calls wait for theirs anew.
    pub(in crate::mysql_cdr) fn due_after(&mut self, earliest_ms: u64) {
        for due in self.open.values_mut().filter_map(|open| open.due_ms.as_mut()) {
            *due = (*due).max(earliest_ms);
        }
    }

    /// From where the rows of the calls are needed again whose traces are not on their way.
    pub(in crate::mysql_cdr) fn held(&self) -> Option<Held> {
        let calls = self.open.values().chain(self.finished.iter().map(|(_, call)| call));
        let mut firsts = calls.map(|call| &call.first);
        let first = firsts.next()?.clone();
        Some(firsts.fold(first, |first, next| first_of(&first, next)))
    }

    /// Forgets what belongs to rows of before `horizon`, except for open calls.
    pub(in crate::mysql_cdr) fn forget(&mut self, horizon: Naive) {
        let horizon = self.held().map_or(horizon, |held| held.time.min(horizon));
        self.sent.forget(horizon);
        let open = &self.open;
        self.channels.retain(|_, channel| channel.last >= horizon || open.contains_key(&channel.call));
    }

    /// Forgets the oldest quarter of the sent calls if there are more than `limit`. True if it did.
    pub(in crate::mysql_cdr) fn keep(&mut self, limit: usize) -> bool {
        self.sent.len() > limit && self.sent.forget_quarter().is_some()
    }

    /// Calls that are open.
    pub(in crate::mysql_cdr) fn open(&self) -> usize {
        self.open.len()
    }

    /// Calls that are remembered.
    pub(in crate::mysql_cdr) fn len(&self) -> usize {
        self.open.len() + self.finished.len() + self.sent.len()
    }
}

/// What comes first of each part of two places. A place that is in no log makes the table be read again.
fn first_of(a: &Place, b: &Place) -> Place {
    let log = match (&a.log, &b.log) {
        (Some(a), Some(b)) => Some(if is_before(b, a) { b } else { a }.clone()),
        _ => None,
    };
    Place { id: a.id.min(b.id), time: a.time.min(b.time), log }
}
