mod gauges;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use otelcol_confmap::GoDuration;
use otelcol_pdata::model::as_string;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::{Metric, NumberDataPoint, number_data_point};
use otelcol_pipeline::{Context, Kind as ComponentKind};
use proptest::prelude::*;

use super::*;
use crate::statsd::config::{AsteriskConfig, Mapping};
use crate::statsd::otlp::{Style, resource_metrics};

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_800_000_000 * SECOND;

/// An aggregator with a clock of its own, and what its flushes said.
struct Bench {
    context: Context,
    config: Config,
    aggregator: Aggregator,
    now: u64,
    /// The time of day is ahead of the steady clock by this.
    ahead: u64,
}

impl Bench {
    fn new(config: Config) -> Self {
        let context = Context::detached(ComponentKind::Receiver, "statsd");
        let aggregator = Aggregator::new(&config, Report::new(&context), START);
        Self { context, config, aggregator, now: START, ahead: 0 }
    }

    fn send(&mut self, lines: &str) {
        self.send_from("192.0.2.1:40000", lines);
    }

    fn send_from(&mut self, source: &str, lines: &str) {
        let source: SocketAddr = source.parse().unwrap();
        self.aggregator.lines(lines.as_bytes(), Some(source), self.now);
    }

    /// Ends an interval of ten seconds.
    fn take(&mut self) -> Interval {
        self.now += 10 * SECOND;
        self.aggregator.take(Moment { wall: self.now + self.ahead, steady: self.now })
    }

    fn style(&self) -> Style {
        Style::new(&self.config, &self.context)
    }

    /// Ends an interval; its metrics by name.
    fn flush(&mut self) -> BTreeMap<String, Metric> {
        let interval = self.take();
        let resources = resource_metrics(&interval, self.style());
        let metrics = resources.into_iter().flat_map(|resource| resource.scope_metrics);
        metrics.flat_map(|scope| scope.metrics).map(|metric| (metric.name.clone(), metric)).collect()
    }

    /// Ends an interval; its numbers by name and attributes, as `name{key=value}`.
    fn numbers(&mut self) -> BTreeMap<String, f64> {
        self.flush().values().flat_map(numbers).collect()
    }

    fn refused(&self, reason: &str) -> f64 {
        let labels = [("receiver", "statsd"), ("reason", reason)];
        self.context.telemetry.value("otelcol_receiver_statsd_refused_lines", &labels).unwrap()
    }

    fn own(&self, name: &str) -> f64 {
        self.context.telemetry.value(name, &[("receiver", "statsd")]).unwrap()
    }
}

fn numbers(metric: &Metric) -> Vec<(String, f64)> {
    let points = match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => &gauge.data_points,
        Data::Sum(sum) => &sum.data_points,
        _ => return Vec::new(),
    };
    points.iter().map(|point| (key(&metric.name, point), value(point))).collect()
}

fn key(name: &str, point: &NumberDataPoint) -> String {
    let attributes: Vec<_> = point
        .attributes
        .iter()
        .map(|attribute| format!("{}={}", attribute.key, as_string(attribute.value.as_ref().unwrap())))
        .collect();
    if attributes.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", attributes.join(",")) }
}

fn value(point: &NumberDataPoint) -> f64 {
    match point.value.unwrap() {
        number_data_point::Value::AsDouble(value) => value,
        number_data_point::Value::AsInt(value) => value as f64,
    }
}

fn expect(found: &BTreeMap<String, f64>, expected: &[(&str, f64)]) {
    let expected: BTreeMap<_, _> = expected.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
    assert_eq!(*found, expected);
}

fn mapping(statsd_type: &str, observer_type: &str) -> Mapping {
    Mapping {
        statsd_type: statsd_type.to_owned(),
        observer_type: observer_type.to_owned(),
        ..Mapping::default()
    }
}

fn guide() -> Config {
    let mut timer = mapping("timer", "histogram");
    timer.histogram.explicit = vec![10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 5000.0, 10_000.0];
    Config { timer_histogram_mapping: vec![timer], ..Config::default() }
}

#[test]
fn known_names_are_described() {
    let mut bench = Bench::new(guide());
    bench.send("asterisk.channels.count:47|g\nconfBridgeUsers:1|g");
    let metrics = bench.flush();
    let known = &metrics["asterisk.channels.count"];
    assert_eq!(
        (known.description.as_str(), known.unit.as_str()),
        ("Current active channel count", "{channel}")
    );
    let unknown = &metrics["confBridgeUsers"];
    assert_eq!((unknown.description.as_str(), unknown.unit.as_str()), ("", ""));
}

