//! StatsD lines: each piece up to a NUL is a datagram, the first byte of the input chooses settings. What comes out must be a
//! batch that the collector itself would take.

#![no_main]

use libfuzzer_sys::fuzz_target;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::number_data_point::Value;
use otelcol_pdata::{Batch, Signal};
use otelcol_receivers::statsd::aggregate;
use otelcol_receivers::statsd::config::{Config, Mapping, Names, StateGauges};

const SERIES: usize = 20;

fn config(choice: u8) -> Config {
    let observer = ["gauge", "summary", "histogram", "histogram"][usize::from(choice & 3)];
    let mapping = |statsd_type: &str| {
        let mut mapping = Mapping {
            statsd_type: statsd_type.to_owned(),
            observer_type: observer.to_owned(),
            ..Mapping::default()
        };
        if choice & 3 == 3 {
            mapping.histogram.explicit = vec![-1.0, 0.0, 10.0];
        }
        mapping
    };
    let mut config = Config {
        timer_histogram_mapping: vec![mapping("timing"), mapping("histogram")],
        enable_simple_tags: choice & 4 != 0,
        enable_metric_type: choice & 8 != 0,
        is_monotonic_counter: Some(choice & 16 != 0),
        ..Config::default()
    };
    if choice & 32 != 0 {
        config.asterisk.names = Names::Attributes;
    }
    if choice & 64 != 0 {
        config.asterisk.state_gauges = StateGauges::Drop;
    }
    if choice & 128 != 0 {
        config.counter_type = "float".to_owned();
    }
    config.limits.series = SERIES;
    config
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, text)) = input.split_first() else { return };
    let config = config(*choice);
    let datagrams: Vec<&[u8]> = text.split(|byte| *byte == 0).collect();
    let resources = aggregate(&config, &datagrams);
    let mut names = 0;
    for metric in resources.iter().flat_map(|one| &one.scope_metrics).flat_map(|one| &one.metrics) {
        names += 1;
        match metric.data.as_ref() {
            Some(Data::Sum(sum)) if sum.is_monotonic => {
                for point in &sum.data_points {
                    assert!(matches!(point.value, Some(Value::AsInt(0..)) | Some(Value::AsDouble(0.0..))));
                }
            }
            Some(Data::Histogram(histogram)) => {
                for point in &histogram.data_points {
                    assert_eq!(point.count, point.bucket_counts.iter().sum::<u64>());
                }
            }
            Some(Data::ExponentialHistogram(histogram)) => {
                for point in &histogram.data_points {
                    let (positive, negative) = (point.positive.as_ref().unwrap(), point.negative.as_ref().unwrap());
                    assert!(positive.bucket_counts.len() <= 160 && negative.bucket_counts.len() <= 160);
                }
            }
            _ => {}
        }
    }
    assert!(names <= SERIES);
    let batch = Batch::from_metrics(resources);
    let again = Batch::from_wire(Signal::Metrics, batch.to_wire()).expect("valid OTLP");
    assert_eq!(again.items(), batch.items());
});
