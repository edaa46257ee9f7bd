//! One batch with each kind of metric, and what the API of Prometheus must show of it.

use std::time::SystemTime;

use otelcol_pdata::Batch;
use otelcol_pdata::model::metrics::exponential_histogram_data_point::Buckets;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
    number_data_point, summary_data_point::ValueAtQuantile,
};
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::{self, common::KeyValue};
use serde_json::Value;

use super::server::json;

const DELTA: i32 = 1;
const CUMULATIVE: i32 = 2;
pub(crate) const SECOND: u64 = 1_000_000_000;
const MILLI: u64 = 1_000_000;
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Now, in whole milliseconds, which is what Prometheus keeps of a time.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    since.as_secs() * SECOND + u64::from(since.subsec_millis()) * MILLI
}

/// A time as the API writes and reads it: seconds since 1970 with milliseconds.
fn seconds(time: u64) -> f64 {
    (time / MILLI) as f64 / 1000.0
}

fn number(value: f64, time: u64, attributes: Vec<KeyValue>) -> NumberDataPoint {
    NumberDataPoint {
        time_unix_nano: time,
        start_time_unix_nano: time - 30 * SECOND,
        value: Some(number_data_point::Value::AsDouble(value)),
        attributes,
        ..NumberDataPoint::default()
    }
}

fn sum(temporality: i32, data_points: Vec<NumberDataPoint>) -> Data {
    Data::Sum(Sum { data_points, aggregation_temporality: temporality, is_monotonic: true })
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    let description = format!("About {name}.");
    Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        description,
        data: Some(data),
        ..Metric::default()
    }
}

fn exemplar(value: f64, time: u64) -> Exemplar {
    let bytes = (0..TRACE.len()).step_by(2).map(|at| u8::from_str_radix(&TRACE[at..at + 2], 16).unwrap());
    Exemplar {
        time_unix_nano: time,
        trace_id: bytes.collect(),
        span_id: vec![0x11; 8],
        value: Some(exemplar::Value::AsDouble(value)),
        ..Exemplar::default()
    }
}

/// Each kind of metric. With `deltas` a sum of delta points, too.
pub(crate) fn everything(time: u64, deltas: bool) -> Batch {
    let explicit = HistogramDataPoint {
        time_unix_nano: time,
        start_time_unix_nano: time - 30 * SECOND,
        explicit_bounds: vec![0.5, 10.0],
        bucket_counts: vec![1, 2, 4],
        count: 7,
        sum: Some(99.5),
        exemplars: vec![exemplar(3.0, time)],
        ..HistogramDataPoint::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        time_unix_nano: time,
        start_time_unix_nano: time - 30 * SECOND,
        count: 12,
        sum: Some(40.0),
        scale: 0,
        zero_count: 2,
        positive: Some(Buckets { offset: 0, bucket_counts: vec![4, 0, 0, 0, 5] }),
        negative: Some(Buckets { offset: 1, bucket_counts: vec![1] }),
        ..ExponentialHistogramDataPoint::default()
    };
    let summary = SummaryDataPoint {
        time_unix_nano: time,
        count: 4,
        sum: 6.5,
        quantile_values: vec![ValueAtQuantile { quantile: 0.99, value: 3.0 }],
        ..SummaryDataPoint::default()
    };
    let mut metrics = vec![
        metric(
            "asterisk.channels.count",
            "{channel}",
            Data::Gauge(Gauge {
                data_points: vec![
                    number(11.0, time - 20 * SECOND, vec![model::string("tech", "PJSIP")]),
                    number(12.0, time, vec![model::string("tech", "PJSIP")]),
                    number(3.0, time, vec![model::string("tech", "Größe \"x\"\\")]),
                ],
            }),
        ),
        metric("asterisk.calls", "", sum(CUMULATIVE, vec![number(300.0, time, vec![])])),
        metric(
            "asterisk.wait",
            "s",
            Data::Histogram(Histogram { data_points: vec![explicit], aggregation_temporality: CUMULATIVE }),
        ),
        metric(
            "asterisk.native",
            "s",
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![exponential],
                aggregation_temporality: CUMULATIVE,
            }),
        ),
        metric("asterisk.summary", "By", Data::Summary(Summary { data_points: vec![summary] })),
    ];
    if deltas {
        metrics.push(hangups(&[(2.0, time - 10 * SECOND), (5.0, time)]));
    }
    batch(metrics)
}

