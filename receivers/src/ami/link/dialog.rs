//! What is asked of Asterisk while logged in, and which message answers what. No input or output here.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::Hear;
use super::action::{Actions, number};
use super::report::Report;
use crate::ami::signal::{At, List, Query, Session, Signal};
use crate::ami::wire::{EventKind, Frame};

/// After a reload: time for the other modules to be reloaded too.
const SETTLE: Duration = Duration::from_secs(1);

/// What a session asks for.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// `EventMask`.
    pub(super) mask: String,
    /// The lists to keep true, in their order.
    pub(super) lists: Vec<List>,
    /// Until an answer, and between rows.
    pub(super) timeout: Duration,
    /// Between readings of the lists; `None`: only when something happened.
    pub(super) resync: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Query(Query),
    /// Switch events on.
    Events,
    List(List),
}

impl Ask {
    fn action(self) -> &'static str {
        match self {
            Self::Query(query) => query.action(),
            Self::Events => "Events",
            Self::List(list) => list.action(),
        }
    }
}

#[derive(Debug)]
struct Open {
    number: u64,
    ask: Ask,
    until: Instant,
}

/// The dialogue of one connection, from the login on. One action is under way at a time.
#[derive(Debug)]
pub(super) struct Dialog {
    plan: Plan,
    report: Report,
    actions: Actions,
    session: Session,
    up: bool,
    todo: VecDeque<Ask>,
    open: Option<Open>,
    /// An answer was given up and can still come.
    late: bool,
    /// What this connection may not ask or this Asterisk does not know.
    missing: Vec<Ask>,
    resync_at: Option<Instant>,
}

impl Dialog {
    /// Behind the login, whose actions `actions` has numbered.
    pub(super) fn new(plan: Plan, report: Report, actions: Actions, ami_version: String) -> Self {
        Self {
            plan,
            report,
            actions,
            session: Session { ami_version, ..Session::default() },
            up: false,
            todo: VecDeque::from([Ask::Query(Query::CoreSettings)]),
            open: None,
            late: false,
            missing: Vec::new(),
            resync_at: None,
        }
    }

    /// Takes a message.
    pub(super) fn frame(&mut self, frame: &Frame<'_>, at: At, now: Instant, hear: &mut impl Hear) {
        if frame.event().is_none() {
            self.response(frame, at, now, hear);
        } else if !self.row(frame, at, now, hear) && self.up {
            // Before that it is not known whose they are, and the lists tell what they change.
            hear.hear(&Signal::Event(frame), at);
            self.look_again(frame.kind(), now);
        }
    }

    /// Begins what is to be asked next, if nothing is under way.
    pub(super) fn send(&mut self, at: At, now: Instant, out: &mut Vec<u8>, hear: &mut impl Hear) {
        if self.open.is_some() {
            return;
        }
        if self.resync_at.is_some_and(|at| at <= now) && self.todo.is_empty() {
            self.resync(now);
        }
        let Some(ask) = self.todo.pop_front() else { return };
        let number = match ask {
            Ask::Events => self.actions.write("Events", &[("EventMask", &self.plan.mask)], out),
            Ask::Query(_) | Ask::List(_) => self.actions.write(ask.action(), &[], out),
        };
        self.open = Some(Open { number, ask, until: now + self.plan.timeout });
        if let Ask::List(list) = ask {
            hear.hear(&Signal::ListBegin(list), at);
        }
    }

    /// Writes a ping, whose answer is a sign of life like any message.
    pub(super) fn ping(&mut self, out: &mut Vec<u8>) {
        self.actions.write("Ping", &[], out);
    }

    /// Writes the last action.
    pub(super) fn log_off(&mut self, out: &mut Vec<u8>) {
        self.actions.write("Logoff", &[], out);
    }

