//! Settings of the `mysql_cdr` receiver. Names that contrib's `mysql` receiver has are its.

use std::time::Duration;

use otelcol_asterisk::redaction;
use otelcol_confmap::{GoDuration, Opaque};
use otelcol_net::config::ClientTls;
use otelcol_pipeline::{ComponentConfig, ComponentId, ConfigIssue};
use serde::Deserialize;

pub use super::cel::{EventColumns, TracesConfig, TracesLimits};
use super::schema::{Required, Role, Shape, Wanted, own_names};
use super::time;

/// Settings of the receiver; the README tells what each means.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Config {
    /// `host:port`, or the path of a Unix socket.
    pub endpoint: String,
    /// `tcp` or `unix`; empty: what the endpoint looks like.
    pub transport: String,
    /// Name of the MySQL account.
    pub username: String,
    /// Its password.
    pub password: Opaque,
    /// File with the password, read at each connection.
    pub password_file: String,
    /// Database that holds the tables.
    pub database: String,
    /// TLS over TCP. `insecure: true`, the default, is none.
    pub tls: ClientTls,
    /// Whether rows are asked for or come by replication.
    pub mode: Mode,
    /// The CDR table, where there is one.
    pub table: String,
    /// The CDR tables, where there are several.
    pub tables: Vec<TableConfig>,
    /// Names of columns that are not Asterisk's own.
    pub columns: Columns,
    /// Zone of times without one: `Local`, `UTC`, or a name like `Europe/Berlin`.
    pub timezone: String,
    /// Where the first start begins: `now`, `beginning`, or a time.
    pub start_at: String,
    /// Storage extension that keeps position and counts over a restart.
    pub storage: Option<String>,
    /// Between two looks for new rows.
    pub poll_interval: GoDuration,
    /// How far back each look by time goes.
    pub short_window: GoDuration,
    /// Between two looks by time that go back as far as the longest call.
    pub full_interval: GoDuration,
    /// The longest call there is.
    pub longest_call: GoDuration,
    /// How long an id that is missing among its neighbours may take to be committed.
    pub lookback: GoDuration,
    /// How long the rows of a call may take to meet.
    pub settle: GoDuration,
    /// Rows of one query.
    pub chunk_rows: usize,
    /// Longest time for one query.
    pub query_timeout: GoDuration,
    /// Longest time for making a connection.
    pub connect_timeout: GoDuration,
    /// Reads tables without a suitable index.
    pub allow_table_scan: bool,
    /// Between two batches of metrics.
    pub collection_interval: GoDuration,
    /// Bounds of `asterisk.cdr.duration`, in seconds.
    pub duration_buckets: Vec<f64>,
    /// Bounds of `asterisk.cdr.answer_time`, in seconds.
    pub answer_time_buckets: Vec<f64>,
    /// Over which the ratios are taken.
    pub ratio_window: GoDuration,
    /// An answered call that is shorter is a short call.
    pub short_call: GoDuration,
    /// Metrics of the server and of the tables.
    pub server_metrics: bool,
    /// Asterisk's `systemname`, for trace ids, where no column has it.
    pub system_name: String,
    /// What becomes of numbers and names in logs and traces.
    pub redaction: redaction::Settings,
    /// Traces, from a table of channel events.
    pub traces: TracesConfig,
    /// Number under which `mode: binlog` registers with the server; 0 makes one.
    pub server_id: u32,
    /// Limits.
    pub limits: Limits,
}

/// How rows come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They are asked for.
    #[default]
    Poll,
    /// They come by replication.
    Binlog,
}

/// One of several tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TableConfig {
    /// Its name.
    pub name: String,
    /// Names of its columns, in place of the receiver's `columns`.
    pub columns: Option<Columns>,
    /// Zone of its times, in place of the receiver's.
    pub timezone: String,
}

