//! Gathers lines into series, and gives an interval's points away at each flush.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use memchr::memchr_iter;
use otelcol_asterisk::{catalogue, statsd as names};
use serde::{Deserialize, Serialize};

use super::config::{Config, Limits, Names, StateGauges};
use super::line::{Kind, Line, parse_tags, text};
use super::moment::Moment;
use super::observe::{Observed, Observers};
use super::reason::Reason;
use super::report::Report;
use super::series::{Class, Client, Gauge, Identity, Origin, Series, Slot, Table, Value};

/// How lines are read and told apart.
#[derive(Debug)]
struct Rules {
    metric_type: bool,
    simple_tags: bool,
    monotonic: bool,
    whole: bool,
    client_address: bool,
    ip_only: bool,
    ignore_host: bool,
    keep_gauges: bool,
    expiration: u64,
    names: Names,
    state_gauges: StateGauges,
    limits: Limits,
    observers: Observers,
}

/// All state of the receiver between two flushes, and the gauges beyond them.
#[derive(Debug)]
pub(super) struct Aggregator {
    rules: Rules,
    report: Report,
    table: Table,
    alias: Vec<u8>,
    hasher: RandomState,
    /// Values held one by one.
    samples: usize,
    interval_start: u64,
    gauges_changed: bool,
    gauge_client: Option<Option<IpAddr>>,
}

/// The points of one interval.
#[derive(Debug, Default)]
pub(super) struct Interval {
    /// Nanoseconds since 1970, as `end`.
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) points: Vec<(Arc<Identity>, Taken)>,
}

/// What a series had gathered.
#[derive(Debug, PartialEq)]
pub(super) enum Taken {
    Sum(f64),
    Gauge(f64),
    Set(HashSet<u64>),
    Observed(Observed),
}

/// A gauge as it is kept over a restart or given to the next instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptGauge {
    pub(super) origin: Arc<Origin>,
    pub(super) client: Option<IpAddr>,
    pub(super) value: f64,
    /// Nanoseconds of the steady clock; on disk, since 1970.
    pub(super) updated: u64,
}

/// First byte of an alias, beside those of [`Kind`].
const UNREACHABLE: u8 = 255;

impl Aggregator {
    /// An empty state; the first interval begins `now` (nanoseconds since 1970).
    pub(super) fn new(config: &Config, report: Report, now: u64) -> Self {
        let rules = Rules {
            metric_type: config.enable_metric_type,
            simple_tags: config.enable_simple_tags,
            monotonic: config.monotonic_counters(),
            whole: config.counter_type != "float",
            client_address: config.client_address,
            ip_only: config.enable_ip_only_aggregation,
            ignore_host: config.ignore_host,
            keep_gauges: config.keep_gauges,
            expiration: u64::try_from(config.gauge_expiration.get().as_nanos()).unwrap_or(u64::MAX),
            names: config.asterisk.names,
            state_gauges: config.asterisk.state_gauges,
            limits: config.limits.clone(),
            observers: Observers::new(&config.timer_histogram_mapping),
        };
        Self {
            table: Table::new(rules.limits.series),
            rules,
            report,
            alias: Vec::new(),
            hasher: RandomState::new(),
            samples: 0,
            interval_start: now,
            gauges_changed: false,
            gauge_client: None,
        }
    }

    /// Takes the lines of a datagram, or of any other piece of a stream that ends at the end of a line.
    pub(super) fn lines(&mut self, bytes: &[u8], source: Option<SocketAddr>, now: u64) {
        let mut accepted = 0;
        let mut start = 0;
        for end in memchr_iter(b'\n', bytes).chain([bytes.len()]) {
            let line = bytes[start..end].trim_ascii();
            start = end + 1;
            if line.is_empty() {
                continue;
            }
            match self.line(line, source, now) {
                Ok(()) => accepted += 1,
                Err(reason) => self.report.refused(reason, line),
            }
        }
        self.report.accepted(accepted);
    }

    fn line(&mut self, line: &[u8], source: Option<SocketAddr>, now: u64) -> Result<(), Reason> {
        if line.len() > self.rules.limits.line_bytes {
            return Err(Reason::TooLong);
        }
        let line = Line::parse(line)?;
        match line.kind {
            Kind::Counter | Kind::Meter => self.count(&line, source),
            Kind::Gauge => self.gauge(&line, source),
            Kind::Timing | Kind::Histogram | Kind::Distribution => self.observe(&line, source, now),
            Kind::Set => self.member(&line, source),
        }
    }

