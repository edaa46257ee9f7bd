//! Events of AMI as OTLP log records, with the trace of the call that they belong to.
//!
//! A record's text is one line of `key=value`, its attributes are the event's fields, so that it can be found by either.
//! Values that are no UTF-8 become text here and nowhere before: `U+FFFD` stands for what cannot be read.

mod body;
mod calls;
mod config;
mod fields;
mod record;
mod severity;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use otelcol_asterisk::redaction::Redactor;
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::{Batch, Signal as BatchSignal, WireError};

use super::book::Book;
use super::signal::{At, Signal};
use super::wire::{EventKind, Frame};
use crate::protobuf::{Protobuf, batch};
use calls::Calls;
use config::Choice;
pub use config::LogsConfig;
use fields::{Field, Fields};
use record::{CallIds, RecordWriter};

/// The instrumentation scope of the records.
const SCOPE: &str = "github.com/otelcol-asterisk/otelcol-asterisk/receiver/ami";

/// Turns events into log records, and keeps them until somebody takes them.
#[derive(Debug)]
pub(crate) struct Logs {
    events: Choice,
    /// The names of kinds that become records, by [`EventKind`]; an event of [`EventKind::Other`] is judged by its name.
    kinds: Vec<Option<String>>,
    calls: Calls,
    scope: Vec<u8>,
    writer: Writer,
    /// Records that wait, as `log_records` of a scope.
    records: Vec<u8>,
    waiting: usize,
}

impl Logs {
    /// One that keeps to the settings. `version` is the program's, for the scope.
    pub(crate) fn new(config: &LogsConfig, redactor: Redactor, version: &str) -> Self {
        let events = config.events();
        let name_if_wanted =
            |kind: &EventKind| events.has(kind.name().as_bytes()).then(|| fields::name(kind.name()));
        let mut scope = Vec::new();
        for (field, text) in [(1, SCOPE), (2, version)] {
            Protobuf(&mut scope).bytes(field, text.as_bytes());
        }
        Self {
            kinds: EventKind::ALL.iter().map(name_if_wanted).collect(),
            events,
            calls: Calls::default(),
            scope,
            writer: Writer::new(config, redactor),
            records: Vec::new(),
            waiting: 0,
        }
    }

    /// Whether events of this kind become records, and so are worth asking Asterisk for.
    pub(crate) fn wants(&self, kind: EventKind) -> bool {
        self.kinds.get(kind as usize).is_some_and(Option::is_some)
    }

    /// Sets the name of the system, the same that traces have.
    pub(crate) fn set_system(&mut self, system: &str) {
        self.calls.set_system(system);
    }

    /// Makes a record of an event, if it is wanted. `book` has applied the signal.
    pub(crate) fn observe(&mut self, signal: &Signal<'_, '_>, book: &Book, at: At) {
        self.calls.note_ended(book);
        let Signal::Event(frame) = signal else { return };
        let Some(event) = frame.event() else { return };
        let rare;
        let name = match frame.kind() {
            EventKind::Other => {
                if !self.events.has(event) {
                    return;
                }
                rare = fields::name(&String::from_utf8_lossy(event));
                &rare
            }
            kind => match self.kinds.get(kind as usize) {
                Some(Some(name)) => name,
                _ => return,
            },
        };
        let call = self.calls.of(frame, book);
        self.writer.write(frame, event, name, call.as_ref(), at);
        let record = &self.writer.record;
        Protobuf(&mut self.records).bytes(2, record);
        self.waiting += 1;
    }

    /// How many records wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many bytes they take.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.records.len()
    }

    /// Takes the records that wait, as records of `resource`. `None` if there are none.
    ///
    /// # Errors
    /// The records are no valid OTLP, which is a bug here.
    pub(crate) fn take(&mut self, resource: &Resource) -> Result<Option<Batch>, WireError> {
        if self.waiting == 0 {
            return Ok(None);
        }
        self.waiting = 0;
        batch(BatchSignal::Logs, resource, &self.scope, &mut self.records).map(Some)
    }
}