/// Delta points of a counter.
pub(crate) fn hangups(points: &[(f64, u64)]) -> Metric {
    let points = points.iter().map(|(value, time)| number(*value, *time, vec![])).collect();
    metric("asterisk.hangups", "", sum(DELTA, points))
}

/// Metrics of one phone system.
pub(crate) fn batch(metrics: Vec<Metric>) -> Batch {
    let attributes = vec![
        model::string("service.name", "pbx"),
        model::string("service.instance.id", "one"),
        model::string("host.name", "dialer-1"),
    ];
    Batch::from_metrics(vec![ResourceMetrics {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_metrics: vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    }])
}

/// A backend that was sent `everything`, and how it shows it.
pub(crate) struct View<'a> {
    /// The root of its Prometheus API.
    pub(crate) base: &'a str,
    /// The label `cluster` of all series; empty: none.
    pub(crate) cluster: &'a str,
    /// Whether the deltas were sent.
    pub(crate) deltas: bool,
    /// Whether native histograms, and points before the newest, are there; a scrape has neither.
    pub(crate) pushed: bool,
    /// How the bound 10 is written.
    pub(crate) ten: &'a str,
}

impl View<'_> {
    /// One answer of the API, from `data` on.
    async fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let parameters: Vec<String> =
            parameters.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect();
        let answer = json(&format!("{}/api/v1/{path}?{}", self.base, parameters.join("&"))).await?;
        Ok(answer["data"].clone())
    }

    fn selector(&self, name: &str) -> String {
        format!("{name}{{cluster={:?}}}", self.cluster)
    }

    /// The value of a query at a time.
    pub(crate) async fn query(&self, query: &str, time: u64) -> Result<Value, String> {
        let data = self.ask("query", &[("query", query), ("time", &seconds(time).to_string())]).await?;
        Ok(data["result"].clone())
    }

    /// `name` at `time` as (labels without name, job, instance and cluster; value), sorted.
    async fn series(&self, name: &str, time: u64) -> Vec<(String, String)> {
        let result = self.query(&self.selector(name), time).await.unwrap();
        let own = |series: &Value| {
            let mut labels = series["metric"].as_object().unwrap().clone();
            labels.remove("__name__");
            assert_eq!(labels.remove("job").unwrap(), "pbx");
            assert_eq!(labels.remove("instance").unwrap(), "one");
            let cluster = labels.remove("cluster").unwrap_or_else(|| "".into());
            assert_eq!(cluster, self.cluster);
            let labels = labels.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap()));
            (labels.collect::<Vec<_>>().join(","), series["value"][1].as_str().unwrap().to_owned())
        };
        let mut found: Vec<(String, String)> = result.as_array().unwrap().iter().map(own).collect();
        found.sort();
        found
    }

    /// The samples of the one series of `selector` in the five minutes before `time`, oldest first.
    pub(crate) async fn samples(&self, selector: &str, time: u64) -> Vec<(f64, String)> {
        let result = self.query(&format!("{selector}[5m]"), time).await.unwrap();
        assert_eq!(result.as_array().unwrap().len(), 1, "{selector}: {result}");
        let values = result[0]["values"].as_array().unwrap().iter();
        values.map(|pair| (pair[0].as_f64().unwrap(), pair[1].as_str().unwrap().to_owned())).collect()
    }

    /// Type and help of a metric.
    pub(crate) async fn metadata(&self, name: &str) -> [String; 2] {
        let data = self.ask("metadata", &[("metric", name)]).await.unwrap();
        ["type", "help"].map(|key| data[name][0][key].as_str().unwrap_or_default().to_owned())
    }

    /// The buckets of a native histogram: bounds and count; and its count and sum.
    pub(crate) async fn native(&self, name: &str, time: u64) -> (Vec<[String; 3]>, [String; 2]) {
        let result = self.query(&self.selector(name), time).await.unwrap();
        let histogram = &result[0]["histogram"][1];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let buckets = histogram["buckets"].as_array().unwrap().iter();
        let buckets = buckets.map(|bucket| [1, 2, 3].map(|at| text(&bucket[at]))).collect();
        (buckets, ["count", "sum"].map(|key| text(&histogram[key])))
    }

    /// All of `everything` is there, and as it was sent.
    pub(crate) async fn check(&self, time: u64) {
        let ten = format!("le={}", self.ten);
        let channels = [("tech=Größe \"x\"\\", "3"), ("tech=PJSIP", "12")];
        assert_eq!(self.series("asterisk_channels_count", time).await, pairs(&channels));
        assert_eq!(self.series("asterisk_calls_total", time).await, pairs(&[("", "300")]));
        let buckets = [("le=+Inf", "7"), ("le=0.5", "1"), (ten.as_str(), "3")];
        assert_eq!(self.series("asterisk_wait_seconds_bucket", time).await, pairs(&buckets));
        assert_eq!(self.series("asterisk_wait_seconds_sum", time).await, pairs(&[("", "99.5")]));
        assert_eq!(self.series("asterisk_wait_seconds_count", time).await, pairs(&[("", "7")]));
        assert_eq!(self.series("asterisk_summary_bytes", time).await, pairs(&[("quantile=0.99", "3")]));
        assert_eq!(self.series("asterisk_summary_bytes_sum", time).await, pairs(&[("", "6.5")]));
        assert_eq!(self.series("asterisk_summary_bytes_count", time).await, pairs(&[("", "4")]));
        // On a page it has no time of its own, and gets that of the scrape.
        let shown = if self.pushed { time } else { now() };
        assert_eq!(self.series("target_info", shown).await, pairs(&[("host_name=dialer-1", "1")]));
        let calls = self.samples(&self.selector("asterisk_calls_total"), time).await;
        assert_eq!(calls, [(seconds(time), "300".to_owned())]);
        if self.deltas {
            assert_eq!(self.series("asterisk_hangups_total", time).await, pairs(&[("", "7")]));
        }
        if self.pushed {
            self.check_pushed(time).await;
        }
        self.check_exemplar(time).await;
    }

    async fn check_pushed(&self, time: u64) {
        let of_pjsip = format!("asterisk_channels_count{{cluster={:?},tech=\"PJSIP\"}}", self.cluster);
        let samples = [(time - 20 * SECOND, "11"), (time, "12")];
        let samples = samples.map(|(time, value)| (seconds(time), value.to_owned()));
        assert_eq!(self.samples(&of_pjsip, time).await, samples);
        if self.deltas {
            let samples = [(time - 10 * SECOND, "2"), (time, "7")];
            let samples = samples.map(|(time, value)| (seconds(time), value.to_owned()));
            assert_eq!(self.samples(&self.selector("asterisk_hangups_total"), time).await, samples);
        }
        // Bounds and counts by hand from base 2: (1,2] 4, (16,32] 5, [-4,-2) 1, and the zero bucket.
        let (buckets, [count, sum]) = self.native("asterisk_native_seconds", time).await;
        assert_eq!((count.as_str(), sum.as_str()), ("12", "40"));
        assert_eq!(
            buckets,
            [["-4", "-2", "1"], ["-1e-128", "1e-128", "2"], ["1", "2", "4"], ["16", "32", "5"]]
        );
    }

    async fn check_exemplar(&self, time: u64) {
        let query = self.selector("asterisk_wait_seconds_bucket");
        let (start, end) = (seconds(time - 60 * SECOND).to_string(), seconds(time + 60 * SECOND).to_string());
        let parameters = [("query", query.as_str()), ("start", &start), ("end", &end)];
        let found = self.ask("query_exemplars", &parameters).await.unwrap();
        assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
        assert_eq!(found[0]["seriesLabels"]["le"], self.ten);
        let exemplar = &found[0]["exemplars"][0];
        assert_eq!(exemplar["labels"]["trace_id"], TRACE);
        assert_eq!(exemplar["labels"]["span_id"], "1111111111111111");
        assert_eq!(exemplar["value"], "3");
        assert_eq!(exemplar["timestamp"].as_f64().unwrap(), seconds(time));
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(labels, value)| ((*labels).to_owned(), (*value).to_owned())).collect()
}

/// A parameter of a URL (RFC 3986: what is not unreserved is its bytes in hex).
pub(crate) fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