    fn count(&mut self, line: &Line<'_>, source: Option<SocketAddr>) -> Result<(), Reason> {
        let increment = line.number()?;
        if increment < 0.0 && self.rules.monotonic {
            return Err(Reason::NegativeCounter);
        }
        let series = self.series(line, line.kind as u8, source)?;
        if let Value::Sum(sum) = &mut series.value {
            *sum += increment / line.rate;
        }
        series.touched = true;
        Ok(())
    }

    fn gauge(&mut self, line: &Line<'_>, source: Option<SocketAddr>) -> Result<(), Reason> {
        let number = line.number()?;
        let series = self.series(line, line.kind as u8, source)?;
        series.touched = true;
        let Value::Gauge(gauge) = &mut series.value else { return Ok(()) };
        let before = gauge.value;
        gauge.value = if line.is_relative() { before + number } else { number };
        if gauge.value < 0.0 && before >= 0.0 {
            let (value, identity) = (gauge.value, Arc::clone(&series.identity));
            self.report.below_zero(&identity.name, value);
        }
        Ok(())
    }

    fn observe(&mut self, line: &Line<'_>, source: Option<SocketAddr>, now: u64) -> Result<(), Reason> {
        let number = line.number()?;
        let timing = line.kind == Kind::Timing;
        if timing && number < 0.0 {
            return self.negative_timing(line, number, source);
        }
        let observers = &self.rules.observers;
        let observer = if timing { &observers.timing } else { &observers.values };
        if observer.is_none() {
            return Err(Reason::ObserverDisabled);
        }
        let (held, limit) = (self.samples, self.rules.limits.samples);
        let series = self.series(line, line.kind as u8, source)?;
        let Value::Observed(observed) = &mut series.value else { return Ok(()) };
        let one_by_one = observed.keeps_samples();
        if one_by_one && held >= limit {
            return Err(Reason::SampleLimit);
        }
        observed.add(number, line.rate, now);
        series.touched = true;
        self.samples += usize::from(one_by_one);
        Ok(())
    }

    /// In a contact's round trip time -1 is Asterisk's word for "did not answer", which is counted under a name of its own.
    fn negative_timing(
        &mut self,
        line: &Line<'_>,
        number: f64,
        source: Option<SocketAddr>,
    ) -> Result<(), Reason> {
        let is_contact =
            std::str::from_utf8(line.name).is_ok_and(|name| names::unreachable_name(name).is_some());
        if number != -1.0 || !is_contact {
            return Err(Reason::NegativeTimer);
        }
        let series = self.series(line, UNREACHABLE, source)?;
        if let Value::Sum(sum) = &mut series.value {
            *sum += 1.0 / line.rate;
        }
        series.touched = true;
        Ok(())
    }

    fn member(&mut self, line: &Line<'_>, source: Option<SocketAddr>) -> Result<(), Reason> {
        let hash = self.hasher.hash_one(line.value);
        let (held, limit) = (self.samples, self.rules.limits.samples);
        let series = self.series(line, line.kind as u8, source)?;
        let Value::Set(members) = &mut series.value else { return Ok(()) };
        if held >= limit && !members.contains(&hash) {
            return Err(Reason::SampleLimit);
        }
        let new = members.insert(hash);
        series.touched = true;
        self.samples += usize::from(new);
        Ok(())
    }

    /// The series of a line; `tag` is its kind, or [`UNREACHABLE`].
    fn series(
        &mut self,
        line: &Line<'_>,
        tag: u8,
        source: Option<SocketAddr>,
    ) -> Result<&mut Series, Reason> {
        let client = self.client(line.kind, source);
        let mut alias = std::mem::take(&mut self.alias);
        write_alias(&mut alias, tag, client, line);
        let found = match self.table.by_alias(&alias) {
            Some(slot) => Ok(slot),
            None => self.register(line, tag, client, &alias),
        };
        self.alias = alias;
        // Only an unwanted line has a slot without a series.
        self.table.get_mut(found?).ok_or(Reason::StateGauge)
    }

    /// Gauges are one client's, whatever port it sends from now; of the rest only as much tells apart as shows
    /// on the resource, since two streams of one identity would contradict each other downstream.
    fn client(&self, kind: Kind, source: Option<SocketAddr>) -> Client {
        let Some(source) = source else { return Client::default() };
        let address = Some(source.ip());
        if kind == Kind::Gauge {
            return Client { address, port: None };
        }
        if !self.rules.client_address || self.rules.ignore_host {
            return Client::default();
        }
        Client { address, port: (!self.rules.ip_only).then(|| source.port()) }
    }

