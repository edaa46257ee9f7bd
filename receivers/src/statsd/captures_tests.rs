//! What real Asterisk sent, replayed over several intervals, against the sums that `testdata/expected.py` made of the same files.

use std::collections::BTreeMap;
use std::io::Read;

use base64::Engine;
use flate2::read::GzDecoder;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::{Metric, NumberDataPoint, number_data_point};
use otelcol_pipeline::{Context, Kind};
use serde::Deserialize;

use super::aggregator::Aggregator;
use super::config::{Config, Mapping};
use super::moment::Moment;
use super::otlp::{Style, resource_metrics};
use super::report::Report;

#[derive(Deserialize)]
struct Expected {
    datagrams: usize,
    accepted: f64,
    refused: BTreeMap<String, f64>,
    intervals: Vec<ExpectedInterval>,
    counters: BTreeMap<String, f64>,
    timers: BTreeMap<String, Timer>,
    unreachable: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct ExpectedInterval {
    gauges: BTreeMap<String, f64>,
    sets: BTreeMap<String, f64>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Timer {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    buckets: Vec<u64>,
}

fn datagrams(gz: &[u8]) -> Vec<Vec<u8>> {
    #[derive(Deserialize)]
    struct Row {
        b64: String,
    }
    let mut text = String::new();
    GzDecoder::new(gz).read_to_string(&mut text).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<Row>(line).unwrap())
        .map(|row| base64::engine::general_purpose::STANDARD.decode(row.b64).unwrap())
        .collect()
}

fn value(point: &NumberDataPoint) -> f64 {
    match point.value.unwrap() {
        number_data_point::Value::AsDouble(value) => value,
        number_data_point::Value::AsInt(value) => value as f64,
    }
}

/// What the metrics of all intervals add up to.
#[derive(Default)]
struct Seen {
    gauges: BTreeMap<String, f64>,
    sums: BTreeMap<String, f64>,
    timers: BTreeMap<String, Timer>,
}

impl Seen {
    fn add(&mut self, metric: &Metric) {
        let name = metric.name.clone();
        match metric.data.as_ref().unwrap() {
            Data::Gauge(gauge) => {
                assert_eq!(gauge.data_points.len(), 1, "{name}");
                self.gauges.insert(name, value(&gauge.data_points[0]));
            }
            Data::Sum(sum) => {
                assert_eq!(sum.data_points.len(), 1, "{name}");
                *self.sums.entry(name).or_default() += value(&sum.data_points[0]);
            }
            Data::Histogram(histogram) => {
                let [point] = &histogram.data_points[..] else { panic!("{name} has several points") };
                let (sum, min, max) = (point.sum.unwrap(), point.min.unwrap(), point.max.unwrap());
                let timer = self.timers.entry(name).or_insert(Timer {
                    count: 0,
                    sum: 0.0,
                    min,
                    max,
                    buckets: vec![0; point.bucket_counts.len()],
                });
                timer.count += point.count;
                timer.sum += sum;
                timer.min = timer.min.min(min);
                timer.max = timer.max.max(max);
                for (total, count) in timer.buckets.iter_mut().zip(&point.bucket_counts) {
                    *total += count;
                }
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

fn replay(name: &str, gz: &[u8]) {
    let all: BTreeMap<String, Expected> =
        serde_json::from_str(include_str!("testdata/expected.json")).unwrap();
    let expected = &all[name];
    let datagrams = datagrams(gz);
    assert_eq!(datagrams.len(), expected.datagrams);

    let mut mapping = Mapping { statsd_type: "timer".to_owned(), ..Mapping::default() };
    mapping.observer_type = "histogram".to_owned();
    mapping.histogram.explicit = vec![10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 5000.0, 10_000.0];
    let config = Config { timer_histogram_mapping: vec![mapping], ..Config::default() };
    let context = Context::detached(Kind::Receiver, "statsd");
    let mut aggregator = Aggregator::new(&config, Report::new(&context), 0);
    let style = Style::new(&config, &context);

    let mut seen = Seen::default();
    let runs = expected.intervals.len();
    for (run, wanted) in expected.intervals.iter().enumerate() {
        let part = &datagrams[run * datagrams.len() / runs..(run + 1) * datagrams.len() / runs];
        for (number, datagram) in part.iter().enumerate() {
            // Asterisk keeps its port until it is restarted; another one here for each datagram.
            let source = format!("127.0.0.1:{}", 1024 + number % 60_000).parse().unwrap();
            aggregator.lines(datagram, Some(source), run as u64);
        }
        let interval = aggregator.take(Moment::at(run as u64 + 1));
        seen.gauges.clear();
        for metric in resource_metrics(&interval, style)
            .iter()
            .flat_map(|one| &one.scope_metrics)
            .flat_map(|one| &one.metrics)
        {
            seen.add(metric);
        }
        let mut gauges = wanted.gauges.clone();
        gauges.extend(wanted.sets.clone());
        assert_eq!(seen.gauges, gauges, "gauges and sets of {name}, interval {run}");
    }
    let mut sums = expected.counters.clone();
    sums.extend(expected.unreachable.clone());
    assert_eq!(seen.sums, sums, "counters of {name}");
    assert_eq!(seen.timers, expected.timers, "timers of {name}");

    let own = |metric: &str, label: (&str, &str)| {
        context.telemetry.value(metric, &[("receiver", "statsd"), label]).unwrap()
    };
    let received = |success| own("otelcol_receiver_received_statsd_metrics", ("parse_success", success));
    assert_eq!(received("true"), expected.accepted);
    assert_eq!(received("false"), expected.refused.values().sum::<f64>());
    for (reason, count) in &expected.refused {
        assert_eq!(own("otelcol_receiver_statsd_refused_lines", ("reason", reason)), *count, "{reason}");
    }
}

macro_rules! captures {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                let file = concat!(stringify!($name), ".jsonl.gz");
                replay(file, include_bytes!(concat!("testdata/", stringify!($name), ".jsonl.gz")));
            }
        )+

        #[test]
        fn every_capture_is_replayed() {
            let all: BTreeMap<String, serde_json::Value> = serde_json::from_str(include_str!("testdata/expected.json")).unwrap();
            let names: Vec<_> = all.keys().map(String::as_str).collect();
            assert_eq!(names, [$(concat!(stringify!($name), ".jsonl.gz"),)+]);
        }
    };
}

captures! {
    asterisk16_variant_add_newline_yes
    asterisk22_boot_and_scenarios
    asterisk22_confbridge_seed_dialplan_kicked_user
    asterisk22_load_200_calls
    asterisk22_module_unload_load_and_shutdown
    asterisk22_variant_add_newline_yes
    asterisk22_variant_meter_support_no
    asterisk22_variant_no_prefix
}
