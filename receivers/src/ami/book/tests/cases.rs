//! What no transcript shows: masquerades, joined calls, Asterisk 11, restarts, limits. The events are as `main/manager_*.c`
//! and `channels/chan_sip.c` of Asterisk write them.

use super::*;
use crate::ami::signal::{List, Session};
use crate::ami::testing::with_frame;
use otelcol_testkit::ami::Message;

const SECOND: Nanos = 1_000_000_000;
/// 2026-11-22.
const START: Nanos = 1_795_307_200 * SECOND;

struct Desk {
    book: Book,
    now: Nanos,
}

impl Desk {
    fn new() -> Self {
        Self::with(BookConfig::default())
    }

    fn with(config: BookConfig) -> Self {
        let mut desk = Self { book: Book::new(config), now: START };
        desk.book.apply(&Signal::Up(&Session::default()), START);
        desk
    }

    /// Hears an event, a second after the one before; headers by comma.
    fn hear(&mut self, event: &str) -> Vec<Change> {
        self.now += SECOND;
        let now = self.now;
        self.frame(event, |book, frame| book.apply(&Signal::Event(frame), now))
    }

    fn row(&mut self, list: List, row: &str) {
        let now = self.now;
        self.frame(row, |book, frame| book.apply(&Signal::ListRow(list, frame), now));
    }

    fn list(&mut self, list: List, rows: &[&str]) -> Vec<Change> {
        self.book.apply(&Signal::ListBegin(list), self.now);
        for row in rows {
            self.row(list, row);
        }
        self.book.apply(&Signal::ListEnd { list, complete: true }, self.now);
        self.book.changes().to_vec()
    }

