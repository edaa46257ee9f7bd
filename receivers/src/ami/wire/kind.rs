//! The events that somebody here looks at, by name.

use std::sync::LazyLock;

macro_rules! kinds {
    ($($variant:ident $(= $name:literal)?,)+) => {
        /// An event's name, found once. The names are those of `Event:` in Asterisk 11 to 22.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "each is the event of that name")]
        pub enum EventKind {
            $($variant,)+
            /// A name that is not in this list, or no event at all.
            Other,
        }

        impl EventKind {
            /// All kinds, [`EventKind::Other`] last: `ALL[kind as usize] == kind`.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+ Self::Other];

            /// The name as Asterisk writes it; `other` for [`EventKind::Other`].
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => kinds!(@name $variant $($name)?),)+
                    Self::Other => "other",
                }
            }
        }
    };
    (@name $variant:ident $name:literal) => { $name };
    (@name $variant:ident) => { stringify!($variant) };
}

kinds! {
    // Channels.
    Newchannel, Newstate, Hangup, HangupRequest, SoftHangupRequest, Rename, Masquerade, NewCallerid, NewConnectedLine,
    NewAccountCode, Newexten, VarSet, HangupHandlerPush, HangupHandlerPop, HangupHandlerRun, ChannelUpdate,
    ChannelTalkingStart, ChannelTalkingStop, Flash, Wink, Pickup, ChanSpyStart, ChanSpyStop, MixMonitorStart,
    MixMonitorStop, MixMonitorMute, MonitorStart, MonitorStop, MCID,
    // Dialling and originating; `Dial` until Asterisk 11.
    DialBegin, DialState, DialEnd, Dial, OriginateResponse,
    // Bridges; `Bridge`, `Unlink` and `Link` until Asterisk 11.
    BridgeCreate, BridgeDestroy, BridgeEnter, BridgeLeave, BridgeMerge, BridgeVideoSourceUpdate, BridgeInfoChannel,
    BridgeInfoComplete, Bridge, BridgeAction, BridgeExec, Link, Unlink, LocalBridge, LocalOptimizationBegin,
    LocalOptimizationEnd,
    // Transfers, hold, parking; `MusicOnHold` and `Transfer` until Asterisk 11.
    BlindTransfer, AttendedTransfer, Transfer, Hold, Unhold, MusicOnHoldStart, MusicOnHoldStop, MusicOnHold, ParkedCall,
    ParkedCallGiveUp, ParkedCallTimeOut, ParkedCallSwap, UnParkedCall,
    // DTMF; `DTMF` until Asterisk 11.
    DTMFBegin, DTMFEnd, DTMF,
    // Queues and agents; `Join`, `Leave`, `QueueMemberPaused`, `Agentlogin`, `Agentlogoff` until Asterisk 11.
    QueueCallerJoin, QueueCallerLeave, QueueCallerAbandon, Join, Leave, QueueMemberAdded, QueueMemberRemoved,
    QueueMemberStatus, QueueMemberPause, QueueMemberPaused, QueueMemberPenalty, QueueMemberRinginuse, AgentCalled,
    AgentConnect, AgentComplete, AgentDump, AgentRingNoAnswer, AgentLogin, AgentLogoff, Agentlogin, Agentlogoff,
    // Conferences.
    ConfbridgeStart, ConfbridgeEnd, ConfbridgeJoin, ConfbridgeLeave, ConfbridgeMute, ConfbridgeUnmute,
    ConfbridgeTalking, ConfbridgeRecord, ConfbridgeStopRecord, ConfbridgeWelcome, MeetmeJoin, MeetmeLeave, MeetmeEnd,
    MeetmeMute, MeetmeTalking, MeetmeTalkRequest,
    // Applications.
    AGIExecStart, AGIExecEnd, AGIExec, AsyncAGIStart, AsyncAGIExec, AsyncAGIEnd, AsyncAGI, UserEvent, FAXStatus,
    ReceiveFAX, SendFAX, MessageWaiting, MiniVoiceMail, VoicemailPasswordChange,
    // Records and states.
    CEL, Cdr, DeviceStateChange, ExtensionStatus, PresenceStateChange, PresenceStatus, AocD = "AOC-D", AocE = "AOC-E",
    AocS = "AOC-S",
    // Peers, contacts, registrations.
    PeerStatus, ContactStatus, Registry, EndpointDetail, AorDetail, AuthDetail, ContactStatusDetail,
    // Media.
    RTCPSent, RTCPReceived, RTPReceiverStat, RTPSenderStat, JitterBufStats,
    // System.
    FullyBooted, Reload, ChannelReload, ModuleLoadReport, Load, Unload, Shutdown, LogChannel, Alarm, AlarmClear,
    SpanAlarm, SpanAlarmClear, DNDState, DAHDIChannel, DeadlockStart, TestEvent,
    // Security.
    SuccessfulAuth, ChallengeSent, ChallengeResponseFailed, InvalidPassword, InvalidAccountID, InvalidTransport,
    FailedACL, SessionLimit, MemoryLimit, LoadAverageLimit, RequestNotSupported, RequestNotAllowed, RequestBadFormat,
    AuthMethodNotAllowed, UnexpectedAddress,
    // Rows and ends of lists.
    CoreShowChannel, CoreShowChannelsComplete, Status, StatusComplete, QueueParams, QueueMember, QueueEntry,
    QueueStatusComplete, QueueSummary, QueueSummaryComplete, ContactList, ContactListComplete, EndpointList,
    EndpointListComplete, PeerEntry, PeerlistComplete, BridgeListItem, BridgeListComplete, ConfbridgeListRooms,
    ConfbridgeListRoomsComplete, ConfbridgeList, ConfbridgeListComplete, MeetmeList, MeetmeListComplete,
    MeetmeListRooms, MeetmeListRoomsComplete, OutboundRegistrationDetail, OutboundRegistrationDetailComplete,
    RegistryEntry, RegistrationsComplete, Agents, AgentsComplete, ParkedCallsComplete,
}

/// Kinds by their names.
type Names = Vec<(&'static [u8], EventKind)>;

/// By length: most names are told apart by it and their first letters.
static BY_LENGTH: LazyLock<Vec<Names>> = LazyLock::new(|| {
    let mut by_length = Vec::new();
    for kind in EventKind::ALL.iter().filter(|kind| **kind != EventKind::Other) {
        let name = kind.name().as_bytes();
        if by_length.len() <= name.len() {
            by_length.resize_with(name.len() + 1, Vec::new);
        }
        by_length[name.len()].push((name, *kind));
    }
    by_length
});

impl EventKind {
    /// The kind of that name, as Asterisk spells it.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let of_length = BY_LENGTH.get(name.len()).map(Vec::as_slice).unwrap_or_default();
        of_length.iter().find(|(known, _)| *known == name).map_or(Self::Other, |(_, kind)| *kind)
    }

    /// Whether somebody was refused: the security events that are no success and no question (main/security_events.c).
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::ChallengeResponseFailed
                | Self::InvalidPassword
                | Self::InvalidAccountID
                | Self::InvalidTransport
                | Self::FailedACL
                | Self::SessionLimit
                | Self::MemoryLimit
                | Self::LoadAverageLimit
                | Self::RequestNotSupported
                | Self::RequestNotAllowed
                | Self::RequestBadFormat
                | Self::AuthMethodNotAllowed
                | Self::UnexpectedAddress
        )
    }

    /// Whether it is a security event.
    #[must_use]
    pub const fn is_security(self) -> bool {
        self.is_refusal() || matches!(self, Self::SuccessfulAuth | Self::ChallengeSent)
    }
}
