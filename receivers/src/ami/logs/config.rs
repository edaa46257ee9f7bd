//! Settings of log records.

use serde::Deserialize;

/// Events that say little, say it very often, or hold what should not lie around: half of all events are `VarSet`.
const EXCLUDED_EVENTS: [&str; 22] = [
    "VarSet",
    "CEL",
    "Newexten",
    "TestEvent",
    "HangupHandler*",
    "RTCP*",
    "RTP*",
    "JitterBufStats",
    "DTMF*",
    "AGIExec*",
    "AsyncAGI*",
    "NewConnectedLine",
    "DeviceStateChange",
    "ExtensionStatus",
    "PresenceStateChange",
    "PresenceStatus",
    "QueueMemberStatus",
    "ChannelTalking*",
    "ConfbridgeTalking",
    "MeetmeTalk*",
    "BridgeVideoSourceUpdate",
    "ChallengeSent",
];

/// Fields that say nothing of the event, and the time, which the record has.
const EXCLUDED_FIELDS: [&str; 7] =
    ["Privilege", "ActionID", "Timestamp", "SequenceNumber", "File", "Line", "Func"];

/// `logs`: which events become log records, and what of them. Names may hold `*`; case does not matter.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct LogsConfig {
    /// Only these events. Empty: all but `exclude_events`.
    pub include_events: Vec<String>,
    /// Not these events. Unset: chatty ones, unless `include_events` names what is wanted.
    pub exclude_events: Option<Vec<String>>,
    /// Only these fields, by their names in AMI. Empty: all but `exclude_fields`.
    pub include_fields: Vec<String>,
    /// Not these fields. Unset: those that say nothing of the event, unless `include_fields` names what is wanted.
    pub exclude_fields: Option<Vec<String>>,
}

impl LogsConfig {
    /// Which events become records.
    pub(crate) fn events(&self) -> Choice {
        Choice::new(&self.include_events, self.exclude_events.as_deref(), &EXCLUDED_EVENTS)
    }

    /// Which fields become attributes.
    pub(crate) fn fields(&self) -> Choice {
        Choice::new(&self.include_fields, self.exclude_fields.as_deref(), &EXCLUDED_FIELDS)
    }
}

/// Some of all names.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

impl Choice {
    fn new(include: &[String], exclude: Option<&[String]>, unless_said: &[&str]) -> Self {
        let exclude = match exclude {
            Some(names) => names.iter().map(|name| Pattern::new(name)).collect(),
            None if include.is_empty() => unless_said.iter().map(|name| Pattern::new(name)).collect(),
            None => Vec::new(),
        };
        Self { include: include.iter().map(|name| Pattern::new(name)).collect(), exclude }
    }

    /// Whether `name` is one of them.
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

/// A name in which each `*` stands for any text.
#[derive(Debug, Clone)]
struct Pattern(Vec<Vec<u8>>);

impl Pattern {
    fn new(pattern: &str) -> Self {
        Self(pattern.split('*').map(|part| part.as_bytes().to_ascii_lowercase()).collect())
    }

    fn matches(&self, name: &[u8]) -> bool {
        let Some((first, rest)) = self.0.split_first() else { return false };
        let same = |text: &[u8], part: &[u8]| text.eq_ignore_ascii_case(part);
        let Some((last, middle)) = rest.split_last() else { return same(name, first) };
        if name.len() < first.len() + last.len() {
            return false;
        }
        let (start, after) = name.split_at(first.len());
        let (mut between, end) = after.split_at(after.len() - last.len());
        if !same(start, first) || !same(end, last) {
            return false;
        }
        for part in middle.iter().filter(|part| !part.is_empty()) {
            let Some(at) = between.windows(part.len()).position(|window| same(window, part)) else {
                return false;
            };
            between = &between[at + part.len()..];
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(include: &[&str], exclude: Option<&[&str]>, defaults: &[&str]) -> Choice {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Choice::new(&own(include), exclude.map(own).as_deref(), defaults)
    }

    #[test]
    fn patterns() {
        let cases = [
            ("Hangup", "hangup", true),
            ("Hangup", "HangupRequest", false),
            ("Hangup*", "HangupRequest", true),
            ("*Request", "SoftHangupRequest", true),
            ("*hangup*", "SoftHangupRequest", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXc", false),
            ("ab*ba", "aba", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("a**b", "ab", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(Pattern::new(pattern).matches(name.as_bytes()), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn what_is_named_wins_over_the_defaults() {
        let all = choice(&[], None, &["VarSet"]);
        assert!(all.has(b"Hangup") && !all.has(b"VarSet"));
        let named = choice(&["VarSet", "Hangup*"], None, &["VarSet"]);
        assert!(named.has(b"VarSet") && named.has(b"HangupRequest") && !named.has(b"Newchannel"));
        let both = choice(&["Hangup*"], Some(&["HangupRequest"]), &["VarSet"]);
        assert!(both.has(b"Hangup") && !both.has(b"HangupRequest"));
        assert!(choice(&[], Some(&[]), &["VarSet"]).has(b"VarSet"));
    }
}
