//! What a book holds, in the words of `testdata/truth.py`.

use std::collections::BTreeMap;

use crate::ami::book::{Book, Change, Histogram};

/// Values by name; what is 0 is left out.
pub(super) type Facts = BTreeMap<String, u64>;

/// Calls that began and ended, from the changes: these are counted by nobody else at the moment they happen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calls {
    pub(super) began: u64,
    pub(super) ended: u64,
}

impl Calls {
    pub(super) fn take(&mut self, changes: &[Change]) {
        self.began +=
            changes.iter().filter(|change| matches!(change, Change::CallBegan { .. })).count() as u64;
        self.ended +=
            changes.iter().filter(|change| matches!(change, Change::CallEnded { .. })).count() as u64;
    }
}

/// Levels: what is now.
pub(super) fn levels(book: &Book) -> Facts {
    let mut facts = Facts::new();
    let mut add = |name: String, count: u64| {
        if count > 0 {
            *facts.entry(name.replace(' ', "_")).or_default() += count;
        }
    };
    for channel in book.channels() {
        add("channels.up".to_owned(), 1);
        add(format!("up.{}", book.technologies().text(channel.technology)), 1);
        add("bridged".to_owned(), u64::from(channel.bridge.is_some()));
    }
    add("calls.up".to_owned(), book.calls().count() as u64);
    add("bridges".to_owned(), book.bridge_count() as u64);
    let (rooms, participants) = book.conference_counts();
    add("rooms".to_owned(), rooms);
    add("participants".to_owned(), participants);
    for caller in book.queue_callers() {
        add(format!("callers.{}", book.queue_names().text(caller.queue)), 1);
    }
    facts
}

/// Counters: what happened so far.
pub(super) fn counters(book: &Book, calls: Calls) -> Facts {
    let mut facts = Facts::new();
    let mut add = |name: &str, count: u64| {
        if count > 0 {
            *facts.entry(name.replace(' ', "_")).or_default() += count;
        }
    };
    let tally = book.tally();
    add("calls", calls.began);
    add("calls.ended", calls.ended);
    add("channels", tally.channels.total());
    add("dials", tally.dials);
    for ((status, _), count) in tally.dial_results.iter() {
        add(&format!("dial.{}", book.statuses().text(status)), count);
    }
    for (cause, count) in tally.hangups.iter() {
        add(&format!("hangup.{}", book.causes().text(cause)), count);
    }
    for (_, queue) in book.queues() {
        add("joins", queue.joined);
        add("answered", queue.answered);
        add("completed", queue.completed.values().sum());
        add("abandoned", queue.abandoned);
        add("timedout", queue.timed_out);
    }
    add("authfail", tally.auth_failures.total());
    add("rtcp", tally.media.mos.values().map(Histogram::count).sum());
    facts
}
