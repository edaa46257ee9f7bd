use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const NANOS_PER_SEC: u64 = 1_000_000_000;
/// What Go's `time.Duration` can hold: some 292 years.
const MAX_NANOS: u64 = i64::MAX as u64;

/// A span of time as configurations write it: `1h30m`, `1.5s`, `100us`, or a number of nanoseconds
/// (Go's `time.ParseDuration` and `time.Duration`). Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GoDuration(Duration);

impl GoDuration {
    /// A whole number of seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A whole number of milliseconds.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }

    /// The span as the standard library has it.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for GoDuration {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

/// Why a text is no duration, in the words of Go's `time.ParseDuration`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseDurationError(String);

impl fmt::Display for ParseDurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseDurationError {}

impl FromStr for GoDuration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, ParseDurationError> {
        let invalid = || ParseDurationError(format!("time: invalid duration {text:?}"));
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        if unsigned == "0" {
            return Ok(Self::default());
        }
        if unsigned.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        let mut rest = unsigned;
        while !rest.is_empty() {
            let (nanos, after) = parse_component(rest, text)?;
            total = total.checked_add(nanos).filter(|total| *total <= MAX_NANOS).ok_or_else(invalid)?;
            rest = after;
        }
        if negative && total > 0 {
            return Err(ParseDurationError(format!(
                "time: invalid duration {text:?}: expected zero or more, got a negative duration"
            )));
        }
        Ok(Self(Duration::from_nanos(total)))
    }
}

/// One number and its unit at the start of `rest`: its nanoseconds, and what follows.
fn parse_component<'a>(rest: &'a str, text: &str) -> Result<(u64, &'a str), ParseDurationError> {
    let invalid = || ParseDurationError(format!("time: invalid duration {text:?}"));
    let (whole, after) = split_digits(rest);
    let (fraction, after) = after.strip_prefix('.').map_or(("", after), split_digits);
    if whole.is_empty() && fraction.is_empty() {
        return Err(invalid());
    }
    let unit_end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
    let (unit_name, after) = after.split_at(unit_end);
    if unit_name.is_empty() {
        return Err(ParseDurationError(format!("time: missing unit in duration {text:?}")));
    }
    let Some(unit) = unit_nanos(unit_name) else {
        let message = format!("time: unknown unit {unit_name:?} in duration {text:?}");
        return Err(ParseDurationError(message));
    };
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
    let nanos = whole.checked_mul(unit).ok_or_else(invalid)?;
    let nanos = nanos.checked_add(fraction_nanos(fraction, unit)).ok_or_else(invalid)?;
    Ok((nanos, after))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // The micro sign and the Greek letter both are in use.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS_PER_SEC,
        "m" => 60 * NANOS_PER_SEC,
        "h" => 3_600 * NANOS_PER_SEC,
        _ => return None,
    })
}

/// Rounds as Go does, which computes fractions in floating point and ignores digits past 18 or so.
fn fraction_nanos(digits: &str, unit: u64) -> u64 {
    let mut fraction: u64 = 0;
    let mut scale = 1.0_f64;
    for digit in digits.bytes() {
        let next = fraction.checked_mul(10).and_then(|f| f.checked_add(u64::from(digit - b'0')));
        match next.filter(|next| *next <= MAX_NANOS) {
            Some(next) => fraction = next,
            None => break,
        }
        scale *= 10.0;
    }
    (fraction as f64 * (unit as f64 / scale)) as u64
}

/// As Go prints it: `1m30s`, `1.5s`, `100µs`, `0s`.
impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        if seconds == 0 {
            return match nanos {
                0 => f.write_str("0s"),
                1..1_000 => write!(f, "{nanos}ns"),
                1_000..1_000_000 => write_decimal(f, nanos.into(), 1_000, "µs"),
                _ => write_decimal(f, nanos.into(), 1_000_000, "ms"),
            };
        }
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        write_decimal(f, seconds % 60 * NANOS_PER_SEC + u64::from(nanos), NANOS_PER_SEC, "s")
    }
}

fn write_decimal(f: &mut fmt::Formatter<'_>, nanos: u64, unit: u64, name: &str) -> fmt::Result {
    write!(f, "{}", nanos / unit)?;
    let fraction = nanos % unit;
    if fraction > 0 {
        let width = unit.ilog10() as usize;
        let digits = format!("{fraction:0width$}");
        write!(f, ".{}", digits.trim_end_matches('0'))?;
    }
    f.write_str(name)
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = GoDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"10s\" or \"1m30s\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<GoDuration, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, nanos: u64) -> Result<GoDuration, E> {
        if nanos > MAX_NANOS {
            return Err(E::custom(format!("time: invalid duration \"{nanos}\"")));
        }
        Ok(GoDuration(Duration::from_nanos(nanos)))
    }

    fn visit_i64<E: Error>(self, nanos: i64) -> Result<GoDuration, E> {
        let negative = |_| {
            E::custom(format!(
                "time: invalid duration \"{nanos}\": expected zero or more nanoseconds, got a negative number"
            ))
        };
        u64::try_from(nanos).map_err(negative).and_then(|nanos| self.visit_u64(nanos))
    }

    // Go drops the fraction of a nanosecond.
    fn visit_f64<E: Error>(self, nanos: f64) -> Result<GoDuration, E> {
        if !(0.0..=MAX_NANOS as f64).contains(&nanos) {
            return Err(E::custom(format!("time: invalid duration \"{nanos}\"")));
        }
        self.visit_u64(nanos as u64)
    }
}

#[cfg(test)]
#[path = "duration_tests.rs"]
mod tests;
