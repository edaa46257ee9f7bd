use super::*;
use crate::labels::Labels;
use proptest::prelude::*;
use std::collections::BTreeMap;

const OPEN_METRICS: Format = Format::OpenMetrics { v1: true };

fn written(format: Format, write: impl FnOnce(&mut Writer)) -> String {
    let mut writer = Writer::new(format);
    write(&mut writer);
    String::from_utf8(writer.finish()).unwrap()
}

fn one_of_each(writer: &mut Writer) {
    let labels = Labels::from_iter([("host", "a\"b")]);
    let trace = Labels::from_iter([("trace_id", "0102")]);
    let exemplars = [
        Exemplar { labels: trace.as_bytes(), value: 7.0, time_unix_nano: Some(1_700_000_000_500_000_000) },
        Exemplar { labels: trace.as_bytes(), value: 8.0, time_unix_nano: None },
        Exemplar { labels: b"", value: 99.0, time_unix_nano: None },
    ];
    writer.family("calls_total", "Calls \"in\"\nall\\", Kind::Counter).number(
        labels.as_bytes(),
        47.0,
        Stamp { timestamp_ms: Some(1_700_000_000_123), exemplars: &exemplars[..1] },
    );
    writer.family("plain", "", Kind::Counter).number(b"", 1e6, Stamp::default());
    writer.family("temp", "T", Kind::Gauge).number(b"", f64::NAN, Stamp::default());
    writer.family("odd", "O", Kind::Untyped).number(b"", -0.5, Stamp::default());
    let point = Histogram { bounds: &[5.0, 10.0, 2e6], counts: &[1, 2, 0, 3], sum: 25.5, count: 6 };
    let stamp = Stamp { timestamp_ms: None, exemplars: &exemplars };
    writer.family("dur", "D", Kind::Histogram).histogram(labels.as_bytes(), &point, stamp);
    let point = Summary { quantiles: &[(0.5, 3.0), (0.99, 1e7)], sum: 12.0, count: 4_000_000 };
    writer.family("sum.mary", "S", Kind::Summary).summary(b"", &point, Stamp::default());
}

#[test]
fn text_format() {
    let want = r#"# HELP calls_total Calls "in"\nall\\
# TYPE calls_total counter
calls_total{host="a\"b"} 47 1700000000123
# HELP plain 
# TYPE plain counter
plain 1e+06
# HELP temp T
# TYPE temp gauge
temp NaN
# HELP odd O
# TYPE odd untyped
odd -0.5
# HELP dur D
# TYPE dur histogram
dur_bucket{host="a\"b",le="5"} 1
dur_bucket{host="a\"b",le="10"} 3
dur_bucket{host="a\"b",le="2e+06"} 3
dur_bucket{host="a\"b",le="+Inf"} 6
dur_sum{host="a\"b"} 25.5
dur_count{host="a\"b"} 6
# HELP "sum.mary" S
# TYPE "sum.mary" summary
{"sum.mary",quantile="0.5"} 3
{"sum.mary",quantile="0.99"} 1e+07
{"sum.mary_sum"} 12
{"sum.mary_count"} 4e+06
"#;
    assert_eq!(written(Format::Text, one_of_each), want);
}

#[test]
fn open_metrics_format() {
    let want = r##"# HELP calls Calls \"in\"\nall\\
# TYPE calls counter
calls_total{host="a\"b"} 47.0 1.700000000123e+09 # {trace_id="0102"} 7.0 1.7000000005e+09
# HELP plain 
# TYPE plain unknown
plain 1e+06
# HELP temp T
# TYPE temp gauge
temp NaN
# HELP odd O
# TYPE odd unknown
odd -0.5
# HELP dur D
# TYPE dur histogram
dur_bucket{host="a\"b",le="5.0"} 1
dur_bucket{host="a\"b",le="10.0"} 3 # {trace_id="0102"} 8.0
dur_bucket{host="a\"b",le="2e+06"} 3
dur_bucket{host="a\"b",le="+Inf"} 6
dur_sum{host="a\"b"} 25.5
dur_count{host="a\"b"} 6
# HELP "sum.mary" S
# TYPE "sum.mary" summary
{"sum.mary",quantile="0.5"} 3.0
{"sum.mary",quantile="0.99"} 1e+07
{"sum.mary_sum"} 12.0
{"sum.mary_count"} 4000000
# EOF
"##;
    assert_eq!(written(OPEN_METRICS, one_of_each), want);
}