    fn frame(&mut self, event: &str, apply: impl FnOnce(&mut Book, &Frame<'_>)) -> Vec<Change> {
        let bytes = format!("Event: {}", event.split(", ").collect::<Vec<_>>().join("\r\n"));
        let book = &mut self.book;
        with_frame(&Message { bytes: bytes.into_bytes(), at: 0 }, |frame| apply(book, frame));
        self.book.changes().to_vec()
    }

    fn up(&self) -> (usize, usize) {
        (self.book.channels().count(), self.book.calls().count())
    }

    fn calls(&self) -> u64 {
        self.book.tally().calls.total()
    }
}

fn channel(event: &str, name: &str, id: &str, linked: &str, more: &str) -> String {
    format!(
        "{event}, Channel: {name}, ChannelState: 4, Context: c, Exten: 1, Uniqueid: {id}, Linkedid: {linked}{more}"
    )
}

#[test]
fn a_masquerade_changes_the_technology_only() {
    let mut desk = Desk::new();
    desk.hear(&channel("Newchannel", "SIP/a-1", "1.1", "1.1", ""));
    desk.hear("Rename, Channel: SIP/a-1, Newname: PJSIP/b-2, Uniqueid: 1.1");
    let found: Vec<_> = desk
        .book
        .channels()
        .map(|found| (&*found.name, desk.book.technologies().text(found.technology)))
        .collect();
    assert_eq!(found, [("PJSIP/b-2", "PJSIP")]);
    desk.hear(&channel("Hangup", "PJSIP/b-2", "1.1", "1.1", ", Cause: 16, Cause-txt: Normal Clearing"));
    assert_eq!((desk.up(), desk.calls()), ((0, 0), 1));
}

#[test]
fn calls_that_are_joined_end_in_one() {
    let mut desk = Desk::new();
    desk.hear(&channel("Newchannel", "SIP/a-1", "1.1", "1.1", ""));
    desk.hear(&channel("Newchannel", "SIP/b-2", "1.2", "1.2", ""));
    assert_eq!(desk.up(), (2, 2));
    let changes = desk.hear(&channel("NewConnectedLine", "SIP/b-2", "1.2", "1.1", ""));
    assert!(matches!(
        changes[..],
        [Change::LegMoved { .. }, Change::CallEnded { joined: Some(_), lost: false, .. }]
    ));
    assert_eq!(desk.up(), (2, 1));
    for id in ["1.1", "1.2"] {
        desk.hear(&channel("Hangup", "SIP/x", id, "1.1", ", Cause: 16, Cause-txt: Normal Clearing"));
    }
    assert_eq!((desk.up(), desk.calls(), desk.book.tally().dispositions.total()), ((0, 0), 2, 2));
}

#[test]
fn events_behind_the_end_begin_nothing() {
    let mut desk = Desk::new();
    desk.hear(&channel("Newchannel", "SIP/a-1", "1.1", "1.1", ""));
    let hangup = channel("Hangup", "SIP/a-1", "1.1", "1.1", ", Cause: 16, Cause-txt: Normal Clearing");
    desk.hear(&hangup);
    for late in ["Newstate", "NewCallerid", "Newchannel", "BridgeEnter"] {
        assert_eq!(desk.hear(&channel(late, "SIP/a-1", "1.1", "1.1", ", BridgeUniqueid: b")), [], "{late}");
    }
    assert_eq!(desk.hear(&hangup), []);
    let row = channel("CoreShowChannel", "SIP/a-1", "1.1", "1.1", ", Duration: 00:00:09");
    desk.list(List::Channels, &[&row]);
    assert_eq!((desk.up(), desk.calls(), desk.book.tally().hangups.total()), ((0, 0), 1, 1));
}

#[test]
fn a_call_found_by_a_list_began_when_its_id_was_made() {
    let mut desk = Desk::new();
    desk.now += 100 * SECOND;
    let at = |second: u64| (START / SECOND + second).to_string();
    let rows = [
        channel(
            "CoreShowChannel",
            "PJSIP/a-1",
            &format!("{}.7", at(40)),
            &format!("{}.5", at(30)),
            ", Duration: 00:00:59",
        ),
        channel(
            "CoreShowChannel",
            "PJSIP/b-1",
            &format!("pbx-7-{}.9", at(50)),
            &format!("pbx-7-{}.9", at(50)),
            ", Duration: 00:00:49",
        ),
        channel("CoreShowChannel", "PJSIP/c-1", "odd", "odd", ", Duration: 00:01:05"),
    ];
    desk.list(List::Channels, &rows.each_ref().map(String::as_str));
    let mut began: Vec<_> = desk.book.calls().map(|call| (call.began - START) / SECOND).collect();
    began.sort_unstable();
    assert_eq!(began, [30, 35, 50]);
    assert!(desk.book.calls().all(|call| call.found));
    assert_eq!(desk.calls(), 3);
}

#[test]
fn a_missing_channel_leaves_the_levels_and_waits_for_its_hangup() {
    let mut desk = Desk::new();
    desk.hear(&channel("Newchannel", "SIP/a-1", "1.1", "1.1", ""));
    desk.hear(&channel("Newchannel", "SIP/b-1", "1.2", "1.2", ""));
    assert_eq!(desk.list(List::Channels, &[]), []);
    assert_eq!(desk.up(), (0, 0));
    let changes = desk.hear(&channel("Hangup", "SIP/a-1", "1.1", "1.1", ", Cause: 17, Cause-txt: User busy"));
    assert!(matches!(
        changes[..],
        [Change::LegEnded { lost: false, .. }, Change::CallEnded { lost: false, .. }]
    ));
    desk.book.tick(desk.now + 4 * SECOND);
    let lost = desk.book.changes();
    assert!(
        matches!(
            lost,
            [
                Change::LegEnded { lost: true, .. },
                Change::CallEnded { lost: true, disposition: Disposition::Unknown, .. }
            ]
        ),
        "{lost:?}"
    );
    assert_eq!(desk.book.tally().durations.values().map(Histogram::count).sum::<u64>(), 1);
}

#[test]
fn what_was_given_up_can_be_found_again() {
    let mut desk = Desk::new();
    desk.hear(&channel("Newchannel", "SIP/a-1", "1.1", "1.1", ""));
    desk.list(List::Channels, &[]);
    desk.book.tick(desk.now + 5 * SECOND);
    assert_eq!((desk.up(), desk.book.tally().dispositions.total()), ((0, 0), 1));
    desk.list(
        List::Channels,
        &[&channel("CoreShowChannel", "SIP/a-1", "1.1", "1.1", ", Duration: 00:00:09")],
    );
    assert_eq!((desk.up(), desk.calls()), ((1, 1), 1));
    desk.hear(&channel("Hangup", "SIP/a-1", "1.1", "1.1", ", Cause: 16, Cause-txt: Normal Clearing"));
    assert_eq!((desk.up(), desk.book.tally().dispositions.total()), ((0, 0), 1));
}

/// It began while nobody listened, and ends before a list's row of it comes, or without one.
#[test]
fn a_call_of_which_only_the_end_is_heard_counts() {
    for listed in [false, true] {
        let mut desk = Desk::new();
        desk.book.apply(&Signal::ListBegin(List::Channels), desk.now);
        let hangup = |id| channel("Hangup", "SIP/a-1", id, "1.1", ", Cause: 17, Cause-txt: User busy");
        let changes = desk.hear(&hangup("1.1"));
        assert!(matches!(
            changes[..],
            [
                Change::CallBegan { found: true, .. },
                Change::LegBegan { found: true, .. },
                Change::LegEnded { lost: false, .. },
                Change::CallEnded { disposition: Disposition::Busy, lost: false, .. }
            ]
        ));
        if listed {
            desk.row(
                List::Channels,
                &channel("CoreShowChannel", "SIP/a-1", "1.1", "1.1", ", Duration: 00:00:09"),
            );
        }
        desk.book.apply(&Signal::ListEnd { list: List::Channels, complete: true }, desk.now);
        // Another leg of it that was not known either.
        assert_eq!(desk.hear(&hangup("1.2")), []);
        let tally = desk.book.tally();
        assert_eq!((desk.up(), tally.calls.total(), tally.dispositions.total()), ((0, 0), 1, 1));
        assert_eq!((tally.hangups.total(), tally.channels.total()), (2, 0));
    }
}

/// A real 16 and a real 22 say nothing before the abandon of a caller whom a manager redirects; 11 may say `ASYNCGOTO`.
#[test]
fn who_is_sent_out_of_a_queue_has_not_abandoned_it() {
    let left = |request: &str, cause: &str| {
        let mut desk = Desk::new();
        let of = |event: &str, more: &str| channel(event, "SIP/a-1", "1.1", "1.1", more);
        desk.hear(&of("Newchannel", ""));
        desk.hear(&of("QueueCallerJoin", ", Queue: support"));
        if !request.is_empty() {
            desk.hear(&of(request, &format!(", Cause: {cause}")));
        }
        desk.hear(&of("QueueCallerAbandon", ", Queue: support"));
        let (_, queue) = desk.book.queues().next().unwrap();
        (queue.abandoned, queue.timed_out)
    };
    for (request, cause) in [("", ""), ("SoftHangupRequest", "2"), ("SoftHangupRequest", "16")] {
        assert_eq!(left(request, cause), (0, 1), "{request} {cause}");
    }
    for (request, cause) in [("HangupRequest", "16"), ("SoftHangupRequest", "32"), ("SoftHangupRequest", "1")]
    {
        assert_eq!(left(request, cause), (1, 0), "{request} {cause}");
    }
}

#[test]
fn a_participant_counts_once_whatever_tells_of_them_first() {
    let mut desk = Desk::new();
    for id in ["1.1", "1.2", "1.3"] {
        desk.hear(&channel("Newchannel", "SIP/a", id, id, ""));
    }
    let of = |event: &str, id| channel(event, "SIP/a", id, id, ", Conference: c1");
    let (join, leave) = (|id| of("ConfbridgeJoin", id), |id| of("ConfbridgeLeave", id));
    let room = |parties: u32| format!("ConfbridgeListRooms, Conference: c1, Parties: {parties}");
    let ask = |desk: &mut Desk| desk.book.apply(&Signal::ListBegin(List::Conferences), desk.now);
    desk.hear(&join("1.1"));
    // 1.2 is in it, and its join is told behind the list.
    desk.list(List::Conferences, &[&room(2)]);
    assert_eq!(desk.book.conference_counts(), (1, 2));
    desk.hear(&join("1.2"));
    assert_eq!(desk.book.conference_counts(), (1, 2));
    // 1.3's is told before the row, which has it.
    ask(&mut desk);
    desk.hear(&join("1.3"));
    desk.row(List::Conferences, &room(3));
    assert_eq!(desk.book.conference_counts(), (1, 3));
    // 1.3 left before the row, which has it no more; or has it still.
    for parties in [2, 3] {
        ask(&mut desk);
        desk.hear(&leave("1.3"));
        desk.row(List::Conferences, &room(parties));
        assert_eq!(desk.book.conference_counts(), (1, 2), "{parties}");
        desk.hear(&join("1.3"));
    }
    // 1.3 left, and its leave is told behind the list.
    desk.list(List::Conferences, &[&room(2)]);
    desk.hear(&leave("1.3"));
    assert_eq!(desk.book.conference_counts(), (1, 2));
}

#[test]
fn an_incomplete_list_proves_nothing_gone() {
    let mut desk = Desk::new();
    desk.hear(&channel("Newchannel", "SIP/a-1", "1.1", "1.1", ""));
    desk.book.apply(&Signal::ListBegin(List::Channels), desk.now);
    desk.book.apply(&Signal::ListEnd { list: List::Channels, complete: false }, desk.now);
    assert_eq!(desk.up(), (1, 1));
}

#[test]
fn a_restart_ends_everything_at_once() {
    let mut desk = Desk::new();
    desk.hear("FullyBooted, Uptime: 1000, LastReload: 500");
    desk.hear(&channel("Newchannel", "SIP/a-1", "1.1", "1.1", ""));
    desk.hear("BridgeCreate, BridgeUniqueid: b");
    desk.hear(&channel("QueueCallerJoin", "SIP/a-1", "1.1", "1.1", ", Queue: support"));
    desk.now += 60 * SECOND;
    assert_eq!(desk.hear("FullyBooted, Uptime: 1065, LastReload: 565"), []);
    let changes = desk.hear("FullyBooted, Uptime: 3, LastReload: 3");
    assert!(matches!(
        changes[..],
        [
            Change::Left { place: Place::Queue(_), lost: true, .. },
            Change::LegEnded { lost: true, .. },
            Change::CallEnded { lost: true, .. }
        ]
    ));
    assert_eq!((desk.up(), desk.book.bridge_count(), desk.book.queue_callers().count()), ((0, 0), 0, 0));
    assert_eq!(desk.book.system().started, Some(desk.now - 3 * SECOND));
}

#[test]
fn asterisk_11_tells_by_dial_which_channels_are_one_call() {
    let mut desk = Desk::new();
    let begin = |name: &str, id: &str, state: u8| {
        format!("Newchannel, Channel: {name}, ChannelState: {state}, Context: c, Exten: 1, Uniqueid: {id}")
    };
    desk.hear(&begin("SIP/a-1", "1.1", 4));
    desk.hear(&begin("SIP/b-2", "1.2", 0));
    let dial =
        "Dial, SubEvent: Begin, Channel: SIP/a-1, Destination: SIP/b-2, UniqueID: 1.1, DestUniqueID: 1.2";
    desk.hear(dial);
    assert_eq!((desk.up(), desk.calls()), ((2, 1), 1));
    desk.hear("Newstate, Channel: SIP/b-2, ChannelState: 6, Uniqueid: 1.2");
    desk.hear("Bridge, Bridgestate: Link, Bridgetype: core, Channel1: SIP/a-1, Channel2: SIP/b-2, Uniqueid1: 1.1, Uniqueid2: 1.2");
    let bridged = |desk: &Desk| desk.book.channels().filter(|channel| channel.bridge.is_some()).count();
    assert_eq!((bridged(&desk), desk.book.bridge_count()), (2, 1));
    desk.hear("Unlink, Channel1: SIP/a-1, Channel2: SIP/b-2, Uniqueid1: 1.1, Uniqueid2: 1.2");
    assert_eq!((bridged(&desk), desk.book.bridge_count()), (0, 0));
    desk.hear("Dial, SubEvent: End, Channel: SIP/a-1, UniqueID: 1.1, DialStatus: ANSWER");
    for id in ["1.2", "1.1"] {
        desk.hear(&format!("Hangup, Channel: x, Uniqueid: {id}, Cause: 16, Cause-txt: Normal Clearing"));
    }
    let tally = desk.book.tally();
    assert_eq!((desk.up(), tally.calls.total(), tally.dispositions.total()), ((0, 0), 1, 1));
    assert_eq!((tally.dispositions.get(Disposition::Answered), tally.dial_results.total()), (1, 1));
    desk.hear("Join, Channel: SIP/z, Queue: support, Position: 1, Count: 1, Uniqueid: 1.9");
    assert_eq!(desk.book.queue_callers().count(), 1);
    desk.hear("Leave, Channel: SIP/z, Queue: support, Count: 0, Uniqueid: 1.9");
    assert_eq!(desk.book.queue_callers().count(), 0);
}

#[test]
fn beyond_the_limits_is_counted() {
    let limits = StateLimits { channels: 1, queues: 1, peers: 1, ..StateLimits::default() };
    let mut desk = Desk::with(BookConfig { limits, ..BookConfig::default() });
    desk.hear(&channel("Newchannel", "SIP/a-1", "1.1", "1.1", ""));
    desk.hear(&channel("Newchannel", "SIP/b-1", "1.2", "1.2", ""));
    desk.hear("PeerStatus, ChannelType: SIP, Peer: SIP/1, PeerStatus: Registered");
    desk.hear("PeerStatus, ChannelType: SIP, Peer: SIP/2, PeerStatus: Registered");
    for queue in ["one", "two"] {
        desk.hear(&channel("QueueCallerJoin", "SIP/a-1", "1.1", "1.1", &format!(", Queue: {queue}")));
    }
    assert_eq!(desk.up(), (1, 1));
    let untracked: Vec<_> = desk.book.untracked().filter(|(_, count)| *count > 0).collect();
    // A peer's name and its state.
    assert_eq!(untracked, [("channels", 1), ("peers", 2), ("queues", 1)]);
    let queues: Vec<_> =
        desk.book.queues().map(|(name, queue)| (desk.book.queue_names().text(name), queue.joined)).collect();
    assert_eq!(queues.iter().map(|(_, joined)| joined).sum::<u64>(), 2);
    assert!(queues.contains(&("other", 1)), "{queues:?}");
}

#[test]
fn old_calls_are_given_up() {
    let mut desk = Desk::new();
    desk.hear(&channel("Newchannel", "SIP/a-1", "1.1", "1.1", ""));
    desk.book.tick(desk.now + 24 * 3600 * SECOND);
    assert_eq!(desk.up(), (1, 1));
    // They are looked for once a minute.
    desk.book.tick(desk.now + (24 * 3600 + 60) * SECOND);
    assert_eq!((desk.up(), desk.book.tally().channels_over_age), ((0, 0), 1));
}

#[test]
fn who_opens_the_conference_is_the_agent() {
    let session = SessionConfig {
        conference: "8600.*".to_owned(),
        context: "c".to_owned(),
        ..SessionConfig::default()
    };
    let dialer = DialerConfig { agent_sessions: vec![session] };
    let mut desk = Desk::with(BookConfig { dialer, ..BookConfig::default() });
    for (name, id) in [("SIP/agent-1", "1.1"), ("SIP/customer-1", "1.2")] {
        desk.hear(&channel("Newchannel", name, id, id, ""));
    }
    assert_eq!(desk.calls(), 0);
    let join = |name, id| channel("ConfbridgeJoin", name, id, id, ", Conference: 8600051, BridgeUniqueid: b");
    let changes = desk.hear(&join("SIP/agent-1", "1.1"));
    assert!(changes.iter().any(|change| matches!(change, Change::AgentSession { .. })));
    let changes = desk.hear(&join("SIP/customer-1", "1.2"));
    assert!(changes.iter().any(|change| matches!(change, Change::JoinedSession { .. })));
    assert_eq!((desk.calls(), desk.book.tally().agent_sessions), (1, 1));
    // After a reconnect the oldest call in it is the agent's.
    let mut again =
        Desk::with(BookConfig { dialer: desk.book.config.dialer.clone(), ..BookConfig::default() });
    let row = |name, id| {
        let more = ", Application: ConfBridge, ApplicationData: 8600051,x, BridgeId: b, Duration: 00:00:01";
        channel("CoreShowChannel", name, id, id, more)
    };
    again
        .list(List::Channels, &[&row("SIP/customer-1", "1795307200.2"), &row("SIP/agent-1", "1795307100.1")]);
    let sessions: Vec<_> = again
        .book
        .calls()
        .filter(|call| call.is_agent_session())
        .map(|call| call.linkedid.to_string())
        .collect();
    assert_eq!(sessions, ["1795307100.1"]);
    assert_eq!(again.calls(), 1);
}

#[test]
fn contacts_and_peers() {
    let mut desk = Desk::new();
    let contact = |status: &str| {
        format!(
            "ContactStatus, URI: sip:1@h, ContactStatus: {status}, AOR: 1, EndpointName: 1, RoundtripUsec: 1500"
        )
    };
    desk.hear(&contact("NonQualified"));
    desk.hear(&contact("Reachable"));
    // A configured contact is reached, and is no registration.
    desk.hear("ContactStatus, URI: sip:trunk, ContactStatus: Reachable, AOR: t, EndpointName: t, RoundtripUsec: 9000");
    let level = |desk: &Desk| desk.book.peers().registrations().get("PJSIP/1").copied();
    assert_eq!((level(&desk), desk.book.peers().registrations().len()), (Some(1), 1));
    let round_trips: BTreeMap<&str, Option<f64>> =
        desk.book.peers().contacts.values().map(|contact| (&*contact.peer, contact.round_trip_ms)).collect();
    assert_eq!(round_trips, BTreeMap::from([("PJSIP/1", Some(1.5)), ("PJSIP/t", Some(9.0))]));
    desk.hear(&contact("Removed"));
    assert_eq!(level(&desk), Some(0));
    // The list knows better, and does not name configured contacts.
    let row =
        "ContactList, ObjectName: 2;@abc, Endpoint: 2, Uri: sip:2@h, Status: Unreachable, RoundtripUsec: 0";
    desk.list(List::Contacts, &[row]);
    assert_eq!(["PJSIP/1", "PJSIP/2"].map(|peer| desk.book.peers().registrations()[peer]), [0, 1]);
    assert_eq!(desk.book.peers().contacts.len(), 2);
    // A peer of chan_sip.
    for status in ["Registered, Address: h:1", "Reachable, Time: 12"] {
        desk.hear(&format!("PeerStatus, ChannelType: SIP, Peer: SIP/9, PeerStatus: {status}"));
    }
    let peer = &desk.book.peers().peers["SIP/9"];
    assert_eq!((peer.online, peer.registered, peer.round_trip_ms), (true, true, Some(12.0)));
    let entry =
        "PeerEntry, Channeltype: SIP, ObjectName: 9, IPaddress: -none-, Dynamic: yes, Status: UNKNOWN";
    desk.list(List::SipPeers, &[entry]);
    let peer = &desk.book.peers().peers["SIP/9"];
    assert_eq!((peer.online, peer.registered, desk.book.peers().registrations()["SIP/9"]), (false, false, 0));
    desk.list(List::SipPeers, &[]);
    assert!(!desk.book.peers().peers.contains_key("SIP/9"));
}

#[test]
fn registrations_with_others_get_their_names_from_the_list() {
    let mut desk = Desk::new();
    let event = |status| {
        format!(
            "Registry, ChannelType: PJSIP, Username: sip:u@carrier, Domain: sip:carrier, Status: {status}"
        )
    };
    desk.hear(&event("Rejected"));
    assert!(!desk.book.peers().trunks["carrier"].registered);
    let row = "OutboundRegistrationDetail, ObjectName: reg-1, ClientUri: sip:u@carrier, ServerUri: sip:carrier, Status: Registered";
    desk.list(List::RegistrationsOutbound, &[row]);
    assert_eq!(desk.book.peers().trunks.keys().map(|name| &**name).collect::<Vec<_>>(), ["reg-1"]);
    assert!(desk.book.peers().trunks["reg-1"].registered);
    desk.hear(&event("Rejected"));
    assert!(!desk.book.peers().trunks["reg-1"].registered);
}

#[test]
fn queues_are_brought_up_to_date_by_their_list() {
    let mut desk = Desk::new();
    desk.hear(&channel("QueueCallerJoin", "SIP/a-1", "1.1", "1.1", ", Queue: support"));
    desk.hear(&channel("QueueCallerJoin", "SIP/b-1", "1.2", "1.2", ", Queue: support"));
    desk.hear("QueueMemberStatus, Queue: support, Interface: SIP/7, Status: 2, Paused: 0");
    desk.now += 100 * SECOND;
    desk.book.apply(&Signal::ListBegin(List::Queues), desk.now);
    // Newer than the rows: one comes, one leaves.
    desk.hear(&channel("QueueCallerJoin", "SIP/c-1", "1.3", "1.3", ", Queue: support"));
    desk.hear(&channel("QueueCallerLeave", "SIP/b-1", "1.2", "1.2", ", Queue: support"));
    for row in [
        "QueueParams, Queue: support, ServiceLevel: 60, ServicelevelPerf: 87.5",
        "QueueMember, Queue: support, Location: SIP/8, Status: 6, Paused: 1",
        "QueueEntry, Queue: support, Uniqueid: 1.2, Wait: 9",
        "QueueEntry, Queue: support, Uniqueid: 1.4, Wait: 30",
    ] {
        desk.row(List::Queues, row);
    }
    desk.book.apply(&Signal::ListEnd { list: List::Queues, complete: true }, desk.now);
    let mut waits: Vec<_> =
        desk.book.queue_callers().map(|caller| (desk.now - caller.since) / SECOND).collect();
    waits.sort_unstable();
    assert_eq!(waits, [1, 30]);
    let (_, queue) = desk.book.queues().next().unwrap();
    assert_eq!((queue.service_level, queue.joined, queue.present), (Some(87.5), 3, true));
    let members: Vec<_> =
        queue.members.iter().map(|(name, member)| (&**name, member.state_name(), member.paused)).collect();
    assert_eq!(members, [("SIP/8", "ringing", true)]);
    desk.list(List::Queues, &[]);
    let (_, queue) = desk.book.queues().next().unwrap();
    assert_eq!((queue.joined, queue.present, desk.book.queue_callers().count()), (3, false, 0));
}
