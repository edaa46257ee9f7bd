//! Traces of transcripts.

mod golden;
mod invariants;
mod made_up;
mod settings;

use otelcol_asterisk::redaction::Redactor;
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::trace::Span as OtlpSpan;
use otelcol_pipeline::{Context, Kind};
use otelcol_testkit::ami::{Message, Transcript, World};

use super::{Tracer, TracesConfig};
use crate::ami::book::{Book, BookConfig, DialerConfig};
use crate::ami::signal::{At, List, Nanos, Session, Signal};
use crate::ami::testing::{play, play_events};
use crate::ami::wire::{FrameLimits, FrameReader, Item};
use crate::call_trace::tree::{self, by_trace};

/// A book and its tracer.
struct Desk {
    context: Context,
    book: Book,
    tracer: Tracer,
    now: Nanos,
    spans: Vec<OtlpSpan>,
}

impl Desk {
    fn new(config: TracesConfig) -> Self {
        Self::with(config, BookConfig::default(), Redactor::default())
    }

    fn with(config: TracesConfig, book: BookConfig, redactor: Redactor) -> Self {
        let context = Context::detached(Kind::Receiver, "ami");
        let mut tracer = Tracer::new(&context, config, redactor);
        tracer.set_system("pbx");
        Self { context, book: Book::new(book), tracer, now: 0, spans: Vec::new() }
    }

    fn hear(&mut self, signal: &Signal<'_, '_>, now: Nanos) {
        self.hear_at(signal, At::received(now));
    }

    fn hear_at(&mut self, signal: &Signal<'_, '_>, at: At) {
        self.now = at.received;
        match signal {
            Signal::Tick => self.book.tick(at.happened),
            _ => self.book.apply(signal, at.happened),
        }
        self.tracer.observe(signal, &self.book, at);
        self.collect();
    }

    fn collect(&mut self) {
        let Some(batch) = self.tracer.take(&Resource::default()).unwrap() else { return };
        for block in batch.into_traces().unwrap() {
            self.spans.extend(block.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }

    fn tick(&mut self, now: Nanos) {
        self.hear(&Signal::Tick, now);
    }

    fn play(&mut self, transcript: &Transcript) {
        play(transcript, |signal, now| self.hear(&signal, now));
    }

    fn events(&mut self, events: &[Message]) {
        play_events(events, |signal, now| self.hear(&signal, now));
    }

    fn down(&mut self) {
        let now = self.now;
        self.hear(&Signal::Down, now);
    }

    /// The client is back, and reads all lists.
    fn resync(&mut self, world: &World, now: Nanos) {
        self.hear(&Signal::Up(&Session::default()), now);
        for list in List::ALL.iter().copied() {
            self.hear(&Signal::ListBegin(list), now);
            let action = format!("Action: {}\r\nActionID: 1", list.action());
            let mut reader = FrameReader::new(FrameLimits::default());
            reader.extend(&world.answer(&Message { bytes: action.into_bytes(), at: now }));
            while let Some(item) = reader.next() {
                let Item::Frame(frame) = item else { panic!("{item:?}") };
                match frame.event() {
                    Some(name) if name != list.complete() => self.hear(&Signal::ListRow(list, &frame), now),
                    _ => {}
                }
            }
            self.hear(&Signal::ListEnd { list, complete: true }, now);
        }
    }

    /// Time passes: late events are waited for no more.
    fn wait(&mut self) {
        self.tick(self.now + 60_000_000_000);
    }

    /// The end of the receiver, and all spans.
    fn finish(mut self) -> Vec<OtlpSpan> {
        let end = self.now;
        self.wait();
        self.tracer.shut_down(end);
        assert_eq!(self.tracer.open(), 0);
        self.collect();
        self.spans
    }

    fn counter(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.context.telemetry.value(name, labels).unwrap_or_default()
    }
}

/// Settings under which the dialer transcripts' agents are recognised.
fn dialer() -> BookConfig {
    let dialer: DialerConfig =
        serde_json::from_str(r#"{"agent_sessions": [{"conference": "86000.."}]}"#).unwrap();
    BookConfig { dialer, ..BookConfig::default() }
}

/// The spans of a transcript.
fn spans_of(transcript: &Transcript, config: TracesConfig) -> Vec<OtlpSpan> {
    let book = if transcript.name.contains("dialer") { dialer() } else { BookConfig::default() };
    let mut desk = Desk::with(config, book, Redactor::default());
    desk.play(transcript);
    desk.finish()
}
