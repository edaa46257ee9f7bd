//! Each CDR as a log record.

use otelcol_asterisk::ids::call_root_span_id;
use otelcol_asterisk::redaction::{Kind, Redactor};
use otelcol_pdata::model::common::any_value::Value;
use otelcol_pdata::model::common::{AnyValue, InstrumentationScope, KeyValue};
use otelcol_pdata::model::logs::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::{int, string};

use super::metrics::SCOPE;
use super::row::{CdrRow, Disposition};
use super::schema::{Column, Layout, Role};
use super::source::Source;
use super::system::System;

/// Writes log records.
#[derive(Debug)]
pub(super) struct LogWriter {
    system: System,
    redactor: Redactor,
    version: &'static str,
    resource: Resource,
}

/// What a column of a CDR holds: as what it is read, else what its name says. What a site adds can hold anything: a caller's
/// number is an integer too.
fn kind(layout: &Layout, place: usize, column: &Column) -> Kind {
    match layout.role(place) {
        Some(Role::Channel | Role::Dstchannel) => return Kind::Channel,
        Some(_) => return Kind::Plain,
        None => {}
    }
    match column.name.to_ascii_lowercase().as_str() {
        "src" | "dst" | "did" | "cnum" | "outbound_cnum" => Kind::Number,
        "cnam" | "outbound_cnam" | "dst_cnam" => Kind::Name,
        "clid" => Kind::CallerId,
        "channel" | "dstchannel" => Kind::Channel,
        "calldate" | "start" | "answer" | "end" | "duration" | "billsec" | "disposition" | "amaflags"
        | "accountcode" | "peeraccount" | "uniqueid" | "linkedid" | "sequence" | "dcontext" | "lastapp" => {
            Kind::Plain
        }
        _ => Kind::Text,
    }
}

fn is_integer(data_type: &str) -> bool {
    matches!(data_type, "tinyint" | "smallint" | "mediumint" | "int" | "bigint")
}

fn severity(disposition: Disposition) -> (SeverityNumber, &'static str) {
    match disposition {
        Disposition::Answered | Disposition::Busy | Disposition::NoAnswer | Disposition::Other => {
            (SeverityNumber::Info, "INFO")
        }
        Disposition::Congestion => (SeverityNumber::Warn, "WARN"),
        Disposition::Failed => (SeverityNumber::Error, "ERROR"),
    }
}

fn nanos(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000)
}

impl LogWriter {
    /// A writer; `system` is what the ids of traces are derived with.
    pub(super) fn new(system: System, redactor: Redactor, version: &'static str, resource: Resource) -> Self {
        Self { system, redactor, version, resource }
    }

    /// Log records of rows.
    pub(super) fn resource_logs(&self, source: &Source, rows: &[&CdrRow], now_ns: u64) -> Vec<ResourceLogs> {
        let scope = InstrumentationScope {
            name: SCOPE.to_owned(),
            version: self.version.to_owned(),
            ..InstrumentationScope::default()
        };
        let log_records = rows.iter().map(|row| self.record(source, row, now_ns)).collect();
        vec![ResourceLogs {
            resource: Some(self.resource.clone()),
            scope_logs: vec![ScopeLogs { scope: Some(scope), log_records, ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        }]
    }

    fn record(&self, source: &Source, row: &CdrRow, now_ns: u64) -> LogRecord {
        let (severity, severity_text) = severity(row.leg.disposition);
        let mut attributes = vec![string("asterisk.cdr.table", source.name.as_str())];
        let layout = &source.layout;
        for (place, (column, value)) in layout.columns.iter().zip(&row.values).enumerate() {
            if let Some(value) = value {
                attributes.extend(self.attribute(kind(layout, place, column), column, value));
            }
        }
        let (trace_id, span_id) = self.ids(source, row).unwrap_or_default();
        let body = format!("{} {}s", row.leg.disposition.as_str(), row.leg.duration() / 1000);
        LogRecord {
            time_unix_nano: nanos(row.end),
            observed_time_unix_nano: now_ns,
            severity_number: severity as i32,
            severity_text: severity_text.to_owned(),
            body: Some(AnyValue { value: Some(Value::StringValue(body)) }),
            attributes,
            trace_id,
            span_id,
            event_name: "asterisk.cdr".to_owned(),
            ..LogRecord::default()
        }
    }

    fn attribute(&self, kind: Kind, column: &Column, value: &str) -> Option<KeyValue> {
        let shown = self.redactor.value(kind, value)?;
        let key = format!("asterisk.cdr.{}", column.name);
        if is_integer(&column.data_type)
            && shown == value
            && let Ok(number) = value.parse()
        {
            return Some(int(key, number));
        }
        Some(string(key, shown))
    }

    /// The ids of the call's trace and of its root span, as the `ami` receiver derives them; none without a linkedid.
    fn ids(&self, source: &Source, row: &CdrRow) -> Option<(Vec<u8>, Vec<u8>)> {
        let of = |role: Role| row.values.get(source.layout.place(role)?)?.as_deref();
        let linkedid = of(Role::Linkedid).filter(|linkedid| !linkedid.is_empty())?;
        let trace = self.system.trace_id(of(Role::SystemName), linkedid);
        Some((trace.to_vec(), call_root_span_id(&trace).to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use otelcol_asterisk::redaction::{Numbers, Settings};
    use otelcol_pdata::model::as_string;

    use super::*;
    use crate::mysql_cdr::config::Columns;
    use crate::mysql_cdr::schema::tests::columns;

    #[test]
    fn numbers_are_redacted_by_what_a_column_is() {
        let mut found = columns(&[
            "id",
            "calldate",
            "secs",
            "disposition",
            "call",
            "sequence",
            "callerid",
            "trunk",
            "leg",
        ]);
        for place in [0, 2, 5, 6, 7] {
            found[place].data_type = "bigint".to_owned();
        }
        let names = Columns {
            duration: "secs".to_owned(),
            uniqueid: "call".to_owned(),
            channel: "leg".to_owned(),
            ..Columns::default()
        };
        let layout = Layout::new("t".to_owned(), &found, &[], &names.shape(), true, 100).unwrap();
        let settings = Settings { numbers: Numbers::Last4, ..Settings::default() };
        let system = System::new("", "pbx");
        let writer = LogWriter::new(system, Redactor::new(&settings), "1", Resource::default());
        let shown = |name: &str, value: &str| {
            let place = found.iter().position(|column| column.name == name).unwrap();
            let kind = kind(&layout, place, &found[place]);
            let shown = writer.attribute(kind, &found[place], value).unwrap().value.unwrap();
            (matches!(shown.value, Some(Value::IntValue(_))), as_string(&shown))
        };
        for (name, value, expected) in [
            ("id", "4930123456", (true, "4930123456")),
            ("secs", "4930123456", (true, "4930123456")),
            ("sequence", "4930123456", (true, "4930123456")),
            ("callerid", "4930123456", (false, "***3456")),
            ("trunk", "17", (true, "17")),
            ("call", "1795307195.7", (false, "1795307195.7")),
            ("leg", "PJSIP/4930123456-0000001a", (false, "PJSIP/***3456-0000001a")),
        ] {
            assert_eq!(shown(name, value), (expected.0, expected.1.to_owned()), "{name}");
        }
    }
}