#[test]
fn a_time_in_milliseconds_stays_in_its_millisecond() {
    for millis in 1_795_829_584_000_u64..1_795_829_585_000 {
        let text = format!("{}.{:03}", millis / 1000, millis % 1000);
        assert_eq!(seconds(millis * 1_000_000), text.parse().unwrap());
    }
}

/// A strict reader of one sample line: name, labels, value.
fn parse_sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let mut chars = line.chars().peekable();
    let mut name = String::new();
    while let Some(c) = chars.next_if(|c| !matches!(c, '{' | ' ')) {
        name.push(c);
    }
    let mut labels = BTreeMap::new();
    if chars.next_if_eq(&'{').is_some() {
        loop {
            let quoted = chars.peek() == Some(&'"');
            let key = if quoted { parse_quoted(&mut chars) } else { parse_until_equals(&mut chars) };
            if quoted && chars.peek() != Some(&'=') {
                assert!(name.is_empty(), "two names: {line}");
                name = key;
            } else {
                assert_eq!(chars.next(), Some('='), "{line}");
                let value = parse_quoted(&mut chars);
                assert!(labels.insert(key, value).is_none(), "label twice: {line}");
            }
            match chars.next() {
                Some(',') => {}
                Some('}') => break,
                other => panic!("unexpected {other:?}: {line}"),
            }
        }
    }
    assert_eq!(chars.next(), Some(' '), "{line}");
    let value: String = chars.collect();
    (name, labels, value.parse().unwrap())
}

fn parse_until_equals(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut key = String::new();
    while let Some(c) = chars.next_if(|c| *c != '=') {
        assert!(c.is_ascii_alphanumeric() || c == '_');
        key.push(c);
    }
    key
}

fn parse_quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    assert_eq!(chars.next(), Some('"'));
    let mut text = String::new();
    loop {
        match chars.next().expect("open quote") {
            '"' => return text,
            '\\' => text.push(match chars.next().expect("open escape") {
                'n' => '\n',
                c @ ('"' | '\\') => c,
                c => panic!("unknown escape {c}"),
            }),
            '\n' => panic!("line feed in a value"),
            c => text.push(c),
        }
    }
}

proptest! {
    #[test]
    fn samples_read_back(
        name in "[a-zA-Z_.:\"\\\\\n é-]{1,12}",
        labels in prop::collection::btree_map("[a-zA-Z_.\"\\\\\n é=,-]{1,8}", any::<String>(), 0..5),
        bits: u64,
    ) {
        let value = f64::from_bits(bits);
        prop_assume!(!value.is_nan());
        let rendered: Labels = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        for format in [Format::Text, OPEN_METRICS] {
            let text = written(format, |writer| {
                writer.family(&name, "", Kind::Gauge).number(rendered.as_bytes(), value, Stamp::default());
            });
            let sample = text.lines().find(|line| !line.starts_with("# ")).unwrap();
            let (got_name, got_labels, got_value) = parse_sample(sample);
            prop_assert_eq!(&got_name, &name);
            prop_assert_eq!(&got_labels, &labels);
            prop_assert_eq!(got_value, value);
        }
    }

    #[test]
    fn a_histogram_is_cumulative(
        counts in prop::collection::vec(0u64..1000, 0..8),
        bounds in prop::collection::btree_set(-1000i32..1000, 0..8),
    ) {
        let bounds: Vec<f64> = bounds.into_iter().map(f64::from).collect();
        let count = counts.iter().sum();
        let point = Histogram { bounds: &bounds, counts: &counts, sum: 0.0, count };
        let text = written(Format::Text, |writer| {
            writer.family("h", "", Kind::Histogram).histogram(b"", &point, Stamp::default());
        });
        let buckets: Vec<(f64, f64)> = text.lines().filter(|line| line.starts_with("h_bucket")).map(|line| {
            let (_, labels, value) = parse_sample(line);
            (labels["le"].parse().unwrap(), value)
        }).collect();
        let want: Vec<(f64, f64)> = bounds.iter().enumerate()
            .map(|(i, bound)| (*bound, counts.iter().take(i + 1).sum::<u64>() as f64))
            .chain([(f64::INFINITY, count as f64)])
            .collect();
        prop_assert_eq!(buckets, want);
    }
}
