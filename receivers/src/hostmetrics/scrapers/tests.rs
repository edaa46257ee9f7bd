use std::fs;
use std::path::Path;

use otelcol_pdata::model::as_string;
use otelcol_pdata::model::metrics::{NumberDataPoint, metric::Data, number_data_point::Value};

use super::*;
use crate::hostmetrics::catalogue::{Aggregation, Catalogue};
use crate::hostmetrics::config::{
    CpuConfig, DevicesConfig, DiskConfig, InterfacesConfig, LoadConfig, MemoryConfig, MetricConfig,
    MetricsConfig, NetworkConfig,
};

const NOW: u64 = 1_700_000_000_123_456_789;

fn scrapers(root: &Path, config: &ScrapersConfig) -> Scrapers {
    let host = Host::new(root.to_str().unwrap(), |_| None);
    Scrapers::new(host, config, "1.2.3", Duration::ZERO).unwrap()
}

fn all_metrics<C: Catalogue>() -> MetricsConfig<C> {
    let enabled = || MetricConfig { enabled: Some(true), ..MetricConfig::default() };
    C::NAMES.iter().fold(MetricsConfig::default(), |metrics, name| metrics.with(name, enabled()))
}

fn everything() -> ScrapersConfig {
    ScrapersConfig {
        cpu: Some(CpuConfig { metrics: all_metrics() }),
        disk: Some(DiskConfig { metrics: all_metrics(), ..DiskConfig::default() }),
        load: Some(LoadConfig { metrics: all_metrics(), ..LoadConfig::default() }),
        memory: Some(MemoryConfig { metrics: all_metrics() }),
        network: Some(NetworkConfig { metrics: all_metrics(), ..NetworkConfig::default() }),
    }
}

/// `name|unit|kind|attributes|start|value` of each point, sorted: the format of testdata/*/expected.txt.
fn lines(scrape: &Scrape) -> Vec<String> {
    let mut lines = Vec::new();
    for metric in scrape.metrics.iter().flat_map(|resource| &resource.scope_metrics[0].metrics) {
        let (kind, points) = match metric.data.as_ref().unwrap() {
            Data::Gauge(gauge) => ("gauge", &gauge.data_points),
            Data::Sum(sum) => {
                assert_eq!(sum.aggregation_temporality, 2, "{} is cumulative", metric.name);
                (if sum.is_monotonic { "counter" } else { "updown" }, &sum.data_points)
            }
            other => panic!("{other:?}"),
        };
        for point in points {
            assert_eq!(point.time_unix_nano, NOW);
            let start = point.start_time_unix_nano;
            let value = match point.value.unwrap() {
                Value::AsInt(int) => int.to_string(),
                Value::AsDouble(double) => format!("{double:?}"),
            };
            let attributes = attributes(point);
            lines.push(format!("{}|{}|{kind}|{attributes}|{start}|{value}", metric.name, metric.unit));
        }
    }
    lines.sort();
    lines
}

fn attributes(point: &NumberDataPoint) -> String {
    let mut pairs: Vec<String> = point
        .attributes
        .iter()
        .map(|attribute| format!("{}={}", attribute.key, as_string(attribute.value.as_ref().unwrap())))
        .collect();
    pairs.sort();
    pairs.join(",")
}

/// Equal but for the last digits of a double: sums of doubles depend on their order.
fn assert_same(host: &str, got: &[String], expected: &[&str]) {
    let split =
        |line: &str| line.rsplit_once('|').map(|(key, value)| (key.to_owned(), value.to_owned())).unwrap();
    for (got, expected) in got.iter().zip(expected) {
        let ((key, value), (expected_key, expected_value)) = (split(got), split(expected));
        assert_eq!(key, expected_key, "{host}");
        if value != expected_value {
            let (value, wanted): (f64, f64) = (value.parse().unwrap(), expected_value.parse().unwrap());
            assert!(
                expected_value.contains('.') && (value / wanted - 1.0).abs() < 1e-14,
                "{host}: {got} {expected}"
            );
        }
    }
    assert_eq!(got.len(), expected.len(), "{host}");
}

#[test]
fn hosts_of_twenty_years_give_what_the_independent_script_counts() {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/hostmetrics/testdata");
    for name in ["kernel-2.6.18", "kernel-3.10", "kernel-6.18"] {
        let root = testdata.join(name);
        let scrape = scrapers(&root, &everything()).scrape(NOW);
        let expected = fs::read_to_string(root.join("expected.txt")).unwrap();
        assert_same(name, &lines(&scrape), &expected.lines().collect::<Vec<_>>());
        let failures: Vec<String> = scrape
            .outcomes
            .iter()
            .flat_map(|outcome| &outcome.failures)
            .map(|failure| {
                format!("{} {}", failure.points, failure.error.subject().rsplit_once('/').unwrap().1)
            })
            .collect();
        let no_conntrack = ["1 nf_conntrack_count", "1 nf_conntrack_max"];
        assert_eq!(failures, if name == "kernel-6.18" { &[][..] } else { &no_conntrack[..] }, "{name}");
    }
}

