//! Sequences of which there is no transcript: calls that are joined, and Asterisk 11.

use otelcol_asterisk::ids::{call_trace_id, hex};
use otelcol_testkit::ami::Message;

use super::tree::trees;
use super::{Desk, TracesConfig};

const START: u64 = 1_795_300_000_000_000_000;

/// Events from lines of `milliseconds Event: key=value key=value`.
fn script(text: &str) -> Vec<Message> {
    let event = |line: &str| {
        let (millis, rest) = line.trim().split_once(' ')?;
        let (event, fields) = rest.split_once(':')?;
        let mut bytes = format!("Event: {}", event.trim());
        for field in fields.split_whitespace() {
            let (key, value) = field.split_once('=')?;
            bytes += &format!("\r\n{key}: {value}");
        }
        Some(Message { bytes: bytes.into_bytes(), at: START + millis.parse::<u64>().ok()? * 1_000_000 })
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| event(line).expect(line)).collect()
}

fn traces(text: &str) -> String {
    let mut desk = Desk::new(TracesConfig::default());
    desk.events(&script(text));
    trees(&desk.finish())
}

/// The structure: names and times, and lines that hold one of `keys`.
fn outline(trees: &str, keys: &[&str]) -> Vec<String> {
    let wanted = |line: &&str| {
        let text = line.trim();
        text.starts_with("asterisk.")
            || text.starts_with("trace ")
            || keys.iter().any(|key| text.starts_with(key))
    };
    trees.lines().filter(wanted).map(str::to_owned).collect()
}

#[test]
fn calls_that_are_joined_say_so_in_both_traces() {
    let found = traces(
        "
        0    Newchannel: Channel=PJSIP/a-00000001 ChannelState=4 Uniqueid=1.1 Linkedid=1.1 Exten=100
        10   Newstate: Channel=PJSIP/a-00000001 ChannelState=6 Uniqueid=1.1 Linkedid=1.1
        100  Newchannel: Channel=PJSIP/b-00000002 ChannelState=4 Uniqueid=2.1 Linkedid=2.1 Exten=200
        110  Newstate: Channel=PJSIP/b-00000002 ChannelState=6 Uniqueid=2.1 Linkedid=2.1
        500  BridgeCreate: BridgeUniqueid=xyz BridgeType=basic
        500  BridgeEnter: BridgeUniqueid=xyz BridgeType=basic Channel=PJSIP/a-00000001 Uniqueid=1.1 Linkedid=1.1
        501  BridgeEnter: BridgeUniqueid=xyz BridgeType=basic Channel=PJSIP/b-00000002 Uniqueid=2.1 Linkedid=1.1
        900  BridgeLeave: BridgeUniqueid=xyz BridgeType=basic Channel=PJSIP/a-00000001 Uniqueid=1.1 Linkedid=1.1
        900  BridgeLeave: BridgeUniqueid=xyz BridgeType=basic Channel=PJSIP/b-00000002 Uniqueid=2.1 Linkedid=1.1
        910  Hangup: Channel=PJSIP/b-00000002 Uniqueid=2.1 Linkedid=1.1 Cause=16 Cause-txt=Normal
        920  Hangup: Channel=PJSIP/a-00000001 Uniqueid=1.1 Linkedid=1.1 Cause=16 Cause-txt=Normal
        ",
    );
    let (a, b) = (hex(&call_trace_id("pbx", "1.1")), hex(&call_trace_id("pbx", "2.1")));
    assert_eq!(
        outline(&found, &["joined", "->", "bridge.channels"]).join("\n").replace(&a, "A").replace(&b, "B"),
        "\
trace A
asterisk.call 0.000..0.920
  asterisk.leg 0.000..0.920
  asterisk.leg 0.501..0.910
      joined_from=2.1
      -> B 5d07b2843a474fef
  asterisk.bridge 0.501..0.900
      bridge.channels=[\"PJSIP/a-00000001\",\"PJSIP/b-00000002\"]
trace B
asterisk.call 0.000..0.401
    joined_into=1.1
    -> A 963beea70b4b9eb9
  asterisk.leg 0.000..0.401
      joined_into=1.1
      -> A b21806718642b893"
    );
}

#[test]
fn asterisk_11_tells_less() {
    let found = traces(
        "
        0    Newchannel: Channel=SIP/a-00000001 ChannelState=4 Uniqueid=1.1 CallerIDNum=100 Context=in Exten=200
        5    Newchannel: Channel=SIP/b-00000002 ChannelState=0 Uniqueid=1.2 Context=in
        6    Dial: SubEvent=Begin Channel=SIP/a-00000001 Destination=SIP/b-00000002 UniqueID=1.1 DestUniqueID=1.2 Dialstring=b
        7    Newstate: Channel=SIP/b-00000002 ChannelState=5 Uniqueid=1.2
        300  Newstate: Channel=SIP/b-00000002 ChannelState=6 Uniqueid=1.2
        301  Newstate: Channel=SIP/a-00000001 ChannelState=6 Uniqueid=1.1
        302  Bridge: Bridgestate=Link Channel1=SIP/a-00000001 Channel2=SIP/b-00000002 Uniqueid1=1.1 Uniqueid2=1.2
        800  Unlink: Channel1=SIP/a-00000001 Channel2=SIP/b-00000002 Uniqueid1=1.1 Uniqueid2=1.2
        801  Hangup: Channel=SIP/b-00000002 Uniqueid=1.2 Cause=16 Cause-txt=Normal
        802  Dial: SubEvent=End Channel=SIP/a-00000001 UniqueID=1.1 DialStatus=ANSWER
        803  Hangup: Channel=SIP/a-00000001 Uniqueid=1.1 Cause=16 Cause-txt=Normal
        ",
    );
    assert_eq!(
        outline(&found, &["dial.", "disposition", "bridge.channels", "*"]).join("\n"),
        "\
trace 49ad944ff55e34ce1bf55d7580396c47
asterisk.call 0.000..0.803
    disposition=ANSWERED
  asterisk.leg 0.000..0.803
      * 0.301 answer
  asterisk.leg 0.005..0.801
      * 0.300 answer
  asterisk.dial 0.006..0.300
      dial.destination=SIP/b-00000002
      dial.dialstring=b
      dial.status=ANSWER
  asterisk.bridge 0.302..0.800
      bridge.channels=[\"SIP/a-00000001\",\"SIP/b-00000002\"]"
    );
}
