//! One trace a call.
//!
//! The book says which calls and legs there are; what happens to them in between is read from the events. A call's spans
//! grow in a [`Trace`]; after its last leg the trace waits a little for what comes late, and is then turned into OTLP.

mod apps;
mod config;
mod dials;
mod fields;
mod legs;
mod places;
mod queues;
mod report;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

use otelcol_asterisk::ids;
use otelcol_asterisk::redaction::Redactor;
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::{Batch, WireError};

pub use config::{TracesConfig, TracesLimits};

use crate::call_trace::{call, leg, names, otlp, outcome};

use call::{ROOT, Trace, Value};
use names::{Attribute, SpanName};
use otlp::Writer;
use places::{Bridges, Move};
use report::{Cut, Report};

use otelcol_pipeline::Context;

use super::book::{Book, CallKey, Change, ChannelKey, Disposition};
use super::collector::TICK;
use super::signal::{At, List, Nanos, Signal};
use super::wire::{EventKind, Frame};

/// The open traces of one Asterisk, and the finished ones until they are taken.
#[derive(Debug)]
pub(crate) struct Tracer {
    config: TracesConfig,
    report: Report,
    system: Box<str>,
    open: HashMap<CallKey, Box<Trace>>,
    legs: HashMap<Arc<str>, LegOf>,
    bridges: Bridges,
    /// Calls in the order in which they were opened, for their age.
    by_age: VecDeque<(Nanos, CallKey)>,
    /// Calls that ended and wait for late events, in the order in which they are due.
    ended: VecDeque<(Nanos, CallKey)>,
    /// The same by Linkedid: another channel can take the call up again.
    ended_by_linkedid: HashMap<Arc<str>, CallKey>,
    /// The connection that was lost last, while calls are found that were lost with it.
    down: Option<Down>,
    /// Asterisk 11 or older: a dial's end is told when all is over, and not when it was answered.
    dials_end_late: bool,
    finished: Writer,
}

/// The name of the spans' scope.
const SCOPE: &str = "github.com/otelcol-asterisk/otelcol-asterisk/receiver/ami";

/// For how long after the first list of a new connection what turns out to be lost counts as lost with the old one.
const AFTERMATH: Nanos = 60_000_000_000;

/// Where the leg of a Uniqueid is.
#[derive(Clone, Copy, Debug)]
struct LegOf {
    call: CallKey,
    leg: u32,
}

/// A connection that was lost.
#[derive(Clone, Copy, Debug)]
struct Down {
    /// When.
    at: Nanos,
    /// Until when the calls that are found to be lost were lost with it; not known before a list was read.
    until: Nanos,
}

/// What a handler of events works on.
struct OnLeg<'t> {
    trace: &'t mut Trace,
    config: &'t TracesConfig,
    leg: u32,
    now: Nanos,
}

impl Tracer {
    /// One that keeps to the settings.
    pub(crate) fn new(context: &Context, config: TracesConfig, redactor: Redactor) -> Self {
        let finished = Writer::new(redactor, config.variables.clone(), SCOPE, context.build.version);
        Self {
            config,
            report: Report::new(context),
            system: Box::default(),
            open: HashMap::new(),
            legs: HashMap::new(),
            bridges: Bridges::default(),
            by_age: VecDeque::new(),
            ended: VecDeque::new(),
            ended_by_linkedid: HashMap::new(),
            dials_end_late: false,
            down: None,
            finished,
        }
    }

    /// Goes on with the traces that are open in a tracer with other settings.
    pub(crate) fn take_up(self, mut before: Self) -> Self {
        let variables = std::mem::take(&mut before.config.variables);
        let renumbered = |number: u8| {
            let name = variables.get(usize::from(number))?;
            u8::try_from(self.config.variables.iter().position(|variable| variable == name)?).ok()
        };
        for span in before.open.values_mut().flat_map(|trace| &mut trace.spans) {
            span.attributes.renumber_variables(renumbered);
        }
        let Self { config, report, system, finished, .. } = self;
        Self { config, report, system, finished, ..before }
    }

