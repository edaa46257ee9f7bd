//! Rows of tables as they are read, and what of a CDR counts.

use std::borrow::Cow;
use std::hash::Hasher as _;
use std::sync::Arc;

use mysql_async::Value;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash64;

use super::cel::Event;
use super::schema::{Layout, Role};
use super::time::{self, Naive, Zone};

/// How a call ended, the best first: of several rows of a call the first of these counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Disposition {
    Answered,
    Busy,
    Congestion,
    Failed,
    NoAnswer,
    /// None that Asterisk writes.
    Other,
}

impl Disposition {
    /// All, the best first.
    pub(super) const ALL: [Self; 6] =
        [Self::Answered, Self::Busy, Self::Congestion, Self::Failed, Self::NoAnswer, Self::Other];

    /// As the `disposition` label has it: Asterisk's own text.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "ANSWERED",
            Self::Busy => "BUSY",
            Self::Congestion => "CONGESTION",
            Self::Failed => "FAILED",
            Self::NoAnswer => "NO ANSWER",
            Self::Other => "OTHER",
        }
    }

    /// Reads the text, or the number that a column of an integer type holds (`enum ast_cdr_disposition`, cdr.h).
    pub(super) fn parse(text: &str) -> Self {
        match text.trim() {
            "ANSWERED" | "8" => Self::Answered,
            "BUSY" | "4" => Self::Busy,
            "CONGESTION" | "16" => Self::Congestion,
            "FAILED" | "2" => Self::Failed,
            "NO ANSWER" | "0" | "1" => Self::NoAnswer,
            other => {
                let known = Self::ALL.into_iter().find(|known| {
                    let same = |a: char, b: char| a.eq_ignore_ascii_case(&b) || (a == ' ' && b == '_');
                    known.as_str().len() == other.len()
                        && known.as_str().chars().zip(other.chars()).all(|(a, b)| same(a, b))
                });
                known.unwrap_or(Self::Other)
            }
        }
    }
}

/// What a row says about its call. The order is which of a call's rows stands for it: the smallest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Leg {
    /// How it ended.
    pub(super) disposition: Disposition,
    /// Milliseconds, negated: of equal endings the longest stands.
    minus_duration: i64,
    /// Milliseconds after the answer, negated.
    minus_billsec: i64,
    /// Start in UTC, seconds.
    pub(super) start: i64,
    /// Milliseconds from start to answer, if it was answered.
    pub(super) answer_time: Option<i64>,
    /// Start, as the table's clock has it.
    pub(super) naive: Naive,
    /// `dcontext`.
    pub(super) context: String,
    /// `lastapp`.
    pub(super) application: String,
    /// Channel technology of `dstchannel`.
    pub(super) technology: String,
    /// Peer of `dstchannel`; empty for Local channels, whose names hold numbers.
    pub(super) trunk: String,
}

impl Leg {
    /// Milliseconds from start to end.
    pub(super) fn duration(&self) -> u64 {
        u64::try_from(-self.minus_duration).unwrap_or(0)
    }

    /// Milliseconds from answer to end.
    pub(super) fn billsec(&self) -> u64 {
        u64::try_from(-self.minus_billsec).unwrap_or(0)
    }

    /// End in UTC, seconds.
    pub(super) fn end(&self) -> i64 {
        self.start + i64::try_from(self.duration() / 1000).unwrap_or(0)
    }

    /// End, as the table's clock has it.
    pub(super) fn naive_end(&self) -> Naive {
        self.naive + i64::try_from(self.duration() / 1000).unwrap_or(0)
    }
}

/// A row, read: what finding rows needs to know, and what it says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TableRow {
    /// Its key, where the table has one.
    pub(super) id: Option<u64>,
    /// Whether the time was one: a zero date or NULL is replaced by the uniqueid's.
    pub(super) has_time: bool,
    /// Hash of what makes the row this row.
    pub(super) identity: u64,
    /// Its time, as the table's clock has it.
    pub(super) time: Naive,
    /// When it was written, about, as the table's clock has it.
    pub(super) written: Naive,
    /// The same in UTC, seconds.
    pub(super) written_utc: i64,
    /// What it says.
    pub(super) body: Body,
}

/// What a row says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    /// Of a leg of a call that ended.
    Cdr(CdrRow),
    /// Of something that happened on a channel.
    Cel(Arc<Event>),
}

