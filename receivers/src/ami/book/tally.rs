//! What is counted and measured: only ever more of it.

use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashMap;

use super::config::Buckets;
use super::histogram::Histogram;
use super::names::Symbol;
use crate::ami::signal::Nanos;
use crate::ami::wire::EventKind;
use otelcol_asterisk::disposition::Disposition;

const NANOS_A_MS: f64 = 1e6;

/// Counts by key.
#[derive(Clone, Debug)]
pub(crate) struct Counts<K>(HashMap<K, u64>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Copy> Counts<K> {
    pub(super) fn add(&mut self, key: K) {
        *self.0.entry(key).or_default() += 1;
    }

    /// Each key with its count, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        self.0.iter().map(|(key, count)| (*key, *count))
    }

    /// The count of a key.
    pub(crate) fn get(&self, key: K) -> u64 {
        self.0.get(&key).copied().unwrap_or(0)
    }

    /// The sum of all.
    #[cfg(test)]
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

/// Bounds of the histograms, shared by their series.
#[derive(Debug)]
struct Bounds {
    duration: Arc<[f64]>,
    setup: Arc<[f64]>,
    queue: Arc<[f64]>,
    media: Arc<[f64]>,
    loss: Arc<[f64]>,
    mos: Arc<[f64]>,
}

/// Which way an RTCP report went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Direction {
    /// Asterisk tells of what it receives.
    Sent,
    /// The far end tells of what it receives.
    Received,
}

impl Direction {
    /// The value of the attribute.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }
}

/// What an RTCP report tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Report {
    pub(super) direction: Direction,
    pub(super) jitter_ms: f64,
    pub(super) loss_percent: f64,
    pub(super) round_trip_ms: Option<f64>,
    pub(super) mos: f64,
}

/// Histograms of the media, one a direction.
#[derive(Debug, Default)]
pub(crate) struct Media {
    /// Jitter in milliseconds.
    pub(crate) jitter: HashMap<Direction, Histogram>,
    /// Loss in percent.
    pub(crate) loss: HashMap<Direction, Histogram>,
    /// Round trip in milliseconds.
    pub(crate) round_trip: HashMap<Direction, Histogram>,
    /// Mean opinion score, 1 to 4.5.
    pub(crate) mos: HashMap<Direction, Histogram>,
}

/// Counters and histograms.
#[derive(Debug)]
pub(crate) struct Tally {
    bounds: Bounds,
    /// Events by kind.
    pub(crate) events: Vec<u64>,
    /// Channels that began, by technology.
    pub(crate) channels: Counts<Symbol>,
    /// Calls by technology of their first channel that is not Local.
    pub(crate) calls: Counts<Symbol>,
    /// Calls by context of their first channel.
    pub(crate) contexts: Counts<Symbol>,
    /// Calls that ended, by disposition.
    pub(crate) dispositions: Counts<Disposition>,
    /// Channels that ended, by cause.
    pub(crate) hangups: Counts<Symbol>,
    /// Dials that began.
    pub(crate) dials: u64,
    /// Dials that ended, by status and technology of the dialled channel.
    pub(crate) dial_results: Counts<(Symbol, Symbol)>,
    /// Agents' sessions with a dialer.
    pub(crate) agent_sessions: u64,
    /// Duration of calls in milliseconds, by cause.
    pub(crate) durations: HashMap<Symbol, Histogram>,
    /// From the beginning of a call until it rings, in milliseconds.
    pub(crate) to_ringing: Histogram,
    /// From the beginning of a call until it is answered, in milliseconds.
    pub(crate) to_answer: Histogram,
    /// What RTCP reports tell.
    pub(crate) media: Media,
    /// Changes of registrations with Asterisk, by peer and status.
    pub(crate) registrations: Counts<(Symbol, Symbol)>,
    /// Changes of Asterisk's registrations with others, by registration and status.
    pub(crate) trunk_registrations: Counts<(Symbol, Symbol)>,
    /// Failed authentications by service and kind of event.
    pub(crate) auth_failures: Counts<(Symbol, EventKind)>,
    /// Channels that were not tracked because there were too many.
    pub(crate) channels_over_limit: u64,
    /// Channels that were given up because their call was too old.
    pub(crate) channels_over_age: u64,
    /// Endpoints, contacts and registrations that were not tracked because there were too many.
    pub(crate) peers_over_limit: u64,
}

