//! A call: the channels of one Linkedid.

use std::sync::Arc;

use super::change::CallKey;
use super::names::Symbol;
use crate::ami::signal::Nanos;

/// How a call ended, in the words of Asterisk's CDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Disposition {
    /// Its root channel, or one that was dialled, came up.
    Answered,
    /// It rang and nobody took it.
    NoAnswer,
    /// The far end was busy.
    Busy,
    /// The caller gave up before anybody answered.
    Cancel,
    /// No line, no circuit, no capacity.
    Congestion,
    /// It could not be placed.
    Failed,
    /// It ended while nobody listened and had not been answered before.
    Unknown,
}

impl Disposition {
    /// All of them.
    pub(crate) const ALL: [Self; 7] = [
        Self::Answered,
        Self::NoAnswer,
        Self::Busy,
        Self::Cancel,
        Self::Congestion,
        Self::Failed,
        Self::Unknown,
    ];

    /// The value of the attribute.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "ANSWERED",
            Self::NoAnswer => "NO ANSWER",
            Self::Busy => "BUSY",
            Self::Cancel => "CANCEL",
            Self::Congestion => "CONGESTION",
            Self::Failed => "FAILED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

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
            (None, Some((cause, _))) => by_cause(cause),
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
        let result = match status {
            b"ANSWER" => Disposition::Answered,
            b"BUSY" => Disposition::Busy,
            b"NOANSWER" | b"DONTCALL" | b"TORTURE" => Disposition::NoAnswer,
            b"CANCEL" | b"ABORT" => Disposition::Cancel,
            b"CONGESTION" => Disposition::Congestion,
            b"CHANUNAVAIL" | b"INVALIDARGS" => Disposition::Failed,
            _ => return,
        };
        let rank = |result| match result {
            Disposition::Answered => 6,
            Disposition::Busy => 5,
            Disposition::NoAnswer => 4,
            Disposition::Cancel => 3,
            Disposition::Congestion => 2,
            _ => 1,
        };
        if self.dial.is_none_or(|before| rank(result) > rank(before)) {
            self.dial = Some(result);
        }
    }
}

/// Without a dial: by the cause of the root's end (Q.850).
fn by_cause(cause: u8) -> Disposition {
    match cause {
        17 => Disposition::Busy,
        // 0: Asterisk ended it without a cause. 16: dialplan or caller ended it before anything answered.
        0 | 16 | 18 | 19 | 31 => Disposition::NoAnswer,
        // A caller's CANCEL.
        26 | 127 => Disposition::Cancel,
        34 | 38 | 41 | 42 | 44 | 47 => Disposition::Congestion,
        _ => Disposition::Failed,
    }
}
