//! A call: the channels of one Linkedid.

use std::sync::Arc;

use otelcol_asterisk::disposition::Disposition;

use super::change::CallKey;
use super::names::Symbol;
use crate::ami::signal::Nanos;

/// How far a call is on its way into the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not yet known what it is.
    Open,
    /// Counted as a call.
    Counted,
    /// An agent's session with a dialer, counted as one.
    AgentSession,
    /// Part of another call after all (Asterisk before 12 tells only when it dials).
    Absorbed,
}

/// A call.
#[derive(Debug)]
pub(crate) struct Call {
    /// Its Linkedid.
    pub(crate) linkedid: Arc<str>,
    /// When its first channel began.
    pub(crate) began: Nanos,
    /// When its root channel, or one that was dialled, came up.
    pub(crate) answered: Option<Nanos>,
    /// When it first rang somewhere.
    pub(crate) ringing: Option<Nanos>,
    /// Its beginning was not heard.
    pub(crate) found: bool,
    /// Context in which its first channel began, by [`Book::contexts`](super::Book::contexts).
    pub(crate) context: Symbol,
    /// Technology of its first channel that is not Local, by [`Book::technologies`](super::Book::technologies).
    pub(crate) technology: Option<Symbol>,
    /// The agent's session whose conference it came into.
    pub(crate) session: Option<CallKey>,
    /// Channels that Asterisk has.
    pub(super) present: u32,
    /// Channels that are in the book: those that are present, and those whose `Hangup` is awaited.
    pub(super) legs: u32,
    /// Where it stands.
    pub(super) standing: Standing,
    /// Asterisk tells Linkedids: since version 12.
    pub(super) told: bool,
    /// It is sure that this is a call of its own, and no leg of one.
    pub(super) linked: bool,
    /// The first channel's context and extension are ones that agents' sessions begin with.
    pub(super) agent_origin: bool,
    /// The best result of its last dial, which can have several branches.
    pub(super) dial: Option<Disposition>,
    /// Branches of it that have no result yet.
    pub(super) dialling: u32,
    /// Cause and text of the root's end, or of the last channel that ended.
    pub(super) cause: Option<(u8, Symbol)>,
    /// The cause is the root's.
    pub(super) root_ended: bool,
}

impl Call {
    /// A call without channels.
    pub(super) fn new(linkedid: Arc<str>, began: Nanos, context: Symbol) -> Self {
        Self {
            linkedid,
            began,
            answered: None,
            ringing: None,
            found: false,
            context,
            technology: None,
            session: None,
            present: 0,
            legs: 0,
            standing: Standing::Open,
            told: false,
            linked: false,
            agent_origin: false,
            dial: None,
            dialling: 0,
            cause: None,
            root_ended: false,
        }
    }

    /// Whether Asterisk has a channel of it, as far as is known.
    pub(crate) fn present(&self) -> bool {
        self.present > 0
    }

    /// Whether it is an agent's session with a dialer.
    pub(crate) fn is_agent_session(&self) -> bool {
        self.standing == Standing::AgentSession
    }

    /// Whether it turned out to be part of another call, of which its channel is a leg from now on.
    pub(crate) fn is_absorbed(&self) -> bool {
        self.standing == Standing::Absorbed
    }

    /// How it ends if it ends now.
    pub(super) fn disposition(&self, lost: bool) -> Disposition {
        if self.answered.is_some() {
            return Disposition::Answered;
        }
        match (self.dial, self.cause) {
            (Some(dial), _) => dial,
            _ if lost => Disposition::Unknown,
            (None, Some((cause, _))) => Disposition::of_cause(cause),
            (None, None) => Disposition::Unknown,
        }
    }

    /// A branch of a dial began.
    pub(super) fn dials(&mut self) {
        if self.dialling == 0 {
            self.dial = None;
        }
        self.dialling += 1;
    }

    /// Takes a dial's result in. A fork tells one for each branch, and a branch can have two: `NOANSWER`, then `CANCEL` when
    /// the channel is cleared away. What says more about the far end wins.
    pub(super) fn dialled(&mut self, status: &[u8]) {
        self.dialling = self.dialling.saturating_sub(1);
        let Some(result) = Disposition::of_dial(status) else { return };
        if self.dial.is_none_or(|before| before.yields_to(result)) {
            self.dial = Some(result);
        }
    }
}
