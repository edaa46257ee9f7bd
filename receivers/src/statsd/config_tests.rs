use otelcol_confmap::Node;

use super::*;

fn faults(config: &Config) -> Vec<(String, String)> {
    config.validate().into_iter().map(|issue| (issue.key, issue.message)).collect()
}

fn mapped(mapping: Mapping) -> Vec<String> {
    let config = Config { timer_histogram_mapping: vec![mapping], ..Config::default() };
    faults(&config).into_iter().map(|(_, message)| message).collect()
}

fn mapping(statsd_type: &str, observer_type: &str) -> Mapping {
    Mapping {
        statsd_type: statsd_type.to_owned(),
        observer_type: observer_type.to_owned(),
        ..Mapping::default()
    }
}

fn decode(yaml: &str) -> Config {
    let node = Node::from_yaml(yaml, "test.yaml").unwrap();
    node.decode("receivers::statsd").unwrap()
}

#[test]
fn the_guides_section() {
    let guide = Node::from_yaml(include_str!("../../../examples/guide.yaml"), "guide.yaml").unwrap();
    let section = guide.get("receivers").and_then(|receivers| receivers.get("statsd")).unwrap();
    let config: Config = section.decode("receivers::statsd").unwrap();
    assert_eq!(faults(&config), []);
    assert_eq!(config.endpoint, "0.0.0.0:8125");
    assert_eq!(config.aggregation_interval, GoDuration::from_secs(10));
    let mut timer = mapping("timer", "histogram");
    timer.histogram.explicit = vec![10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 5000.0, 10_000.0];
    assert_eq!(config.timer_histogram_mapping, [timer]);
}

#[test]
fn every_key_has_its_name() {
    let config = decode(
        "{transport: UNIXGRAM, endpoint: /run/s.sock, socket_permissions: 0622, socket_buffer_size: 4096,
          enable_metric_type: true, enable_simple_tags: true, is_monotonic_counter: false, counter_type: float,
          enable_ip_only_aggregation: true, ignore_host: true, client_address: true, keep_gauges: false, gauge_expiration: 1h,
          storage: file_storage/a, asterisk: {names: attributes, state_gauges: drop},
          limits: {series: 1, line_bytes: 2, tags: 3, samples: 4, connections: 5},
          timer_histogram_mapping: [{statsd_type: timing, observer_type: histogram, histogram: {max_size: 170,
            explicit_buckets: [{matcher_pattern: 'foo.*', buckets: [1, 10.5]}]}},
            {statsd_type: distribution, observer_type: summary, summary: {percentiles: [0, 99.9]}}]}",
    );
    assert_eq!(faults(&config), []);
    assert_eq!(config.socket_permissions, 0o622);
    assert_eq!(config.storage.as_deref(), Some("file_storage/a"));
    let asterisk = AsteriskConfig { names: Names::Attributes, state_gauges: StateGauges::Drop };
    assert_eq!(config.asterisk, asterisk);
    let limits = Limits { series: 1, line_bytes: 2, tags: 3, samples: 4, connections: 5 };
    assert_eq!(config.limits, limits);
    assert_eq!(config.timer_histogram_mapping[0].histogram.explicit_buckets[0].buckets, [1.0, 10.5]);
    assert_eq!(config.timer_histogram_mapping[1].summary.percentiles, [0.0, 99.9]);
    assert!(!config.keep_gauges && config.is_monotonic_counter == Some(false) && config.client_address);
}

#[test]
fn the_defaults_are_valid() {
    assert_eq!(faults(&Config::default()), []);
}

#[test]
fn an_address_for_each_transport() {
    let config = Config::default();
    assert_eq!(config.address(Transport::Udp), "localhost:8125");
    assert_eq!(config.address(Transport::UnixGram), "/var/run/statsd-receiver.sock");
    let config = Config { endpoint: "/run/x.sock".to_owned(), ..config };
    assert_eq!(config.address(Transport::UnixGram), "/run/x.sock");
}

#[test]
fn each_wrong_value_is_named() {
    let config = Config {
        transport: "sctp".to_owned(),
        aggregation_interval: GoDuration::from_secs(0),
        counter_type: "decimal".to_owned(),
        storage: Some("/x".to_owned()),
        limits: Limits { series: 0, ..Limits::default() },
        ..Config::default()
    };
    let keys: Vec<_> = faults(&config).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["transport", "aggregation_interval", "counter_type", "storage", "limits::series"]);
}

#[test]
fn wrong_mappings_in_otelcols_words() {
    assert_eq!(mapped(mapping("timing", "")), ["must specify object id for all TimerHistogramMappings"]);
    assert_eq!(
        mapped(mapping("counter", "histogramm")),
        [
            "statsd_type is not a supported mapping for histogram and timing metrics: counter",
            "observer_type is not supported for histogram and timing metrics: histogramm"
        ]
    );
    let mut wrong = mapping("timing", "histogram");
    wrong.histogram.max_size = 1;
    wrong.histogram.explicit = vec![10.0, 5.0];
    wrong.histogram.explicit_buckets = vec![
        ExplicitBuckets { matcher_pattern: String::new(), buckets: vec![1.0] },
        ExplicitBuckets { matcher_pattern: "a".to_owned(), buckets: vec![] },
    ];
    assert_eq!(
        mapped(wrong),
        [
            "histogram max_size out of range: 1",
            "explicit bucket [0] matcher_pattern must not be empty",
            "explicit bucket [1] buckets must not be empty",
            "explicit buckets are not unique or not ascendingly sorted [10.0, 5.0]"
        ]
    );
    let mut wrong = mapping("timing", "gauge");
    wrong.histogram.max_size = 100;
    wrong.summary.percentiles = vec![101.0];
    assert_eq!(
        mapped(wrong),
        [
            "histogram configuration requires observer_type: histogram",
            "summary percentiles out of [0, 100] range: 101",
            "summary configuration requires observer_type: summary"
        ]
    );
    let mut wrong = mapping("timing", "histogram");
    wrong.histogram.explicit_buckets =
        vec![ExplicitBuckets { matcher_pattern: "(".to_owned(), buckets: vec![1.0] }];
    assert!(
        mapped(wrong)[0].starts_with("explicit bucket [0] matcher_pattern is not a valid regular expression")
    );
}
