//! Metrics of transcripts as text, and what must hold for all of them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use otelcol_asterisk::catalogue;
use otelcol_pdata::model::common::KeyValue;
use otelcol_pdata::model::common::any_value::Value as AnyValue;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::number_data_point::Value;
use otelcol_testkit::ami::Transcript;

use super::*;
use crate::ami::book::{BookConfig, DialerConfig, SessionConfig};
use crate::ami::signal::{Session, Signal};
use crate::ami::testing::play;

fn all() -> Metrics {
    let off = DEFINITIONS.iter().filter(|definition| !definition.enabled);
    let on = MetricSetting { enabled: Some(true) };
    Metrics::new(&off.map(|definition| (definition.name.to_owned(), on)).collect(), CountBy::Call, true)
}

fn attributes(attributes: &[KeyValue]) -> String {
    let texts =
        attributes.iter().map(|attribute| match attribute.value.as_ref().and_then(|v| v.value.as_ref()) {
            Some(AnyValue::StringValue(text)) => format!("{}={text}", attribute.key),
            other => panic!("{other:?}"),
        });
    let texts: Vec<_> = texts.collect();
    if texts.is_empty() { String::new() } else { format!("{{{}}}", texts.join(",")) }
}

/// A line for each point, in the order of the table.
fn text(metrics: &[Metric]) -> String {
    let mut text = String::new();
    for metric in metrics {
        let points: Vec<(String, String)> = match metric.data.as_ref().unwrap() {
            Data::Gauge(gauge) => gauge.data_points.iter().map(number).collect(),
            Data::Sum(sum) => sum.data_points.iter().map(number).collect(),
            Data::Histogram(histogram) => histogram.data_points.iter().map(buckets).collect(),
            other => panic!("{other:?}"),
        };
        for (of, value) in points {
            writeln!(text, "{}{of} {value}", metric.name).unwrap();
        }
    }
    text
}

fn number(point: &otelcol_pdata::model::metrics::NumberDataPoint) -> (String, String) {
    let value = match point.value.unwrap() {
        Value::AsInt(value) => value.to_string(),
        Value::AsDouble(value) => format!("{value:.3}"),
    };
    (attributes(&point.attributes), value)
}

/// Count, sum, the buckets with something in them, and how many examples there are.
fn buckets(point: &otelcol_pdata::model::metrics::HistogramDataPoint) -> (String, String) {
    let mut value = format!("count={} sum={:.3}", point.count, point.sum.unwrap());
    let bounds = point.explicit_bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
    for (bound, count) in bounds.zip(&point.bucket_counts).filter(|(_, count)| **count > 0) {
        write!(value, " le{bound}={count}").unwrap();
    }
    write!(value, " examples={}", point.exemplars.len()).unwrap();
    (attributes(&point.attributes), value)
}

fn golden(path: &Path, found: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, found).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert!(expected == found, "{} differs; UPDATE_GOLDEN=1 writes it anew. Found:\n{found}", path.display());
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ami/testdata/metrics")
}

/// What a transcript made: levels at the moment when most channels were up, and all before the connection went.
fn summary(transcript: &Transcript) -> String {
    let metrics = all();
    let mut book = Book::new(BookConfig::default());
    let (mut most, mut fullest, mut end) = (0, String::new(), String::new());
    play(transcript, |signal, now| {
        if matches!(signal, Signal::Down) {
            end = text(&metrics.collect(&book, "", (1, now)));
        }
        book.apply(&signal, now);
        let up = book.channels().count();
        if up > most {
            most = up;
            let mut levels = metrics.collect(&book, "", (1, now));
            levels.retain(|metric| match &metric.data {
                Some(Data::Sum(sum)) => !sum.is_monotonic,
                Some(Data::Gauge(_)) => metric.name.contains("channel") || metric.name.contains("bridge"),
                _ => false,
            });
            fullest = text(&levels);
        }
    });
    format!("# with {most} channels up\n{fullest}# at the end\n{end}")
}

#[test]
fn a_golden_for_each_transcript() {
    for version in ["asterisk22", "asterisk16"] {
        for transcript in Transcript::all(version) {
            golden(&folder().join(version).join(format!("{}.txt", transcript.name)), &summary(&transcript));
        }
    }
}

#[test]
fn every_metric_is_in_the_catalogue_and_in_the_readme() {
    let readme = include_str!("README.md");
    let mut names = BTreeSet::new();
    for definition in DEFINITIONS {
        let entry = catalogue::find(definition.name).unwrap_or_else(|| panic!("{}", definition.name));
        assert_eq!(format!("asterisk.{}", entry.name), definition.name);
        let enabled = if definition.enabled { "on" } else { "off" };
        let attributes = definition.attributes.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>();
        let row = format!("| `{}` |", definition.name);
        let line = readme.lines().find(|line| line.starts_with(&row)).unwrap_or_else(|| panic!("{row}"));
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let kind = format!("{:?}", definition.kind).to_lowercase();
        let unit = format!("`{}`", entry.unit);
        assert_eq!(cells[2..7], [&kind, &unit, &attributes.join(", "), definition.class, enabled], "{line}");
        assert_eq!(cells[7], entry.description, "{line}");
        assert!(names.insert(definition.name), "{} twice", definition.name);
    }
}