/// A call detail record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CdrRow {
    /// Hash of the call's id.
    pub(super) call: u64,
    /// What it says about its call.
    pub(super) leg: Leg,
    /// End of the call in UTC, seconds.
    pub(super) end: i64,
    /// All columns as text, in the layout's order, where logs are wanted.
    pub(super) values: Vec<Option<String>>,
}

/// What is kept of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// What a CDR counts for; with `values` all its columns.
    Cdr {
        /// Logs are wanted.
        values: bool,
    },
    /// A channel event.
    Cel,
}

/// Reads rows of one table.
#[derive(Debug, Clone)]
pub(super) struct Decoder {
    pub(super) layout: Layout,
    pub(super) zone: Zone,
    /// Keeps hashes of this record apart from any that were made up for another.
    pub(super) seed: u64,
    pub(super) keep: Keep,
    /// Bytes of one value.
    pub(super) value_bytes: usize,
}

/// The time of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowTime {
    /// As the column has it, if it is one.
    pub(super) parsed: Option<Naive>,
    /// The same, or what stands in for it.
    pub(super) naive: Naive,
    /// In UTC, seconds.
    pub(super) utc: i64,
}

impl Decoder {
    /// Reads a row; `value` gives the column at a place of the layout. `now` stands in for a time that nobody knows.
    pub(super) fn decode<'v>(&self, value: impl Fn(usize) -> Option<Cow<'v, str>>, now: i64) -> TableRow {
        match self.keep {
            Keep::Cdr { values } => self.decode_cdr(value, values, now),
            Keep::Cel => super::cel::decode(self, &value, now),
        }
    }

    /// The text of the column in a role; empty where there is none.
    pub(super) fn text<'v>(
        &self,
        value: &impl Fn(usize) -> Option<Cow<'v, str>>,
        role: Role,
    ) -> Cow<'v, str> {
        self.layout.place(role).and_then(value).unwrap_or(Cow::Borrowed(""))
    }

    /// The time of a row of a channel or call.
    pub(super) fn time(&self, text: &str, uniqueid: &str, linkedid: &str, now: i64) -> RowTime {
        let hint = uniqueid_seconds(uniqueid).or_else(|| uniqueid_seconds(linkedid));
        let zone = if self.layout.time_is_utc { &Zone::utc() } else { &self.zone };
        let parsed = time::parse(text);
        let naive = parsed.unwrap_or_else(|| zone.to_naive(hint.unwrap_or(now)));
        let utc = parsed.map_or(hint.unwrap_or(now), |naive| zone.to_utc(naive, hint));
        RowTime { parsed, naive, utc }
    }

    fn decode_cdr<'v>(
        &self,
        value: impl Fn(usize) -> Option<Cow<'v, str>>,
        values: bool,
        now: i64,
    ) -> TableRow {
        let of = |role: Role| self.text(&value, role);
        let (uniqueid, linkedid) = (of(Role::Uniqueid), of(Role::Linkedid));
        let time_text = of(Role::Time);
        let (channel, dstchannel) = (of(Role::Channel), of(Role::Dstchannel));
        let (duration_text, billsec_text) = (of(Role::Duration), of(Role::Billsec));
        let end_text = of(Role::End);
        let RowTime { parsed, naive, utc: start } = self.time(&time_text, &uniqueid, &linkedid, now);
        let between = |from: &str, to: &str| {
            let seconds = time::parse(to)?.checked_sub(time::parse(from)?)?;
            Some(seconds.max(0).saturating_mul(1000))
        };
        let answer_text = of(Role::Answer);
        let duration = milliseconds(&duration_text).or_else(|| between(&time_text, &end_text)).unwrap_or(0);
        let billsec = milliseconds(&billsec_text).or_else(|| between(&answer_text, &end_text)).unwrap_or(0);
        let disposition = Disposition::parse(&of(Role::Disposition));
        let answer_time = (disposition == Disposition::Answered)
            .then(|| between(&time_text, &answer_text).unwrap_or_else(|| (duration - billsec).max(0)));
        let (technology, trunk) = peer(&dstchannel);

        let mut hash = XxHash64::with_seed(self.seed);
        // Only what is the same text in a query's answer and in the binary log.
        for part in [
            &*uniqueid,
            &*linkedid,
            &*of(Role::Sequence),
            &*channel,
            &*dstchannel,
            &*of(Role::Lastapp),
            disposition.as_str(),
        ] {
            hash.write(part.as_bytes());
            hash.write(&[0xff]);
        }
        for number in [parsed.unwrap_or(0), duration, billsec] {
            hash.write(&number.to_le_bytes());
        }
        let identity = hash.finish();
        let call = if linkedid.is_empty() { &uniqueid } else { &linkedid };
        // A row that names no call is one.
        let call = if call.is_empty() { identity } else { XxHash64::oneshot(self.seed, call.as_bytes()) };
        let leg = Leg {
            disposition,
            minus_duration: -duration,
            minus_billsec: -billsec,
            start,
            answer_time,
            naive,
            context: of(Role::Dcontext).into_owned(),
            application: of(Role::Lastapp).into_owned(),
            technology: technology.to_owned(),
            trunk: trunk.to_owned(),
        };
        // Asterisk cuts the fraction off each of the three; over a change of summer time the duration is right.
        let told = between(&time_text, &end_text).filter(|told| (0..=1000).contains(&(told - duration)));
        let end = start + told.unwrap_or(duration) / 1000;
        TableRow {
            id: self.id(&value),
            has_time: parsed.is_some(),
            identity,
            time: naive,
            written: leg.naive_end(),
            written_utc: leg.end(),
            body: Body::Cdr(CdrRow {
                call,
                leg,
                end,
                values: if values { self.texts(value) } else { Vec::new() },
            }),
        }
    }

    /// The row's key, where the table has one.
    pub(super) fn id<'v>(&self, value: &impl Fn(usize) -> Option<Cow<'v, str>>) -> Option<u64> {
        self.layout.place(Role::Id).and_then(value).and_then(|id| id.parse().ok())
    }

    fn texts<'v>(&self, value: impl Fn(usize) -> Option<Cow<'v, str>>) -> Vec<Option<String>> {
        (0..self.layout.columns.len())
            .map(|place| {
                value(place).map(|text| {
                    let end = text.floor_char_boundary(self.value_bytes);
                    text[..end].to_owned()
                })
            })
            .collect()
    }
}

