//! Questions and answers without a connection.

use std::time::Duration;

use otelcol_pipeline::{Context, Kind};
use otelcol_testkit::ami::Message;
use tokio::time::Instant;

use super::*;
use crate::ami::link::dialog::{Dialog, Plan};
use crate::ami::testing::with_frame;

const SECOND: Duration = Duration::from_secs(1);

struct Talk {
    dialog: Dialog,
    recorder: Recorder,
    context: Context,
    now: Instant,
}

impl Talk {
    fn new(lists: &[List], resync: Option<Duration>) -> Self {
        let context = Context::detached(Kind::Receiver, "ami/test");
        let plan =
            Plan { mask: "call,system".to_owned(), lists: lists.to_vec(), timeout: 20 * SECOND, resync };
        let report = Report::new(&context, "pbx:5038");
        let dialog = Dialog::new(plan, report, Actions::default(), "11.0.0".to_owned());
        Self { dialog, recorder: Recorder::new(), context, now: Instant::now() }
    }

    /// The action that is sent now, with its ActionID; empty where there is none.
    fn asks(&mut self) -> (String, String) {
        self.dialog.expire(At::received(1), self.now, &mut self.recorder);
        let mut out = Vec::new();
        self.dialog.send(At::received(1), self.now, &mut out, &mut self.recorder);
        let message = Message { bytes: out, at: 0 };
        (message.get("Action"), message.get("ActionID"))
    }

    fn hears(&mut self, bytes: &str) {
        let message = Message { bytes: bytes.replace('\n', "\r\n").into_bytes(), at: 1 };
        with_frame(&message, |frame| self.dialog.frame(frame, At::received(1), self.now, &mut self.recorder));
    }

    /// Asks what is to be asked, and answers it.
    fn expect(&mut self, action: &str, answer: impl Fn(&str) -> String) {
        let (asked, id) = self.asks();
        assert_eq!(asked, action);
        self.hears(&answer(&id));
    }

    fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut *self.recorder.lines.lock().unwrap())
    }

    /// To where the first list is asked for.
    fn logged_in(lists: &[List], resync: Option<Duration>) -> Self {
        let mut talk = Self::new(lists, resync);
        talk.expect("CoreSettings", |id| settings(id, "pbx1"));
        talk.expect("Events", ok);
        talk.expect("CoreStatus", ok);
        talk.said();
        talk
    }
}

fn ok(id: &str) -> String {
    format!("Response: Success\nActionID: {id}")
}

fn error(message: &'static str) -> impl Fn(&str) -> String {
    move |id| format!("Response: Error\nActionID: {id}\nMessage: {message}")
}

fn settings(id: &str, system: &str) -> String {
    format!("Response: Success\nActionID: {id}\nAsteriskVersion: 22.10.1\nSystemName: {system}")
}

#[test]
fn who_is_there_is_known_before_the_first_event() {
    let mut talk = Talk::new(&[List::Channels], None);
    talk.expect("CoreSettings", |id| settings(id, "pbx1"));
    assert_eq!(talk.said(), ["up 11.0.0 \"22.10.1\" \"pbx1\"", "answer CoreSettings"]);
    talk.expect("Events", ok);
    talk.expect("CoreStatus", ok);
    let (asked, id) = talk.asks();
    assert_eq!(asked, "CoreShowChannels");
    talk.hears(&format!("Response: Success\nActionID: {id}\nEventList: start"));
    talk.hears("Event: Newchannel\nUniqueid: 1.1");
    talk.hears(&format!("Event: CoreShowChannel\nActionID: {id}\nUniqueid: 1.0"));
    assert_eq!(talk.asks().0, "", "one at a time");
    talk.hears(&format!("Event: CoreShowChannelsComplete\nActionID: {id}\nEventList: Complete"));
    assert!(talk.dialog.idle());
    let expected = [
        "answer CoreStatus",
        "begin Channels",
        "event Newchannel",
        "row Channels CoreShowChannel",
        "end Channels complete",
    ];
    assert_eq!(talk.said(), expected);
    assert_eq!(talk.dialog.due(), None);
}

#[test]
fn a_manager_that_tells_nothing_of_itself_is_taken_as_it_is() {
    let mut talk = Talk::new(&[], None);
    talk.expect("CoreSettings", error("Permission denied"));
    assert_eq!(talk.said(), ["up 11.0.0 \"\" \"\""]);
    // And one that sends events before it was asked to is known all the same.
    let mut talk = Talk::new(&[], None);
    let (_, id) = talk.asks();
    talk.hears("Event: FullyBooted\nUptime: 10");
    assert!(talk.said().is_empty());
    talk.hears(&settings(&id, "pbx1"));
    talk.hears("Event: Hangup\nUniqueid: 1.0");
    assert_eq!(talk.said(), ["up 11.0.0 \"22.10.1\" \"pbx1\"", "answer CoreSettings", "event Hangup"]);
}