    fn register(&mut self, line: &Line<'_>, tag: u8, client: Client, alias: &[u8]) -> Result<Slot, Reason> {
        let tags = parse_tags(line.tags, self.rules.simple_tags, self.rules.limits.tags)?;
        let name = text(line.name);
        let gauge = line.kind == Kind::Gauge;
        if gauge && self.rules.state_gauges == StateGauges::Drop && names::is_state_gauge(&name) {
            self.table.add_alias(alias, Slot::IGNORED);
            return Ok(Slot::IGNORED);
        }
        let name = if tag == UNREACHABLE { names::unreachable_name(&name).unwrap_or(name) } else { name };
        let class = class(line.kind, tag);
        let identity = self.identity(class, name, tags, line.kind, client);
        if let Some(slot) = self.table.by_identity(&identity) {
            self.table.add_alias(alias, slot);
            return Ok(slot);
        }
        let value = match class {
            Class::Sum => Value::Sum(0.0),
            Class::Gauge => {
                self.note_gauge_client(client.address);
                let origin = Origin { name: text(line.name), tags: text(line.tags) };
                Value::Gauge(Gauge { value: 0.0, updated: 0, origin: Arc::new(origin) })
            }
            Class::Set => Value::Set(HashSet::new()),
            Class::Timing | Class::Values => Value::Observed(self.open(class, &identity.name)?),
        };
        let slot = self.table.insert(Arc::new(identity), value).ok_or(Reason::SeriesLimit)?;
        self.table.add_alias(alias, slot);
        Ok(slot)
    }

    fn open(&self, class: Class, name: &str) -> Result<Observed, Reason> {
        let observers = &self.rules.observers;
        let observer = if class == Class::Timing { &observers.timing } else { &observers.values };
        observer.as_ref().map(|observer| observer.open(name)).ok_or(Reason::ObserverDisabled)
    }

    fn identity(
        &self,
        class: Class,
        name: String,
        mut attributes: Vec<(String, String)>,
        kind: Kind,
        client: Client,
    ) -> Identity {
        let known = catalogue::find(&name);
        let split = match self.rules.names {
            Names::Attributes => names::split_ids(&name),
            Names::Verbatim => None,
        };
        let renamed = split.map(|split| {
            let ids = split.attributes.into_iter();
            attributes.extend(ids.map(|(key, value)| (key.to_owned(), value.to_owned())));
            split.name
        });
        if self.rules.metric_type {
            attributes.push(("metric_type".to_owned(), kind.as_str().to_owned()));
        }
        let name = renamed.unwrap_or(name);
        // Of a key that occurs twice the last value counts, as in otelcol.
        attributes.reverse();
        attributes.sort_by(|one, two| one.0.cmp(&two.0));
        attributes.dedup_by(|later, earlier| later.0 == earlier.0);
        Identity {
            class,
            name,
            attributes,
            client,
            description: known.map_or("", |entry| entry.description),
            unit: known.map_or("", |entry| entry.unit),
        }
    }

    fn note_gauge_client(&mut self, address: Option<IpAddr>) {
        let first = *self.gauge_client.get_or_insert(address);
        if first != address && !self.rules.client_address {
            self.report.several_gauge_clients();
        }
    }

    /// Ends the interval: gives its points away, ends series without a line in it and gauges too old.
    pub(super) fn take(&mut self, now: Moment) -> Interval {
        let mut points = Vec::with_capacity(self.table.len());
        let Rules { whole, keep_gauges, expiration, .. } = self.rules;
        let mut gauges_changed = false;
        self.table.retain(|series| {
            let touched = std::mem::take(&mut series.touched);
            let taken = match &mut series.value {
                Value::Gauge(gauge) => {
                    if touched {
                        gauge.updated = now.steady;
                    }
                    let expired = expiration > 0 && now.steady.saturating_sub(gauge.updated) >= expiration;
                    gauges_changed |= touched || expired;
                    if expired {
                        return false;
                    }
                    Taken::Gauge(gauge.value)
                }
                _ if !touched => return false,
                Value::Sum(sum) => {
                    // What rounding leaves goes into the next interval.
                    let sent = if whole { (*sum + 0.5).floor() } else { *sum };
                    *sum -= sent;
                    Taken::Sum(sent)
                }
                Value::Set(members) => Taken::Set(std::mem::take(members)),
                Value::Observed(observed) => Taken::Observed(observed.take()),
            };
            let keep = keep_gauges || !matches!(taken, Taken::Gauge(_));
            points.push((Arc::clone(&series.identity), taken));
            keep
        });
        self.gauges_changed |= gauges_changed;
        self.samples = 0;
        // The clock may have been set back.
        let start = std::mem::replace(&mut self.interval_start, now.wall).min(now.wall);
        self.report.series(self.table.len());
        Interval { start, end: now.wall, points }
    }

