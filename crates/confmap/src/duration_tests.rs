use proptest::prelude::*;

use super::*;

fn nanos(text: &str) -> u64 {
    text.parse::<GoDuration>().unwrap().get().as_nanos().try_into().unwrap()
}

#[test]
fn parses_what_go_parses() {
    // From the table of Go's time_test.go, negatives left out.
    for (text, expected) in [
        ("0", 0),
        ("5s", 5 * NANOS_PER_SEC),
        ("30s", 30 * NANOS_PER_SEC),
        ("1478s", 1478 * NANOS_PER_SEC),
        ("+5s", 5 * NANOS_PER_SEC),
        ("-0", 0),
        ("-0s", 0),
        ("+0", 0),
        ("5.0s", 5 * NANOS_PER_SEC),
        ("5.6s", 5_600_000_000),
        ("5.s", 5 * NANOS_PER_SEC),
        (".5s", 500_000_000),
        ("1.004s", 1_004_000_000),
        ("1.0040s", 1_004_000_000),
        ("100.00100s", 100_001_000_000),
        ("10ns", 10),
        ("11us", 11_000),
        ("12\u{b5}s", 12_000),
        ("12\u{3bc}s", 12_000),
        ("13ms", 13_000_000),
        ("14s", 14 * NANOS_PER_SEC),
        ("15m", 900 * NANOS_PER_SEC),
        ("16h", 57_600 * NANOS_PER_SEC),
        ("3h30m", 12_600 * NANOS_PER_SEC),
        ("10.5s4m", 250_500_000_000),
        ("1h2m3s4ms5us6ns", 3_723_004_005_006),
        ("52763797000ns", 52_763_797_000),
        ("0.3333333333333333333h", 1_200 * NANOS_PER_SEC),
        ("9007199254740993ns", (1 << 53) + 1),
        ("9223372036854775807ns", MAX_NANOS),
        ("9223372036s775ms807us", 9_223_372_036_775_807_000),
        ("0.100000000000000000000h", 360 * NANOS_PER_SEC),
        ("0.830103483285477580700h", 2_988_372_539_827),
    ] {
        assert_eq!(nanos(text), expected, "{text}");
    }
}

#[test]
fn refuses_what_go_refuses() {
    for (text, message) in [
        ("", r#"time: invalid duration """#),
        ("3", r#"time: missing unit in duration "3""#),
        ("-", r#"time: invalid duration "-""#),
        ("s", r#"time: invalid duration "s""#),
        (".", r#"time: invalid duration ".""#),
        (".s", r#"time: invalid duration ".s""#),
        ("+.s", r#"time: invalid duration "+.s""#),
        ("1d", r#"time: unknown unit "d" in duration "1d""#),
        ("1 s", r#"time: unknown unit " s" in duration "1 s""#),
        ("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#),
        ("3000000h", r#"time: invalid duration "3000000h""#),
        ("99999999999999999999s", r#"time: invalid duration "99999999999999999999s""#),
    ] {
        assert_eq!(text.parse::<GoDuration>().unwrap_err().to_string(), message);
    }
}

#[test]
fn refuses_negative() {
    let error = "-1s".parse::<GoDuration>().unwrap_err().to_string();
    assert_eq!(error, r#"time: invalid duration "-1s": expected zero or more, got a negative duration"#);
}

#[test]
fn prints_as_go() {
    for (nanos, expected) in [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1µs"),
        (2_200_000, "2.2ms"),
        (3_300_000_000, "3.3s"),
        (245_000_000_000, "4m5s"),
        (245_001_000_000, "4m5.001s"),
        (18_367_001_000_000, "5h6m7.001s"),
        (480_000_000_001, "8m0.000000001s"),
        (3_600_000_000_000, "1h0m0s"),
        (MAX_NANOS, "2562047h47m16.854775807s"),
    ] {
        assert_eq!(GoDuration(Duration::from_nanos(nanos)).to_string(), expected);
    }
}

#[test]
fn a_number_is_nanoseconds() {
    let read = |json: &str| serde_json::from_str::<GoDuration>(json).map_err(|e| e.to_string());
    assert_eq!(read("1500").unwrap().to_string(), "1.5µs");
    assert_eq!(read("1.9").unwrap().to_string(), "1ns");
    assert!(read("-1").unwrap_err().contains("got a negative number"));
    assert!(read("true").unwrap_err().contains("expected a duration"));
    assert_eq!(serde_json::to_string(&GoDuration::from_millis(90_500)).unwrap(), "\"1m30.5s\"");
}

proptest! {
    #[test]
    fn printing_and_parsing_roundtrip(nanos in 0..=MAX_NANOS) {
        let duration = GoDuration(Duration::from_nanos(nanos));
        prop_assert_eq!(duration.to_string().parse::<GoDuration>(), Ok(duration));
    }

    #[test]
    fn parsing_never_panics(text in "[-+]?[0-9.]{0,25}(ns|us|ms|s|m|h|µ|x)?[0-9.hms]{0,12}") {
        let _ = text.parse::<GoDuration>();
    }
}