    /// Whether traces need events of this kind, those included that the book needs to know calls and legs.
    pub(crate) fn wants(&self, kind: EventKind) -> bool {
        use EventKind::*;
        match kind {
            DTMFEnd | DTMF => self.config.dtmf,
            AGIExecStart | AGIExecEnd | AGIExec => self.config.agi,
            Newexten => self.config.dialplan,
            VarSet => self.config.wants_variables(),
            // The classes call, agent, cdr and reporting.
            Newchannel | QueueCallerJoin | Cdr | RTCPReceived => true,
            _ => false,
        }
    }

    /// Sets the name of the system, which goes into all ids. Calls that are open already keep those that they have.
    pub(crate) fn set_system(&mut self, system: &str) {
        self.system = system.into();
    }

    /// Takes in what a signal said, after the book.
    pub(crate) fn observe(&mut self, signal: &Signal<'_, '_>, book: &Book, at: At) {
        if matches!(signal, Signal::Down) {
            self.down = Some(Down { at: at.happened, until: Nanos::MAX });
        }
        for change in book.changes() {
            self.change(*change, signal, book, at);
        }
        match signal {
            Signal::Event(frame) => self.event(frame, at.happened),
            Signal::ListEnd { list: List::Channels, complete: true } => {
                if let Some(down) = self.down.as_mut().filter(|down| down.until == Nanos::MAX) {
                    down.until = at.happened.saturating_add(AFTERMATH);
                }
            }
            _ => {}
        }
        self.finish_due(at);
        if matches!(signal, Signal::Tick) {
            self.cut_old(at);
        }
    }

    /// What waited long enough for late events is finished.
    fn finish_due(&mut self, at: At) {
        while let Some((_, call)) = self.ended.front().copied().filter(|(due, _)| *due <= at.received) {
            self.ended.pop_front();
            // It may go on since.
            if self.open.get(&call).is_some_and(|trace| trace.spans[ROOT].end().is_some()) {
                self.finish(call);
            }
        }
    }

    /// What is open for too long is sent as it is.
    fn cut_old(&mut self, at: At) {
        let oldest = at.received.saturating_sub(nanos(self.config.limits.call_age.get()));
        while let Some((opened, call)) = self.by_age.front().copied() {
            let is_open = self.open.contains_key(&call);
            if is_open && opened >= oldest {
                break;
            }
            self.by_age.pop_front();
            if is_open {
                self.too_old(call, at.happened);
            }
        }
        self.down.take_if(|down| down.until < at.happened);
    }

    /// The end: what is open is finished as it is, and what was not over is marked unfinished.
    pub(crate) fn shut_down(&mut self, now: Nanos) {
        let mut calls: Vec<(Arc<str>, CallKey)> =
            self.open.iter().map(|(call, trace)| (Arc::clone(&trace.linkedid), *call)).collect();
        // The same order each time.
        calls.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (_, call) in calls {
            if let Some(trace) = self.open.get_mut(&call) {
                outcome::mark_unfinished(trace, now);
            }
            self.finish(call);
        }
        self.by_age.clear();
        self.ended.clear();
    }

    /// How many spans of finished traces wait.
    pub(crate) fn waiting(&self) -> usize {
        self.finished.waiting()
    }

    /// Takes the traces that were finished since they were taken last. `None` if there are none.
    ///
    /// # Errors
    /// They are no valid OTLP, which is a bug here.
    pub(crate) fn take(&mut self, resource: &Resource) -> Result<Option<Batch>, WireError> {
        self.finished.take(resource)
    }

    /// Traces that are open, those included that wait for late events.
    #[cfg(test)]
    fn open(&self) -> usize {
        self.open.len()
    }

