//! The writer of families and samples.

use crate::escape::{is_classic_metric_name, write_escaped_help, write_escaped_value, write_quoted};
use crate::negotiate::Format;
use crate::number::{write_float, write_int, write_open_metrics_float, write_uint};

/// The type in a family's TYPE line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Only grows; OpenMetrics wants its name to end in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
    /// Quantiles, sum and count.
    Summary,
    /// Not known.
    Untyped,
}

impl Kind {
    fn word(self, name: &str, format: Format) -> &'static str {
        let open_metrics = format.is_open_metrics();
        match self {
            Kind::Counter if open_metrics && !name.ends_with(TOTAL) => "unknown",
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
            Kind::Untyped if open_metrics => "unknown",
            Kind::Untyped => "untyped",
        }
    }
}

const TOTAL: &str = "_total";

/// An example behind a counter or a bucket; only OpenMetrics can show it.
#[derive(Clone, Copy, Debug)]
pub struct Exemplar<'a> {
    /// Rendered labels; an exemplar without any is not written.
    pub labels: &'a [u8],
    /// The measured value, in the unit of the metric.
    pub value: f64,
    /// When it was measured, in nanoseconds since 1970; `None` leaves it out.
    pub time_unix_nano: Option<u64>,
}

/// What can stand behind a value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stamp<'a> {
    /// Time of the sample in milliseconds since 1970; `None` leaves it to the scraper.
    pub timestamp_ms: Option<i64>,
    /// Examples in the order they were taken; the last one of a counter or bucket is written.
    pub exemplars: &'a [Exemplar<'a>],
}

/// One point of an explicit histogram.
#[derive(Clone, Copy, Debug)]
pub struct Histogram<'a> {
    /// Upper bounds in ascending order, without +Inf.
    pub bounds: &'a [f64],
    /// Count of each bucket alone, not cumulated; missing ones count 0, those past `bounds` belong to +Inf.
    pub counts: &'a [u64],
    /// Sum of all values; 0 where the source has none.
    pub sum: f64,
    /// Count of all values, the +Inf bucket.
    pub count: u64,
}

/// One point of a summary.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a> {
    /// Quantile (0 to 1) and its value, in ascending order.
    pub quantiles: &'a [(f64, f64)],
    /// Sum of all values.
    pub sum: f64,
    /// Count of all values.
    pub count: u64,
}

/// Writes families into a buffer.
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    format: Format,
}

impl Writer {
    /// A writer with an empty buffer.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { out: Vec::new(), format }
    }

    /// A writer that appends to `buffer`.
    #[must_use]
    pub fn with_buffer(format: Format, buffer: Vec<u8>) -> Self {
        Self { out: buffer, format }
    }

    /// Writes the HELP and TYPE lines of a family and gives what writes its samples.
    ///
    /// The name is the full one (`_total` included), unique, and never empty.
    pub fn family<'a>(&'a mut self, name: &'a str, help: &str, kind: Kind) -> FamilyWriter<'a> {
        let open_metrics = self.format.is_open_metrics();
        let title = match kind {
            Kind::Counter if open_metrics => name.strip_suffix(TOTAL).unwrap_or(name),
            _ => name,
        };
        self.out.extend_from_slice(b"# HELP ");
        write_metric_name(&mut self.out, title);
        self.out.push(b' ');
        if open_metrics {
            write_escaped_value(&mut self.out, help);
        } else {
            write_escaped_help(&mut self.out, help);
        }
        self.out.extend_from_slice(b"\n# TYPE ");
        write_metric_name(&mut self.out, title);
        self.out.push(b' ');
        self.out.extend_from_slice(kind.word(name, self.format).as_bytes());
        self.out.push(b'\n');
        self.resume(name)
    }

    /// Goes on with the samples of a family whose HELP and TYPE lines are written already.
    pub fn resume<'a>(&'a mut self, name: &'a str) -> FamilyWriter<'a> {
        FamilyWriter {
            out: &mut self.out,
            name,
            quoted: !is_classic_metric_name(name),
            open_metrics: self.format.is_open_metrics(),
        }
    }

    /// Bytes in the buffer.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing is in the buffer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// What is written so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.out
    }

    /// Forgets what is written so far; the buffer stays.
    pub fn clear(&mut self) {
        self.out.clear();
    }

    /// Takes what is written so far; writing goes on in `empty`.
    #[must_use]
    pub fn exchange(&mut self, empty: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.out, empty)
    }

    /// Ends the exposition and gives the rest of the buffer.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        if self.format.is_open_metrics() {
            self.out.extend_from_slice(b"# EOF\n");
        }
        self.out
    }
}

fn write_metric_name(out: &mut Vec<u8>, name: &str) {
    if is_classic_metric_name(name) {
        out.extend_from_slice(name.as_bytes());
    } else {
        write_quoted(out, name);
    }
}

/// Writes the samples of one family. Label sets come rendered (see [`Labels`](crate::Labels)).
#[derive(Debug)]
pub struct FamilyWriter<'a> {
    out: &'a mut Vec<u8>,
    name: &'a str,
    quoted: bool,
    open_metrics: bool,
}