#[test]
fn scope_and_schema_are_contribs() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "proc/stat", "btime 1\n");
    write(dir.path(), "proc/loadavg", "1 2 3 1/2 3\n");
    let config = ScrapersConfig { load: Some(LoadConfig::default()), ..ScrapersConfig::default() };
    let scrape = scrapers(dir.path(), &config).scrape(NOW);
    let resource = &scrape.metrics[0];
    assert_eq!(resource.schema_url, "https://opentelemetry.io/schemas/1.9.0");
    assert!(resource.resource.as_ref().unwrap().attributes.is_empty());
    let scope = resource.scope_metrics[0].scope.as_ref().unwrap();
    assert_eq!(
        scope.name,
        "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver/internal/scraper/loadscraper"
    );
    assert_eq!(scope.version, "1.2.3");
    let names: Vec<&str> =
        resource.scope_metrics[0].metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(
        names,
        ["system.cpu.load_average.15m", "system.cpu.load_average.1m", "system.cpu.load_average.5m"]
    );
}

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn utilization_only(metric: MetricConfig) -> ScrapersConfig {
    let off = || MetricConfig { enabled: Some(false), ..MetricConfig::default() };
    let metrics = MetricsConfig::default()
        .with("system.cpu.time", off())
        .with("system.cpu.logical.count", off())
        .with("system.cpu.utilization", MetricConfig { enabled: Some(true), ..metric });
    ScrapersConfig { cpu: Some(CpuConfig { metrics }), ..ScrapersConfig::default() }
}

fn with_attributes(attributes: &[&str]) -> MetricConfig {
    MetricConfig {
        attributes: Some(attributes.iter().map(|key| (*key).to_owned()).collect()),
        ..MetricConfig::default()
    }
}

const BEFORE: &str = "cpu0 100 0 100 800 0 0 0 0\ncpu1 0 0 0 0 500 0 0 0\ncpu2 1 1 1 1 1 1 1 1\nbtime 1\n";
// cpu0: 100 ticks pass, 25 user, 75 idle. cpu1: iowait falls by 1, 40 steal, 10 softirq. cpu2 stands still.
// cpu3 is new.
const AFTER: &str =
    "cpu0 125 0 100 875 0 0 0 0\ncpu1 0 0 0 0 499 0 10 40\ncpu2 1 1 1 1 1 1 1 1\ncpu3 9 9 9 9\nbtime 1\n";

#[test]
fn utilization_is_the_share_of_the_ticks_between_two_scrapes() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "proc/stat", BEFORE);
    let mut scrapers = scrapers(dir.path(), &utilization_only(with_attributes(&["state", "cpu"])));
    assert_eq!(lines(&scrapers.scrape(NOW)), [""; 0]);
    write(dir.path(), "proc/stat", AFTER);
    let got = lines(&scrapers.scrape(NOW));
    let line = |cpu, state, value: f64| {
        format!("system.cpu.utilization|1|gauge|cpu={cpu},state={state}|1000000000|{value:?}")
    };
    let values = [
        ("cpu0", [0.75, 0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.0]),
        ("cpu1", [0.0, 0.0, 0.0, 0.2, 0.8, 0.0, 0.0, 0.0]),
    ];
    let names = ["idle", "interrupt", "nice", "softirq", "steal", "system", "user", "wait"];
    let mut expected: Vec<String> = values
        .iter()
        .flat_map(|(cpu, values)| names.iter().zip(values).map(|(state, value)| line(*cpu, *state, *value)))
        .collect();
    expected.extend(names.iter().map(|state| line("cpu2", *state, 0.0)));
    assert_eq!(got, expected);
}

#[test]
fn without_the_cpu_attribute_utilization_is_the_mean_of_the_cpus() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "proc/stat", BEFORE);
    let mut scrapers = scrapers(dir.path(), &utilization_only(MetricConfig::default()));
    scrapers.scrape(NOW);
    write(dir.path(), "proc/stat", AFTER);
    let got = lines(&scrapers.scrape(NOW));
    assert_eq!(got.len(), 8);
    assert_eq!(got[0], "system.cpu.utilization|1|gauge|state=idle|1000000000|0.25");
    assert_eq!(got[4], format!("system.cpu.utilization|1|gauge|state=steal|1000000000|{:?}", 0.8 / 3.0));
}

#[test]
fn the_strategy_says_how_cpus_become_one() {
    let dir = tempfile::tempdir().unwrap();
    for (aggregation, idle) in [
        (Aggregation::Sum, 0.75),
        (Aggregation::Avg, 0.25),
        (Aggregation::Min, 0.0),
        (Aggregation::Max, 0.75),
    ] {
        let metric = MetricConfig { aggregation_strategy: Some(aggregation), ..with_attributes(&["state"]) };
        write(dir.path(), "proc/stat", BEFORE);
        let mut scrapers = scrapers(dir.path(), &utilization_only(metric));
        scrapers.scrape(NOW);
        write(dir.path(), "proc/stat", AFTER);
        let got = lines(&scrapers.scrape(NOW));
        assert_eq!(
            got[0],
            format!("system.cpu.utilization|1|gauge|state=idle|1000000000|{idle:?}"),
            "{aggregation:?}"
        );
    }
}

