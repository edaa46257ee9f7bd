//! What ties a session to the book, to traces and logs, and to the ways out.

use std::collections::BTreeMap;
use std::mem;

use otelcol_asterisk::redaction::Redactor;
use otelcol_pdata::Batch;
use otelcol_pdata::model::common::InstrumentationScope;
use otelcol_pdata::model::metrics::{ResourceMetrics, ScopeMetrics};
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::string;
use otelcol_pipeline::Context;
use otelcol_pipeline::telemetry::Counter;

use super::book::Book;
use super::config::Config;
use super::link::Hear;
use super::logs::Logs;
use super::mask::{Mask, class};
use super::metrics::Metrics;
use super::outbox::Outbox;
use super::signal::{At, List, Nanos, Session, Signal};
use super::traces::Tracer;
use super::wire::EventKind;

/// Records, or spans, that are sent on together at most; a trace is not torn apart for it.
const BATCH: usize = 1000;

/// Bytes of records that are sent on together, give or take one record.
const BATCH_BYTES: usize = 1024 * 1024;

/// The instrumentation scope of metrics.
const SCOPE: &str = "github.com/otelcol-asterisk/otelcol-asterisk/receiver/ami";

/// `service.name`.
const SERVICE: &str = "asterisk";

/// The ways out that are connected.
#[derive(Debug, Default)]
pub(super) struct Outboxes {
    /// Metrics are collected when they are due; there is nothing to wait.
    pub(super) metrics: bool,
    pub(super) traces: Option<Outbox>,
    pub(super) logs: Option<Outbox>,
}

/// Everything behind a link.
#[derive(Debug)]
pub(super) struct Desk {
    context: Context,
    endpoint: String,
    system_name: String,
    host: String,
    resource_attributes: BTreeMap<String, String>,
    resource: Resource,
    session: Session,
    system: String,
    book: Book,
    /// Since when the book counts.
    since: Nanos,
    metrics: Option<Metrics>,
    traces: Option<Tracer>,
    logs: Option<Logs>,
    outboxes: Outboxes,
    counts: EventCounts,
    /// How far Asterisk's clock is ahead of this host's, or behind.
    ahead: i128,
}

impl Desk {
    pub(super) fn new(context: &Context, config: &Config, host: &str, outboxes: Outboxes) -> Self {
        let redactor = Redactor::new(&config.redaction);
        let logs = || Logs::new(&config.logs, redactor.clone(), context.build.version);
        let traces = || Tracer::new(context, config.traces.clone(), redactor.clone());
        let dialer = !config.dialer.agent_sessions.is_empty();
        let metrics = || Metrics::new(&config.metrics, config.count_by, dialer);
        let mut desk = Self {
            endpoint: config.endpoint.clone(),
            session: Session::default(),
            system: String::new(),
            since: context.clock.unix_nanos(),
            metrics: outboxes.metrics.then(metrics),
            system_name: config.system_name.clone(),
            host: host.to_owned(),
            resource_attributes: config.resource_attributes.clone(),
            resource: Resource::default(),
            book: Book::new(config.book()),
            traces: outboxes.traces.is_some().then(traces),
            logs: outboxes.logs.is_some().then(logs),
            outboxes,
            counts: EventCounts::new(context),
            ahead: 0,
            context: context.clone(),
        };
        desk.introduce(&Session::default());
        desk
    }

    /// The classes that whatever is connected needs.
    pub(super) fn mask(&self) -> String {
        let mut mask = Mask::default();
        // Reloads and boots concern the lists, whatever else is wanted.
        mask.add("system");
        for class in self.metrics.iter().flat_map(Metrics::classes) {
            mask.add(class);
        }
        let wanted = |kind: EventKind| {
            self.logs.as_ref().is_some_and(|logs| logs.wants(kind))
                || self.traces.as_ref().is_some_and(|traces| traces.wants(kind))
        };
        for kind in EventKind::ALL.iter().filter(|kind| **kind != EventKind::Other && wanted(**kind)) {
            mask.add(class(*kind));
        }
        mask.value()
    }

    /// The lists that whatever is connected needs.
    pub(super) fn lists(&self) -> Vec<List> {
        if self.metrics.is_some() {
            List::ALL.to_vec()
        } else if self.traces.is_some() {
            vec![List::Channels, List::Bridges, List::Queues, List::Conferences]
        } else {
            vec![List::Channels]
        }
    }

