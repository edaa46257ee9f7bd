//! What becomes of a field of AMI: the attribute's name, what it holds, whether it is wanted.

use hashbrown::HashMap;
use otelcol_asterisk::redaction::Kind;

use super::config::Choice;
use crate::ami::wire::EventKind;

/// Fields that are remembered. Asterisk has some hundred; dialplans may invent more (`UserEvent`), without end.
const REMEMBERED: usize = 4096;

/// Bytes of a name; a longer one is cut.
const NAME_BYTES: usize = 128;

/// Names that do not follow from the field's by rule: those of spans, CEL's other spelling, and
/// `"Name" <number>`, which a CDR calls clid.
const NAMES: [(&str, &str); 17] = [
    ("CallerID", "asterisk.clid"),
    ("CallerIDNum", "asterisk.caller_id"),
    ("CallerIDName", "asterisk.caller_name"),
    ("CallerIDani", "asterisk.caller_id_ani"),
    ("CallerIDdnid", "asterisk.caller_id_dnid"),
    ("CallerIDrdnis", "asterisk.caller_id_rdnis"),
    ("Cause-txt", "asterisk.hangup_cause"),
    ("Count", "asterisk.queue.count"),
    ("DestChannel", "asterisk.dial.destination"),
    ("DialStatus", "asterisk.dial.status"),
    ("DialString", "asterisk.dial.dialstring"),
    ("Interface", "asterisk.queue.interface"),
    ("Linkedid", "asterisk.linkedid"),
    ("MemberName", "asterisk.queue.member"),
    ("Position", "asterisk.queue.position"),
    ("Queue", "asterisk.queue.name"),
    ("Uniqueid", "asterisk.uniqueid"),
];

/// Fields whose values are whole numbers, which one compares and adds.
const INTEGERS: [&str; 19] = [
    "BillableSeconds",
    "BridgeNumChannels",
    "CallsTaken",
    "Cause",
    "Count",
    "Duration",
    "DurationMs",
    "HangupCauseCode",
    "HoldTime",
    "OriginalPosition",
    "ParkingDuration",
    "Penalty",
    "Position",
    "ResultCode",
    "RingTime",
    "RoundtripUsec",
    "SoftHangupFlags",
    "TalkTime",
    "TechCause",
];

/// A field of AMI.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// The attribute's name.
    pub(super) name: String,
    /// What it holds.
    pub(super) kind: Kind,
    /// Its value is a whole number, if it is one.
    pub(super) integer: bool,
    /// The settings want it.
    pub(super) wanted: bool,
    /// Its value is `NAME=value`, and `NAME` belongs to the attribute's name.
    pub(super) variable: bool,
    /// The record that had it last, and how often that had it: an attribute occurs once in a record.
    seen: (u64, u32),
}

impl Field {
    /// One that is known as `alias`.
    fn new(key: &[u8], alias: &[u8], choice: &Choice) -> Self {
        let key_text = String::from_utf8_lossy(alias);
        // Asterisk 11 puts the channel behind it: `ChanVariable(SIP/1-1)`.
        let bare = key_text.split('(').next().unwrap_or_default();
        let variable =
            bare.len() >= 12 && bare.as_bytes()[bare.len() - 12..].eq_ignore_ascii_case(b"ChanVariable");
        Self {
            name: name(if variable { bare } else { &key_text }),
            kind: Kind::of(&key_text),
            integer: INTEGERS.iter().any(|field| key_text.eq_ignore_ascii_case(field)),
            wanted: choice.has(key),
            variable,
            seen: (0, 0),
        }
    }

    /// The name without `asterisk.`.
    pub(super) fn short_name(&self) -> &str {
        otelcol_asterisk::without_prefix(&self.name)
    }

    /// Notes that `record` has it. How often it had it before.
    pub(super) fn seen_in(&mut self, record: u64) -> u32 {
        if self.seen.0 != record {
            self.seen = (record, 0);
        }
        let before = self.seen.1;
        self.seen.1 += 1;
        before
    }
}

/// All fields that came.
#[derive(Debug)]
pub(super) struct Fields {
    choice: Choice,
    places: HashMap<Box<[u8]>, usize>,
    list: Vec<Field>,
}

impl Fields {
    pub(super) fn new(choice: Choice) -> Self {
        Self { choice, places: HashMap::new(), list: Vec::new() }
    }

    /// The field of that name in an event.
    pub(super) fn get(&mut self, event: EventKind, key: &[u8]) -> &mut Field {
        let alias = known_as(event, key);
        let place = match self.places.get(alias) {
            Some(place) => *place,
            None => self.remember(key, alias),
        };
        &mut self.list[place]
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.list.len()
    }

    fn remember(&mut self, key: &[u8], alias: &[u8]) -> usize {
        if self.list.len() >= REMEMBERED {
            self.places.clear();
            self.list.clear();
        }
        let place = self.list.len();
        self.list.push(Field::new(key, alias, &self.choice));
        self.places.insert(alias.into(), place);
        place
    }
}

/// A name of a field by which it is told apart where the same one means different things.
fn known_as(event: EventKind, key: &[u8]) -> &[u8] {
    match (event, key) {
        (EventKind::Hangup | EventKind::HangupRequest, b"Cause") => b"HangupCauseCode",
        (EventKind::SoftHangupRequest, b"Cause") => b"SoftHangupFlags",
        _ => key,
    }
}

/// `asterisk.` and the field's name in lower case, its words apart: `ConnectedLineNum` is `asterisk.connected_line_num`.
pub(super) fn name(field: &str) -> String {
    if let Some((_, name)) = NAMES.iter().find(|(known, _)| field.eq_ignore_ascii_case(known)) {
        return (*name).to_owned();
    }
    let mut name = String::from(otelcol_asterisk::PREFIX);
    push_words(&mut name, field);
    name
}

/// Appends `text` in lower case, its words apart. What may not stand in a name becomes `_`.
pub(super) fn push_words(out: &mut String, text: &str) {
    let bytes = text.as_bytes();
    let start = out.len();
    for (at, byte) in bytes.iter().enumerate().take(NAME_BYTES) {
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let after_lower = before.is_some_and(|before| before.is_ascii_lowercase() || before.is_ascii_digit());
        let ends_capitals = before.is_some_and(|before| before.is_ascii_uppercase())
            && bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
        if byte.is_ascii_uppercase() && (after_lower || ends_capitals) {
            out.push('_');
        }
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(byte.to_ascii_lowercase())),
            _ if out.len() > start && !out.ends_with('_') => out.push('_'),
            _ => {}
        }
    }
}
