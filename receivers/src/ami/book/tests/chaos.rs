//! Events and rows in any order, of channels that exist and that do not: counts agree with each other whatever comes.

use std::collections::HashMap;

use otelcol_testkit::ami::Message;
use proptest::prelude::*;

use super::*;
use crate::ami::signal::{List, Session};
use crate::ami::testing::with_frame;

const EVENTS: [&str; 27] = [
    "Newchannel",
    "Newchannel",
    "Newchannel",
    "Newstate",
    "Hangup",
    "Hangup",
    "HangupRequest",
    "Rename",
    "NewCallerid",
    "DialBegin",
    "DialState",
    "DialEnd",
    "Dial",
    "BridgeCreate",
    "BridgeDestroy",
    "BridgeEnter",
    "BridgeLeave",
    "Bridge",
    "Unlink",
    "ConfbridgeJoin",
    "ConfbridgeLeave",
    "ConfbridgeEnd",
    "QueueCallerJoin",
    "QueueCallerLeave",
    "QueueCallerAbandon",
    "AgentConnect",
    "FullyBooted",
];
const ROWS: [(List, &str); 4] = [
    (List::Channels, "CoreShowChannel"),
    (List::Bridges, "BridgeListItem"),
    (List::Conferences, "ConfbridgeListRooms"),
    (List::Queues, "QueueEntry"),
];

#[derive(Clone, Debug)]
enum Step {
    Event(usize),
    Row(usize),
    Begin(usize),
    End(usize, bool),
    Reconnect,
    Tick(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..EVENTS.len()).prop_map(Step::Event),
        6 => (0..ROWS.len()).prop_map(Step::Row),
        2 => (0..ROWS.len()).prop_map(Step::Begin),
        2 => (0..ROWS.len(), any::<bool>()).prop_map(|(list, complete)| Step::End(list, complete)),
        1 => Just(Step::Reconnect),
        1 => (0..200_u64).prop_map(Step::Tick),
    ]
}

/// An event with every header that something looks at; small numbers, so that ids meet again.
fn message(name: &str, digits: [u8; 8]) -> Message {
    let [id, linked, dest, bridge, conference, state, sub, uptime] = digits;
    let linkedid = if linked == 0 { String::new() } else { format!("1.{linked}") };
    let text = format!(
        "Event: {name}\r\nChannel: SIP/{id}-1\r\nNewname: Local/{id}-2;1\r\nChannelState: {state}\r\nUniqueid: 1.{id}\r\nLinkedid: {linkedid}\r\n\
         DestChannel: SIP/{dest}-1\r\nDestUniqueid: 1.{dest}\r\nDestLinkedid: {linkedid}\r\nDialStatus: ANSWER\r\nSubEvent: {}\r\n\
         BridgeUniqueid: b{bridge}\r\nBridgeId: b{bridge}\r\nBridgeType: basic\r\nUniqueid1: 1.{id}\r\nUniqueid2: 1.{dest}\r\n\
         Conference: c{conference}\r\nParties: {dest}\r\nApplication: ConfBridge\r\nApplicationData: c{conference}\r\nQueue: q{bridge}\r\n\
         Wait: 5\r\nCause: 16\r\nCause-txt: Normal Clearing\r\nUptime: {uptime}00\r\nLastReload: 1",
        if sub % 2 == 0 { "Begin" } else { "End" },
    );
    Message { bytes: text.into_bytes(), at: 0 }
}

fn check(book: &Book) {
    let (mut legs, mut present, mut bridged, mut conferred) =
        (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
    for (key, channel) in book.channels.iter() {
        assert_eq!(book.by_uniqueid.get(&channel.uniqueid), Some(&key));
        assert!(book.calls.get(channel.call).is_some());
        *legs.entry(channel.call).or_insert(0_u32) += 1;
        *present.entry(channel.call).or_insert(0_u32) += u32::from(channel.present());
        if let Some(bridge) = channel.bridge {
            assert!(book.bridge_id(bridge).is_some());
            *bridged.entry(bridge).or_insert(0_u32) += 1;
        }
        if let Some(conference) = channel.conference {
            assert!(book.conference_name(conference).is_some());
            *conferred.entry(conference).or_insert(0_u32) += 1;
        }
        if channel.queue.is_some() {
            assert!(channel.present());
        }
        assert!(channel.present() || (channel.bridge.is_none() && channel.conference.is_none()));
    }
    assert_eq!(book.by_uniqueid.len(), book.channels.len());
    assert_eq!(book.by_linkedid.len(), book.calls.len());
    for (key, call) in book.calls.iter() {
        assert_eq!((call.legs, call.present), (legs[&key], present[&key]), "{}", call.linkedid);
        assert_eq!(book.by_linkedid.get(&call.linkedid), Some(&key));
    }
    let (bridges, conferences) = (book.bridges.members(), book.conferences.members());
    assert!(bridges.iter().all(|(key, members)| bridged.get(key).copied().unwrap_or(0) == *members));
    assert!(conferences.iter().all(|(key, members)| conferred.get(key).copied().unwrap_or(0) == *members));
    let tally = book.tally();
    assert!(tally.dispositions.total() <= tally.calls.total());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn counts_agree(steps in prop::collection::vec((step(), [0..6_u8, 0..4, 0..6, 0..3, 0..2, 0..7, 0..2, 0..9]), 0..300)) {
        let session = SessionConfig { conference: "c1".to_owned(), ..SessionConfig::default() };
        let dialer = DialerConfig { agent_sessions: vec![session] };
        let mut book = Book::new(BookConfig { dialer, ..BookConfig::default() });
        let mut now = 1_795_307_200_000_000_000;
        let mut open = (0_i64, 0_i64);
        for (step, digits) in steps {
            now += 300_000_000;
            match step {
                Step::Event(event) => with_frame(&message(EVENTS[event], digits), |frame| book.apply(&Signal::Event(frame), now)),
                Step::Row(row) => with_frame(&message(ROWS[row].1, digits), |frame| book.apply(&Signal::ListRow(ROWS[row].0, frame), now)),
                Step::Begin(list) => book.apply(&Signal::ListBegin(ROWS[list].0), now),
                Step::End(list, complete) => book.apply(&Signal::ListEnd { list: ROWS[list].0, complete }, now),
                Step::Reconnect => book.apply(&Signal::Up(&Session::default()), now),
                Step::Tick(seconds) => {
                    now += seconds * 1_000_000_000;
                    book.tick(now);
                }
            }
            for change in book.changes() {
                match change {
                    Change::CallBegan { .. } => open.0 += 1,
                    Change::CallEnded { .. } => open.0 -= 1,
                    Change::LegBegan { .. } => open.1 += 1,
                    Change::LegEnded { .. } => open.1 -= 1,
                    _ => {}
                }
            }
            prop_assert_eq!(open, (book.calls.len() as i64, book.channels.len() as i64));
            check(&book);
        }
    }
}
