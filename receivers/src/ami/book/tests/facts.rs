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
    let (mut up, mut bridged, mut waiting) = (BTreeMap::new(), 0, BTreeMap::new());
    for channel in book.channels() {
        *up.entry(channel.technology).or_insert(0) += 1;
        bridged += u64::from(channel.bridge.is_some());
    }
    for caller in book.queue_callers() {
        *waiting.entry(caller.queue).or_insert(0) += 1;
    }
    let (rooms, participants) = book.conference_counts();
    let mut facts: Facts = [
        ("channels.up", up.values().sum()),
        ("bridged", bridged),
        ("calls.up", book.calls().count() as u64),
        ("bridges", book.bridge_count() as u64),
        ("rooms", rooms),
        ("participants", participants),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(name, count)| (name.to_owned(), count))
    .collect();
    let technologies = up.iter().map(|(of, count)| ("up", book.technologies().text(*of), *count));
    let queues = waiting.iter().map(|(of, count)| ("callers", book.queue_names().text(*of), *count));
    for (what, of, count) in technologies.chain(queues) {
        *facts.entry(format!("{what}.{of}").replace(' ', "_")).or_default() += count;
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