    /// When [`Dialog::expire`] or [`Dialog::send`] has something to do though no message came.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.open {
            Some(open) => Some(open.until),
            None if self.todo.is_empty() => self.resync_at,
            None => None,
        }
    }

    /// Gives up an answer that does not come.
    pub(super) fn expire(&mut self, at: At, now: Instant, hear: &mut impl Hear) {
        if self.open.as_ref().is_some_and(|open| open.until <= now)
            && let Some(open) = self.open.take()
        {
            self.late = true;
            self.report
                .action_failed(open.ask.action(), &format!("no answer within {:?}", self.plan.timeout));
            self.failed(open.ask, at, now, hear);
        }
    }

    /// True when the lists that were asked for have been read.
    #[cfg(test)]
    pub(super) fn idle(&self) -> bool {
        self.up && self.open.is_none() && self.todo.is_empty()
    }

    fn response(&mut self, frame: &Frame<'_>, at: At, now: Instant, hear: &mut impl Hear) {
        let answered = frame.get("ActionID").and_then(number);
        let Some(open) = self.open.take_if(|open| Some(open.number) == answered) else { return };
        if !frame.get("Response").is_some_and(|response| response.eq_ignore_ascii_case(b"Success")) {
            self.refused(open.ask, frame, at, now, hear);
            return;
        }
        match open.ask {
            Ask::Query(query) => {
                if query == Query::CoreSettings {
                    let text = |key| String::from_utf8_lossy(frame.get(key).unwrap_or_default()).into_owned();
                    self.session.asterisk_version = text("AsteriskVersion");
                    self.session.system_name = text("SystemName");
                    self.up(at, now, hear);
                }
                hear.hear(&Signal::Answer(query, frame), at);
            }
            Ask::Events => {}
            Ask::List(_) => self.open = Some(open),
        }
    }

    fn refused(&mut self, ask: Ask, frame: &Frame<'_>, at: At, now: Instant, hear: &mut impl Hear) {
        let message = frame.get("Message").unwrap_or_default();
        // "No active conferences.", "No Contacts found": how some lists say that they are empty.
        if let (Ask::List(list), true) = (ask, message.starts_with(b"No ")) {
            hear.hear(&Signal::ListEnd { list, complete: true }, at);
            return;
        }
        self.report.action_failed(ask.action(), &String::from_utf8_lossy(message));
        let unknown =
            message.starts_with(b"Invalid/unknown command") || message.starts_with(b"Permission denied");
        if unknown && !self.missing.contains(&ask) {
            self.missing.push(ask);
        }
        self.failed(ask, at, now, hear);
    }

    fn failed(&mut self, ask: Ask, at: At, now: Instant, hear: &mut impl Hear) {
        match ask {
            Ask::Query(Query::CoreSettings) => self.up(at, now, hear),
            Ask::Query(_) | Ask::Events => {}
            Ask::List(list) => hear.hear(&Signal::ListEnd { list, complete: false }, at),
        }
    }

    fn up(&mut self, at: At, now: Instant, hear: &mut impl Hear) {
        if std::mem::replace(&mut self.up, true) {
            return;
        }
        self.report.up(&self.session);
        hear.hear(&Signal::Up(&self.session), at);
        self.todo.push_back(Ask::Events);
        self.resync(now);
    }

    /// Takes a message that belongs to a list.
    fn row(&mut self, frame: &Frame<'_>, at: At, now: Instant, hear: &mut impl Hear) -> bool {
        if self.open.is_none() && !self.late {
            return false;
        }
        let Some(number) = frame.get("ActionID").and_then(number) else { return false };
        let Some(open) = self.open.as_mut().filter(|open| open.number == number) else {
            return true; // of a list that was given up
        };
        let Ask::List(list) = open.ask else { return true };
        let event = frame.event().unwrap_or_default();
        let end = frame.get("EventList").unwrap_or_default();
        if end.eq_ignore_ascii_case(b"cancelled") {
            self.open = None;
            hear.hear(&Signal::ListEnd { list, complete: false }, at);
        } else if event == list.complete() || end.eq_ignore_ascii_case(b"Complete") {
            self.open = None;
            hear.hear(&Signal::ListEnd { list, complete: true }, at);
        } else {
            open.until = now + self.plan.timeout;
            hear.hear(&Signal::ListRow(list, frame), at);
        }
        true
    }

    /// Reads the lists again after what can change them without further events.
    fn look_again(&mut self, kind: EventKind, now: Instant) {
        if matches!(
            kind,
            EventKind::Reload | EventKind::FullyBooted | EventKind::ChannelReload | EventKind::Load
        ) {
            if kind == EventKind::Load {
                self.missing.clear();
            }
            let settled = now + SETTLE;
            self.resync_at = Some(self.resync_at.map_or(settled, |at| at.min(settled)));
        }
    }

    fn resync(&mut self, now: Instant) {
        self.resync_at = self.plan.resync.map(|every| now + every);
        let lists = self.plan.lists.iter().map(|list| Ask::List(*list));
        let asks = std::iter::once(Ask::Query(Query::CoreStatus)).chain(lists);
        self.todo.extend(asks.filter(|ask| !self.missing.contains(ask)));
    }
}
