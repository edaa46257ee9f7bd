//! Other orders of the same events: nobody promises the one that a transcript happens to have.

use otelcol_testkit::ami::{Message, Transcript};
use proptest::prelude::*;

use super::facts::{Calls, Facts, counters, levels};
use crate::ami::book::{Book, BookConfig, Disposition};
use crate::ami::testing::play_events;

/// What an event is about; events of which these are apart are told by different threads of Asterisk.
fn about(event: &Message) -> Vec<String> {
    let keys = [
        "Uniqueid",
        "DestUniqueid",
        "BridgeUniqueid",
        "Queue",
        "Conference",
        "LocalOneUniqueid",
        "LocalTwoUniqueid",
    ];
    keys.iter().map(|key| event.get(key)).filter(|value| !value.is_empty()).collect()
}

/// Whether two events that follow each other can come the other way round.
fn can_swap(one: &Message, other: &Message) -> bool {
    let kinds = (one.event(), other.event());
    let kinds = (kinds.0.as_str(), kinds.1.as_str());
    let records = |kind: &str| matches!(kind, "Cdr" | "CEL");
    if records(kinds.0) || records(kinds.1) {
        return true;
    }
    // A dial is told by who dials, a channel's state by the channel: RINGING and Ringing, ANSWER and Up.
    let state_and_dial = |a: &str, b: &str| a == "Newstate" && b.starts_with("Dial");
    if state_and_dial(kinds.0, kinds.1) || state_and_dial(kinds.1, kinds.0) {
        return true;
    }
    let same_bridge = matches!(kinds, ("BridgeEnter", "BridgeEnter") | ("BridgeLeave", "BridgeLeave"));
    if same_bridge {
        return one.get("Uniqueid") != other.get("Uniqueid");
    }
    let (one, other) = (about(one), about(other));
    one.iter().all(|id| !other.contains(id))
}

/// Lets events change places with their neighbours, each by a few places at most.
fn shuffled(mut events: Vec<Message>, mut seed: u64) -> Vec<Message> {
    for _ in 0..6 {
        let mut at = 0;
        while at + 1 < events.len() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if seed >> 63 == 1 && can_swap(&events[at], &events[at + 1]) {
                events.swap(at, at + 1);
                at += 1;
            }
            at += 1;
        }
    }
    events
}

/// Two streams in one, each in its own order.
fn mixed(one: Vec<Message>, other: Vec<Message>, mut seed: u64) -> Vec<Message> {
    let (mut one, mut other) = (one.into_iter().peekable(), other.into_iter().peekable());
    let mut events = Vec::new();
    while one.peek().is_some() || other.peek().is_some() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let first = other.peek().is_none() || (seed >> 62 & 1 == 1 && one.peek().is_some());
        events.extend(if first { one.next() } else { other.next() });
    }
    events
}

/// All counters and levels behind a stream.
fn outcome(events: &[Message]) -> Facts {
    let mut book = Book::new(BookConfig::default());
    let mut calls = Calls::default();
    play_events(events, |signal, now| {
        book.apply(&signal, now);
        calls.take(book.changes());
    });
    let mut facts = counters(&book, calls);
    facts.extend(levels(&book));
    for disposition in Disposition::ALL {
        facts.insert(disposition.as_str().to_owned(), book.tally().dispositions.get(disposition));
    }
    facts.insert("counted".to_owned(), book.tally().calls.total());
    facts
}

fn sum(one: &Facts, other: &Facts) -> Facts {
    let mut sum = one.clone();
    for (name, value) in other {
        *sum.entry(name.clone()).or_default() += value;
    }
    sum
}

const NAMES: [&str; 12] = [
    "dial_answered",
    "dial_busy",
    "dial_fork_two_phones",
    "dial_caller_cancel",
    "local_channel",
    "originate_local_into_conference_dialer_style",
    "queue_connect_complete_by_caller",
    "queue_two_waiting_positions",
    "queue_exit_timeout_ringnoanswer",
    "transfer_attended_ami",
    "transfer_blind_sip_refer",
    "park_and_timeout",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn neighbours_change_places(name in 0..NAMES.len(), seed: u64) {
        let events = Transcript::load("asterisk22", NAMES[name]).events();
        let expected = outcome(&events);
        prop_assert_eq!(outcome(&shuffled(events, seed)), expected, "{}", NAMES[name]);
    }

    #[test]
    fn calls_at_the_same_time_do_not_mix(one in 0..NAMES.len(), other in 0..NAMES.len(), seed: u64) {
        prop_assume!(one != other);
        let events = |name: usize| Transcript::load("asterisk22", NAMES[name]).events();
        let expected = sum(&outcome(&events(one)), &outcome(&events(other)));
        let found = outcome(&mixed(events(one), events(other), seed));
        prop_assert_eq!(found, expected, "{} and {}", NAMES[one], NAMES[other]);
    }
}
