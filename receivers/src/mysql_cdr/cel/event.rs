//! A channel event: one row of the table.

use std::borrow::Cow;
use std::hash::Hasher as _;
use std::sync::Arc;

use twox_hash::XxHash64;

use crate::call_trace::call::Nanos;
use crate::mysql_cdr::row::{Body, Decoder, TableRow};
use crate::mysql_cdr::schema::Role;
use crate::mysql_cdr::time::{self, Naive};

/// What happened. The order is that of events of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::mysql_cdr) enum Kind {
    /// The channel came into this call from another one: not an event of Asterisk's, but what follows from two.
    JoinedFrom,
    ChanStart,
    AppStart,
    Forward,
    Answer,
    Pickup,
    BridgeEnter,
    Dtmf,
    User,
    ParkStart,
    BlindTransfer,
    AttendedTransfer,
    ParkEnd,
    BridgeExit,
    AppEnd,
    Hangup,
    ChanEnd,
    /// The channel went over to another call.
    MovedInto,
    LinkedidEnd,
    /// Something that no span tells.
    Other,
}

/// Types of events: Asterisk's number since version 12 (`enum ast_cel_event_type`, cel.h), which it writes into a column of
/// numbers, and its name, which it writes into a text.
const TYPES: [(&str, &str, Kind); 17] = [
    ("1", "CHAN_START", Kind::ChanStart),
    ("2", "CHAN_END", Kind::ChanEnd),
    ("3", "HANGUP", Kind::Hangup),
    ("4", "ANSWER", Kind::Answer),
    ("5", "APP_START", Kind::AppStart),
    ("6", "APP_END", Kind::AppEnd),
    ("7", "BRIDGE_ENTER", Kind::BridgeEnter),
    ("8", "BRIDGE_EXIT", Kind::BridgeExit),
    ("9", "PARK_START", Kind::ParkStart),
    ("10", "PARK_END", Kind::ParkEnd),
    ("11", "BLINDTRANSFER", Kind::BlindTransfer),
    ("12", "ATTENDEDTRANSFER", Kind::AttendedTransfer),
    ("13", "USER_DEFINED", Kind::User),
    ("14", "LINKEDID_END", Kind::LinkedidEnd),
    ("15", "PICKUP", Kind::Pickup),
    ("16", "FORWARD", Kind::Forward),
    ("21", "DTMF", Kind::Dtmf),
];

impl Kind {
    /// The kind of a type's name or number; `user` is what the column for a user's own types has.
    fn parse(text: &str, user: &str) -> Self {
        let told = text.trim();
        let known = TYPES.iter().find(|(number, name, _)| *number == told || name.eq_ignore_ascii_case(told));
        match known {
            Some((_, _, kind)) => *kind,
            // With `show_user_defined` the user's own name stands for the type.
            None if !user.is_empty() && text == user => Self::User,
            None => Self::Other,
        }
    }

    /// Whether the channel is gone with it.
    pub(super) fn ends_channel(self) -> bool {
        matches!(self, Self::Hangup | Self::ChanEnd | Self::MovedInto)
    }
}

/// A channel event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mysql_cdr) struct Event {
    pub(super) kind: Kind,
    pub(super) at: Nanos,
    /// Its key, where the table has one.
    pub(super) id: Option<u64>,
    /// Its time, as the table's clock has it.
    pub(super) time: Naive,
    /// Hash of the call.
    pub(super) call: u64,
    /// Hash of the channel.
    pub(super) channel: u64,
    pub(super) system: Box<str>,
    pub(super) linkedid: Box<str>,
    pub(super) uniqueid: Box<str>,
    pub(super) channel_name: Box<str>,
    pub(super) caller_number: Box<str>,
    pub(super) caller_name: Box<str>,
    pub(super) account: Box<str>,
    pub(super) context: Box<str>,
    pub(super) exten: Box<str>,
    pub(super) application: Box<str>,
    pub(super) application_data: Box<str>,
    pub(super) peer: Box<str>,
    /// The name of a user's own type.
    pub(super) user_type: Box<str>,
    /// JSON, as each type of event has its own.
    pub(super) extra: Box<str>,
}

impl Event {
    /// What puts the events of a call in order.
    pub(super) fn order(&self) -> (Nanos, Option<u64>, Kind, &str) {
        (self.at, self.id, self.kind, &self.uniqueid)
    }
}

/// Reads a row.
pub(in crate::mysql_cdr) fn decode<'v>(
    decoder: &Decoder,
    value: &impl Fn(usize) -> Option<Cow<'v, str>>,
    now: i64,
) -> TableRow {
    let of = |role: Role| decoder.text(value, role);
    let (uniqueid, linkedid) = (of(Role::Uniqueid), of(Role::Linkedid));
    let (name, user_type, time_text) = (of(Role::EventType), of(Role::UserType), of(Role::Time));
    let kind = Kind::parse(&name, &user_type);
    let time = decoder.time(&time_text, &uniqueid, &linkedid, now);
    let nanos = if time.parsed.is_some() { time::fraction(&time_text) } else { 0 };
    let at = u64::try_from(time.utc).unwrap_or(0).saturating_mul(1_000_000_000) + u64::from(nanos);
    let id = decoder.id(value);
    let system = of(Role::SystemName);
    let (application, application_data) = (of(Role::Application), of(Role::ApplicationData));

    let hash = |parts: &[&str]| {
        let mut hash = XxHash64::with_seed(decoder.seed);
        for part in parts {
            hash.write(part.as_bytes());
            hash.write(&[0xff]);
        }
        hash
    };
    let call = if linkedid.is_empty() { &uniqueid } else { &linkedid };
    // Only what is the same text in a query's answer and in the binary log.
    let mut identity =
        hash(&[&name, &user_type, &uniqueid, &linkedid, &application, &application_data, &system]);
    for number in [id.unwrap_or(0), time.parsed.map_or(0, i64::cast_unsigned), nanos.into()] {
        identity.write(&number.to_le_bytes());
    }
    let boxed = |text: Cow<'_, str>| text.into_owned().into_boxed_str();
    let event = Event {
        kind,
        at,
        id,
        time: time.naive,
        call: hash(&[&system, call]).finish(),
        channel: hash(&[&system, &uniqueid]).finish(),
        linkedid: call.clone().into_owned().into_boxed_str(),
        channel_name: boxed(of(Role::Channel)),
        caller_number: boxed(of(Role::CallerNumber)),
        caller_name: boxed(of(Role::CallerName)),
        account: boxed(of(Role::AccountCode)),
        context: boxed(of(Role::Context)),
        exten: boxed(of(Role::Exten)),
        application: boxed(application),
        application_data: boxed(application_data),
        peer: boxed(of(Role::Peer)),
        user_type: boxed(user_type),
        extra: boxed(of(Role::Extra)),
        uniqueid: boxed(uniqueid),
        system: boxed(system),
    };
    TableRow {
        id,
        has_time: time.parsed.is_some(),
        identity: identity.finish(),
        time: time.naive,
        written: time.naive,
        written_utc: time.utc,
        body: Body::Cel(Arc::new(event)),
    }
}