/// Which column is which; empty: the name that Asterisk gives it, where the table has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Columns {
    /// An auto-increment key.
    pub id: String,
    /// Start of the call: `calldate` or `start`.
    pub time: String,
    /// `answer`.
    pub answer: String,
    /// `end`.
    pub end: String,
    /// `duration`.
    pub duration: String,
    /// `billsec`.
    pub billsec: String,
    /// `disposition`.
    pub disposition: String,
    /// `uniqueid`.
    pub uniqueid: String,
    /// `linkedid`.
    pub linkedid: String,
    /// `sequence`.
    pub sequence: String,
    /// `channel`.
    pub channel: String,
    /// `dstchannel`.
    pub dstchannel: String,
    /// `dcontext`.
    pub dcontext: String,
    /// `lastapp`.
    pub lastapp: String,
    /// Asterisk's `systemname`; no column of Asterisk's own has it.
    pub system_name: String,
}

impl Columns {
    /// What a CDR table looks like.
    pub(super) fn shape(&self) -> Shape<'_> {
        let wanted = |role, key, configured, usual| Wanted { role, key, configured, usual };
        let mut all = vec![
            wanted(Role::Id, "id", &self.id, &[]),
            wanted(Role::Time, "time", &self.time, &["calldate", "start"]),
            wanted(Role::SystemName, "system_name", &self.system_name, &[]),
        ];
        all.extend(own_names!(
            self,
            Answer answer, End end, Duration duration, Billsec billsec, Disposition disposition, Uniqueid uniqueid,
            Linkedid linkedid, Sequence sequence, Channel channel, Dstchannel dstchannel, Dcontext dcontext,
            Lastapp lastapp,
        ));
        Shape {
            setting: "columns",
            wanted: all,
            required: &[
                Required {
                    roles: &[Role::Time],
                    what: "the start of a call",
                    usual: "calldate or start",
                    key: "time",
                },
                Required {
                    roles: &[Role::Disposition],
                    what: "the disposition",
                    usual: "disposition",
                    key: "disposition",
                },
                Required {
                    roles: &[Role::Uniqueid, Role::Linkedid],
                    what: "the call's id",
                    usual: "uniqueid or linkedid",
                    key: "uniqueid",
                },
                Required {
                    roles: &[Role::Duration, Role::End],
                    what: "the duration",
                    usual: "duration or end",
                    key: "duration",
                },
            ],
        }
    }
}

/// What is held in memory at most.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Distinct values of one label; further ones are counted as `_other`.
    pub label_values: usize,
    /// Rows and calls whose identity is kept, each.
    pub identities: usize,
    /// Bytes of one column's value; more is cut off.
    pub value_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { label_values: 100, identities: 2_000_000, value_bytes: 4096 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: "localhost:3306".to_owned(),
            transport: String::new(),
            username: String::new(),
            password: Opaque::default(),
            password_file: String::new(),
            database: "asterisk".to_owned(),
            tls: ClientTls { insecure: true, ..ClientTls::default() },
            mode: Mode::Poll,
            table: "cdr".to_owned(),
            tables: Vec::new(),
            columns: Columns::default(),
            timezone: "Local".to_owned(),
            start_at: "now".to_owned(),
            storage: None,
            poll_interval: GoDuration::from_secs(10),
            short_window: GoDuration::from_secs(600),
            full_interval: GoDuration::from_secs(900),
            longest_call: GoDuration::from_secs(12 * 3600),
            lookback: GoDuration::from_secs(120),
            settle: GoDuration::from_secs(10),
            chunk_rows: 2000,
            query_timeout: GoDuration::from_secs(30),
            connect_timeout: GoDuration::from_secs(10),
            allow_table_scan: false,
            collection_interval: GoDuration::from_secs(15),
            duration_buckets: vec![5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0],
            answer_time_buckets: vec![1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0],
            ratio_window: GoDuration::from_secs(900),
            short_call: GoDuration::from_secs(10),
            server_metrics: true,
            system_name: String::new(),
            redaction: redaction::Settings::default(),
            traces: TracesConfig::default(),
            server_id: 0,
            limits: Limits::default(),
        }
    }
}

/// Where the first start begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StartAt {
    /// With the rows that come from now on.
    Now,
    /// With the oldest row.
    Beginning,
    /// With rows of this time, as the table's clock has it.
    Time(time::Naive),
}

/// Where the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// Host and port.
    Tcp(String, u16),
    /// Path of a socket.
    Unix(String),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => f.write_str(path),
        }
    }
}