#[test]
fn no_number_channel_or_id_is_an_attribute() {
    // As they stand in the transcripts: ids of channels, their serial numbers, callers' numbers and names.
    let forbidden = [".", "-0000", "555", "300555", "Caller carrier", "Agent One", ";1", ";2", "C1"];
    for version in ["asterisk22", "asterisk16"] {
        for transcript in Transcript::all(version) {
            for line in summary(&transcript).lines().filter(|line| line.contains('{')) {
                let (name, values) = line.split_once('{').unwrap();
                if name.contains("info") || name.contains("outbound.registration") {
                    continue; // versions have dots, and so have addresses of servers
                }
                let values = values.rsplit_once('}').unwrap().0;
                let values: Vec<&str> = values
                    .split(',')
                    .map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value))
                    .collect();
                for value in values {
                    assert!(
                        !forbidden.iter().any(|word| value.contains(word)),
                        "{}: {line}",
                        transcript.name
                    );
                }
            }
        }
    }
}

#[test]
fn two_hundred_calls_and_their_traces() {
    let mut book = Book::new(BookConfig::default());
    play(&Transcript::load("asterisk22", "load_200_calls"), |signal, now| book.apply(&signal, now));
    let by_channel = Metrics::new(&BTreeMap::new(), CountBy::Channel, false);
    let lines = |metrics: &Metrics| text(&metrics.collect(&book, "pbx", (1, 2)));
    assert!(lines(&all()).contains("asterisk.calls.total{channel_type=PJSIP} 200\n"));
    assert!(lines(&by_channel).contains("asterisk.calls.total{channel_type=PJSIP} 372\n"));
    assert!(!lines(&by_channel).contains("asterisk.agent.sessions"));
    let metrics = all().collect(&book, "pbx", (1, 2));
    let duration = metrics.iter().find(|metric| metric.name == "asterisk.call.duration_ms").unwrap();
    let Some(Data::Histogram(histogram)) = &duration.data else { panic!("{duration:?}") };
    for exemplar in histogram.data_points.iter().flat_map(|point| &point.exemplars) {
        assert_eq!((exemplar.trace_id.len(), exemplar.span_id.len()), (16, 8));
    }
    let example =
        book.tally().durations.values().flat_map(|histogram| histogram.examples.iter().flatten()).next();
    let trace = otelcol_asterisk::ids::call_trace_id("pbx", &example.unwrap().linkedid).to_vec();
    let exemplars = histogram.data_points.iter().flat_map(|point| &point.exemplars);
    assert_eq!(exemplars.filter(|exemplar| exemplar.trace_id == trace).count(), 1);
}

#[test]
fn what_is_not_connected_has_no_levels() {
    let mut book = Book::new(BookConfig::default());
    let metrics = Metrics::new(&BTreeMap::new(), CountBy::Call, false);
    let names = |book: &Book| -> Vec<String> {
        metrics.collect(book, "", (1, 2)).into_iter().map(|metric| metric.name).collect()
    };
    assert!(!names(&book).contains(&"asterisk.calls.active".to_owned()));
    book.apply(&Signal::Up(&Session::default()), 1);
    assert!(names(&book).contains(&"asterisk.calls.active".to_owned()));
    book.apply(&Signal::Down, 1);
    assert!(!names(&book).contains(&"asterisk.calls.active".to_owned()));
    assert!(text(&metrics.collect(&book, "", (1, 2))).contains("asterisk.ami.up 0\n"));
}

#[test]
fn an_agents_session_is_no_call() {
    let session = SessionConfig { conference: "86000\\d\\d".to_owned(), ..SessionConfig::default() };
    let dialer = DialerConfig { agent_sessions: vec![session] };
    let mut book = Book::new(BookConfig { dialer, ..BookConfig::default() });
    let mut most = 0;
    play(&Transcript::load("asterisk22", "dialer_agent_session_three_customers"), |signal, now| {
        book.apply(&signal, now);
        most = most.max(book.calls().filter(|call| call.is_agent_session()).count());
    });
    let found = text(&all().collect(&book, "", (1, 2)));
    assert_eq!(most, 1);
    for line in [
        "asterisk.calls.total{channel_type=Local} 3",
        "asterisk.agent.sessions.started 1",
        "asterisk.calls.by_disposition{disposition=ANSWERED} 3",
        "asterisk.call.duration_ms{cause=Normal Clearing} count=3 ",
    ] {
        assert!(found.contains(line), "{line}\n{found}");
    }
}

#[test]
fn disabled_metrics_and_unknown_names() {
    let off = MetricSetting { enabled: Some(false) };
    let settings = BTreeMap::from([
        ("asterisk.rtcp.mos".to_owned(), off),
        ("asterisk.auth.failures".to_owned(), off),
        ("asterisk.calls.totals".to_owned(), off),
    ]);
    let metrics = Metrics::new(&settings, CountBy::Call, false);
    let classes: BTreeSet<_> = metrics.classes().collect();
    assert_eq!(classes, BTreeSet::from(["agent", "call", "reporting", "system"]));
    assert_eq!(unknown_names(&settings).collect::<Vec<_>>(), ["asterisk.calls.totals"]);
}