    /// All metrics as of now.
    pub(super) fn collect(&self) -> Option<Batch> {
        let times = (self.since, self.now().happened);
        let metrics = self.metrics.as_ref()?.collect(&self.book, &self.system, times);
        let scope = InstrumentationScope {
            name: SCOPE.to_owned(),
            version: self.context.build.version.to_owned(),
            ..InstrumentationScope::default()
        };
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }];
        let resource = Some(self.resource.clone());
        Some(Batch::from_metrics(vec![ResourceMetrics {
            resource,
            scope_metrics,
            ..ResourceMetrics::default()
        }]))
    }

    /// Lets time pass: traces that waited for late events, calls that are too old.
    pub(super) fn tick(&mut self) {
        let now = self.now();
        self.book.tick(now.happened);
        self.observe(&Signal::Tick, now);
        self.flush();
        self.send_traces();
    }

    fn now(&self) -> At {
        let received = self.context.clock.unix_nanos();
        let happened = Nanos::try_from(i128::from(received) + self.ahead).unwrap_or(received);
        At { happened, received }
    }

    /// The end, nothing is taken after it. What is open is sent as it is, or left for an heir to [`take up`](Self::take_up).
    pub(super) fn finish(&mut self, has_heir: bool) {
        let now = self.now().happened;
        if !has_heir && let Some(traces) = &mut self.traces {
            traces.shut_down(now);
        }
        self.flush();
        self.send_traces();
        // The carriers end behind what they have.
        self.outboxes = Outboxes::default();
    }

    /// Goes on where `before` stopped, an instance with other settings: the time in between is like one without a
    /// connection. Where the calls would be others, or are counted otherwise, those that are open end with `before`.
    pub(super) fn take_up(&mut self, before: &mut Self) {
        let same = self.endpoint == before.endpoint
            && self.system_name == before.system_name
            && self.book.config() == before.book.config()
            && (before.traces.is_some() || self.traces.is_none());
        if same {
            mem::swap(&mut self.book, &mut before.book);
            (self.since, self.ahead) = (before.since, before.ahead);
            self.traces = self.traces.take().zip(before.traces.take()).map(|(new, old)| new.take_up(old));
            self.introduce(&before.session);
        } else if let Some(old) = &mut before.traces {
            old.shut_down(self.context.clock.unix_nanos());
            mem::swap(&mut self.outboxes, &mut before.outboxes);
            before.send_traces();
            mem::swap(&mut self.outboxes, &mut before.outboxes);
        }
    }

    /// Resource and ids of what comes from this Asterisk.
    fn introduce(&mut self, session: &Session) {
        self.session.clone_from(session);
        let own = [self.system_name.as_str(), session.system_name.as_str()];
        let named = own.into_iter().find(|name| !name.is_empty());
        named.unwrap_or(&self.host).clone_into(&mut self.system);
        if let Some(logs) = &mut self.logs {
            logs.set_system(&self.system);
        }
        if let Some(traces) = &mut self.traces {
            traces.set_system(&self.system);
        }
        let mut attributes = BTreeMap::from([("host.name", self.host.as_str()), ("service.name", SERVICE)]);
        attributes.extend(named.map(|name| ("asterisk.systemname", name)));
        if !session.asterisk_version.is_empty() {
            attributes.insert("asterisk.version", &session.asterisk_version);
        }
        attributes.extend(self.resource_attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let attributes = attributes.into_iter().map(|(key, value)| string(key, value)).collect();
        self.resource = Resource { attributes, ..Resource::default() };
    }

    /// For those who look at what the book made of a signal.
    fn observe(&mut self, signal: &Signal<'_, '_>, at: At) {
        if let Some(logs) = &mut self.logs {
            logs.observe(signal, &self.book, at);
            if logs.waiting() >= BATCH || logs.waiting_bytes() >= BATCH_BYTES {
                self.send_logs();
            }
        }
        if let Some(traces) = &mut self.traces {
            traces.observe(signal, &self.book, at);
            if traces.waiting() >= BATCH {
                self.send_traces();
            }
        }
    }

    fn send_traces(&mut self) {
        let Some((traces, outbox)) = self.traces.as_mut().zip(self.outboxes.traces.as_ref()) else { return };
        match traces.take(&self.resource) {
            Ok(Some(batch)) => outbox.put(batch),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(receiver = %self.context.id, %error, "traces of asterisk can not be sent");
            }
        }
    }

    fn send_logs(&mut self) {
        let Some((logs, outbox)) = self.logs.as_mut().zip(self.outboxes.logs.as_ref()) else { return };
        match logs.take(&self.resource) {
            Ok(Some(batch)) => outbox.put(batch),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(receiver = %self.context.id, %error, "log records of asterisk can not be sent");
            }
        }
    }
}

impl Hear for Desk {
    fn hear(&mut self, signal: &Signal<'_, '_>, at: At) {
        match signal {
            Signal::Up(session) => self.introduce(session),
            Signal::Event(frame) => {
                self.counts.add(frame.kind());
                self.ahead = i128::from(at.happened) - i128::from(at.received);
            }
            _ => {}
        }
        self.book.apply(signal, at.happened);
        self.observe(signal, at);
    }

    fn flush(&mut self) {
        self.counts.flush();
        self.send_logs();
    }
}

/// Counts events by name; the counters are touched once for all events of a read.
#[derive(Debug)]
struct EventCounts {
    context: Context,
    pending: Vec<u32>,
    counters: Vec<Option<Counter>>,
    /// Kinds with something pending.
    touched: Vec<EventKind>,
}

impl EventCounts {
    fn new(context: &Context) -> Self {
        let kinds = EventKind::ALL.len();
        Self {
            context: context.clone(),
            pending: vec![0; kinds],
            counters: vec![None; kinds],
            touched: Vec::new(),
        }
    }

    fn add(&mut self, kind: EventKind) {
        let pending = &mut self.pending[kind as usize];
        if *pending == 0 {
            self.touched.push(kind);
        }
        *pending += 1;
    }

    fn flush(&mut self) {
        for kind in self.touched.drain(..) {
            let counter = self.counters[kind as usize].get_or_insert_with(|| {
                let receiver = self.context.id.to_string();
                self.context.telemetry.counter(
                    "otelcol_ami_events",
                    "Events of Asterisk, by name; rare ones together as other.",
                    &[("receiver", receiver.as_str()), ("event", kind.name())],
                )
            });
            counter.add(u64::from(mem::take(&mut self.pending[kind as usize])));
        }
    }
}