    /// Puts the points of an interval back that nobody took, as if the flush had not been.
    pub(super) fn merge_back(&mut self, interval: Interval) {
        self.interval_start = self.interval_start.min(interval.start);
        let mut lost = 0;
        for (identity, taken) in interval.points {
            // A gauge is still there.
            if matches!(taken, Taken::Gauge(_)) {
                continue;
            }
            if !self.put_back(identity, taken) {
                lost += 1;
            }
        }
        if lost > 0 {
            self.report.lost(lost, "series_limit");
        }
    }

    fn put_back(&mut self, identity: Arc<Identity>, taken: Taken) -> bool {
        let slot = self.table.by_identity(&identity).or_else(|| {
            let empty = match &taken {
                Taken::Observed(observed) => Value::Observed(observed.emptied()),
                Taken::Set(_) => Value::Set(HashSet::new()),
                Taken::Sum(_) | Taken::Gauge(_) => Value::Sum(0.0),
            };
            self.table.insert(identity, empty)
        });
        let Some(series) = slot.and_then(|slot| self.table.get_mut(slot)) else { return false };
        series.touched = true;
        match (&mut series.value, taken) {
            (Value::Sum(sum), Taken::Sum(earlier)) => *sum += earlier,
            (Value::Set(members), Taken::Set(earlier)) => {
                let before = members.len();
                members.extend(earlier);
                self.samples += members.len() - before;
            }
            (Value::Observed(observed), Taken::Observed(earlier)) => {
                self.samples += earlier.samples();
                observed.merge_earlier(earlier);
            }
            // The class is part of the identity.
            _ => return false,
        }
        true
    }

    /// All gauges, if any changed since the last call that gave them.
    pub(super) fn changed_gauges(&mut self) -> Option<Vec<KeptGauge>> {
        std::mem::take(&mut self.gauges_changed).then(|| self.gauges())
    }

    /// Makes the next [`changed_gauges`](Self::changed_gauges) give all again.
    pub(super) fn gauges_not_saved(&mut self) {
        self.gauges_changed = true;
    }

    /// All gauges.
    pub(super) fn gauges(&self) -> Vec<KeptGauge> {
        let kept = |series: &Series| match &series.value {
            Value::Gauge(gauge) => Some(KeptGauge {
                origin: Arc::clone(&gauge.origin),
                client: series.identity.client.address,
                value: gauge.value,
                updated: gauge.updated,
            }),
            _ => None,
        };
        self.table.iter().filter_map(kept).collect()
    }

    /// Takes over gauges of an earlier instance, by these settings.
    pub(super) fn restore(&mut self, gauges: &[KeptGauge]) {
        for kept in gauges {
            let line = Line {
                name: kept.origin.name.as_bytes(),
                value: b"0",
                kind: Kind::Gauge,
                rate: 1.0,
                tags: kept.origin.tags.as_bytes(),
            };
            let source = kept.client.map(|address| SocketAddr::new(address, 0));
            match self.series(&line, Kind::Gauge as u8, source) {
                Ok(series) => {
                    if let Value::Gauge(gauge) = &mut series.value {
                        gauge.value = kept.value;
                        gauge.updated = kept.updated;
                    }
                }
                // Wanted by these settings.
                Err(Reason::StateGauge) => {}
                Err(reason) => self.report.lost(1, reason.as_str()),
            }
        }
    }

    /// Where lines are reported that never become whole.
    pub(super) fn report(&self) -> &Report {
        &self.report
    }
}

fn class(kind: Kind, tag: u8) -> Class {
    match kind {
        _ if tag == UNREACHABLE => Class::Sum,
        Kind::Counter | Kind::Meter => Class::Sum,
        Kind::Gauge => Class::Gauge,
        Kind::Set => Class::Set,
        Kind::Timing => Class::Timing,
        Kind::Histogram | Kind::Distribution => Class::Values,
    }
}

/// Writes the bytes that tell a line's series: equal bytes are always the same series.
fn write_alias(alias: &mut Vec<u8>, tag: u8, client: Client, line: &Line<'_>) {
    alias.clear();
    alias.push(tag);
    let address = match client.address {
        Some(IpAddr::V4(address)) => address.to_ipv6_mapped(),
        Some(IpAddr::V6(address)) => address,
        None => Ipv6Addr::UNSPECIFIED,
    };
    alias.extend_from_slice(&address.octets());
    alias.extend_from_slice(&client.port.unwrap_or(0).to_ne_bytes());
    alias.extend_from_slice(line.name);
    // No name has a bar in it.
    alias.push(b'|');
    alias.extend_from_slice(line.tags);
}

#[cfg(test)]
mod tests;