#[test]
fn the_client_is_on_the_resource_as_the_aggregation_settings_say() {
    let clients = |config: Config| {
        let mut bench = Bench::new(Config { client_address: true, ..config });
        bench.send_from("192.0.2.1:1000", "c:1|c");
        bench.send_from("192.0.2.1:1001", "c:1|c");
        let resources = resource_metrics(&bench.take(), bench.style());
        let attributes = resources.into_iter().map(|resource| resource.resource.unwrap().attributes);
        let text = |attributes: Vec<otelcol_pdata::model::common::KeyValue>| {
            let texts: Vec<_> = attributes
                .iter()
                .map(|attribute| {
                    format!("{}={}", attribute.key, as_string(attribute.value.as_ref().unwrap()))
                })
                .collect();
            texts.join(",")
        };
        attributes.map(text).collect::<Vec<_>>()
    };
    assert_eq!(
        clients(guide()),
        ["client.address=192.0.2.1,client.port=1000", "client.address=192.0.2.1,client.port=1001"]
    );
    assert_eq!(clients(Config { enable_ip_only_aggregation: true, ..guide() }), ["client.address=192.0.2.1"]);
    assert_eq!(clients(Config { ignore_host: true, ..guide() }), [""]);
}

#[test]
fn counters_are_deltas_of_the_interval() {
    let mut bench = Bench::new(guide());
    bench.send("calls:3000|c|#k:v\ncalls:20|c|@0.25|#k:v\nbus:1|m\nbus:1|m");
    let metrics = bench.flush();
    let Some(Data::Sum(sum)) = &metrics["calls"].data else { panic!("no sum") };
    assert!(sum.is_monotonic);
    assert_eq!(sum.aggregation_temporality, 1);
    let point = &sum.data_points[0];
    assert_eq!(point.value, Some(number_data_point::Value::AsInt(3080)));
    assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (START, START + 10 * SECOND));
    assert_eq!(numbers(&metrics["bus"]), [("bus".to_owned(), 2.0)]);

    expect(&bench.numbers(), &[]);
    bench.send("calls:1|c|#k:v");
    let metrics = bench.flush();
    let Some(Data::Sum(sum)) = &metrics["calls"].data else { panic!("no sum") };
    let point = &sum.data_points[0];
    assert_eq!(
        (point.start_time_unix_nano, point.time_unix_nano),
        (START + 20 * SECOND, START + 30 * SECOND)
    );
}

#[test]
fn what_rounding_leaves_is_sent_later() {
    let mut bench = Bench::new(guide());
    let mut seen = Vec::new();
    for _ in 0..4 {
        bench.send("a:1|c|@0.3");
        seen.push(bench.numbers()["a"]);
    }
    assert_eq!(seen, [3.0, 4.0, 3.0, 3.0]); // of 13.33
    bench.send("a:0|c");
    expect(&bench.numbers(), &[("a", 0.0)]);

    let mut bench = Bench::new(Config { counter_type: "float".to_owned(), ..guide() });
    bench.send("a:0.5|c");
    expect(&bench.numbers(), &[("a", 0.5)]);
}

#[test]
fn negative_counters_need_sums_that_may_fall() {
    let mut bench = Bench::new(guide());
    bench.send("a:5|c\na:-2|c\na:+3|c\nb:-1|m");
    expect(&bench.numbers(), &[("a", 8.0)]);
    assert_eq!(bench.refused("negative_counter"), 2.0);

    let mut bench = Bench::new(Config { is_monotonic_counter: Some(false), ..guide() });
    bench.send("a:5|c\na:-7|c");
    let metrics = bench.flush();
    assert_eq!(numbers(&metrics["a"]), [("a".to_owned(), -2.0)]);
    assert!(matches!(&metrics["a"].data, Some(Data::Sum(sum)) if !sum.is_monotonic));
}

