//! What a session with Asterisk says to everything behind it, in the order of its stream.

use super::wire::Frame;

pub(crate) use crate::call_trace::call::Nanos;

/// The times of one signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    /// When it happened, by Asterisk's clock where it says so (`timestampevents=yes`), else when it was received.
    pub(crate) happened: Nanos,
    /// When it was received, by this host's clock.
    pub(crate) received: Nanos,
}

impl At {
    /// Received and happened at the same time.
    pub(crate) fn received(at: Nanos) -> Self {
        Self { happened: at, received: at }
    }
}

/// Who is at the other end. What is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Session {
    /// The version of the protocol, from the banner: `11.0.0`, `1.3`.
    pub(crate) ami_version: String,
    /// `AsteriskVersion` of CoreSettings.
    pub(crate) asterisk_version: String,
    /// `SystemName` of CoreSettings; empty on most systems.
    pub(crate) system_name: String,
}

/// One step of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal<'f, 'a> {
    /// Logged in. Events flow from here on.
    Up(&'f Session),
    /// An event.
    Event(&'f Frame<'a>),
    /// A list was asked for: events from here on are newer than its rows.
    ListBegin(List),
    /// A row of the list that began last.
    ListRow(List, &'f Frame<'a>),
    /// The list's end.
    ListEnd {
        /// The list that began last.
        list: List,
        /// False where it broke off: what it did not name may still be there.
        complete: bool,
    },
    /// The answer to a question.
    Answer(Query, &'f Frame<'a>),
    /// The connection is gone.
    Down,
    /// Nothing was said for a while.
    Tick,
}

/// Actions with one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Query {
    /// Version and system name.
    CoreSettings,
    /// Start, last reload and count of calls.
    CoreStatus,
}

impl Query {
    /// `Action:`.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::CoreSettings => "CoreSettings",
            Self::CoreStatus => "CoreStatus",
        }
    }
}

macro_rules! lists {
    ($($(#[$doc:meta])* $variant:ident => $action:literal, $complete:literal;)+) => {
        /// Actions that are answered with a list of events.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum List { $($(#[$doc])* $variant,)+ }

        impl List {
            /// All of them, in the order in which a session asks for them.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// `Action:`.
            pub(crate) fn action(self) -> &'static str {
                match self { $(Self::$variant => $action,)+ }
            }

            /// The name of the event that ends it.
            pub(crate) fn complete(self) -> &'static [u8] {
                match self { $(Self::$variant => $complete,)+ }
            }
        }
    };
}

lists! {
    /// `CoreShowChannel` rows.
    Channels => "CoreShowChannels", b"CoreShowChannelsComplete";
    /// `BridgeListItem` rows.
    Bridges => "BridgeList", b"BridgeListComplete";
    /// `QueueParams`, then its `QueueMember`s and `QueueEntry`s, for each queue.
    Queues => "QueueStatus", b"QueueStatusComplete";
    /// `ConfbridgeListRooms` rows. Without a conference the answer is an error, which comes out as a complete list of none.
    Conferences => "ConfbridgeListRooms", b"ConfbridgeListRoomsComplete";
    /// `ParkedCall` rows.
    Parked => "ParkedCalls", b"ParkedCallsComplete";
    /// `Agents` rows (app_agent_pool, chan_agent).
    Agents => "Agents", b"AgentsComplete";
    /// `EndpointList` rows.
    Endpoints => "PJSIPShowEndpoints", b"EndpointListComplete";
    /// `ContactList` rows (since Asterisk 13.21 or so).
    Contacts => "PJSIPShowContacts", b"ContactListComplete";
    /// `OutboundRegistrationDetail` rows.
    RegistrationsOutbound => "PJSIPShowRegistrationsOutbound", b"OutboundRegistrationDetailComplete";
    /// `PeerEntry` rows of chan_sip.
    SipPeers => "SIPpeers", b"PeerlistComplete";
    /// `RegistryEntry` rows of chan_sip.
    SipRegistry => "SIPshowregistry", b"RegistrationsComplete";
}
