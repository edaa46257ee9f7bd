//! What batches do to series.

use std::collections::BTreeMap;

use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::{
    AggregationTemporality, DataPointFlags, Gauge, NumberDataPoint, ScopeMetrics, Sum, number_data_point,
};
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::string;
use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn config() -> Config {
    Config { without_scope_info: true, ..Config::default() }
}

fn sum(name: &str, temporality: AggregationTemporality, points: Vec<NumberDataPoint>) -> Metric {
    let data = Data::Sum(Sum {
        data_points: points,
        aggregation_temporality: temporality as i32,
        is_monotonic: true,
    });
    Metric { name: name.to_owned(), data: Some(data), ..Default::default() }
}

fn gauge(name: &str, points: Vec<NumberDataPoint>) -> Metric {
    let data = Some(Data::Gauge(Gauge { data_points: points }));
    Metric { name: name.to_owned(), data, ..Default::default() }
}

fn point(label: &str, value: f64, time: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: vec![string("l", label)],
        time_unix_nano: time,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..Default::default()
    }
}

fn from(host: &str, metrics: Vec<Metric>) -> ResourceMetrics {
    ResourceMetrics {
        resource: Some(Resource { attributes: vec![string("host.name", host)], ..Default::default() }),
        scope_metrics: vec![ScopeMetrics { metrics, ..Default::default() }],
        ..Default::default()
    }
}

