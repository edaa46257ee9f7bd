//! Requests of a bounded size from series.

use std::collections::HashMap;

use bytes::Bytes;
use prost::Message as _;

use super::convert::{Converted, Family, Labels, Series};
use super::proto::{
    Exemplar, ExemplarV2, Label, MetadataV2, MetricMetadata, RequestV2, Sample, TimeSeries, TimeSeriesV2,
    WriteRequest,
};

/// Which message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// `prometheus.WriteRequest`, with or without metadata.
    V1 {
        /// Send types, help and units, too.
        metadata: bool,
    },
    /// `io.prometheus.write.v2.Request`.
    V2,
}

/// One body, not yet compressed.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) body: Bytes,
    /// OTLP points that are lost with it.
    pub(super) points: usize,
}

/// Bodies of about `max_bytes` at most; a larger series is alone in one.
pub(super) fn requests(converted: Converted, version: Version, max_bytes: usize) -> Vec<Request> {
    let Converted { families, series, .. } = converted;
    let mut requests = Vec::new();
    if version == (Version::V1 { metadata: true }) {
        requests.extend(metadata_requests(&families, max_bytes));
    }
    let mut chunk: Vec<(Labels, Series)> = Vec::new();
    let mut size = 0;
    for (labels, series) in series {
        let more = size_of(&labels, &series, &families);
        if size + more > max_bytes && !chunk.is_empty() {
            requests.push(encode(std::mem::take(&mut chunk), &families, version));
            size = 0;
        }
        size += more;
        chunk.push((labels, series));
    }
    if !chunk.is_empty() {
        requests.push(encode(chunk, &families, version));
    }
    requests
}

fn metadata_requests(families: &[Family], max_bytes: usize) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut message = WriteRequest::default();
    let mut size = 0;
    let mut flush = |message: &mut WriteRequest| {
        let body = Bytes::from(std::mem::take(message).encode_to_vec());
        requests.push(Request { body, points: 0 });
    };
    for family in families {
        let entry = MetricMetadata {
            kind: family.kind,
            metric_family_name: family.name.clone(),
            help: family.help.clone(),
            unit: family.unit.clone(),
        };
        let more = entry.encoded_len() + FIELD;
        if size + more > max_bytes && !message.metadata.is_empty() {
            flush(&mut message);
            size = 0;
        }
        size += more;
        message.metadata.push(entry);
    }
    if !message.metadata.is_empty() {
        flush(&mut message);
    }
    requests
}

/// A tag and a length.
const FIELD: usize = 6;
/// A value and two times.
const SAMPLE: usize = 32;

/// An upper bound of what a series takes in either version.
fn size_of(labels: &Labels, series: &Series, families: &[Family]) -> usize {
    let text = |pairs: &[(String, String)]| -> usize {
        pairs.iter().map(|(name, value)| name.len() + value.len() + 3 * FIELD).sum()
    };
    let histograms: usize = series.histograms.iter().map(|h| h.encoded_len() + FIELD).sum();
    let exemplars: usize = series.exemplars.iter().map(|e| text(&e.labels) + SAMPLE).sum();
    let family = &families[series.family];
    FIELD
        + text(labels)
        + series.samples.len() * SAMPLE
        + histograms
        + exemplars
        + family.help.len()
        + family.unit.len()
}

fn encode(chunk: Vec<(Labels, Series)>, families: &[Family], version: Version) -> Request {
    let points = chunk.iter().map(|(_, series)| series.points).sum();
    let body = match version {
        Version::V1 { .. } => {
            let timeseries = chunk.into_iter().map(|(labels, series)| v1(labels, series)).collect();
            WriteRequest { timeseries, metadata: Vec::new() }.encode_to_vec()
        }
        Version::V2 => {
            let mut symbols = Symbols::default();
            // The first is always the empty one.
            symbols.number(String::new());
            let series = chunk.into_iter();
            let timeseries =
                series.map(|(labels, series)| v2(labels, series, families, &mut symbols)).collect();
            RequestV2 { symbols: symbols.texts, timeseries }.encode_to_vec()
        }
    };
    Request { body: Bytes::from(body), points }
}

fn v1(labels: Labels, mut series: Series) -> TimeSeries {
    let pairs = |pairs: Labels| pairs.into_iter().map(|(name, value)| Label { name, value }).collect();
    in_order(&mut series);
    for sample in &mut series.samples {
        sample.start_timestamp = 0;
    }
    for histogram in &mut series.histograms {
        histogram.start_timestamp = 0;
    }
    TimeSeries {
        labels: pairs(labels),
        samples: series.samples,
        exemplars: series
            .exemplars
            .into_iter()
            .map(|e| Exemplar { labels: pairs(e.labels), value: e.value, timestamp: e.timestamp })
            .collect(),
        histograms: series.histograms,
    }
}

fn v2(labels: Labels, mut series: Series, families: &[Family], symbols: &mut Symbols) -> TimeSeriesV2 {
    let mut refs = |pairs: Labels| -> Vec<u32> {
        pairs.into_iter().flat_map(|(name, value)| [symbols.number(name), symbols.number(value)]).collect()
    };
    in_order(&mut series);
    let labels_refs = refs(labels);
    let exemplars = series
        .exemplars
        .into_iter()
        .map(|e| ExemplarV2 { labels_refs: refs(e.labels), value: e.value, timestamp: e.timestamp })
        .collect();
    let family = &families[series.family];
    let metadata = MetadataV2 {
        kind: family.kind,
        help_ref: symbols.number(family.help.clone()),
        unit_ref: symbols.number(family.unit.clone()),
    };
    TimeSeriesV2 {
        labels_refs,
        samples: series.samples,
        histograms: series.histograms,
        exemplars,
        metadata: Some(metadata),
    }
}

/// Prometheus takes the samples of a series in the order of their times only.
fn in_order(series: &mut Series) {
    series.samples.sort_by_key(|sample: &Sample| sample.timestamp);
    series.histograms.sort_by_key(|histogram| histogram.timestamp);
    series.exemplars.sort_by_key(|exemplar| exemplar.timestamp);
}

/// Each text once.
#[derive(Default)]
struct Symbols {
    texts: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Symbols {
    fn number(&mut self, text: String) -> u32 {
        if let Some(number) = self.numbers.get(&text) {
            return *number;
        }
        // A request has far fewer texts than bytes, which are below 2^32.
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        number
    }
}