#[test]
fn a_failed_scrape_does_not_spoil_the_next_utilization() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "proc/stat", BEFORE);
    let mut scrapers = scrapers(dir.path(), &utilization_only(with_attributes(&["state"])));
    scrapers.scrape(NOW);
    write(dir.path(), "proc/stat", "nothing\n");
    assert_eq!(scrapers.scrape(NOW).outcomes[0].failures[0].points, 1);
    write(dir.path(), "proc/stat", AFTER);
    assert_eq!(lines(&scrapers.scrape(NOW)), [""; 0], "no sample to compare with");
    write(dir.path(), "proc/stat", AFTER);
    assert_eq!(lines(&scrapers.scrape(NOW)).len(), 8);
}

#[test]
fn filters_choose_devices_and_interfaces() {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/hostmetrics/testdata/kernel-3.10");
    let strings = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let config = ScrapersConfig {
        disk: Some(DiskConfig {
            include: DevicesConfig {
                devices: strings(&["^sd", "dm"]),
                match_type: "regexp".into(),
                ..Default::default()
            },
            exclude: DevicesConfig {
                devices: strings(&["sda"]),
                match_type: "strict".into(),
                ..Default::default()
            },
            ..Default::default()
        }),
        network: Some(NetworkConfig {
            exclude: InterfacesConfig {
                interfaces: strings(&["lo", "eth0"]),
                match_type: "strict".into(),
                ..Default::default()
            },
            ..Default::default()
        }),
        ..ScrapersConfig::default()
    };
    let got = lines(&scrapers(&testdata, &config).scrape(NOW));
    let of = |metric: &str| -> Vec<&str> {
        let lines = got.iter().filter(|line| line.starts_with(metric));
        lines.filter_map(|line| line.split('|').nth(3)).collect()
    };
    assert_eq!(of("system.disk.io_time|"), ["device=dm-0", "device=sda1"]);
    assert_eq!(
        of("system.network.io|"),
        [
            "device=eth0.100,direction=receive",
            "device=eth0.100,direction=transmit",
            "device=eth0:1,direction=receive",
            "device=eth0:1,direction=transmit"
        ]
    );
}

#[test]
fn load_can_be_divided_by_the_cpus() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "proc/stat", BEFORE);
    write(dir.path(), "proc/loadavg", "3.00 0.30 6.00 1/2 3\n");
    let load = LoadConfig { cpu_average: true, ..LoadConfig::default() };
    let config = ScrapersConfig { load: Some(load), ..ScrapersConfig::default() };
    let got = lines(&scrapers(dir.path(), &config).scrape(NOW));
    let values: Vec<f64> = got.iter().map(|line| line.rsplit_once('|').unwrap().1.parse().unwrap()).collect();
    assert_eq!(values, [2.0, 1.0, 0.3 / 3.0]);
}

#[test]
fn a_missing_file_costs_only_its_own_metrics() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "proc/loadavg", "1 2 3 1/2 3\n");
    let scrape = scrapers(dir.path(), &everything()).scrape(NOW);
    let outcomes: Vec<(&str, usize, usize)> = scrape
        .outcomes
        .iter()
        .map(|outcome| {
            let errored = outcome.failures.iter().map(|failure| failure.points).sum();
            (outcome.scraper, outcome.points, errored)
        })
        .collect();
    let expected = [("cpu", 0, 5), ("disk", 0, 7), ("load", 3, 0), ("memory", 0, 13), ("network", 0, 7)];
    assert_eq!(outcomes, expected);
    assert!(scrape.no_boot_time.is_some());
    assert_eq!(lines(&scrape)[0], "system.cpu.load_average.15m|{thread}|gauge||0|3.0", "no start time");
}

#[test]
fn scrapers_after_the_timeout_are_left_out_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut scrapers = scrapers(dir.path(), &everything());
    scrapers.timeout = Duration::from_nanos(1);
    let scrape = scrapers.scrape(NOW);
    let last = &scrape.outcomes[4].failures[0];
    assert_eq!(last.points, 7);
    assert_eq!(last.error.to_string(), "not scraped: the scrapers before it used up the timeout of 1ns");
}

#[test]
fn the_boot_time_stays_when_the_clock_is_set() {
    let dir = tempfile::tempdir().unwrap();
    let config = ScrapersConfig { cpu: Some(CpuConfig::default()), ..ScrapersConfig::default() };
    write(dir.path(), "proc/stat", "cpu0 1 1 1 1\nbtime 100\n");
    let mut scrapers = scrapers(dir.path(), &config);
    scrapers.scrape(NOW);
    write(dir.path(), "proc/stat", "cpu0 1 1 1 1\nbtime 103\n");
    assert_eq!(lines(&scrapers.scrape(NOW))[0], "system.cpu.logical.count|{cpu}|updown||100000000000|1");
}
