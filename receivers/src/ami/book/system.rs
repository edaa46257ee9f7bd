//! Asterisk itself: since when it runs, what it says of its media, and who failed to log in.

use otelcol_asterisk::quality;

use super::Book;
use super::change::ChannelKey;
use super::fields::{Fields, number, text};
use super::tally::{Direction, Report};
use crate::ami::signal::{Nanos, Query, Session};
use crate::ami::wire::{EventKind, Frame};

const SECOND: Nanos = 1_000_000_000;
/// By how much a start that is told in whole seconds, and late, can differ from the one told before.
const START_TOLERANCE: Nanos = 5 * SECOND;
/// RTP clock of G.711 and of nearly all telephony codecs, in kHz: jitter comes in its ticks, and the codec is not told.
const CLOCK_KHZ: f64 = 8.0;

/// What is known of Asterisk and the link to it.
#[derive(Debug, Default)]
pub(crate) struct System {
    /// Logged in.
    pub(crate) up: bool,
    /// Logins so far.
    pub(crate) logins: u64,
    /// When Asterisk started.
    pub(crate) started: Option<Nanos>,
    /// When it last read its configuration anew.
    pub(crate) reloaded: Option<Nanos>,
    /// Its version.
    pub(crate) version: String,
    /// Start as CoreStatus tells it, in Asterisk's own time zone.
    start_text: Vec<u8>,
}

impl Book {
    /// Asterisk and the link to it.
    pub(crate) fn system(&self) -> &System {
        &self.system
    }

    pub(super) fn logged_in(&mut self, session: &Session) {
        self.system.up = true;
        self.system.logins += 1;
        if !session.asterisk_version.is_empty() {
            self.system.version.clone_from(&session.asterisk_version);
        }
    }

    pub(super) fn answered(&mut self, query: Query, frame: &Frame<'_>) {
        match query {
            Query::CoreSettings => {
                if let Some(version) = frame.get("AsteriskVersion").and_then(text) {
                    self.system.version = version.chars().take(64).collect();
                }
            }
            Query::CoreStatus => {
                let part = |key| frame.get(key).unwrap_or_default();
                let start = [part("CoreStartupDate"), b" ", part("CoreStartupTime")].concat();
                if start.len() > 1 && !self.system.start_text.is_empty() && self.system.start_text != start {
                    self.restarted();
                }
                self.system.start_text = start;
            }
        }
    }

    /// `FullyBooted` comes at each login.
    pub(super) fn booted(&mut self, fields: &Fields<'_>) {
        let ago = |value| {
            number::<u64>(value).and_then(|seconds| self.now.checked_sub(seconds.checked_mul(SECOND)?))
        };
        let (started, reloaded) = (ago(fields.uptime), ago(fields.last_reload));
        let before = self.system.started;
        if before.zip(started).is_some_and(|(before, started)| started > before + START_TOLERANCE) {
            self.restarted();
        }
        self.system.started = started.or(before);
        self.system.reloaded = reloaded.or(self.system.reloaded);
    }

    /// Asterisk runs anew: nothing from before is left, and nothing more will be told of it.
    fn restarted(&mut self) {
        let all: Vec<ChannelKey> = self.channels.iter().map(|(key, _)| key).collect();
        for key in all {
            self.end_channel(key, true);
        }
        self.missing.clear();
        self.end_all_bridges();
        self.end_all_conferences();
        self.queues.forget_callers();
    }

    pub(super) fn reloaded(&mut self, fields: &Fields<'_>) {
        if fields.module == b"All" {
            self.system.reloaded = Some(self.now);
        }
    }

    pub(super) fn authentication_failed(&mut self, fields: &Fields<'_>, kind: EventKind) {
        let service =
            self.statuses.intern(if fields.service.is_empty() { b"unknown" } else { fields.service });
        self.tally.auth_failures.add((service, kind));
    }

    /// An RTCP report with a block about what one side received.
    pub(super) fn media_reported(&mut self, fields: &Fields<'_>, direction: Direction) {
        let leg = self.leg(fields);
        let (Some(fraction), Some(jitter)) =
            (number::<f64>(fields.fraction_lost), number::<f64>(fields.jitter))
        else {
            return;
        };
        // A fraction of 256 (RFC 3550, 6.4.1).
        let loss = (fraction / 256.0).clamp(0.0, 1.0);
        let jitter_ms = jitter.max(0.0) / CLOCK_KHZ;
        let round_trip_ms =
            number::<f64>(fields.rtt).filter(|rtt| rtt.is_finite() && *rtt > 0.0).map(|rtt| rtt * 1000.0);
        let told = number::<f64>(fields.experience).and_then(quality::mos_of_mes);
        let mos = told.unwrap_or_else(|| quality::mos(loss, jitter_ms, round_trip_ms.unwrap_or(0.0)));
        let report = Report { direction, jitter_ms, loss_percent: loss * 100.0, round_trip_ms, mos };
        let call =
            leg.and_then(|leg| self.channels.get(leg)).and_then(|channel| self.calls.get(channel.call));
        self.tally.report(&report, call.map(|call| (&call.linkedid, self.now)));
    }
}