/// Whether a value is what Asterisk writes where it has none.
fn says_nothing(value: &[u8]) -> bool {
    value.is_empty() || value == b"<unknown>"
}

/// Writes one record after the other into the same memory.
#[derive(Debug)]
struct Writer {
    redactor: Redactor,
    fields: Fields,
    /// Records that were written.
    count: u64,
    record: Vec<u8>,
    body: String,
    name: String,
}

impl Writer {
    fn new(config: &LogsConfig, redactor: Redactor) -> Self {
        let fields = Fields::new(config.fields());
        Self { redactor, fields, count: 0, record: Vec::new(), body: String::new(), name: String::new() }
    }

    fn write(&mut self, frame: &Frame<'_>, event: &[u8], name: &str, call: Option<&CallIds>, at: At) {
        self.count += 1;
        let event = String::from_utf8_lossy(event);
        self.write_body(frame, &event);
        let mut record = RecordWriter::new(&mut self.record, at, severity::severity(frame));
        record.event_name(name);
        record.body(&self.body);
        if let Some(ids) = call {
            record.call(ids);
        }
        record.string("asterisk.event", &event);
        for (key, value) in frame.fields().skip(1) {
            let field = self.fields.get(frame.kind(), key);
            if !field.wanted || says_nothing(value) || is_credential(frame.kind(), key) {
                continue;
            }
            let (kind, integer) = (field.kind, field.integer);
            let value = String::from_utf8_lossy(value);
            let Some((name, value)) = attribute(field, &value, self.count, &mut self.name) else { continue };
            if integer && let Ok(number) = value.parse() {
                record.int(name, number);
            } else if let Some(value) = self.redactor.value(kind, value) {
                record.string(name, &value);
            }
        }
    }

    fn write_body(&mut self, frame: &Frame<'_>, event: &str) {
        self.body.clear();
        self.body.push_str(event);
        for key in body::fields(frame.kind()) {
            let field = self.fields.get(frame.kind(), key.as_bytes());
            let Some(value) = frame.get(key).filter(|value| field.wanted && !says_nothing(value)) else {
                continue;
            };
            let value = String::from_utf8_lossy(value);
            if let Some(value) = self.redactor.value(field.kind, &value) {
                self.body.push(' ');
                self.body.push_str(field.short_name());
                self.body.push('=');
                push_value(&mut self.body, &value);
            }
        }
    }
}

/// The name of an attribute of this record, and its value. Of several fields of one name all are kept: the second is
/// `name.2`. A channel's variables, `ChanVariable: NAME=value`, are told apart by `NAME`.
fn attribute<'a>(
    field: &'a mut Field,
    value: &'a str,
    record: u64,
    scratch: &'a mut String,
) -> Option<(&'a str, &'a str)> {
    if field.variable {
        let (variable, value) = value.split_once('=').unwrap_or((value, ""));
        if says_nothing(value.as_bytes()) {
            return None;
        }
        scratch.clone_from(&field.name);
        scratch.push('.');
        fields::push_words(scratch, variable);
        return Some((scratch.as_str(), value));
    }
    let before = field.seen_in(record);
    if before == 0 {
        return Some((field.name.as_str(), value));
    }
    scratch.clone_from(&field.name);
    // Writing to a String cannot fail.
    let _ = write!(scratch, ".{}", before + 1);
    Some((scratch.as_str(), value))
}

/// What a phone answered to a challenge has the name of a harmless field.
fn is_credential(kind: EventKind, key: &[u8]) -> bool {
    kind == EventKind::ChallengeResponseFailed && key.eq_ignore_ascii_case(b"Response")
}

/// Appends a value of `key=value`: in quotes, with escapes, unless it is one plain word.
fn push_value(out: &mut String, value: &str) {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '"' | '=' | '\\');
    if value.chars().all(plain) {
        out.push_str(value);
    } else {
        // Writing to a String cannot fail.
        let _ = write!(out, "{value:?}");
    }
}