#[test]
fn an_unreachable_contact_is_counted_apart() {
    let mut bench = Bench::new(guide());
    bench.send("asterisk.PJSIP.contacts.1001;@2a22.rtt:-1|ms\nasterisk.PJSIP.contacts.1001;@2a22.rtt:7|ms");
    bench.send("asterisk.PJSIP.contacts.1001;@2a22.rtt:-1|ms\nPJSIP.contacts.x.rtt:-2|ms\na.rtt:-1|ms");
    let metrics = bench.flush();
    let unreachable = "asterisk.PJSIP.contacts.1001;@2a22.unreachable";
    assert_eq!(numbers(&metrics[unreachable]), [(unreachable.to_owned(), 2.0)]);
    let Some(Data::Histogram(rtt)) = &metrics["asterisk.PJSIP.contacts.1001;@2a22.rtt"].data else {
        panic!()
    };
    assert_eq!((rtt.data_points[0].count, rtt.data_points[0].sum), (1, Some(7.0)));
    assert_eq!(metrics.len(), 2);
    assert_eq!(bench.refused("negative_timer"), 2.0);
}

#[test]
fn ids_in_names_become_attributes() {
    let asterisk = AsteriskConfig { names: Names::Attributes, ..AsteriskConfig::default() };
    let mut bench = Bench::new(Config { asterisk, enable_metric_type: true, ..guide() });
    bench.send("asterisk.endpoints.PJSIP.1001.channels:1|g\nasterisk.endpoints.PJSIP.carrier.channels:3|g");
    bench.send("stasis.message.ast_channel_varset_type:1|m\nasterisk.PJSIP.contacts.1001;@2a.rtt:-1|ms");
    let metrics = bench.flush();
    let all: BTreeMap<_, _> = metrics.values().flat_map(numbers).collect();
    expect(
        &all,
        &[
            ("asterisk.endpoints.channels{channel_type=PJSIP,endpoint=1001,metric_type=gauge}", 1.0),
            ("asterisk.endpoints.channels{channel_type=PJSIP,endpoint=carrier,metric_type=gauge}", 3.0),
            ("stasis.message{message_type=ast_channel_varset_type,metric_type=meter}", 1.0),
            ("asterisk.PJSIP.contacts.unreachable{aor=1001,contact=1001;@2a,metric_type=timing}", 1.0),
        ],
    );
    assert_eq!(metrics["asterisk.endpoints.channels"].description, "Active channels of an endpoint");
}

#[test]
fn state_gauges_can_be_left_to_ami() {
    let asterisk = AsteriskConfig { state_gauges: StateGauges::Drop, ..AsteriskConfig::default() };
    let mut bench = Bench::new(Config { asterisk, ..guide() });
    for _ in 0..2 {
        bench.send(
            "asterisk.channels.count:+1|g\nasterisk.endpoints.state.online:+1|g\nasterisk.channels.count:1|c",
        );
        bench.send("asterisk.endpoints.PJSIP.1001.channels:1|g");
    }
    expect(
        &bench.numbers(),
        &[("asterisk.channels.count", 2.0), ("asterisk.endpoints.PJSIP.1001.channels", 1.0)],
    );
    assert_eq!(bench.refused("state_gauge"), 4.0);
}

#[test]
fn tags_tell_series_apart_in_any_order() {
    let mut bench = Bench::new(Config { enable_simple_tags: true, ..guide() });
    bench.send("a:1|c|#x:1,y:2\na:2|c|#y:2,x:1\na:4|c|#x:1,y:2,x:1\na:8|c|#x:0,x:1|c:\na:16|c|#flag\na:32|c");
    expect(&bench.numbers(), &[("a{x=1,y=2}", 7.0), ("a{x=1}", 8.0), ("a{flag=}", 16.0), ("a", 32.0)]);
    let mut bench = Bench::new(guide());
    bench.send("a:1|c|#flag");
    expect(&bench.numbers(), &[]);
    assert_eq!(bench.refused("bad_tag"), 1.0);
}

#[test]
fn sets_count_distinct_members() {
    let mut bench = Bench::new(guide());
    bench.send("trunks:carrier|s\ntrunks:other|s\ntrunks:carrier|s");
    expect(&bench.numbers(), &[("trunks", 2.0)]);
    expect(&bench.numbers(), &[]);
    bench.send("trunks:carrier|s");
    expect(&bench.numbers(), &[("trunks", 1.0)]);
}

