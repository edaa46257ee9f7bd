//! What the fields of AMI hold, by their names.

/// What a value holds, and so which function of [`super::Redactor`] is for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing of a person: ids, states, times, addresses of machines.
    Plain,
    /// The number of a caller or of the other side.
    Number,
    /// The name of a caller or of the other side.
    Name,
    /// Name and number: `"Max" <4930123456>`.
    CallerId,
    /// The name of a channel.
    Channel,
    /// Digits that were dialled during a call.
    Digits,
    /// Text in which numbers can stand. Whatever is not known to be something else.
    Text,
    /// Part of an authentication, with which a password can be guessed. Never leaves the collector.
    Secret,
}

/// Whole names. Sources: `main/manager*.c`, `main/security_events.c`, `main/cdr.c`, `cel/cel_manager.c`,
/// `res/res_pjsip*.c`, `apps/app_queue.c` of Asterisk 16 to 22, and `manager.c` of 11.
const WHOLE: [(&str, Kind); 42] = [
    ("ActionID", Kind::Plain),
    ("ANI", Kind::Number),
    ("CallID", Kind::Plain),
    ("CallerID", Kind::CallerId),
    ("CallerIDANI", Kind::Number),
    ("CallerIDDNID", Kind::Number),
    ("CallerIDRDNIS", Kind::Number),
    ("Challenge", Kind::Secret),
    ("Channel1", Kind::Channel),
    ("Channel2", Kind::Channel),
    ("CommandId", Kind::Plain),
    ("Destination", Kind::Number),
    ("Digit", Kind::Digits),
    ("DNID", Kind::Number),
    ("EventTV", Kind::Plain),
    ("ExpectedResponse", Kind::Secret),
    ("LastCall", Kind::Plain),
    ("LastPause", Kind::Plain),
    ("LocalAddress", Kind::Plain),
    ("MD5Secret", Kind::Secret),
    ("MD5Cred", Kind::Secret),
    ("Password", Kind::Secret),
    ("PasswordDigest", Kind::Secret),
    ("Peer", Kind::Channel),
    ("ReceivedChallenge", Kind::Secret),
    ("ReceivedHash", Kind::Secret),
    ("RefreshToken", Kind::Secret),
    ("RegExpire", Kind::Plain),
    ("RemoteAddress", Kind::Plain),
    ("RTT", Kind::Plain),
    ("RoundtripUsec", Kind::Plain),
    ("Secret", Kind::Secret),
    ("SentNTP", Kind::Plain),
    ("SentOctets", Kind::Plain),
    ("SentPackets", Kind::Plain),
    ("SentRTP", Kind::Plain),
    ("SessionID", Kind::Plain),
    ("SessionTV", Kind::Plain),
    ("Source", Kind::Number),
    ("SSRC", Kind::Plain),
    ("Timestamp", Kind::Plain),
    ("Uptime", Kind::Plain),
];

/// Ends of names: channels of an event come with prefixes, as `DestCallerIDNum`, `TransfereeChannel`.
const ENDS: [(&str, Kind); 9] = [
    ("CallerIDNum", Kind::Number),
    ("ConnectedLineNum", Kind::Number),
    ("CallerIDName", Kind::Name),
    ("ConnectedLineName", Kind::Name),
    ("Channel", Kind::Channel),
    ("UniqueID", Kind::Plain),
    ("LinkedID", Kind::Plain),
    ("Time", Kind::Plain),
    ("DurationMs", Kind::Plain),
];

impl Kind {
    /// The kind of an AMI field. Case does not matter: `CEL` says `UniqueID` and `CallerIDnum`.
    #[must_use]
    pub fn of(field: &str) -> Self {
        let whole = WHOLE.iter().find(|(name, _)| field.eq_ignore_ascii_case(name));
        let known = whole.or_else(|| ENDS.iter().find(|(end, _)| ends_with(field, end)));
        let is_rtcp_report = || field.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("Report"));
        match known {
            Some((_, kind)) => *kind,
            None if is_rtcp_report() => Self::Plain,
            None => Self::Text,
        }
    }
}

fn ends_with(field: &str, end: &str) -> bool {
    field
        .len()
        .checked_sub(end.len())
        .and_then(|at| field.get(at..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}
