//! Writes what was counted as OTLP metrics.

use otelcol_pdata::model::common::{InstrumentationScope, KeyValue};
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::{
    AggregationTemporality, Gauge, Histogram as OtlpHistogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, number_data_point,
};
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::{int, string};

use super::row::Disposition;
use super::server::ServerStats;
use super::totals::{ByDisposition, Histogram, Rules, Slot, Totals};

/// The scope's name.
pub(super) const SCOPE: &str = "otelcol-asterisk/receiver/mysql_cdr";

/// The metrics of one batch.
#[derive(Debug)]
pub(super) struct Metrics {
    now_ns: u64,
    list: Vec<Metric>,
}

/// What is shown of one table.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    /// Its name, where several are read.
    pub(super) table: Option<&'a str>,
    /// Its values.
    pub(super) totals: &'a Totals,
    /// Its rules.
    pub(super) rules: &'a Rules,
    /// Seconds of the window of ratios.
    pub(super) window: i64,
}

fn number(value: f64) -> number_data_point::Value {
    number_data_point::Value::AsDouble(value)
}

fn whole(value: u64) -> number_data_point::Value {
    number_data_point::Value::AsInt(i64::try_from(value).unwrap_or(i64::MAX))
}

fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

impl Metrics {
    /// No metrics yet, at `now_ns` nanoseconds since 1970.
    pub(super) fn new(now_ns: u64) -> Self {
        Self { now_ns, list: Vec::new() }
    }

    fn push(&mut self, name: &str, unit: &str, description: &str, data: Data) {
        // The tables of one instance share a metric.
        let existing = self.list.iter_mut().find(|metric| metric.name == name);
        match (existing.and_then(|metric| metric.data.as_mut()), data) {
            (Some(Data::Gauge(all)), Data::Gauge(more)) => all.data_points.extend(more.data_points),
            (Some(Data::Sum(all)), Data::Sum(more)) => all.data_points.extend(more.data_points),
            (Some(Data::Histogram(all)), Data::Histogram(more)) => all.data_points.extend(more.data_points),
            (Some(_), _) => {}
            (None, data) => self.list.push(Metric {
                name: name.to_owned(),
                unit: unit.to_owned(),
                description: description.to_owned(),
                data: Some(data),
                ..Metric::default()
            }),
        }
    }

    fn point(
        &self,
        attributes: Vec<KeyValue>,
        value: number_data_point::Value,
        since: u64,
    ) -> NumberDataPoint {
        NumberDataPoint {
            attributes,
            start_time_unix_nano: since,
            time_unix_nano: self.now_ns,
            value: Some(value),
            ..NumberDataPoint::default()
        }
    }

    fn gauges(&mut self, name: &str, unit: &str, description: &str, points: Vec<NumberDataPoint>) {
        if !points.is_empty() {
            self.push(name, unit, description, Data::Gauge(Gauge { data_points: points }));
        }
    }

    fn sums(
        &mut self,
        name: &str,
        unit: &str,
        description: &str,
        monotonic: bool,
        points: Vec<NumberDataPoint>,
    ) {
        if points.is_empty() {
            return;
        }
        let sum = Sum {
            data_points: points,
            aggregation_temporality: AggregationTemporality::Cumulative as i32,
            is_monotonic: monotonic,
        };
        self.push(name, unit, description, Data::Sum(sum));
    }