impl FamilyWriter<'_> {
    /// Bytes in the writer's buffer, other families included.
    #[must_use]
    pub fn written(&self) -> usize {
        self.out.len()
    }

    /// Writes a counter, gauge or untyped sample.
    pub fn number(&mut self, labels: &[u8], value: f64, stamp: Stamp<'_>) {
        self.name_and_labels("", labels, None);
        self.float(value);
        self.end(stamp.timestamp_ms, stamp.exemplars.last());
    }

    /// Writes the buckets, the sum and the count of a histogram.
    pub fn histogram(&mut self, labels: &[u8], point: &Histogram<'_>, stamp: Stamp<'_>) {
        let mut below = f64::NEG_INFINITY;
        let mut cumulated = 0u64;
        for (index, &bound) in point.bounds.iter().enumerate() {
            cumulated = cumulated.saturating_add(point.counts.get(index).copied().unwrap_or(0));
            if bound == f64::INFINITY {
                break;
            }
            self.bucket(labels, bound, cumulated, below, stamp);
            below = bound;
        }
        self.bucket(labels, f64::INFINITY, point.count, below, stamp);
        self.sum_and_count(labels, point.sum, point.count, stamp.timestamp_ms);
    }

    /// Writes the quantiles, the sum and the count of a summary.
    pub fn summary(&mut self, labels: &[u8], point: &Summary<'_>, stamp: Stamp<'_>) {
        for &(quantile, value) in point.quantiles {
            self.name_and_labels("", labels, Some(("quantile", quantile)));
            self.float(value);
            self.end(stamp.timestamp_ms, None);
        }
        self.sum_and_count(labels, point.sum, point.count, stamp.timestamp_ms);
    }

    fn bucket(&mut self, labels: &[u8], bound: f64, count: u64, below: f64, stamp: Stamp<'_>) {
        self.name_and_labels("_bucket", labels, Some(("le", bound)));
        self.whole(count);
        let mut newest_first = stamp.exemplars.iter().rev();
        self.end(stamp.timestamp_ms, newest_first.find(|e| e.value > below && e.value <= bound));
    }

    fn sum_and_count(&mut self, labels: &[u8], sum: f64, count: u64, timestamp_ms: Option<i64>) {
        self.name_and_labels("_sum", labels, None);
        self.float(sum);
        self.end(timestamp_ms, None);
        self.name_and_labels("_count", labels, None);
        self.whole(count);
        self.end(timestamp_ms, None);
    }

    fn name_and_labels(&mut self, suffix: &str, labels: &[u8], extra: Option<(&str, f64)>) {
        if self.quoted {
            self.out.extend_from_slice(b"{\"");
            write_escaped_value(self.out, self.name);
            self.out.extend_from_slice(suffix.as_bytes());
            self.out.push(b'"');
        } else {
            self.out.extend_from_slice(self.name.as_bytes());
            self.out.extend_from_slice(suffix.as_bytes());
        }
        let mut before: &[u8] = if self.quoted { b"," } else { b"{" };
        if !labels.is_empty() {
            self.out.extend_from_slice(before);
            self.out.extend_from_slice(labels);
            before = b",";
        }
        if let Some((name, value)) = extra {
            self.out.extend_from_slice(before);
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"=\"");
            self.float(value);
            self.out.push(b'"');
        }
        let has_braces = self.quoted || !labels.is_empty() || extra.is_some();
        self.out.extend_from_slice(if has_braces { b"} " } else { b" " });
    }

    fn float(&mut self, value: f64) {
        if self.open_metrics {
            write_open_metrics_float(self.out, value);
        } else {
            write_float(self.out, value);
        }
    }

    /// Bucket and total counts: OpenMetrics writes all digits, the text format writes a float.
    fn whole(&mut self, value: u64) {
        if self.open_metrics {
            write_uint(self.out, value);
        } else {
            write_float(self.out, value as f64);
        }
    }

    fn end(&mut self, timestamp_ms: Option<i64>, exemplar: Option<&Exemplar<'_>>) {
        if let Some(ms) = timestamp_ms {
            self.out.push(b' ');
            if self.open_metrics {
                write_open_metrics_float(self.out, ms as f64 / 1e3);
            } else {
                write_int(self.out, ms);
            }
        }
        if let Some(exemplar) = exemplar.filter(|e| self.open_metrics && !e.labels.is_empty()) {
            self.out.extend_from_slice(b" # {");
            self.out.extend_from_slice(exemplar.labels);
            self.out.extend_from_slice(b"} ");
            write_open_metrics_float(self.out, exemplar.value);
            if let Some(nanos) = exemplar.time_unix_nano {
                self.out.push(b' ');
                write_open_metrics_float(self.out, seconds(nanos));
            }
        }
        self.out.push(b'\n');
    }
}

/// Nanoseconds since 1970 as seconds. A double does not hold them all: taken as one number they can come out below their
/// millisecond, and Prometheus cuts what is behind it.
fn seconds(nanos: u64) -> f64 {
    (nanos / 1_000_000_000) as f64 + (nanos % 1_000_000_000) as f64 / 1e9
}

#[cfg(test)]
mod tests;
