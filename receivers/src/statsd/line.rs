//! One line of the StatsD protocol: `<name>:<value>|<type>|@<rate>|#<tag>:<value>,...`, as bytes.
//!
//! The value begins after the last colon before the first `|`, since Asterisk lets colons into names. Accepted besides: the
//! container id (`c:<id>`) and the timestamp (`T<seconds>`) of DogStatsD 1.2 and 1.3.

use memchr::{memchr, memrchr};

use super::reason::Reason;

/// What a line reports, by its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// `c`
    Counter,
    /// `g`
    Gauge,
    /// `ms`
    Timing,
    /// `h`
    Histogram,
    /// `d`
    Distribution,
    /// `s`
    Set,
    /// `m`, which Asterisk sends for each message on its bus: something happened so many times.
    Meter,
}

impl Kind {
    fn parse(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"c" => Self::Counter,
            b"g" => Self::Gauge,
            b"ms" => Self::Timing,
            b"h" => Self::Histogram,
            b"d" => Self::Distribution,
            b"s" => Self::Set,
            b"m" => Self::Meter,
            _ => return None,
        })
    }

    /// The value of the attribute `metric_type`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Timing => "timing",
            Self::Histogram => "histogram",
            Self::Distribution => "distribution",
            Self::Set => "set",
            Self::Meter => "meter",
        }
    }
}

/// A line taken apart. Tags are not looked into: lines of one series repeat them byte for byte.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) kind: Kind,
    /// In (0, 1]; 1 where none is given or it says nothing.
    pub(super) rate: f64,
    /// The parts that tell series of one name apart (tags, container id), as they were sent.
    pub(super) tags: &'a [u8],
}

/// A sample rate below this gives one line the weight of more than a million.
const MIN_RATE: f64 = 1e-6;

impl<'a> Line<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, Reason> {
        let bar = memchr(b'|', line).ok_or(Reason::NoType)?;
        let (head, mut rest) = (&line[..bar], &line[bar + 1..]);
        let colon = memrchr(b':', head).ok_or(Reason::NoValue)?;
        let (name, value) = (&head[..colon], &head[colon + 1..]);
        if name.is_empty() {
            return Err(Reason::EmptyName);
        }
        if value.is_empty() {
            return Err(Reason::EmptyValue);
        }
        let kind = Kind::parse(next_part(&mut rest)).ok_or(Reason::UnknownType)?;

        let mut rate = 1.0;
        // From the first identifying part to the end of the last: one slice, whatever stands between.
        let mut tags: Option<(usize, usize)> = None;
        let identifying = rest;
        while !rest.is_empty() {
            let start = identifying.len() - rest.len();
            let part = next_part(&mut rest);
            match part {
                [] => {}
                [b'@', digits @ ..] => rate = sample_rate(digits)?,
                [b'#', ..] | [b'c', b':', ..] => {
                    let first = tags.map_or(start, |(first, _)| first);
                    tags = Some((first, start + part.len()));
                }
                [b'T', digits @ ..] => {
                    if !matches!(kind, Kind::Counter | Kind::Gauge) {
                        return Err(Reason::BadTimestamp);
                    }
                    let number = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<u64>().ok());
                    number.ok_or(Reason::BadTimestamp)?;
                }
                _ => return Err(Reason::UnknownPart),
            }
        }
        let tags = tags.map_or(&identifying[..0], |(first, end)| &identifying[first..end]);
        Ok(Self { name, value, kind, rate, tags })
    }

    /// The value as a number.
    pub(super) fn number(&self) -> Result<f64, Reason> {
        let number = parse_number(self.value).ok_or(Reason::BadValue)?;
        if number.is_finite() { Ok(number) } else { Err(Reason::NotFinite) }
    }

    /// Whether the value of a gauge is to be added to what it was.
    pub(super) fn is_relative(&self) -> bool {
        matches!(self.value.first(), Some(b'+' | b'-'))
    }
}

/// Cuts the text up to the next `|` off `rest`.
fn next_part<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (part, after) = match memchr(b'|', rest) {
        Some(bar) => (&rest[..bar], &rest[bar + 1..]),
        None => (*rest, &rest[..0]),
    };
    *rest = after;
    part
}

/// A rate outside of (0, 1) says nothing, as in otelcol; one so small that a line would stand for millions is refused.
fn sample_rate(digits: &[u8]) -> Result<f64, Reason> {
    let rate = parse_number(digits).ok_or(Reason::BadSampleRate)?;
    if rate > 0.0 && rate < MIN_RATE {
        return Err(Reason::BadSampleRate);
    }
    Ok(if rate > 0.0 && rate < 1.0 { rate } else { 1.0 })
}

/// Reads a decimal number; integers of up to 15 digits, which are nearly all that is sent, without going through text.
fn parse_number(bytes: &[u8]) -> Option<f64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if (1..=15).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) {
        let whole = digits.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        // Below 2^53, hence exact.
        let whole = whole as f64;
        return Some(if negative { -whole } else { whole });
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Reads the tags of a line into `(key, value)` pairs.
///
/// `simple` allows tags without a value. `limit` caps their number.
pub(super) fn parse_tags(tags: &[u8], simple: bool, limit: usize) -> Result<Vec<(String, String)>, Reason> {
    let mut found = Vec::new();
    let mut rest = tags;
    while !rest.is_empty() {
        match next_part(&mut rest) {
            [b'#', list @ ..] => {
                for tag in list.split(|byte| *byte == b',').filter(|tag| !tag.is_empty()) {
                    let (key, value) = match memchr(b':', tag) {
                        Some(colon) => (&tag[..colon], &tag[colon + 1..]),
                        None => (tag, &tag[..0]),
                    };
                    if key.is_empty() || (value.is_empty() && !simple) {
                        return Err(Reason::BadTag);
                    }
                    found.push((text(key), text(value)));
                    if found.len() > limit {
                        return Err(Reason::TooManyTags);
                    }
                }
            }
            [b'c', b':', id @ ..] if !id.is_empty() => found.push(("container.id".to_owned(), text(id))),
            // A rate or timestamp between two of them.
            _ => {}
        }
    }
    Ok(found)
}

/// Text of the sender's, which OTLP wants to be UTF-8: bytes that are not become U+FFFD.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
