//! Which event classes to ask for.

use super::wire::EventKind;

/// Classes, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mask(Vec<&'static str>);

impl Mask {
    /// Adds a class.
    pub(super) fn add(&mut self, class: &'static str) {
        if !self.0.contains(&class) {
            self.0.push(class);
        }
    }

    /// The value of `EventMask`.
    pub(super) fn value(&self) -> String {
        if self.0.is_empty() { "off".to_owned() } else { self.0.join(",") }
    }
}

/// The class that lets an event through: the first word of its `Privilege`. Those of 11 and of 22 are the same.
pub(super) fn class(kind: EventKind) -> &'static str {
    use EventKind::*;
    match kind {
        VarSet | Newexten | HangupHandlerPush | HangupHandlerPop | HangupHandlerRun => "dialplan",
        QueueCallerJoin | QueueCallerLeave | QueueCallerAbandon | Join | Leave | QueueMemberAdded
        | QueueMemberRemoved | QueueMemberStatus | QueueMemberPause | QueueMemberPaused
        | QueueMemberPenalty | QueueMemberRinginuse | AgentCalled | AgentConnect | AgentComplete
        | AgentDump | AgentRingNoAnswer | AgentLogin | AgentLogoff | Agentlogin | Agentlogoff => "agent",
        AGIExecStart | AGIExecEnd | AGIExec | AsyncAGIStart | AsyncAGIExec | AsyncAGIEnd | AsyncAGI => "agi",
        DTMFBegin | DTMFEnd | DTMF => "dtmf",
        RTCPSent | RTCPReceived | RTPReceiverStat | RTPSenderStat | JitterBufStats | TestEvent => "reporting",
        Cdr => "cdr",
        UserEvent => "user",
        AocD | AocE | AocS => "aoc",
        FullyBooted | Reload | ChannelReload | ModuleLoadReport | Load | Unload | Shutdown | LogChannel
        | Alarm | AlarmClear | SpanAlarm | SpanAlarmClear | DNDState | DAHDIChannel | DeadlockStart
        | PeerStatus | ContactStatus | Registry => "system",
        kind if kind.is_security() => "security",
        _ => "call",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use otelcol_testkit::ami::Transcript;

    use super::*;

    #[test]
    fn each_event_of_the_transcripts_is_known_and_has_its_class() {
        let mut seen = BTreeSet::new();
        for transcript in [Transcript::all("asterisk22"), Transcript::all("asterisk16")].concat() {
            for event in transcript.events() {
                let (name, privilege) = (event.event(), event.get("Privilege"));
                if seen.insert(name.clone()) {
                    let kind = EventKind::of(name.as_bytes());
                    assert_ne!(kind, EventKind::Other, "{name}");
                    assert_eq!(class(kind), privilege.split(',').next().unwrap_or_default(), "{name}");
                }
            }
        }
        assert!(seen.len() > 60, "{} names", seen.len());
    }

    #[test]
    fn a_mask_is_a_list_of_classes() {
        let mut mask = Mask::default();
        assert_eq!(mask.value(), "off");
        for class in ["system", "call", "system"] {
            mask.add(class);
        }
        assert_eq!(mask.value(), "system,call");
    }
}
