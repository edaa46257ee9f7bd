//! What of an event stands in the record's text.

use crate::ami::wire::EventKind;

/// The fields that tell what happened, in the order in which one wants to read them.
pub(super) fn fields(kind: EventKind) -> &'static [&'static str] {
    use EventKind as E;
    match kind {
        E::Newchannel => &["Channel", "ChannelStateDesc", "CallerIDNum", "Exten", "Context"],
        E::Newstate => &["Channel", "ChannelStateDesc"],
        E::Hangup | E::HangupRequest | E::SoftHangupRequest => {
            &["Channel", "Cause", "Cause-txt", "TechCause"]
        }
        E::Rename => &["Channel", "Newname"],
        E::NewCallerid => &["Channel", "CallerIDNum", "CallerIDName"],
        E::NewConnectedLine => &["Channel", "ConnectedLineNum", "ConnectedLineName"],
        E::NewAccountCode => &["Channel", "AccountCode", "OldAccountCode"],
        E::Newexten => &["Channel", "Context", "Extension", "Priority", "Application", "AppData"],
        E::VarSet => &["Channel", "Variable", "Value"],
        E::DialBegin => &["Channel", "DestChannel", "DialString"],
        E::DialState | E::DialEnd => &["Channel", "DestChannel", "DialStatus"],
        E::Dial => &["SubEvent", "Channel", "Destination", "Dialstring", "DialStatus"],
        E::OriginateResponse => &["Response", "Channel", "Exten", "Context", "Reason"],
        E::BridgeCreate | E::BridgeDestroy => {
            &["BridgeUniqueid", "BridgeType", "BridgeTechnology", "BridgeName"]
        }
        E::BridgeEnter | E::BridgeLeave => &["Channel", "BridgeUniqueid", "BridgeNumChannels"],
        E::BridgeMerge => &["ToBridgeUniqueid", "FromBridgeUniqueid"],
        E::Bridge => &["Bridgestate", "Channel1", "Channel2"],
        E::Link | E::Unlink => &["Channel1", "Channel2"],
        E::LocalBridge => &["LocalOneChannel", "LocalTwoChannel"],
        E::BlindTransfer => &["TransfererChannel", "TransfereeChannel", "Extension", "Context", "Result"],
        E::AttendedTransfer => &[
            "OrigTransfererChannel",
            "SecondTransfererChannel",
            "TransferTargetChannel",
            "DestType",
            "Result",
        ],
        E::ParkedCall | E::ParkedCallGiveUp | E::ParkedCallTimeOut | E::UnParkedCall | E::ParkedCallSwap => {
            &["ParkeeChannel", "Channel", "Parkinglot", "ParkingSpace", "ParkingDuration"]
        }
        E::DTMFBegin | E::DTMFEnd | E::DTMF => &["Channel", "Direction", "Digit"],
        E::QueueCallerJoin | E::Join => &["Queue", "Channel", "Position", "Count"],
        E::QueueCallerLeave | E::Leave => &["Queue", "Channel", "Count"],
        E::QueueCallerAbandon => &["Queue", "Channel", "OriginalPosition", "Position", "HoldTime"],
        E::QueueMemberAdded
        | E::QueueMemberRemoved
        | E::QueueMemberStatus
        | E::QueueMemberPenalty
        | E::QueueMemberRinginuse => &["Queue", "MemberName", "Interface", "Status", "Penalty"],
        E::QueueMemberPause | E::QueueMemberPaused => {
            &["Queue", "MemberName", "Interface", "Paused", "PausedReason"]
        }
        E::AgentCalled | E::AgentConnect | E::AgentComplete | E::AgentDump | E::AgentRingNoAnswer => {
            &["Queue", "MemberName", "Interface", "Channel", "HoldTime", "RingTime", "TalkTime", "Reason"]
        }
        E::ConfbridgeStart
        | E::ConfbridgeEnd
        | E::ConfbridgeJoin
        | E::ConfbridgeLeave
        | E::ConfbridgeMute
        | E::ConfbridgeUnmute => &["Conference", "Channel", "Admin"],
        E::MeetmeJoin | E::MeetmeLeave | E::MeetmeEnd | E::MeetmeMute => &["Meetme", "Channel", "Usernum"],
        E::AGIExecStart | E::AGIExecEnd => &["Channel", "Command", "ResultCode", "Result"],
        E::CEL => &["EventName", "Channel", "Application"],
        E::Cdr => {
            &["Channel", "DestinationChannel", "Destination", "Disposition", "Duration", "BillableSeconds"]
        }
        E::DeviceStateChange => &["Device", "State"],
        E::ExtensionStatus => &["Exten", "Context", "StatusText"],
        E::PeerStatus => &["Peer", "PeerStatus", "Cause", "Time"],
        E::ContactStatus => &["AOR", "URI", "ContactStatus", "RoundtripUsec"],
        E::Registry => &["ChannelType", "Username", "Domain", "Status", "Cause"],
        E::FullyBooted => &["Status", "Uptime"],
        E::Shutdown => &["Shutdown", "Restart"],
        E::Reload | E::Load | E::Unload => &["Module", "Status"],
        E::UserEvent => &["UserEvent", "Channel"],
        kind if kind.is_security() => &["Service", "AccountID", "RemoteAddress"],
        _ => &["Channel"],
    }
}