    /// Adds the metrics of a table.
    pub(super) fn table(&mut self, view: View<'_>) {
        let now = i64::try_from(self.now_ns / 1_000_000_000).unwrap_or(i64::MAX);
        let View { totals, rules, .. } = view;
        let common: Vec<KeyValue> = view.table.map(|table| string("table", table)).into_iter().collect();
        let with = |more: &[(&str, &str)]| -> Vec<KeyValue> {
            let more = more.iter().map(|(key, value)| string(*key, *value));
            common.iter().cloned().chain(more).collect()
        };
        let since = totals.since;

        let calls = Disposition::ALL
            .into_iter()
            // The five of Asterisk stand from the start; a rate needs the zero.
            .filter(|disposition| {
                *disposition != Disposition::Other || totals.calls[*disposition as usize] > 0
            })
            .map(|disposition| {
                let count = whole(totals.calls[disposition as usize]);
                self.point(with(&[("disposition", disposition.as_str())]), count, since)
            })
            .collect();
        self.sums(
            "asterisk.cdr.calls",
            "{call}",
            "Total CDR records: calls that ended, each once",
            true,
            calls,
        );
        self.histogram("asterisk.cdr.duration", "Call duration from CDR", &totals.duration, with(&[]), since);
        self.histogram(
            "asterisk.cdr.answer_time",
            "Time from the start of an answered call to its answer",
            &totals.answer_time,
            with(&[]),
            since,
        );
        let one = |metrics: &Self, value| vec![metrics.point(with(&[]), value, since)];
        let billable = one(self, number(seconds(totals.billsec_ms)));
        self.sums("asterisk.cdr.billable", "s", "Time after the answer, summed over calls", true, billable);
        let short = one(self, whole(totals.short_calls));
        self.sums(
            "asterisk.cdr.short_calls",
            "{call}",
            "Answered calls below the length of short_call",
            true,
            short,
        );
        let rows = one(self, whole(totals.rows));
        self.sums("asterisk.cdr.rows", "{row}", "Rows read, each once", true, rows);

        for (name, key, description, by) in [
            (
                "asterisk.cdr.calls_by_context",
                "context",
                "Calls by the context they came in",
                &totals.by_context,
            ),
            (
                "asterisk.cdr.calls_by_technology",
                "technology",
                "Calls by technology of the destination channel",
                &totals.by_technology,
            ),
            (
                "asterisk.cdr.calls_by_trunk",
                "trunk",
                "Calls by peer of the destination channel",
                &totals.by_trunk,
            ),
        ] {
            let mut points = Vec::new();
            for (value, counts) in by {
                for (disposition, count) in dispositions(counts) {
                    let attributes = with(&[(key, value), ("disposition", disposition.as_str())]);
                    points.push(self.point(attributes, whole(count), since));
                }
            }
            self.sums(name, "{call}", description, true, points);
        }
        let applications = totals
            .by_application
            .iter()
            .map(|(application, count)| {
                self.point(with(&[("application", application)]), whole(*count), since)
            })
            .collect();
        self.sums(
            "asterisk.cdr.calls_by_application",
            "{call}",
            "Calls by their last application",
            true,
            applications,
        );
        let hours = totals
            .by_hour
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(hour, count)| self.point(with(&[("hour", &format!("{hour:02}"))]), whole(*count), since))
            .collect();
        self.sums(
            "asterisk.cdr.calls_by_hour",
            "{call}",
            "Calls by hour of the day of their start",
            true,
            hours,
        );

