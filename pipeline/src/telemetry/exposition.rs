//! The self metrics as Prometheus text.

use std::collections::BTreeMap;

use otelcol_prometheus_text::{Format, Histogram as Point, Kind, Labels, Stamp, Writer};

use super::registry::{Family, Instrument};
use crate::{BuildInfo, Shared};

/// The content type of [`render`]'s text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// All self metrics. `resource` adds to or (with `None`) takes from the labels of `target_info`; with
/// `total_suffix`, counters end in `_total`.
pub(crate) fn render(
    shared: &Shared,
    resource: &BTreeMap<String, Option<String>>,
    total_suffix: bool,
) -> Vec<u8> {
    let mut writer = Writer::new(Format::Text);
    shared.telemetry.with_families(|families| {
        for (name, family) in families {
            write_family(&mut writer, name, family, total_suffix);
        }
    });
    let labels = target_labels(&shared.build, resource);
    writer.family("target_info", "Target metadata", Kind::Gauge).number(
        labels.as_bytes(),
        1.0,
        Stamp::default(),
    );
    writer.finish()
}

fn write_family(writer: &mut Writer, name: &str, family: &Family, total_suffix: bool) {
    let Some(kind) = family.series.values().next().map(kind_of) else { return };
    let suffix = if total_suffix && kind == Kind::Counter { "_total" } else { "" };
    let name = format!("{name}{suffix}");
    let mut out = writer.family(&name, family.help, kind);
    for (labels, instrument) in &family.series {
        let labels = Labels::from_iter(labels.iter().map(|(key, value)| (*key, value.as_str())));
        match instrument {
            #[expect(clippy::cast_precision_loss, reason = "Prometheus reads every number as f64")]
            Instrument::Counter(counter) => {
                out.number(labels.as_bytes(), counter.get() as f64, Stamp::default());
            }
            Instrument::Gauge(gauge) | Instrument::FloatCounter(gauge) => {
                out.number(labels.as_bytes(), gauge.get(), Stamp::default());
            }
            Instrument::Histogram(histogram) => {
                let buckets = histogram.buckets();
                let count = buckets.counts.iter().sum();
                let point =
                    Point { bounds: histogram.bounds(), counts: &buckets.counts, sum: buckets.sum, count };
                out.histogram(labels.as_bytes(), &point, Stamp::default());
            }
        }
    }
}

fn kind_of(instrument: &Instrument) -> Kind {
    match instrument {
        Instrument::Counter(_) | Instrument::FloatCounter(_) => Kind::Counter,
        Instrument::Gauge(_) => Kind::Gauge,
        Instrument::Histogram(_) => Kind::Histogram,
    }
}

fn target_labels(build: &BuildInfo, resource: &BTreeMap<String, Option<String>>) -> Labels {
    let mut attributes = BTreeMap::from([
        ("service.name".to_owned(), build.command.to_owned()),
        ("service.version".to_owned(), build.version.to_owned()),
    ]);
    for (key, value) in resource {
        match value {
            Some(value) => attributes.insert(key.clone(), value.clone()),
            None => attributes.remove(key),
        };
    }
    let mut labels = Labels::new();
    for (key, value) in attributes {
        labels.push(&key.replace(['.', '-', '/'], "_"), &value);
    }
    labels
}
