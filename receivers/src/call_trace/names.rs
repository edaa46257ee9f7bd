//! Names of spans, their events and attributes, and what an attribute's value holds.

use otelcol_asterisk::redaction::Kind;

macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$each:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $type { $($(#[$each])* $variant,)+ }

        impl $type {
            /// The name as it is sent.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

named! {
    /// What a span stands for. `asterisk.call`, `asterisk.dial` and `asterisk.queue.wait` are the guide's (step 7).
    SpanName {
        Call = "asterisk.call",
        AgentSession = "asterisk.agent.session",
        Leg = "asterisk.leg",
        Dial = "asterisk.dial",
        QueueWait = "asterisk.queue.wait",
        QueueRing = "asterisk.queue.ring",
        Bridge = "asterisk.bridge",
        Hold = "asterisk.hold",
        Park = "asterisk.park",
        Conference = "asterisk.conference",
        Talk = "asterisk.agent.talk",
        Agi = "asterisk.agi",
    }
}

named! {
    /// What happened at one moment of a span.
    EventName {
        Answer = "answer",
        Ringing = "ringing",
        Progress = "progress",
        Dtmf = "dtmf",
        Hold = "hold",
        Unhold = "unhold",
        Transfer = "transfer",
        HangupRequest = "hangup_request",
        Dialplan = "dialplan",
        Mute = "mute",
        Unmute = "unmute",
        Rename = "rename",
        Pickup = "pickup",
        Originate = "originate",
        Cdr = "cdr",
        User = "user_event",
    }
}

macro_rules! attributes {
    ($($variant:ident = $name:literal $kind:ident,)+) => {
        /// A key of a span's or an event's attribute. Names without a point in the guide are as the guide has them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Attribute {
            $($variant,)+
            /// The variable of that number in the settings.
            Variable(u8),
        }

        impl Attribute {
            /// The name as it is sent; the prefix of the name for a variable.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ Self::Variable(_) => "asterisk.variable." }
            }

            /// What a text under this key holds, for redaction.
            pub(crate) const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)+ Self::Variable(_) => Kind::Text }
            }
        }
    };
}

attributes! {
    Channel = "asterisk.channel" Channel,
    ChannelType = "asterisk.channel_type" Plain,
    Uniqueid = "asterisk.uniqueid" Plain,
    Linkedid = "asterisk.linkedid" Plain,
    CallerId = "asterisk.caller_id" Number,
    CallerName = "asterisk.caller_name" Name,
    AccountCode = "asterisk.account_code" Text,
    Context = "asterisk.context" Text,
    Exten = "asterisk.exten" Number,
    Priority = "asterisk.priority" Plain,
    Application = "asterisk.application" Plain,
    ApplicationData = "asterisk.application_data" Text,
    HangupCause = "asterisk.hangup_cause" Plain,
    HangupCauseCode = "asterisk.hangup_cause_code" Plain,
    TechCause = "asterisk.tech_cause" Plain,
    HangupBy = "asterisk.hangup_by" Plain,
    DurationMs = "asterisk.duration_ms" Plain,
    Disposition = "asterisk.disposition" Plain,
    Mos = "asterisk.mos" Plain,
    MosMin = "asterisk.mos_min" Plain,
    Unfinished = "asterisk.unfinished" Plain,
    Found = "asterisk.found" Plain,
    Lost = "asterisk.lost" Plain,
    Cut = "asterisk.cut" Plain,
    JoinedInto = "asterisk.joined_into" Plain,
    JoinedFrom = "asterisk.joined_from" Plain,
    Destination = "asterisk.dial.destination" Channel,
    DialString = "asterisk.dial.dialstring" Text,
    DialStatus = "asterisk.dial.status" Plain,
    Originated = "asterisk.dial.originated" Plain,
    Forward = "asterisk.dial.forward" Text,
    QueueName = "asterisk.queue.name" Text,
    QueuePosition = "asterisk.queue.position" Plain,
    QueueCount = "asterisk.queue.count" Plain,
    QueueOutcome = "asterisk.queue.outcome" Plain,
    QueueHoldTime = "asterisk.queue.hold_time_ms" Plain,
    QueueTalkTime = "asterisk.queue.talk_time_ms" Plain,
    QueueCompletedBy = "asterisk.queue.completed_by" Plain,
    QueueMember = "asterisk.queue.member" Name,
    QueueInterface = "asterisk.queue.interface" Channel,
    QueueRingTime = "asterisk.queue.ring_time_ms" Plain,
    BridgeId = "asterisk.bridge.id" Plain,
    BridgeChannels = "asterisk.bridge.channels" Plain,
    ParkingLot = "asterisk.park.lot" Plain,
    ParkingSpace = "asterisk.park.space" Plain,
    ParkOutcome = "asterisk.park.outcome" Plain,
    ParkedBy = "asterisk.park.parked_by" Channel,
    Conference = "asterisk.conference.name" Plain,
    Agent = "asterisk.agent" Number,
    Campaign = "asterisk.campaign" Text,
    AgiCommand = "asterisk.agi.command" Text,
    AgiResultCode = "asterisk.agi.result_code" Plain,
    AgiResult = "asterisk.agi.result" Plain,
    Digit = "asterisk.dtmf.digit" Digits,
    Direction = "asterisk.dtmf.direction" Plain,
    DigitDuration = "asterisk.dtmf.duration_ms" Plain,
    TransferType = "asterisk.transfer.type" Plain,
    TransferResult = "asterisk.transfer.result" Plain,
    Transferer = "asterisk.transfer.transferer" Channel,
    Transferee = "asterisk.transfer.transferee" Channel,
    TransferTarget = "asterisk.transfer.target" Channel,
    OldName = "asterisk.channel.old_name" Channel,
    OriginateResponse = "asterisk.originate.response" Plain,
    OriginateReason = "asterisk.originate.reason" Plain,
    CdrDisposition = "asterisk.cdr.disposition" Plain,
    CdrDuration = "asterisk.cdr.duration" Plain,
    CdrBillable = "asterisk.cdr.billable" Plain,
    CdrDestination = "asterisk.cdr.destination_channel" Channel,
    UserEventType = "asterisk.user_event.type" Plain,
    UserEventData = "asterisk.user_event.data" Text,
}