        self.ratios(&totals.window(now, view.window), &with);
        let peak = vec![self.point(with(&[]), whole(totals.peak(now)), 0)];
        self.gauges(
            "asterisk.cdr.concurrent.peak",
            "{call}",
            "Most calls at a time in the last hour, of those that ended",
            peak,
        );
        if let Some(newest) = totals.newest {
            let age = vec![self.point(with(&[]), number((now - newest).max(0) as f64), 0)];
            self.gauges("asterisk.cdr.newest.age", "s", "Time since the end of the newest call", age);
        }
        self.hourly(&totals.hourly(rules, now), &with);
    }

    /// Ratios of no calls are none: their points stay away.
    fn ratios(&mut self, window: &Slot, with: &impl Fn(&[(&str, &str)]) -> Vec<KeyValue>) {
        let (total, answered) = (window.total(), window.of(Disposition::Answered));
        if total == 0 {
            return;
        }
        let effective = answered + window.of(Disposition::Busy) + window.of(Disposition::NoAnswer);
        let one = |metrics: &Self, value: f64| vec![metrics.point(with(&[]), number(value), 0)];
        let asr = one(self, answered as f64 / total as f64);
        self.gauges("asterisk.cdr.asr", "{ratio}", "Answer-seizure ratio (15 min window)", asr);
        let ner = one(self, effective as f64 / total as f64);
        self.gauges(
            "asterisk.cdr.ner",
            "{ratio}",
            "Network effectiveness ratio: answered, busy or not answered",
            ner,
        );
        if answered > 0 {
            let acd = one(self, seconds(window.billsec_ms) / answered as f64);
            self.gauges(
                "asterisk.cdr.acd",
                "s",
                "Average call duration: time after the answer by answered calls",
                acd,
            );
        }
    }

    /// The guide's query: calls by the hour of their start, over a day.
    fn hourly(&mut self, hours: &[(i64, Slot)], with: &impl Fn(&[(&str, &str)]) -> Vec<KeyValue>) {
        fn average(sum: u64, slot: &Slot) -> Option<f64> {
            (slot.total() > 0).then(|| seconds(sum) / slot.total() as f64)
        }
        fn of(disposition: Disposition, slot: &Slot) -> Option<f64> {
            Some(slot.of(disposition) as f64)
        }
        type Value = fn(&Slot) -> Option<f64>;
        let rows: [(&str, &str, &str, Value); 7] = [
            ("total", "{call}", "Calls that began in this hour", |slot| Some(slot.total() as f64)),
            ("duration", "s", "Average duration of calls that began in this hour", |slot| {
                average(slot.duration_ms, slot)
            }),
            ("billsec", "s", "Average time after the answer of calls that began in this hour", |slot| {
                average(slot.billsec_ms, slot)
            }),
            ("answered", "{call}", "Answered calls that began in this hour", |slot| {
                of(Disposition::Answered, slot)
            }),
            ("no_answer", "{call}", "Calls without an answer that began in this hour", |slot| {
                of(Disposition::NoAnswer, slot)
            }),
            ("busy", "{call}", "Busy calls that began in this hour", |slot| of(Disposition::Busy, slot)),
            ("failed", "{call}", "Failed calls that began in this hour", |slot| {
                of(Disposition::Failed, slot)
            }),
        ];
        for (name, unit, description, value) in rows {
            let points = hours
                .iter()
                .filter_map(|(hour, slot)| {
                    let hour = format!("{hour:02}");
                    Some(self.point(with(&[("hour", &hour)]), number(value(slot)?), 0))
                })
                .collect();
            self.gauges(&format!("asterisk.cdr.hourly.{name}"), unit, description, points);
        }
    }

    fn histogram(
        &mut self,
        name: &str,
        description: &str,
        histogram: &Histogram,
        attributes: Vec<KeyValue>,
        since: u64,
    ) {
        let point = HistogramDataPoint {
            attributes,
            start_time_unix_nano: since,
            time_unix_nano: self.now_ns,
            count: histogram.count(),
            sum: Some(seconds(histogram.sum_ms)),
            bucket_counts: histogram.counts.clone(),
            explicit_bounds: histogram.bounds_ms.iter().map(|bound| seconds(*bound)).collect(),
            ..HistogramDataPoint::default()
        };
        let data = OtlpHistogram {
            data_points: vec![point],
            aggregation_temporality: AggregationTemporality::Cumulative as i32,
        };
        self.push(name, "s", description, Data::Histogram(data));
    }

    /// Adds the metrics of the server, by the names of mysqld_exporter, which the guide runs.
    pub(super) fn server(&mut self, up: bool, stats: Option<&ServerStats>) {
        let one = |metrics: &Self, value| vec![metrics.point(Vec::new(), value, 0)];
        let point = one(self, whole(u64::from(up)));
        self.gauges("mysql.up", "{server}", "Whether the MySQL server is up", point);
        let Some(stats) = stats.filter(|_| up) else { return };
        for (name, unit, description, value) in [
            (
                "mysql.global_status.threads_connected",
                "{thread}",
                "Connections that are open",
                stats.threads_connected,
            ),
            (
                "mysql.global_status.threads_running",
                "{thread}",
                "Connections that are at work",
                stats.threads_running,
            ),
            (
                "mysql.global_status.uptime",
                "{second}",
                "Time since the server's start, in seconds",
                stats.uptime,
            ),
        ] {
            if let Some(value) = value {
                let point = one(self, whole(value));
                self.gauges(name, unit, description, point);
            }
        }
        if let Some(value) = stats.slow_queries {
            let point = one(self, whole(value));
            let description = "Queries that took longer than long_query_time, since the server's start";
            // Not monotonic to OTLP, so that the name stays mysqld_exporter's, without _total.
            self.sums("mysql.global_status.slow_queries", "{query}", description, false, point);
        }
        if let Some(lag) = stats.replication_lag {
            let point = one(self, whole(lag));
            let description = "Seconds that this replica is behind";
            self.gauges("mysql.slave_status.seconds_behind_master", "{second}", description, point);
        }
        for table in &stats.tables {
            let attributes = vec![string("table", table.name.as_str())];
            for (name, unit, description, value) in [
                (
                    "asterisk.cdr.table.rows",
                    "{row}",
                    "Rows of the table, as the server estimates them",
                    table.rows,
                ),
                ("asterisk.cdr.table.size", "By", "Bytes of the table and its indexes", table.bytes),
            ] {
                if let Some(value) = value {
                    let point = vec![self.point(attributes.clone(), whole(value), 0)];
                    self.gauges(name, unit, description, point);
                }
            }
            if let Some(growth) = table.bytes_per_hour {
                let point = vec![self.point(attributes.clone(), number(growth), 0)];
                self.gauges(
                    "asterisk.cdr.table.growth",
                    "By/h",
                    "Bytes that the table and its indexes grew in an hour, over the last hour",
                    point,
                );
            }
        }
    }

    /// The batch: one resource that names the server.
    pub(super) fn finish(self, version: &str, server: &Server<'_>) -> ResourceMetrics {
        let scope = InstrumentationScope {
            name: SCOPE.to_owned(),
            version: version.to_owned(),
            ..InstrumentationScope::default()
        };
        ResourceMetrics {
            resource: Some(server.resource()),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope),
                metrics: self.list,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }
    }
}

fn dispositions(counts: &ByDisposition) -> impl Iterator<Item = (Disposition, u64)> + '_ {
    Disposition::ALL
        .into_iter()
        .map(|disposition| (disposition, counts[disposition as usize]))
        .filter(|(_, count)| *count > 0)
}

/// What a resource says about where rows come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server<'a> {
    /// Host, or path of the socket.
    pub(super) host: &'a str,
    /// Port; none for a socket.
    pub(super) port: Option<u16>,
    /// Database.
    pub(super) database: &'a str,
}

impl Server<'_> {
    /// The resource (OpenTelemetry semantic conventions: `db.*`, `server.*`).
    pub(super) fn resource(&self) -> Resource {
        let mut attributes = vec![
            string("db.system.name", "mysql"),
            string("db.namespace", self.database),
            string("server.address", self.host),
        ];
        attributes.extend(self.port.map(|port| int("server.port", i64::from(port))));
        Resource { attributes, ..Resource::default() }
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