impl Config {
    /// The endpoint's address.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn address(&self) -> Result<Address, String> {
        let path = self.endpoint.strip_prefix("unix://").or_else(|| self.endpoint.strip_prefix("unix:"));
        let path = path.or_else(|| self.endpoint.starts_with('/').then_some(self.endpoint.as_str()));
        let expected = || {
            format!("invalid endpoint {:?}: expected host:port or the path of a Unix socket", self.endpoint)
        };
        match (path, self.transport.as_str()) {
            (Some(path), "" | "unix") if path.starts_with('/') => Ok(Address::Unix(path.to_owned())),
            (None, "" | "tcp") => {
                let (host, port) = self.endpoint.rsplit_once(':').ok_or_else(expected)?;
                let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(expected)?;
                let host = host.trim_start_matches('[').trim_end_matches(']');
                if host.is_empty() { Err(expected()) } else { Ok(Address::Tcp(host.to_owned(), port)) }
            }
            _ => Err(expected()),
        }
    }

    /// Where the first start begins.
    ///
    /// # Errors
    /// The setting is neither a word nor a time.
    pub(super) fn start(&self) -> Result<StartAt, String> {
        match self.start_at.as_str() {
            "now" | "" => Ok(StartAt::Now),
            "beginning" => Ok(StartAt::Beginning),
            text => time::parse(text).map(StartAt::Time).ok_or_else(|| {
                format!("invalid start_at {text:?}: expected now, beginning, or a time as the table has it, like 2026-01-31 12:00:00")
            }),
        }
    }

    /// The CDR tables.
    pub(super) fn tables(&self) -> Vec<TableSpec> {
        let of = |table: &TableConfig| TableSpec {
            name: table.name.clone(),
            kind: TableKind::Cdr(table.columns.clone().unwrap_or_else(|| self.columns.clone())),
            timezone: self.zone_of(&table.timezone),
        };
        if self.tables.is_empty() {
            return vec![of(&TableConfig { name: self.table.clone(), ..TableConfig::default() })];
        }
        self.tables.iter().map(of).collect()
    }

    /// The table of channel events, if traces are wanted.
    pub(super) fn events_table(&self) -> Option<TableSpec> {
        let traces = Some(&self.traces).filter(|traces| traces.enabled)?;
        Some(TableSpec {
            name: traces.table.clone(),
            kind: TableKind::Cel(traces.columns.clone()),
            timezone: self.zone_of(&traces.timezone),
        })
    }

    fn zone_of(&self, own: &str) -> String {
        if own.is_empty() { self.timezone.clone() } else { own.to_owned() }
    }
}

/// A table that is read.
#[derive(Debug, Clone)]
pub(super) struct TableSpec {
    /// Its name.
    pub(super) name: String,
    /// What is in it.
    pub(super) kind: TableKind,
    /// Zone of its times.
    pub(super) timezone: String,
}

/// What is in a table, with the names of its columns.
#[derive(Debug, Clone)]
pub(super) enum TableKind {
    /// Call detail records.
    Cdr(Columns),
    /// Channel events.
    Cel(EventColumns),
}