/// A value of the text or binary protocol as text; bytes that are no UTF-8 are replaced.
pub(super) fn text(value: &Value) -> Option<Cow<'_, str>> {
    let owned = |text: String| Some(Cow::Owned(text));
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes)),
        Value::Int(number) => owned(number.to_string()),
        Value::UInt(number) => owned(number.to_string()),
        Value::Float(number) => owned(number.to_string()),
        Value::Double(number) => owned(number.to_string()),
        Value::Date(year, month, day, hour, minute, second, micros) => {
            let whole = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
            owned(if *micros == 0 { whole } else { format!("{whole}.{micros:06}") })
        }
        Value::Time(negative, days, hours, minutes, seconds, _) => {
            let sign = if *negative { "-" } else { "" };
            owned(format!("{sign}{:02}:{minutes:02}:{seconds:02}", days * 24 + u32::from(*hours)))
        }
    }
}

/// Seconds as Asterisk writes them, whole or with a fraction, in milliseconds. Nothing is below zero.
fn milliseconds(text: &str) -> Option<i64> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.clamp(0, i64::from(u32::MAX)) * 1000);
    }
    let number: f64 = text.trim().parse().ok()?;
    number.is_finite().then(|| (number.clamp(0.0, f64::from(u32::MAX)) * 1000.0).round() as i64)
}

/// When the channel of a uniqueid was made: `[<systemname>-]<seconds>.<number>`.
fn uniqueid_seconds(uniqueid: &str) -> Option<i64> {
    let (front, number) = uniqueid.rsplit_once('.')?;
    let seconds = front.rsplit_once('-').map_or(front, |(_, seconds)| seconds);
    if number.is_empty() || seconds.len() < 9 {
        return None;
    }
    seconds.parse().ok().filter(|seconds| (0..=u32::MAX.into()).contains(seconds))
}

/// Technology and peer of a channel name: `PJSIP/carrier-0000001a` is PJSIP and carrier. The number behind a second
/// slash is the caller's business, and so is what stands in Local channels.
fn peer(channel: &str) -> (&str, &str) {
    let Some((technology, rest)) = channel.split_once('/') else { return ("", "") };
    if technology == "Local" {
        return (technology, "");
    }
    let peer = rest.split_once('/').map_or(rest, |(peer, _)| peer);
    let peer = match peer.rsplit_once('-') {
        Some((name, serial)) if !name.is_empty() && serial.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            name
        }
        _ => peer,
    };
    (technology, peer)
}

#[cfg(test)]
#[path = "row_tests.rs"]
pub(crate) mod tests;
