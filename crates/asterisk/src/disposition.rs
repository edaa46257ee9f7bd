//! How a call ended, from what Asterisk says of its dials and of its end.

/// How a call ended, in the words of Asterisk's CDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Disposition {
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
    pub const ALL: [Self; 7] = [
        Self::Answered,
        Self::NoAnswer,
        Self::Busy,
        Self::Cancel,
        Self::Congestion,
        Self::Failed,
        Self::Unknown,
    ];

    /// The value of the attribute.
    #[must_use]
    pub fn as_str(self) -> &'static str {
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

    /// What a dial's status means for its call; `None` for one that says nothing of it.
    ///
    /// ```
    /// use otelcol_asterisk::disposition::Disposition;
    ///
    /// assert_eq!(Disposition::of_dial(b"CHANUNAVAIL"), Some(Disposition::Failed));
    /// assert_eq!(Disposition::of_dial(b""), None);
    /// ```
    #[must_use]
    pub fn of_dial(status: &[u8]) -> Option<Self> {
        Some(match status {
            b"ANSWER" => Self::Answered,
            b"BUSY" => Self::Busy,
            b"NOANSWER" | b"DONTCALL" | b"TORTURE" => Self::NoAnswer,
            b"CANCEL" | b"ABORT" => Self::Cancel,
            b"CONGESTION" => Self::Congestion,
            b"CHANUNAVAIL" | b"INVALIDARGS" => Self::Failed,
            _ => return None,
        })
    }

    /// Without a dial: by the cause of the end of the call's root channel (Q.850).
    #[must_use]
    pub fn of_cause(cause: u8) -> Self {
        match cause {
            17 => Self::Busy,
            // 0: Asterisk ended it without a cause. 16: dialplan or caller ended it before anything answered.
            0 | 16 | 18 | 19 | 31 => Self::NoAnswer,
            // A caller's CANCEL.
            26 | 127 => Self::Cancel,
            34 | 38 | 41 | 42 | 44 | 47 => Self::Congestion,
            _ => Self::Failed,
        }
    }

    /// Whether of two branches of one dial the `other` says more about the far end.
    #[must_use]
    pub fn yields_to(self, other: Self) -> bool {
        let rank = |result| match result {
            Self::Answered => 6,
            Self::Busy => 5,
            Self::NoAnswer => 4,
            Self::Cancel => 3,
            Self::Congestion => 2,
            _ => 1,
        };
        rank(other) > rank(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_ends_as_its_best_branch() {
        let best = |statuses: &[&[u8]]| {
            let mut results = statuses.iter().filter_map(|status| Disposition::of_dial(status));
            let first = results.next().unwrap();
            results.fold(first, |best, next| if best.yields_to(next) { next } else { best })
        };
        assert_eq!(best(&[b"CANCEL", b"ANSWER", b"NOANSWER"]), Disposition::Answered);
        assert_eq!(best(&[b"CHANUNAVAIL", b"CONGESTION"]), Disposition::Congestion);
        assert_eq!(best(&[b"NOANSWER", b"CANCEL"]), Disposition::NoAnswer);
        assert_eq!(best(&[b"BUSY", b"?", b"NOANSWER"]), Disposition::Busy);
    }

    #[test]
    fn causes_without_a_dial() {
        for (cause, expected) in
            [(17, "BUSY"), (16, "NO ANSWER"), (127, "CANCEL"), (34, "CONGESTION"), (1, "FAILED")]
        {
            assert_eq!(Disposition::of_cause(cause).as_str(), expected);
        }
    }
}
