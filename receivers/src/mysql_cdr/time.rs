//! Times without a zone, as MySQL's `datetime` has them, and a clock that a step does not lead astray.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Seconds since 1970-01-01 00:00:00 of a wall clock somewhere, its zone left out.
pub(super) type Naive = i64;

const DAY: i64 = 86_400;

/// Reads `YYYY-MM-DD hh:mm:ss` with or without a fraction; `T` may stand for the blank. The zero date, which old
/// servers allow, and whatever is no date are `None`.
pub(super) fn parse(text: &str) -> Option<Naive> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        bytes
            .get(from..to)?
            .iter()
            .try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    };
    let separated = matches!(bytes.get(4), Some(b'-')) && matches!(bytes.get(7), Some(b'-'));
    if !separated {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year == 0 {
        return None;
    }
    let (hour, minute, second) = match bytes.len() {
        10 => (0, 0, 0),
        _ => (number(11, 13)?, number(14, 16)?, number(17, 19)?),
    };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

/// Nanoseconds behind the second in what [`parse`] reads; 0 where there are none.
pub(super) fn fraction(text: &str) -> u32 {
    let digits = text.get(19..).and_then(|rest| rest.strip_prefix('.')).unwrap_or("");
    let digits = digits.bytes().take_while(u8::is_ascii_digit).chain(std::iter::repeat(b'0')).take(9);
    digits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar: years begin in March, so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The time as MySQL reads it in a condition.
pub(super) fn format(naive: Naive) -> String {
    civil(naive).map_or_else(
        // Before the year 1 or after 9999: every row is on one side of it.
        || if naive < 0 { "1000-01-01 00:00:00" } else { "9999-12-31 23:59:59" }.to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

fn civil(naive: Naive) -> Option<DateTime> {
    let timestamp = jiff::Timestamp::from_second(naive).ok()?;
    let time = TimeZone::UTC.to_datetime(timestamp);
    (time.year() >= 1000).then_some(time)
}

/// The zone a column's times are in.
#[derive(Clone, Debug)]
pub(super) struct Zone(TimeZone);

impl Zone {
    /// `Local`, `UTC`, or a name of the system's time zone database.
    ///
    /// # Errors
    /// The name is not in it.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        match name {
            "" | "Local" | "local" => Ok(Self(TimeZone::system())),
            "UTC" | "utc" | "GMT" => Ok(Self(TimeZone::UTC)),
            name => TimeZone::get(name).map(Self).map_err(|error| {
                format!("unknown time zone {name:?}: expected Local, UTC or a name like Europe/Berlin from the system's tzdata ({error})")
            }),
        }
    }

    /// UTC.
    pub(super) fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Seconds since 1970 in UTC. Where the clocks were set back and a time came twice, the one nearer to `hint` counts
    /// (the seconds in the row's uniqueid); without a hint the first.
    pub(super) fn to_utc(&self, naive: Naive, hint: Option<i64>) -> i64 {
        if self.0 == TimeZone::UTC {
            return naive;
        }
        let Some(time) = civil(naive) else { return naive };
        let ambiguous = self.0.to_ambiguous_timestamp(time);
        let earlier = ambiguous.earlier().map_or(naive, jiff::Timestamp::as_second);
        let Some(hint) = hint.filter(|_| ambiguous.is_ambiguous()) else {
            return ambiguous.compatible().map_or(naive, jiff::Timestamp::as_second);
        };
        let later = ambiguous.later().map_or(naive, jiff::Timestamp::as_second);
        if (hint - earlier).abs() <= (hint - later).abs() { earlier } else { later }
    }

    /// What a clock on the wall shows.
    pub(super) fn to_naive(&self, utc: i64) -> Naive {
        let Ok(timestamp) = jiff::Timestamp::from_second(utc) else { return utc };
        utc + i64::from(self.0.to_offset(timestamp).seconds())
    }
}

/// The time of day, in seconds, that a wall clock's jump into the future does not move until it has lasted.
///
/// Identities of rows are forgotten by age: a clock that is wrong for some minutes must not make them all old.
#[derive(Debug, Clone)]
pub(super) struct SteadyClock {
    time: i64,
    mono_ms: u64,
    ahead_since: Option<u64>,
    patience_ms: u64,
}

/// A clock that is corrected by less than this is followed at once.
const STEP: i64 = 60;

impl SteadyClock {
    /// A clock that starts right and takes over a jump after `patience` seconds.
    pub(super) fn new(wall: i64, mono_ms: u64, patience: i64) -> Self {
        let patience_ms = u64::try_from(patience).unwrap_or(0).saturating_mul(1000);
        Self { time: wall, mono_ms, ahead_since: None, patience_ms }
    }

    /// The time, when the wall clock shows `wall` and `mono_ms` have passed since some moment.
    pub(super) fn now(&mut self, wall: i64, mono_ms: u64) -> i64 {
        let passed = mono_ms.saturating_sub(self.mono_ms) / 1000;
        let expected = self.time + i64::try_from(passed).unwrap_or(0);
        if wall <= expected + STEP {
            self.ahead_since = None;
            self.set(wall, mono_ms);
            return wall;
        }
        let since = *self.ahead_since.get_or_insert(mono_ms);
        if mono_ms.saturating_sub(since) >= self.patience_ms {
            self.ahead_since = None;
            self.set(wall, mono_ms);
            return wall;
        }
        expected
    }

    fn set(&mut self, time: i64, mono_ms: u64) {
        self.time = time;
        self.mono_ms = mono_ms;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_as_mysql_writes_them() {
        assert_eq!(parse("1970-01-01 00:00:00"), Some(0));
        assert_eq!(parse("2026-11-22 00:26:35"), Some(1_795_307_195));
        assert_eq!(parse("2026-11-22T00:26:35.925468"), Some(1_795_307_195));
        assert_eq!(parse("2000-02-29"), Some(951_782_400));
        for wrong in [
            "0000-00-00 00:00:00",
            "",
            "2026-13-01 00:00:00",
            "2026-11-22 25:00:00",
            "20261122",
            "é026-11-22",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        for (text, nanos) in [
            ("2026-11-22 00:26:35.925468", 925_468_000),
            ("2026-11-22T00:26:35.5", 500_000_000),
            ("2026-11-22 00:26:35", 0),
            ("2026-11-22 00:26:35.1234567891Z", 123_456_789),
            ("", 0),
        ] {
            assert_eq!(fraction(text), nanos, "{text}");
        }
        assert_eq!(format(i64::MIN), "1000-01-01 00:00:00");
        assert_eq!(format(i64::MAX), "9999-12-31 23:59:59");
    }

    proptest! {
        #[test]
        fn what_is_formatted_is_parsed(naive in -30_000_000_000_i64..250_000_000_000) {
            prop_assert_eq!(parse(&format(naive)), Some(naive));
        }
    }

    #[test]
    fn the_repeated_hour_is_told_apart_by_the_uniqueid() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        // 02:30 on 2026-10-25 came twice: 00:30 and 01:30 UTC.
        let half_past_two = parse("2026-10-25 02:30:00").unwrap();
        let first = parse("2026-10-25 00:30:00").unwrap();
        assert_eq!(berlin.to_utc(half_past_two, None), first);
        assert_eq!(berlin.to_utc(half_past_two, Some(first + 2)), first);
        assert_eq!(berlin.to_utc(half_past_two, Some(first + 3598)), first + 3600);
        assert_eq!(berlin.to_naive(first), half_past_two);
        assert_eq!(berlin.to_naive(first + 3600), half_past_two);
        // 02:30 on 2026-03-29 never came.
        let gap = parse("2026-03-29 02:30:00").unwrap();
        assert_eq!(berlin.to_utc(gap, None), parse("2026-03-29 01:30:00").unwrap());
        assert!(
            Zone::named("Europe/Atlantis").unwrap_err().contains("unknown time zone \"Europe/Atlantis\"")
        );
    }

    #[test]
    fn a_jump_ahead_counts_only_when_it_lasts() {
        let mut clock = SteadyClock::new(1000, 0, 3600);
        assert_eq!(clock.now(1010, 10_000), 1010);
        assert_eq!(clock.now(900_000, 20_000), 1020);
        assert_eq!(clock.now(1030, 30_000), 1030, "it was set right again");
        assert_eq!(clock.now(500, 40_000), 500, "back is followed at once");
        assert_eq!(clock.now(900_000, 50_000), 510);
        assert_eq!(clock.now(903_600, 3_650_000), 903_600, "an hour later it still says so");
    }
}
