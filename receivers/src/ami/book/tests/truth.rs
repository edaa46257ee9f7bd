//! The book against `testdata/truth.txt`, which a script of its own made, after every event of every transcript.

use std::collections::HashMap;
use std::sync::LazyLock;

use otelcol_testkit::ami::Transcript;

use super::facts::{Calls, Facts, counters, levels};
use crate::ami::book::{Book, BookConfig};
use crate::ami::testing::play_events;

/// What changes by an event, by the number of the event.
type Steps = Vec<(usize, Vec<(String, u64)>)>;

static TRUTH: LazyLock<HashMap<String, (usize, Steps)>> = LazyLock::new(|| {
    let mut truth: HashMap<String, (usize, Steps)> = HashMap::new();
    let mut name = String::new();
    for line in include_str!("../../testdata/truth.txt").lines() {
        let mut words = line.split(' ');
        let first = words.next().unwrap();
        if first == "==" {
            name = words.next().unwrap().to_owned();
            truth.insert(name.clone(), (words.next().unwrap().parse().unwrap(), Vec::new()));
            continue;
        }
        let fact = |word: &str| {
            let (name, value) = word.rsplit_once('=').unwrap();
            (name.to_owned(), value.parse().unwrap())
        };
        truth.get_mut(&name).unwrap().1.push((first.parse().unwrap(), words.map(fact).collect()));
    }
    truth
});

/// What is true after each event, from no event on.
pub(super) fn truth(transcript: &str) -> Vec<Facts> {
    let (events, steps) = &TRUTH[transcript];
    let mut now = Facts::new();
    let mut all = vec![now.clone()];
    let mut steps = steps.iter().peekable();
    for number in 1..=*events {
        if let Some((_, changed)) = steps.next_if(|(at, _)| *at == number) {
            for (name, value) in changed {
                now.insert(name.clone(), *value);
            }
            now.retain(|_, value| *value > 0);
        }
        all.push(now.clone());
    }
    all
}

fn every_event_of(asterisk: &str) {
    let transcripts = Transcript::all(asterisk);
    assert!(transcripts.len() > 90);
    for transcript in transcripts {
        let name = format!("{asterisk}/{}", transcript.name);
        let truth = truth(&name);
        let events = transcript.events();
        assert_eq!(events.len() + 1, truth.len(), "{name}");
        let mut book = Book::new(BookConfig::default());
        let mut calls = Calls::default();
        let mut number = 0;
        play_events(&events, |signal, now| {
            book.apply(&signal, now);
            calls.take(book.changes());
            number += 1;
            let mut found = levels(&book);
            found.extend(counters(&book, calls));
            assert_eq!(found, truth[number], "{name}, after event {number}: {}", events[number - 1].event());
        });
    }
}

#[test]
fn every_event_of_asterisk_22() {
    every_event_of("asterisk22");
}

#[test]
fn every_event_of_asterisk_16() {
    every_event_of("asterisk16");
}
