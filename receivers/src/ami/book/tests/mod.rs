//! Books of transcripts.

mod cases;
mod chaos;
mod cut;
mod facts;
mod orders;
mod peers;
mod truth;

use std::collections::BTreeMap;

use otelcol_testkit::ami::Transcript;

use super::*;
use crate::ami::testing::play;

/// The book after a whole transcript, and everything that became true on the way.
fn read(asterisk: &str, name: &str) -> (Book, Vec<Change>) {
    let mut book = Book::new(BookConfig::default());
    let mut changes = Vec::new();
    play(&Transcript::load(asterisk, name), |signal, now| {
        book.apply(&signal, now);
        changes.extend_from_slice(book.changes());
    });
    (book, changes)
}

fn by_name<K>(counts: impl Iterator<Item = (K, u64)>, name: impl Fn(K) -> String) -> Vec<(String, u64)> {
    let mut counts: Vec<_> = counts.map(|(key, count)| (name(key), count)).collect();
    counts.sort();
    counts
}

#[test]
fn two_hundred_calls_of_372_channels() {
    let (book, changes) = read("asterisk22", "load_200_calls");
    let tally = book.tally();
    assert_eq!((tally.calls.total(), tally.channels.total()), (200, 372));
    let technology = |symbol| book.technologies().text(symbol).to_owned();
    assert_eq!(by_name(tally.calls.iter(), technology), [("PJSIP".to_owned(), 200)]);
    assert_eq!(changes.iter().filter(|change| matches!(change, Change::CallBegan { .. })).count(), 200);
    assert_eq!(changes.iter().filter(|change| matches!(change, Change::CallEnded { .. })).count(), 200);
    assert_eq!(tally.durations.values().map(Histogram::count).sum::<u64>(), 200);
    assert_eq!((book.channels().count(), book.calls().count(), book.bridge_count()), (0, 0, 0));
}
