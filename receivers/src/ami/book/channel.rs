//! A channel: one leg of a call.

use std::sync::Arc;

use super::change::{BridgeKey, CallKey, ConferenceKey};
use super::names::Symbol;
use crate::ami::signal::Nanos;

/// `ChannelState` of a channel that is up (`AST_STATE_UP` of `include/asterisk/channelstate.h`).
pub(super) const UP: u8 = 6;
/// `AST_STATE_RINGING`: the far end rings.
pub(super) const RINGING: u8 = 5;
/// `AST_STATE_RING`: somebody calls in.
pub(super) const RING: u8 = 4;

/// A channel.
#[derive(Debug)]
pub(crate) struct Channel {
    /// Asterisk's id of it.
    pub(crate) uniqueid: Arc<str>,
    /// Its name as of now: a masquerade can change it.
    pub(crate) name: Box<str>,
    /// Its call.
    pub(crate) call: CallKey,
    /// Technology, by [`Book::technologies`](super::Book::technologies).
    pub(crate) technology: Symbol,
    /// `ChannelState`, 0 to 10.
    pub(crate) state: u8,
    /// When it began.
    pub(crate) began: Nanos,
    /// When it came up.
    pub(crate) answered: Option<Nanos>,
    /// The bridge that it is in.
    pub(crate) bridge: Option<BridgeKey>,
    /// The conference that it is in.
    pub(crate) conference: Option<ConferenceKey>,
    /// The queue that it waits in, by [`Book::queue_names`](super::Book::queue_names).
    pub(crate) queue: Option<Symbol>,
    /// Its hangup was asked for.
    pub(super) hangup_requested: bool,
    /// Somebody dialled it.
    pub(super) dialled: bool,
    /// The dial of it has its result.
    pub(super) dial_ended: bool,
    /// Hangup cause by Q.850, once it ended and was heard.
    pub(crate) cause: Option<u8>,
    /// `Cause-txt`, by [`Book::causes`](super::Book::causes).
    pub(crate) cause_text: Option<Symbol>,
    /// A list did not name it: it is over, and its `Hangup` may still come.
    pub(crate) missing: bool,
    /// Number of the list of channels that was being read, or was the last one, when an event told of it.
    pub(super) touched: u32,
    /// As `touched`, for its bridge and its conference.
    pub(super) bridge_touched: u32,
    pub(super) conference_touched: u32,
    /// Number of the list of channels that named it last.
    pub(super) listed: u32,
}

impl Channel {
    /// Whether Asterisk has it, as far as is known.
    pub(crate) fn present(&self) -> bool {
        !self.missing
    }
}