impl Tally {
    pub(super) fn new(buckets: &Buckets) -> Self {
        let bounds = Bounds {
            duration: Arc::from(buckets.call_duration_ms.as_slice()),
            setup: Arc::from(buckets.call_setup_ms.as_slice()),
            queue: Arc::from(buckets.queue_time_ms.as_slice()),
            media: Arc::from(buckets.rtcp_ms.as_slice()),
            loss: Arc::from(buckets.rtcp_loss_percent.as_slice()),
            mos: Arc::from(buckets.rtcp_mos.as_slice()),
        };
        Self {
            events: vec![0; EventKind::ALL.len()],
            channels: Counts::default(),
            calls: Counts::default(),
            contexts: Counts::default(),
            dispositions: Counts::default(),
            hangups: Counts::default(),
            dials: 0,
            dial_results: Counts::default(),
            agent_sessions: 0,
            durations: HashMap::new(),
            to_ringing: Histogram::new(&bounds.setup),
            to_answer: Histogram::new(&bounds.setup),
            media: Media::default(),
            registrations: Counts::default(),
            trunk_registrations: Counts::default(),
            auth_failures: Counts::default(),
            channels_over_limit: 0,
            channels_over_age: 0,
            peers_over_limit: 0,
            bounds,
        }
    }

    pub(super) fn event(&mut self, kind: EventKind) {
        if let Some(count) = self.events.get_mut(kind as usize) {
            *count += 1;
        }
    }

    pub(super) fn call(&mut self, technology: Symbol, context: Symbol) {
        self.calls.add(technology);
        self.contexts.add(context);
    }

    pub(super) fn call_ended(
        &mut self,
        disposition: Disposition,
        measured: Option<(Symbol, Nanos)>,
        linkedid: &Arc<str>,
        now: Nanos,
    ) {
        self.dispositions.add(disposition);
        if let Some((cause, duration)) = measured {
            let bounds = &self.bounds.duration;
            let histogram = self.durations.entry(cause).or_insert_with(|| Histogram::new(bounds));
            histogram.record(duration as f64 / NANOS_A_MS, Some((linkedid, now)));
        }
    }

    pub(super) fn rang(&mut self, after: Nanos, linkedid: &Arc<str>, now: Nanos) {
        self.to_ringing.record(after as f64 / NANOS_A_MS, Some((linkedid, now)));
    }

    pub(super) fn answered(&mut self, after: Nanos, linkedid: &Arc<str>, now: Nanos) {
        self.to_answer.record(after as f64 / NANOS_A_MS, Some((linkedid, now)));
    }

    /// An empty histogram for times in a queue.
    pub(super) fn queue_histogram(&self) -> Histogram {
        Histogram::new(&self.bounds.queue)
    }

    pub(super) fn report(&mut self, report: &Report, call: Option<(&Arc<str>, Nanos)>) {
        let Self { media, bounds, .. } = self;
        let record = |histograms: &mut HashMap<Direction, Histogram>, bounds: &Arc<[f64]>, value| {
            let histogram = histograms.entry(report.direction).or_insert_with(|| Histogram::new(bounds));
            histogram.record(value, call);
        };
        record(&mut media.jitter, &bounds.media, report.jitter_ms);
        record(&mut media.loss, &bounds.loss, report.loss_percent);
        if let Some(round_trip) = report.round_trip_ms {
            record(&mut media.round_trip, &bounds.media, round_trip);
        }
        record(&mut media.mos, &bounds.mos, report.mos);
    }
}
