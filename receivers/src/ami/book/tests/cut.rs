//! The connection is cut at an event, some events pass unheard, and lists tell what is.

use std::collections::HashSet;
use std::ops::Range;

use otelcol_testkit::ami::{Message, Transcript, World};

use super::facts::{Facts, levels};
use super::truth::truth;
use crate::ami::book::{Book, BookConfig, Change};
use crate::ami::signal::{List, Session, Signal};
use crate::ami::testing::with_frame;
use crate::ami::wire::{FrameLimits, FrameReader, Item};

/// What the lists tell besides calls; it changes when nobody is cut off, too.
const HOUR: u64 = 3_600_000_000_000;

/// When rows are read, compared with the events that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    /// Nothing happens meanwhile.
    Alone,
    /// They are older than events that come between them.
    Older,
    /// They are newer than events that come behind them.
    Newer,
}

struct Cut<'t> {
    asterisk: &'t str,
    name: String,
    events: Vec<Message>,
    truth: Vec<Facts>,
}

impl<'t> Cut<'t> {
    fn of(asterisk: &'t str, name: &str) -> Self {
        let events = Transcript::load(asterisk, name).events();
        let name = format!("{asterisk}/{name}");
        let truth = truth(&name);
        Self { asterisk, name, events, truth }
    }

    /// Cuts before event `cut`, lets `gap` events pass, and plays the rest.
    fn play(&self, cut: usize, gap: usize, rows: Rows) {
        let mut heard = Heard::default();
        let mut world = World::new(self.asterisk);
        for (number, event) in self.events.iter().enumerate().take(cut + gap) {
            world.apply(event);
            if number < cut {
                heard.event(event);
            }
        }
        let back = (cut + gap).min(self.events.len());
        let now = self.events.get(back.saturating_sub(1)).map_or(0, |event| event.at);
        heard.hear(&Signal::Down, now);
        heard.hear(&Signal::Up(&Session::default()), now);
        let mut next = back;
        for list in List::ALL {
            heard.hear(&Signal::ListBegin(*list), now);
            let mut of_list = world.clone();
            let meanwhile = self.events.iter().skip(next).take(if rows == Rows::Alone { 0 } else { 2 });
            let meanwhile: Vec<&Message> = meanwhile.collect();
            next += meanwhile.len();
            for event in &meanwhile {
                world.apply(event);
            }
            if rows == Rows::Older {
                meanwhile.iter().for_each(|event| heard.event(event));
            } else {
                of_list = world.clone();
            }
            heard.list(&of_list, *list, now);
            if rows == Rows::Newer {
                meanwhile.iter().for_each(|event| heard.event(event));
            }
        }
        for number in next..=self.events.len() {
            if number > next {
                heard.event(&self.events[number - 1]);
            }
            let found = levels(&heard.book);
            let mut expected = self.truth[number].clone();
            expected.retain(|name, _| is_level(name));
            let at =
                format!("{} cut at {cut}, {gap} unheard, rows {rows:?}, after event {number}", self.name);
            assert_eq!(found, expected, "{at}");
        }
        self.each_call_once(cut, back..next, heard);
    }

    /// Every call that was seen before, is listed, or began or ended after is counted once, and none stays open.
    fn each_call_once(&self, cut: usize, lists: Range<usize>, mut heard: Heard) {
        let back = lists.start;
        let at = format!("{} cut at {cut}, back at {back}", self.name);
        let end = self.events.last().map_or(0, |event| event.at);
        heard.book.tick(end + HOUR);
        heard.changes();
        let up = *self.truth[self.events.len()].get("calls.up").unwrap_or(&0);
        assert_eq!(heard.began.len() as u64, heard.ended + up, "{at}");
        let mut expected: HashSet<String> = heard.listed.drain().collect();
        for (number, event) in self.events.iter().enumerate() {
            let began = event.event() == "Newchannel" && !(cut..back).contains(&number);
            let ended = event.event() == "Hangup" && number >= back;
            if began || ended {
                expected.insert(event.get("Linkedid"));
            }
        }
        let mut seen = HashSet::new();
        // A call can end with the one leg that is known, and go on when a row tells of another.
        let amid = &self.events[lists];
        let goes_on =
            |call: &str| amid.iter().any(|event| event.event() == "Hangup" && event.get("Linkedid") == call);
        for call in &heard.began {
            assert!(seen.insert(call.clone()) || goes_on(call), "{at}: {call} began twice");
        }
        assert_eq!(seen, expected, "{at}");
        assert_eq!(heard.book.tally().calls.total() + open_uncounted(&heard.book), seen.len() as u64, "{at}");
    }
}

