//! How grave an event is.

use otelcol_asterisk::cause;
use otelcol_pdata::model::logs::SeverityNumber;

use crate::ami::wire::{EventKind, Frame};

/// The severity of an event: `DEBUG` for steps inside of Asterisk, `INFO` for what happens in a call, `WARN` for what went
/// wrong in one, for lost peers and for refused logins, `ERROR` for what stops Asterisk or a line from working.
pub(super) fn severity(frame: &Frame<'_>) -> SeverityNumber {
    use EventKind as E;
    let warn_if = |bad: bool| if bad { SeverityNumber::Warn } else { SeverityNumber::Info };
    let says = |key: &str, values: &[&str]| {
        frame
            .get(key)
            .is_some_and(|found| values.iter().any(|value| found.eq_ignore_ascii_case(value.as_bytes())))
    };
    match frame.kind() {
        E::VarSet
        | E::Newexten
        | E::CEL
        | E::TestEvent
        | E::HangupHandlerPush
        | E::HangupHandlerPop
        | E::HangupHandlerRun
        | E::RTCPSent
        | E::RTCPReceived
        | E::RTPSenderStat
        | E::RTPReceiverStat
        | E::JitterBufStats
        | E::NewConnectedLine
        | E::DeviceStateChange
        | E::ExtensionStatus
        | E::PresenceStateChange
        | E::ChallengeSent
        | E::BridgeVideoSourceUpdate => SeverityNumber::Debug,

        E::Alarm
        | E::SpanAlarm
        | E::DeadlockStart
        | E::MemoryLimit
        | E::LoadAverageLimit
        | E::SessionLimit => SeverityNumber::Error,

        E::Shutdown
        | E::QueueCallerAbandon
        | E::AgentRingNoAnswer
        | E::AgentDump
        | E::ParkedCallGiveUp
        | E::ParkedCallTimeOut => SeverityNumber::Warn,

        kind if kind.is_refusal() => SeverityNumber::Warn,

        E::Hangup => warn_if(cause_number(frame).is_some_and(cause::is_failure)),
        E::DialEnd => warn_if(says("DialStatus", &["CHANUNAVAIL", "CONGESTION", "INVALIDARGS"])),
        E::OriginateResponse => warn_if(says("Response", &["Failure"])),
        E::BlindTransfer | E::AttendedTransfer | E::AGIExecEnd => {
            warn_if(!says("Result", &["Success"]) && frame.get("Result").is_some())
        }
        E::PeerStatus => warn_if(says("PeerStatus", &["Unreachable", "Lagged", "Rejected", "Unregistered"])),
        E::ContactStatus => warn_if(says("ContactStatus", &["Unreachable", "Unqualified", "Rejected"])),
        E::Registry => warn_if(says(
            "Status",
            &["Rejected", "Failed", "Timeout", "Request Sent Timeout", "No Authentication", "Stopped"],
        )),
        E::Load | E::Unload | E::Reload => warn_if(says("Status", &["Failure", "1", "2", "3", "4"])),
        _ => SeverityNumber::Info,
    }
}

fn cause_number(frame: &Frame<'_>) -> Option<u8> {
    str::from_utf8(frame.get("Cause")?).ok()?.parse().ok()
}