fn values(registry: &mut Registry, now: u64) -> BTreeMap<String, f64> {
    let text = scrape(registry, &config(), "", now, usize::MAX);
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn a_delta_sent_twice_is_added_once_and_two_sources_add_up() {
    let mut registry = Registry::new(config().rules());
    let mut tally = Tally::default();
    let delta = |host, value, time| {
        from(host, vec![sum("calls", AggregationTemporality::Delta, vec![point("a", value, time)])])
    };
    for batch in [delta("h1", 5.0, 10), delta("h1", 5.0, 10), delta("h2", 3.0, 10), delta("h1", 1.0, 20)] {
        registry.ingest(&[&batch], NOW, &mut tally);
    }
    assert_eq!(values(&mut registry, NOW), BTreeMap::from([(r#"calls_total{l="a"}"#.to_owned(), 9.0)]));
    assert_eq!(tally.dropped(Dropped::OutOfOrder), 1);
    assert_eq!(tally.conflicts(Conflict::DuplicateSeries), 2);
}

#[test]
fn types_names_helps_and_units_that_do_not_agree_are_counted() {
    let mut registry = Registry::new(config().rules());
    let mut tally = Tally::default();
    let described = |name: &str, help: &str, unit: &str| Metric {
        description: help.to_owned(),
        unit: unit.to_owned(),
        ..gauge(name, vec![point("a", 1.0, 0), point("b", 2.0, 0)])
    };
    let calls = sum("calls", AggregationTemporality::Cumulative, vec![point("a", 1.0, 0)]);
    let batch = from("h", vec![calls, described("calls_total", "", ""), described("x", "one", "{a}")]);
    registry.ingest(&[&batch, &from("h", vec![described("x", "two", "{b}")])], NOW, &mut tally);
    assert_eq!(tally.dropped(Dropped::TypeConflict), 2);
    assert_eq!(tally.dropped_first, [(Dropped::TypeConflict, "calls_total".to_owned())]);
    assert_eq!((tally.conflicts(Conflict::Help), tally.conflicts(Conflict::Unit)), (1, 1));
    let text = scrape(&mut registry, &config(), "", NOW, usize::MAX);
    assert!(text.contains("# HELP x one\n# TYPE x gauge\nx{l=\"a\"} 1\nx{l=\"b\"} 2\n"), "{text}");
    // Once its series are expired, a name is free for another type.
    let later = NOW + 301 * SECOND;
    registry.expire(later);
    registry.ingest(&[&from("h", vec![described("calls_total", "", "")])], later, &mut tally);
    assert_eq!(tally.dropped(Dropped::TypeConflict), 2);
    assert_eq!(values(&mut registry, later)[r#"calls_total{l="b"}"#], 2.0);
}

#[test]
fn one_target_info_for_each_job_and_instance() {
    let mut registry = Registry::new(config().rules());
    let mut tally = Tally::default();
    let resource = |pid: &str| ResourceMetrics {
        resource: Some(Resource {
            attributes: vec![
                string("service.name", "pbx"),
                string("service.instance.id", "1"),
                string("process.pid", pid),
            ],
            ..Default::default()
        }),
        ..Default::default()
    };
    registry.ingest(&[&resource("17")], NOW, &mut tally);
    registry.ingest(&[&resource("18")], NOW, &mut tally);
    let line = r#"target_info{instance="1",job="pbx",process_pid="18"}"#.to_owned();
    assert_eq!(values(&mut registry, NOW), BTreeMap::from([(line, 1.0)]));
    assert_eq!(registry.series(), 1);
    registry.expire(NOW + 301 * SECOND);
    assert_eq!((registry.series(), registry.targets.len()), (0, 0));
}

#[test]
fn a_scrape_in_pieces_survives_what_happens_in_between() {
    let mut registry = Registry::new(config().rules());
    let mut tally = Tally::default();
    let names: Vec<String> = (0..50).map(|n| format!("m{n:02}")).collect();
    let many = |value: f64| -> Vec<Metric> {
        let points = || ["b", "d", "f"].map(|label| point(label, value, 0)).to_vec();
        names.iter().map(|name| gauge(name, points())).collect()
    };
    registry.ingest(&[&from("h", many(1.0))], NOW, &mut tally);
    let style = Style { format: otelcol_prometheus_text::Format::Text, escaping: None, timestamps: false };
    let mut under_way = Scrape::new(style, Vec::new());
    let mut text = Vec::new();
    let mut piece = 0;
    while under_way.fill(&mut registry, NOW, 1).is_break() {
        text.extend(under_way.exchange(Vec::new()));
        let name = format!("m{:02}", piece % 50);
        let gone =
            NumberDataPoint { flags: DataPointFlags::NoRecordedValueMask as u32, ..point("d", 0.0, 0) };
        let added = vec![point("a", 2.0, 0), point("e", 2.0, 0), gone];
        registry.ingest(&[&from("h", vec![gauge(&name, added)])], NOW, &mut tally);
        piece += 1;
    }
    let text = String::from_utf8(text).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), all, "a line was written twice");
    for name in &names {
        for label in ["b", "f"] {
            assert!(text.contains(&format!("{name}{{l=\"{label}\"}} 1\n")), "{name} {label}");
        }
    }
}

/// What happens to a registry, told by small numbers.
#[derive(Clone, Debug)]
enum Step {
    Set { metric: u8, label: u8, value: i16 },
    Remove { metric: u8, label: u8 },
    Add { metric: u8, label: u8, value: u8 },
    Wait { seconds: u8 },
    Expire,
}

fn step() -> impl proptest::strategy::Strategy<Value = Step> {
    prop_oneof![
        (0u8..4, 0u8..6, any::<i16>()).prop_map(|(metric, label, value)| Step::Set { metric, label, value }),
        (0u8..4, 0u8..6).prop_map(|(metric, label)| Step::Remove { metric, label }),
        (0u8..4, 0u8..6, any::<u8>()).prop_map(|(metric, label, value)| Step::Add { metric, label, value }),
        (0u8..200).prop_map(|seconds| Step::Wait { seconds }),
        Just(Step::Expire),
    ]
}

proptest! {
    #[test]
    fn equals_a_map_of_series(steps in prop::collection::vec(step(), 0..60)) {
        let mut registry = Registry::new(config().rules());
        let mut tally = Tally::default();
        let mut now = NOW;
        let mut reference: BTreeMap<String, (f64, u64)> = BTreeMap::new();
        for step in steps {
            // A series expires between two points or not by time alone, whoever looks.
            reference.retain(|_, (_, updated)| *updated + 300 * SECOND >= now);
            registry.expire(now);
            now += 1_000_000;
            let metric = match step {
                Step::Set { metric, label, value } => {
                    reference.insert(format!("g{metric}{{l=\"{label}\"}}"), (f64::from(value), now));
                    gauge(&format!("g{metric}"), vec![point(&label.to_string(), f64::from(value), now)])
                }
                Step::Remove { metric, label } => {
                    reference.remove(&format!("g{metric}{{l=\"{label}\"}}"));
                    let flags = DataPointFlags::NoRecordedValueMask as u32;
                    let gone = NumberDataPoint { flags, ..point(&label.to_string(), 0.0, now) };
                    gauge(&format!("g{metric}"), vec![gone])
                }
                Step::Add { metric, label, value } => {
                    let series = reference.entry(format!("c{metric}_total{{l=\"{label}\"}}")).or_default();
                    *series = (series.0 + f64::from(value), now);
                    let points = vec![point(&label.to_string(), f64::from(value), now)];
                    sum(&format!("c{metric}"), AggregationTemporality::Delta, points)
                }
                Step::Wait { seconds } => {
                    now += u64::from(seconds) * SECOND;
                    continue;
                }
                Step::Expire => {
                    registry.expire(now);
                    continue;
                }
            };
            registry.ingest(&[&from("h", vec![metric])], now, &mut tally);
        }
        reference.retain(|_, (_, updated)| *updated + 300 * SECOND >= now);
        let want: BTreeMap<String, f64> =
            reference.into_iter().map(|(name, (value, _))| (name, value)).collect();
        prop_assert_eq!(values(&mut registry, now), want);
        prop_assert_eq!(tally.dropped_total(), 0);
    }
}

#[test]
fn what_a_sender_makes_up_does_not_grow_without_end() {
    let mut registry = Registry::new(Config { max_series: 10, ..config() }.rules());
    let mut tally = Tally::default();
    // Families whose only point is refused, and one name spelled in many ways.
    for n in 0..100 {
        let negative = sum(&format!("bad{n}"), AggregationTemporality::Delta, vec![point("a", -1.0, 0)]);
        registry.ingest(&[&from("h", vec![negative])], NOW, &mut tally);
    }
    assert_eq!((registry.families.len(), registry.series()), (10, 0));
    registry.expire(NOW);
    assert_eq!((registry.families.len(), registry.known.len()), (0, 0));
    for n in 0..3000 {
        let spelled = format!("x{n:012b}y").replace('0', ".").replace('1', "-");
        registry.ingest(&[&from("h", vec![gauge(&spelled, vec![point("a", 1.0, 0)])])], NOW, &mut tally);
    }
    assert_eq!((registry.families.len(), registry.series()), (1, 1));
    assert!(registry.known.len() <= 2 + 1024 + 1, "{}", registry.known.len());
}

#[test]
fn target_info_leaves_nothing_behind_when_there_is_no_room() {
    let mut registry = Registry::new(Config { max_series: 2, ..config() }.rules());
    let mut tally = Tally::default();
    for n in 0..5 {
        let resource = Resource {
            attributes: vec![string("service.name", "pbx"), string("service.instance.id", n.to_string())],
            ..Default::default()
        };
        let batch = ResourceMetrics { resource: Some(resource), ..Default::default() };
        registry.ingest(&[&batch], NOW, &mut tally);
    }
    assert_eq!((registry.series(), registry.targets.len()), (2, 2));
    assert_eq!(tally.dropped(Dropped::SeriesLimit), 3);
}
