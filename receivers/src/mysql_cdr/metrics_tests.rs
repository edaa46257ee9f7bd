use std::collections::BTreeMap;

use otelcol_pdata::model::as_string;

use super::*;
use crate::mysql_cdr::totals::tests::{NOON, leg, rules};

/// The values of all gauges and sums: name, values of the attributes, and the value.
fn values(metrics: Metrics) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for metric in metrics.list {
        let points = match metric.data.unwrap() {
            Data::Sum(sum) => sum.data_points,
            Data::Gauge(gauge) => gauge.data_points,
            _ => continue,
        };
        for point in points {
            let labels: Vec<String> =
                point.attributes.iter().map(|kv| as_string(kv.value.as_ref().unwrap())).collect();
            let value = match point.value.unwrap() {
                number_data_point::Value::AsInt(value) => value as f64,
                number_data_point::Value::AsDouble(value) => value,
            };
            values.insert([vec![metric.name.clone()], labels].concat().join(" "), value);
        }
    }
    values
}

#[test]
fn what_happened_lately() {
    let rules = rules();
    let mut totals = Totals::new(1, &rules);
    let now = NOON + 3600;
    for leg in [
        // Before the window of the ratios.
        leg(NOON, 30, 20, "ANSWERED", "in"),
        leg(NOON + 3000, 60, 50, "ANSWERED", "in"),
        leg(NOON + 3010, 20, 0, "BUSY", "in"),
        leg(NOON + 3020, 10, 0, "NO ANSWER", "in"),
        leg(NOON + 3500, 5, 0, "FAILED", "in"),
    ] {
        totals.row(&leg, now);
        totals.call(&leg, &rules, now);
    }
    let mut metrics = Metrics::new(now.unsigned_abs() * 1_000_000_000);
    metrics.table(View { table: None, totals: &totals, rules: &rules, window: 900 });
    let values = values(metrics);
    for (name, expected) in [
        ("asr", 1.0 / 4.0),
        ("ner", 3.0 / 4.0),
        ("acd", 50.0),
        ("concurrent.peak", 3.0),
        ("newest.age", 95.0),
        ("calls_by_hour 12", 5.0),
        ("hourly.total 12", 5.0),
        ("hourly.duration 12", 125.0 / 5.0),
        ("hourly.billsec 12", 70.0 / 5.0),
        ("hourly.answered 12", 2.0),
        ("hourly.no_answer 12", 1.0),
        ("hourly.busy 12", 1.0),
        ("hourly.failed 12", 1.0),
        ("hourly.total 11", 0.0),
    ] {
        assert_eq!(values.get(&format!("asterisk.cdr.{name}")), Some(&expected), "{name}: {values:#?}");
    }
    let hourly = |name: &str| {
        values.keys().filter(|key| key.starts_with(&format!("asterisk.cdr.hourly.{name}"))).count()
    };
    assert_eq!((hourly("total"), hourly("duration")), (24, 1), "an average of no calls is none");
}

#[test]
fn ratios_of_no_calls_are_none() {
    let rules = rules();
    let mut metrics = Metrics::new(NOON.unsigned_abs() * 1_000_000_000);
    metrics.table(View { table: None, totals: &Totals::new(1, &rules), rules: &rules, window: 900 });
    let values = values(metrics);
    for name in ["asr", "ner", "acd", "newest.age"] {
        assert_eq!(values.get(&format!("asterisk.cdr.{name}")), None, "{name}");
    }
    assert_eq!(values["asterisk.cdr.calls ANSWERED"], 0.0);
}
