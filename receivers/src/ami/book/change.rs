//! What became true by a signal.

use super::arena::Key;
use super::bridges::Bridge;
use otelcol_asterisk::disposition::Disposition;

use super::call::Call;
use super::channel::Channel;
use super::conferences::Conference;
use super::names::Symbol;

/// Names a call: the set of channels of one Linkedid.
pub(crate) type CallKey = Key<Call>;
/// Names a channel, which is a leg of a call.
pub(crate) type ChannelKey = Key<Channel>;
/// Names a bridge.
pub(crate) type BridgeKey = Key<Bridge>;
/// Names a conference.
pub(crate) type ConferenceKey = Key<Conference>;

/// What became true by a signal, in order. Keys in it are good until the next signal is applied, those of what ended too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The first channel of a Linkedid.
    CallBegan {
        /// The call.
        call: CallKey,
        /// It ran already: a list named it, or an event of a channel whose beginning was not heard.
        found: bool,
    },
    /// A channel began.
    LegBegan {
        /// Its call.
        call: CallKey,
        /// The channel.
        leg: ChannelKey,
        /// As with [`Change::CallBegan`].
        found: bool,
    },
    /// A channel went to another call, because calls were joined. If it was the last one of its call, that call ends next.
    LegMoved {
        /// The channel.
        leg: ChannelKey,
        /// Its call until now.
        from: CallKey,
        /// Its call from now on.
        to: CallKey,
    },
    /// A channel came up.
    LegAnswered {
        /// Its call.
        call: CallKey,
        /// The channel.
        leg: ChannelKey,
    },
    /// A channel came to a place, or was found there.
    Entered {
        /// Its call.
        call: CallKey,
        /// The channel.
        leg: ChannelKey,
        /// Where it is now.
        place: Place,
        /// It was there already: a list named it.
        found: bool,
    },
    /// A channel left a place.
    Left {
        /// Its call.
        call: CallKey,
        /// The channel.
        leg: ChannelKey,
        /// Where it was.
        place: Place,
        /// Nobody heard it leave: a list did not name it there any more, or it ended.
        lost: bool,
    },
    /// The call turned out to be an agent's session with a dialer.
    AgentSession {
        /// The call.
        call: CallKey,
    },
    /// A call came into the conference of an agent's session: a customer who talks to the agent.
    JoinedSession {
        /// The customer's call.
        call: CallKey,
        /// The agent's session.
        session: CallKey,
    },
    /// A channel ended. Cause and its text are those of the [`Channel`].
    LegEnded {
        /// Its call.
        call: CallKey,
        /// The channel.
        leg: ChannelKey,
        /// It ended unheard, while nobody listened.
        lost: bool,
    },
    /// The last channel of a call ended or moved away.
    CallEnded {
        /// The call.
        call: CallKey,
        /// How it ended.
        disposition: Disposition,
        /// Its last channel ended unheard.
        lost: bool,
        /// The call into which it was joined.
        joined: Option<CallKey>,
    },
}

/// Where a channel can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a bridge.
    Bridge(BridgeKey),
    /// Waiting in a queue, by [`Book::queue_names`](super::Book::queue_names).
    Queue(Symbol),
    /// In a conference of ConfBridge or MeetMe.
    Conference(ConferenceKey),
}