#[test]
fn timers_weigh_by_their_rate() {
    let mut bench = Bench::new(guide());
    bench.send("t:20|ms|@0.1\nt:10|ms\nt:10|ms|@0.3\nt:10|ms|@0.3\nt:10|ms|@0.3");
    let metrics = bench.flush();
    let Some(Data::Histogram(histogram)) = &metrics["t"].data else { panic!("no histogram") };
    let point = &histogram.data_points[0];
    assert_eq!(point.bucket_counts, [11, 10, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!((point.count, point.sum, point.min, point.max), (21, Some(310.0), Some(10.0), Some(20.0)));
    assert_eq!(histogram.aggregation_temporality, 1);
}

#[test]
fn observers_of_every_type() {
    let config = Config {
        timer_histogram_mapping: vec![mapping("timing", "histogram"), mapping("distribution", "summary")],
        ..Config::default()
    };
    let mut bench = Bench::new(config);
    bench.send("t:47|ms\nt:0|ms\nd:-10|d\nd:30|d\nd:20|h\nd:20|d");
    let metrics = bench.flush();
    let Some(Data::ExponentialHistogram(timer)) = &metrics["t"].data else { panic!("no histogram") };
    let point = &timer.data_points[0];
    assert_eq!((point.count, point.zero_count, point.scale, point.sum), (2, 1, 20, Some(47.0)));
    assert_eq!(point.positive.as_ref().unwrap().bucket_counts, [1]);
    let Some(Data::Summary(summary)) = &metrics["d"].data else { panic!("no summary") };
    let point = &summary.data_points[0];
    assert_eq!((point.count, point.sum), (4, 60.0));
    let quantiles: Vec<_> = point.quantile_values.iter().map(|at| (at.quantile, at.value)).collect();
    assert_eq!(quantiles, [(0.0, -10.0), (0.1, -10.0), (0.5, 20.0), (0.9, 30.0), (0.95, 30.0), (1.0, 30.0)]);

    let mut bench = Bench::new(Config::default());
    bench.send("t:1|ms\nt:2|ms");
    expect(
        &bench.flush().values().flat_map(numbers).map(|(_, value)| (value.to_string(), value)).collect(),
        &[("1", 1.0), ("2", 2.0)],
    );
    let mut bench = Bench::new(guide());
    bench.send("h:1|h\nd:1|d");
    expect(&bench.numbers(), &[]);
    assert_eq!(bench.refused("observer_disabled"), 2.0);
}

#[test]
fn limits_hold_and_are_counted() {
    let limits = Limits { series: 2, line_bytes: 20, tags: 1, samples: 3, ..Limits::default() };
    let mut bench = Bench::new(Config { limits, ..Config::default() });
    bench.send("a:1|c\nb:1|g\nc:1|c\na:1|c\nb:+1|g");
    bench.send("long.long.long.long:1|c\na:1|c|#x:1,y:2");
    expect(&bench.numbers(), &[("a", 2.0), ("b", 2.0)]);
    assert_eq!(bench.refused("series_limit"), 1.0);
    assert_eq!(bench.refused("line_too_long"), 1.0);
    assert_eq!(bench.refused("too_many_tags"), 1.0);
    assert_eq!(bench.own("otelcol_receiver_statsd_series"), 2.0);

    // The counter had no line in this interval and makes room.
    bench.send("b:0|g");
    expect(&bench.numbers(), &[("b", 0.0)]);
    bench.send("t:1|ms\nt:2|ms\nt:3|ms\nt:4|ms");
    assert_eq!(bench.refused("sample_limit"), 1.0);
    bench.take();
    bench.send("t:5|ms");
    assert_eq!(bench.refused("sample_limit"), 1.0);
}

#[test]
fn an_explosion_of_series_ends_at_the_limit_and_known_ones_go_on() {
    let mut bench = Bench::new(Config::default());
    bench.send("asterisk.calls:1|c\nasterisk.channels:5|g");
    for thousand in 0..150 {
        let lines: Vec<String> = (0..1000).map(|n| format!("evil.{}:1|c", thousand * 1000 + n)).collect();
        bench.send(&lines.join("\n"));
    }
    bench.send("asterisk.calls:1|c\nasterisk.channels:+1|g");
    assert_eq!(bench.refused("series_limit"), 50_002.0);
    let numbers = bench.numbers();
    assert_eq!(bench.own("otelcol_receiver_statsd_series"), 100_000.0);
    assert_eq!((numbers["asterisk.calls"], numbers["asterisk.channels"]), (2.0, 6.0));
    // Counters without a line in an interval make room: the one after is as if nothing had been.
    bench.numbers();
    bench.send("new:1|c\nasterisk.channels:-1|g");
    let numbers = bench.numbers();
    assert_eq!((numbers["new"], numbers["asterisk.channels"]), (1.0, 5.0));
}

#[test]
fn lines_are_counted_by_outcome() {
    let mut bench = Bench::new(guide());
    bench.send("a:1|c\r\n\n  \nb\n:1|c\nc:x|c\nd:1|q\ne:inf|g\nf:1|c");
    let received = |success| {
        let labels = [("receiver", "statsd"), ("parse_success", success)];
        bench.context.telemetry.value("otelcol_receiver_received_statsd_metrics", &labels).unwrap()
    };
    assert_eq!((received("true"), received("false")), (2.0, 5.0));
    for reason in ["no_type", "empty_name", "bad_value", "unknown_type", "not_finite"] {
        assert_eq!(bench.refused(reason), 1.0, "{reason}");
    }
    expect(&bench.numbers(), &[("a", 1.0), ("f", 1.0)]);
}

#[derive(Clone, Debug)]
enum Step {
    Line(String),
    Taken,
    Refused,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let line = prop_oneof![
        (0..3_u8, 0..5_u8).prop_map(|(name, value)| format!("c{name}:{value}|c")),
        (0..3_u8, -3..4_i8).prop_map(|(name, value)| format!("g{name}:{value:+}|g")),
        (0..3_u8, 0..9_u8).prop_map(|(name, value)| format!("g{name}:{value}|g")),
        (0..2_u8, 0..200_u8).prop_map(|(name, value)| format!("t{name}:{value}|ms")),
        (0..2_u8, 0..200_u8).prop_map(|(name, value)| format!("h{name}:{value}|h")),
    ];
    let step = prop_oneof![
        6 => line.prop_map(Step::Line),
        1 => Just(Step::Taken),
        1 => Just(Step::Refused),
    ];
    proptest::collection::vec(step, 0..80)
}

/// What a list of taken intervals adds up to: sums, last gauges, and of each timer count and sum.
fn totals(intervals: &[Interval]) -> BTreeMap<String, (f64, f64)> {
    let mut totals = BTreeMap::<String, (f64, f64)>::new();
    for (identity, taken) in intervals.iter().flat_map(|interval| &interval.points) {
        let total = totals.entry(identity.name.clone()).or_default();
        match taken {
            Taken::Sum(sum) => total.0 += sum,
            Taken::Gauge(value) => total.0 = *value,
            Taken::Observed(Observed::Points(points)) => {
                total.0 += points.len() as f64;
                total.1 += points.iter().map(|(value, _)| value).sum::<f64>();
            }
            Taken::Observed(Observed::Histogram(histogram)) => {
                let crate::statsd::observe::Counts::Explicit { counts, .. } = &histogram.counts else {
                    panic!()
                };
                total.0 += counts.iter().sum::<f64>();
                total.1 += histogram.sum;
            }
            _ => panic!("not sent in this test"),
        }
    }
    totals
}

proptest! {
    #[test]
    fn flushes_that_are_refused_lose_and_double_nothing(steps in steps()) {
        let mut timer = mapping("timer", "histogram");
        timer.histogram.explicit = vec![10.0, 100.0];
        let mappings = vec![timer, mapping("histogram", "gauge")];
        let mut bench = Bench::new(Config { timer_histogram_mapping: mappings, ..Config::default() });
        let mut intervals = Vec::new();
        let mut plain = BTreeMap::<String, (f64, f64)>::new();
        for step in steps.iter().chain([&Step::Taken]) {
            match step {
                Step::Taken => intervals.push(bench.take()),
                Step::Refused => {
                    let interval = bench.take();
                    bench.aggregator.merge_back(interval);
                }
                Step::Line(line) => {
                    bench.send(line);
                    let (name, rest) = line.split_once(':').unwrap();
                    let (text, _) = rest.split_once('|').unwrap();
                    let number: f64 = text.parse().unwrap();
                    let total = plain.entry(name.to_owned()).or_default();
                    match &name[..1] {
                        "c" => total.0 += number,
                        "g" if text.starts_with(['+', '-']) => total.0 += number,
                        "g" => total.0 = number,
                        _ => *total = (total.0 + 1.0, total.1 + number),
                    }
                }
            }
        }
        prop_assert_eq!(totals(&intervals), plain);
        // Each interval begins where one before it ended, and none twice.
        for pair in intervals.windows(2) {
            prop_assert_eq!(pair[0].end, pair[1].start);
        }
    }
}