    fn change(&mut self, change: Change, signal: &Signal<'_, '_>, book: &Book, at: At) {
        let now = at.happened;
        match change {
            Change::CallBegan { call, found } => self.call_began(call, found, book, at.received),
            Change::LegBegan { call, leg, found } => self.leg_began(call, leg, found, signal, book),
            Change::LegMoved { leg, from, to } => self.leg_moved(leg, from, to, book, now),
            Change::LegAnswered { leg, .. } => self.leg_answered(leg, signal, book, now),
            Change::Entered { call, leg, place, found } => {
                self.entered(Move { call, leg, place, now }, found, signal, book);
            }
            Change::Left { call, leg, place, lost } => self.left(Move { call, leg, place, now }, lost, book),
            Change::AgentSession { call } => {
                if let Some(trace) = self.open.get_mut(&call) {
                    places::become_session(trace);
                }
            }
            Change::JoinedSession { call, session } => self.joined_session(call, session, now),
            Change::LegEnded { leg, lost, .. } => self.leg_ended(leg, lost, signal, book, now),
            Change::CallEnded { call, disposition, lost, joined } => {
                self.call_ended(call, disposition, lost, joined, book, at);
            }
        }
    }

    fn call_began(&mut self, call: CallKey, found: bool, book: &Book, received: Nanos) {
        let Some(known) = book.call(call) else { return };
        if let Some(before) = self.ended_by_linkedid.remove(&known.linkedid) {
            self.go_on(before, call);
            self.by_age.push_back((received, call));
            return;
        }
        if self.open.len() >= self.config.limits.open_calls {
            self.report.cut(Cut::OpenCalls, &known.linkedid);
            return;
        }
        let id = ids::call_trace_id(&self.system, &known.linkedid);
        let mut trace = Box::new(Trace::new(id, Arc::clone(&known.linkedid), known.began));
        if found {
            trace.set(ROOT, Attribute::Found, Value::Bool(true));
        }
        self.open.insert(call, trace);
        self.by_age.push_back((received, call));
    }

    /// A call that had ended goes on under another key.
    fn go_on(&mut self, before: CallKey, call: CallKey) {
        let Some(mut trace) = self.open.remove(&before) else { return };
        trace.spans[ROOT].go_on();
        for leg in &trace.legs {
            if let Some(leg) = self.legs.get_mut(&leg.uniqueid).filter(|leg| leg.call == before) {
                leg.call = call;
            }
        }
        self.open.insert(call, trace);
    }

    fn call_ended(
        &mut self,
        call: CallKey,
        disposition: Disposition,
        lost: bool,
        joined: Option<CallKey>,
        book: &Book,
        times: At,
    ) {
        let into = joined.and_then(|into| book.call(into)).map(|into| Arc::clone(&into.linkedid));
        let at = self.end_of(lost, times.happened);
        self.close_talks(call, at);
        let Some(trace) = self.open.get_mut(&call) else { return };
        if lost {
            trace.set(ROOT, Attribute::Lost, Value::Bool(true));
        }
        if let Some(into) = into {
            trace.link(ROOT, otlp::link_to(ids::call_trace_id(&self.system, &into)));
            trace.set(ROOT, Attribute::JoinedInto, Value::Text((*into).into()));
        }
        outcome::call_ended(trace, disposition);
        trace.close_all(at);
        self.ended_by_linkedid.insert(Arc::clone(&trace.linkedid), call);
        self.ended.push_back((times.received.saturating_add(self.wait()), call));
    }

    /// How long a call waits for late events, less what passes until the clock ticks.
    fn wait(&self) -> Nanos {
        let wait = self.config.late_event_wait.get();
        nanos(wait.saturating_sub(TICK.min(wait / 4)))
    }

    /// When something ended that ended now, or unheard while the connection was lost: it is known to have been there until
    /// then.
    fn end_of(&self, lost: bool, now: Nanos) -> Nanos {
        match self.down {
            Some(down) if lost => down.at.min(now),
            _ => now,
        }
    }

    fn too_old(&mut self, call: CallKey, now: Nanos) {
        let Some(trace) = self.open.get_mut(&call) else { return };
        let is_over = trace.spans[ROOT].end().is_some();
        if is_over || trace.spans[ROOT].name == SpanName::AgentSession {
            return;
        }
        self.report.cut(Cut::Age, &trace.linkedid);
        trace.set(ROOT, Attribute::Cut, Value::Word("age"));
        outcome::mark_unfinished(trace, now);
        self.finish(call);
    }