/// Calls that are open at the end of a transcript and of which only Local channels are known.
fn open_uncounted(book: &Book) -> u64 {
    book.calls().filter(|call| call.technology.is_none()).count() as u64
}

fn is_level(name: &str) -> bool {
    ["channels.up", "calls.up", "bridges", "bridged", "rooms", "participants"].contains(&name)
        || name.starts_with("up.")
        || name.starts_with("callers.")
}

/// A book, and which calls it said began and ended.
struct Heard {
    book: Book,
    began: Vec<String>,
    ended: u64,
    /// Linkedids in rows of channels whose end was not heard yet.
    listed: HashSet<String>,
    hung_up: HashSet<String>,
}

impl Default for Heard {
    fn default() -> Self {
        Self {
            book: Book::new(BookConfig::default()),
            began: Vec::new(),
            ended: 0,
            listed: HashSet::new(),
            hung_up: HashSet::new(),
        }
    }
}

impl Heard {
    fn hear(&mut self, signal: &Signal<'_, '_>, now: u64) {
        self.book.apply(signal, now);
        self.changes();
    }

    fn changes(&mut self) {
        for change in self.book.changes() {
            match change {
                Change::CallBegan { call, .. } => {
                    self.began.push(self.book.call(*call).unwrap().linkedid.to_string());
                }
                Change::CallEnded { .. } => self.ended += 1,
                _ => {}
            }
        }
    }

    fn event(&mut self, message: &Message) {
        if message.event() == "Hangup" {
            self.hung_up.insert(message.get("Uniqueid"));
        }
        with_frame(message, |frame| self.hear(&Signal::Event(frame), message.at));
    }

    fn list(&mut self, world: &World, list: List, now: u64) {
        let ask = format!("Action: {}\r\nActionID: 1", list.action());
        let mut reader = FrameReader::new(FrameLimits::default());
        reader.extend(&world.answer(&Message { bytes: ask.into_bytes(), at: 0 }));
        while let Some(item) = reader.next() {
            let Item::Frame(frame) = item else { panic!("{item:?}") };
            match frame.event() {
                None => {}
                Some(name) if name == list.complete() => break,
                Some(_) => {
                    let text = |key| String::from_utf8_lossy(frame.get(key).unwrap_or_default()).into_owned();
                    if list == List::Channels && !self.hung_up.contains(&text("Uniqueid")) {
                        self.listed.insert(text("Linkedid"));
                    }
                    self.hear(&Signal::ListRow(list, &frame), now);
                }
            }
        }
        // An unknown action and an empty list are the same here.
        self.hear(&Signal::ListEnd { list, complete: true }, now);
    }
}

/// Transcripts with something to lose, of both versions.
fn eventful(asterisk: &str) -> Vec<String> {
    let all = Transcript::all(asterisk).into_iter().map(|transcript| transcript.name);
    let begins = [
        "call_",
        "dial",
        "local",
        "transfer",
        "redirect",
        "originate",
        "park",
        "confbridge",
        "queue",
        "odd",
        "agi",
        "music",
        "shutdown",
        "hangup_by",
        "timestampevents_dial",
    ];
    all.filter(|name| begins.iter().any(|begin| name.starts_with(begin))).collect()
}

fn cut_everywhere(asterisk: &str, rows: Rows, gaps: &[usize]) {
    let names = eventful(asterisk);
    assert!(names.len() > 8, "{names:?}");
    for name in names {
        let transcript = Cut::of(asterisk, &name);
        let events = transcript.events.len();
        for (turn, cut) in (0..=events).step_by(1 + events / 8).enumerate() {
            let gap = gaps[turn % gaps.len()].min(events - cut);
            transcript.play(cut, gap, rows);
        }
    }
}

#[test]
fn gauges_are_true_after_a_cut_anywhere_22() {
    cut_everywhere("asterisk22", Rows::Alone, &[0, 1, 3, 11, 40, 90]);
}

#[test]
fn gauges_are_true_after_a_cut_anywhere_16() {
    cut_everywhere("asterisk16", Rows::Alone, &[0, 2, 7, 30]);
}

#[test]
fn events_between_rows_are_newer() {
    cut_everywhere("asterisk22", Rows::Older, &[0, 5, 17, 45]);
}

#[test]
fn events_behind_rows_can_be_older() {
    cut_everywhere("asterisk22", Rows::Newer, &[0, 4, 19, 50]);
}

#[test]
fn two_hundred_calls_cut_in_the_middle() {
    let transcript = Cut::of("asterisk22", "load_200_calls");
    for (cut, gap) in [(3000, 500), (9001, 4000), (12_000, 77)] {
        transcript.play(cut, gap, Rows::Alone);
    }
}
