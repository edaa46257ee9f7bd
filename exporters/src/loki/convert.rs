//! From OTLP logs to push requests, one for each tenant.

use std::collections::BTreeMap;

use otelcol_pdata::model::common::{InstrumentationScope, KeyValue};
use otelcol_pdata::model::logs::{LogRecord, ResourceLogs};

use super::config::{DefaultLabels, Labels};
use super::labels::{labels_of, tenant_of};
use super::line::{Format, Source};
use super::push::{Entry, PushRequest, Stream, Timestamp};

/// What a batch became.
#[derive(Debug, Default)]
pub(crate) struct Converted {
    /// The requests by tenant, with the number of records in each; the empty tenant is the connection's own.
    pub(crate) requests: BTreeMap<String, (PushRequest, usize)>,
    /// Records that Loki would refuse because they have no label.
    pub(crate) without_labels: usize,
    /// Records whose hint names no known format.
    pub(crate) bad_format: usize,
    /// What is wrong with the first of them.
    pub(crate) first_problem: Option<String>,
}

/// Entries by tenant and by labels.
type Streams = BTreeMap<String, BTreeMap<String, Vec<(u64, String)>>>;

/// Converts a batch. `now` is the time of records that have none, in ns since 1970.
pub(crate) fn convert(
    logs: &[&ResourceLogs],
    defaults: &DefaultLabels,
    labels: &Labels,
    now: u64,
) -> Converted {
    let mut converter =
        Converter { defaults, labels, now, streams: Streams::new(), out: Converted::default() };
    for block in logs {
        let resource =
            block.resource.as_ref().map(|resource| resource.attributes.as_slice()).unwrap_or_default();
        for scope in &block.scope_logs {
            for record in &scope.log_records {
                converter.add(record, resource, scope.scope.as_ref());
            }
        }
    }
    converter.finish()
}

struct Converter<'a> {
    defaults: &'a DefaultLabels,
    labels: &'a Labels,
    now: u64,
    streams: Streams,
    out: Converted,
}

impl Converter<'_> {
    fn add(&mut self, record: &LogRecord, resource: &[KeyValue], scope: Option<&InstrumentationScope>) {
        let format = match Format::of(&record.attributes, resource) {
            Ok(format) => format,
            Err(problem) => {
                self.out.bad_format += 1;
                self.out.first_problem.get_or_insert(problem);
                return;
            }
        };
        let labels = labels_of(record, resource, self.defaults, self.labels);
        if labels.is_empty() {
            self.out.without_labels += 1;
            self.out
                .first_problem
                .get_or_insert_with(|| "at least one label pair is required per stream".to_owned());
            return;
        }
        let time =
            [record.time_unix_nano, record.observed_time_unix_nano].into_iter().find(|time| *time != 0);
        let line = Source { record, resource, scope, labels: &labels }.line(format);
        let tenant = self.streams.entry(tenant_of(&record.attributes, resource)).or_default();
        tenant.entry(labels.text()).or_default().push((time.unwrap_or(self.now), line));
    }

    fn finish(mut self) -> Converted {
        for (tenant, streams) in self.streams {
            let records = streams.values().map(Vec::len).sum();
            let streams =
                streams.into_iter().map(|(labels, entries)| Stream { labels, entries: in_order(entries) });
            self.out.requests.insert(tenant, (PushRequest { streams: streams.collect() }, records));
        }
        self.out
    }
}

/// Loki takes a stream's entries in any order only within its window: oldest first is always taken.
fn in_order(mut entries: Vec<(u64, String)>) -> Vec<Entry> {
    entries.sort_by_key(|(time, _)| *time);
    entries
        .into_iter()
        .map(|(time, line)| Entry { timestamp: Some(Timestamp::from_unix_nanos(time)), line })
        .collect()
}