    /// The call's trace, of which nothing is known from now on.
    fn forget(&mut self, call: CallKey) -> Option<Box<Trace>> {
        let trace = self.open.remove(&call)?;
        self.ended_by_linkedid.remove(&trace.linkedid);
        for leg in &trace.legs {
            if self.legs.get(&leg.uniqueid).is_some_and(|known| known.call == call) {
                self.legs.remove(&leg.uniqueid);
            }
        }
        Some(trace)
    }

    fn finish(&mut self, call: CallKey) {
        let Some(mut trace) = self.forget(call) else { return };
        if trace.dropped_spans > 0 {
            self.report.dropped_spans(trace.dropped_spans, &trace.linkedid);
            trace.set(ROOT, Attribute::Cut, Value::Word("spans"));
        }
        self.finished.write(&trace);
        self.report.finished();
    }

    /// The leg of a Uniqueid, to do something with it.
    fn with_leg<R>(&mut self, uniqueid: &[u8], now: Nanos, act: impl FnOnce(OnLeg<'_>) -> R) -> Option<R> {
        let LegOf { call, leg } = *self.legs.get(str::from_utf8(uniqueid).ok()?)?;
        let trace = self.open.get_mut(&call)?;
        Some(act(OnLeg { trace, config: &self.config, leg, now }))
    }

    /// The leg of a channel.
    fn with_channel<R>(
        &mut self,
        channel: ChannelKey,
        book: &Book,
        now: Nanos,
        act: impl FnOnce(OnLeg<'_>) -> R,
    ) -> Option<R> {
        self.with_leg(book.channel(channel)?.uniqueid.as_bytes(), now, act)
    }

    /// The number of a leg within its trace.
    fn leg_number(&self, uniqueid: &[u8]) -> Option<u32> {
        Some(self.legs.get(str::from_utf8(uniqueid).ok()?)?.leg)
    }

    fn event(&mut self, frame: &Frame<'_>, now: Nanos) {
        use EventKind::*;
        match frame.kind() {
            NewCallerid => self.caller_id(frame, now),
            NewAccountCode => self.account(frame, now),
            Rename => self.renamed(frame, now),
            HangupRequest | SoftHangupRequest => self.hangup_requested(frame, now),
            RTCPReceived | RTCPSent => self.rtcp(frame, now),
            DTMFEnd | DTMF if self.config.dtmf => self.dtmf(frame, now),
            Newexten if self.config.dialplan => self.dialplan_step(frame, now),
            VarSet if self.config.wants_variables() => self.variable(frame, now),
            DialBegin | DialState | DialEnd | Dial => self.dial(frame, now),
            OriginateResponse => self.originated(frame, now),
            QueueCallerJoin | Join => self.queue_joined(frame, now),
            QueueCallerLeave | Leave => self.queue_left(frame, now),
            QueueCallerAbandon => self.queue_abandoned(frame, now),
            AgentCalled => self.agent_called(frame, now),
            AgentRingNoAnswer => self.agent_no_answer(frame, now),
            AgentConnect => self.agent_connected(frame, now),
            AgentComplete | AgentDump => self.agent_completed(frame, now),
            Hold | Unhold => self.hold(frame, now),
            ParkedCall => self.parked(frame, now),
            UnParkedCall => self.unparked(frame, "retrieved", now),
            ParkedCallTimeOut => self.unparked(frame, "timed_out", now),
            ParkedCallGiveUp => self.unparked(frame, "given_up", now),
            ConfbridgeMute | ConfbridgeUnmute => self.muted(frame, now),
            AGIExecStart | AGIExecEnd | AGIExec if self.config.agi => self.agi(frame, now),
            BlindTransfer | AttendedTransfer | Transfer => self.transferred(frame, now),
            Pickup => self.picked_up(frame, now),
            Cdr => self.cdr(frame, now),
            _ => {}
        }
    }
}

fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