#[test]
fn lists_of_asterisk_11_have_an_end_of_another_shape() {
    let mut talk = Talk::logged_in(&[List::Queues], None);
    let (_, id) = talk.asks();
    talk.hears(&format!("Response: Success\nActionID: {id}\nMessage: Queue status will follow"));
    talk.hears(&format!("Event: QueueParams\nQueue: a\nActionID: {id}"));
    talk.hears(&format!("Event: QueueStatusComplete\nActionID: {id}"));
    assert_eq!(talk.said(), ["begin Queues", "row Queues QueueParams", "end Queues complete"]);
}

#[test]
fn an_error_can_mean_none_or_never() {
    let lists = [List::Conferences, List::Contacts, List::SipPeers, List::Agents];
    let mut talk = Talk::logged_in(&lists, Some(100 * SECOND));
    talk.expect("ConfbridgeListRooms", error("No active conferences."));
    talk.expect("PJSIPShowContacts", |id| {
        format!("Response: Error\nActionID: {id}\nMessage: No Contacts found")
    });
    talk.expect(
        "SIPpeers",
        error("Invalid/unknown command: SIPpeers. Use Action: ListCommands to show available commands."),
    );
    talk.expect("Agents", error("Permission denied"));
    let expected = [
        "begin Conferences",
        "end Conferences complete",
        "begin Contacts",
        "end Contacts complete",
        "begin SipPeers",
        "end SipPeers broken off",
        "begin Agents",
        "end Agents broken off",
    ];
    assert_eq!(talk.said(), expected);
    assert!(talk.dialog.idle());

    // The next time, only what there is.
    talk.now += 101 * SECOND;
    talk.expect("CoreStatus", ok);
    talk.expect("ConfbridgeListRooms", error("No active conferences."));
    talk.expect("PJSIPShowContacts", error("No Contacts found"));
    assert!(talk.dialog.idle());
    assert_eq!(
        talk.context.telemetry.value("otelcol_ami_failed_actions", &[("receiver", "ami/test")]),
        Some(2.0)
    );

    // A module that was loaded can bring them.
    talk.hears("Event: Load\nModule: chan_sip.so\nStatus: Success");
    talk.now += SECOND;
    talk.expect("CoreStatus", ok);
    talk.expect("ConfbridgeListRooms", error("No active conferences."));
    talk.expect("PJSIPShowContacts", error("No Contacts found"));
    assert_eq!(talk.asks().0, "SIPpeers");
}

#[test]
fn a_list_that_breaks_off_is_no_list() {
    let mut talk = Talk::logged_in(&[List::Channels, List::Parked], None);
    let (_, id) = talk.asks();
    talk.hears(&format!("Response: Success\nActionID: {id}\nEventList: start"));
    talk.now += 19 * SECOND;
    talk.hears(&format!("Event: CoreShowChannel\nActionID: {id}\nUniqueid: 1.0"));
    talk.now += 19 * SECOND;
    assert_eq!(talk.asks().0, "", "each row gives it more time");
    assert_eq!(talk.dialog.due(), Some(talk.now + SECOND));
    talk.now += SECOND;
    let (asked, parked) = talk.asks();
    assert_eq!(asked, "ParkedCalls");
    talk.said();

    // Its rows come after all, in the middle of the next list; they are neither rows of that nor events.
    talk.hears(&format!("Event: CoreShowChannel\nActionID: {id}\nUniqueid: 1.1"));
    talk.hears(&format!("Event: ParkedCall\nActionID: {parked}\nParkeeUniqueid: 1.0"));
    talk.hears("Event: ParkedCall\nParkeeUniqueid: 1.2");
    talk.hears(&format!("Event: ParkedCallsComplete\nActionID: {parked}\nEventList: cancelled"));
    talk.hears(&format!("Event: CoreShowChannelsComplete\nActionID: {id}\nEventList: Complete"));
    talk.hears("Event: OriginateResponse\nActionID: someone else's");
    let expected =
        ["row Parked ParkedCall", "event ParkedCall", "end Parked broken off", "event OriginateResponse"];
    assert_eq!(talk.said(), expected);
}

#[test]
fn the_lists_are_read_again_after_a_reload_and_each_interval() {
    let mut talk = Talk::logged_in(&[], Some(300 * SECOND));
    assert!(talk.dialog.idle());
    assert_eq!(talk.dialog.due(), Some(talk.now + 300 * SECOND));
    talk.hears("Event: Reload\nModule: All\nStatus: 0");
    talk.hears("Event: Reload\nModule: app_queue\nStatus: 0");
    assert_eq!(talk.dialog.due(), Some(talk.now + SECOND));
    talk.now += SECOND;
    talk.expect("CoreStatus", ok);
    assert_eq!(talk.asks().0, "");
    talk.now += 300 * SECOND;
    talk.expect("CoreStatus", ok);
}