impl TableKind {
    /// What such a table looks like.
    pub(super) fn shape(&self) -> Shape<'_> {
        match self {
            Self::Cdr(columns) => columns.shape(),
            Self::Cel(columns) => columns.shape(),
        }
    }
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let mut issue = |key: &str, message: String| issues.push(ConfigIssue::new(key, message));
        if let Err(message) = self.address() {
            issue("endpoint", message);
        }
        if self.username.is_empty() {
            issue(
                "username",
                "expected the name of a MySQL account; the README has the GRANT it needs".to_owned(),
            );
        }
        if !self.password.expose().is_empty() && !self.password_file.is_empty() {
            issue("password_file", "expected one of password and password_file".to_owned());
        }
        for (key, version) in [("min_version", &self.tls.min_version), ("max_version", &self.tls.max_version)]
        {
            let is_default = match key {
                "min_version" => matches!(version.as_str(), "" | "1.0" | "1.1" | "1.2"),
                _ => matches!(version.as_str(), "" | "1.3"),
            };
            if !is_default {
                issue(
                    &format!("tls::{key}"),
                    "the MySQL client takes TLS 1.2 and 1.3 and cannot be held to one".to_owned(),
                );
            }
        }
        for (key, names) in
            [("cipher_suites", &self.tls.cipher_suites), ("curve_preferences", &self.tls.curve_preferences)]
        {
            if !names.is_empty() {
                issue(
                    &format!("tls::{key}"),
                    "the MySQL client cannot be held to some of its own".to_owned(),
                );
            }
        }
        if let Err(message) = self.start() {
            issue("start_at", message);
        }
        if let Some(Err(error)) = self.storage.as_ref().map(|id| id.parse::<ComponentId>()) {
            issue("storage", error.to_string());
        }
        for (key, duration) in [
            ("poll_interval", &self.poll_interval),
            ("short_window", &self.short_window),
            ("full_interval", &self.full_interval),
            ("longest_call", &self.longest_call),
            ("query_timeout", &self.query_timeout),
            ("connect_timeout", &self.connect_timeout),
            ("collection_interval", &self.collection_interval),
            ("ratio_window", &self.ratio_window),
        ] {
            if duration.get() == Duration::ZERO {
                issue(key, format!("{key} must be a positive duration"));
            }
        }
        if self.ratio_window.get() > Duration::from_secs(24 * 3600) {
            issue("ratio_window", "expected 24h or less".to_owned());
        }
        for (key, bounds) in
            [("duration_buckets", &self.duration_buckets), ("answer_time_buckets", &self.answer_time_buckets)]
        {
            let ascending = bounds.windows(2).all(|pair| pair[0] < pair[1])
                && bounds.iter().all(|bound| bound.is_finite());
            if !ascending || bounds.is_empty() {
                issue(key, format!("expected ascending numbers, found {bounds:?}"));
            }
        }
        if !(1..=100_000).contains(&self.chunk_rows) {
            issue("chunk_rows", format!("expected 1 to 100000, found {}", self.chunk_rows));
        }
        for (key, value) in [
            ("label_values", self.limits.label_values),
            ("identities", self.limits.identities),
            ("value_bytes", self.limits.value_bytes),
        ] {
            if value == 0 {
                issue(&format!("limits::{key}"), "expected a number above 0".to_owned());
            }
        }
        for found in self.redaction.issues() {
            issue(&format!("redaction::{}", found.path), found.message);
        }
        for (path, message) in self.traces.issues() {
            issue(&format!("traces::{path}"), message);
        }
        let mut names = std::collections::HashSet::new();
        for table in self.tables().into_iter().chain(self.events_table()) {
            let (of_name, of_zone) = match table.kind {
                TableKind::Cel(_) => ("traces::table", "traces::timezone"),
                TableKind::Cdr(_) if self.tables.is_empty() => ("table", "timezone"),
                TableKind::Cdr(_) => ("tables", "tables"),
            };
            if table.name.is_empty() {
                issue(of_name, "expected the name of a table".to_owned());
            }
            if !names.insert(table.name.clone()) {
                issue(of_name, format!("table {:?} is listed twice", table.name));
            }
            if let Err(message) = time::Zone::named(&table.timezone) {
                issue(of_zone, message);
            }
        }
        issues
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_settings_that_the_client_has_not_are_told() {
        let issues = |tls: &str| {
            let yaml = format!("{{endpoint: 'db:3306', username: u, tls: {tls}}}");
            let node = otelcol_confmap::Node::from_yaml(&yaml, "test.yaml").unwrap();
            let config: Config = node.decode("mysql_cdr").unwrap();
            config.validate().into_iter().map(|issue| issue.key).collect::<Vec<_>>()
        };
        assert_eq!(issues("{ca_file: /ca.pem, min_version: '1.2', max_version: '1.3'}"), [""; 0]);
        for (tls, key) in [
            ("{min_version: '1.3'}", "tls::min_version"),
            ("{max_version: '1.2'}", "tls::max_version"),
            ("{cipher_suites: [TLS_AES_128_GCM_SHA256]}", "tls::cipher_suites"),
            ("{curve_preferences: [X25519]}", "tls::curve_preferences"),
        ] {
            assert_eq!(issues(tls), [key], "{tls}");
        }
    }
}
