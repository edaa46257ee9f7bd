//! The exposition, written in pieces so that no lock is held for long.

use std::borrow::Cow;
use std::ops::ControlFlow;

use otelcol_prometheus_text::{
    Escaping, Exemplar, FamilyWriter, Format, Histogram, Stamp, Summary, Writer, escape_name,
    write_labels_escaped,
};

use super::family::{Family, Series};
use super::registry::Registry;
use super::value::Value;

/// How a scrape is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) format: Format,
    /// `None` if names can be written as they are stored.
    pub(super) escaping: Option<Escaping>,
    pub(super) timestamps: bool,
}

/// A scrape under way: what is written so far, and where to go on.
///
/// It remembers its place by name and labels, so that batches may come in between two pieces: what they add
/// before the place is left out, and nothing is written twice.
#[derive(Debug)]
pub(super) struct Scrape {
    style: Style,
    writer: Writer,
    /// The family under way or done last.
    family: Option<String>,
    /// The series of it that was written last; `None` once the family is done.
    labels: Option<Box<[u8]>>,
    escaped: Vec<u8>,
}

impl Scrape {
    /// A scrape that writes into `buffer` first.
    pub(super) fn new(style: Style, buffer: Vec<u8>) -> Self {
        Self {
            style,
            writer: Writer::with_buffer(style.format, buffer),
            family: None,
            labels: None,
            escaped: Vec::new(),
        }
    }

    /// Writes on until `piece` bytes are there or all is written; breaks if there may be more.
    pub(super) fn fill(&mut self, registry: &mut Registry, now: u64, piece: usize) -> ControlFlow<()> {
        let oldest = registry.oldest(now);
        if let (Some(name), Some(after)) = (&self.family, self.labels.take())
            && let Some(family) = registry.family_named(name)
        {
            self.write_family(family, Some(&after), oldest, piece)?;
        }
        let after = self.family.clone();
        registry.visit_after(after.as_deref(), |family| {
            let name = self.family.get_or_insert_default();
            name.clear();
            name.push_str(&family.name);
            self.write_family(family, None, oldest, piece)
        })
    }

    /// Takes what is written so far; writing goes on in `empty`.
    pub(super) fn exchange(&mut self, empty: Vec<u8>) -> Vec<u8> {
        self.writer.exchange(empty)
    }

    /// What is written so far.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.writer.as_bytes()
    }

    /// Forgets what is written so far; the buffer stays.
    pub(super) fn clear(&mut self) {
        self.writer.clear();
    }

    /// Ends the exposition.
    pub(super) fn finish(self) -> Vec<u8> {
        self.writer.finish()
    }

    /// Writes the series of a family behind `after`; breaks when `piece` bytes are there.
    fn write_family(
        &mut self,
        family: &mut Family,
        after: Option<&[u8]>,
        oldest: u64,
        piece: usize,
    ) -> ControlFlow<()> {
        family.sort();
        let mut live = family.in_order_after(after).filter(|series| series.updated >= oldest).peekable();
        if live.peek().is_none() {
            return ControlFlow::Continue(());
        }
        let name = match self.style.escaping {
            None => Cow::Borrowed(&*family.name),
            Some(scheme) => Cow::Owned(escape_name(&family.name, scheme)),
        };
        let mut out = match after {
            Some(_) => self.writer.resume(&name),
            None => self.writer.family(&name, &family.help, family.kind),
        };
        for series in live {
            let labels = match self.style.escaping {
                None => &*series.labels,
                Some(scheme) => {
                    self.escaped.clear();
                    write_labels_escaped(&mut self.escaped, &series.labels, scheme);
                    &self.escaped
                }
            };
            write_series(&mut out, labels, series, self.style.timestamps);
            if out.written() >= piece {
                self.labels = Some(series.labels.clone());
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

fn write_series(out: &mut FamilyWriter<'_>, labels: &[u8], series: &Series, timestamps: bool) {
    let timestamp_ms = (timestamps && series.time > 0).then_some((series.time / 1_000_000) as i64);
    let stored = series.exemplars.as_deref().unwrap_or_default();
    let exemplars: Vec<Exemplar<'_>> = stored
        .iter()
        .map(|stored| Exemplar {
            labels: &stored.labels,
            value: stored.value,
            time_unix_nano: (stored.time > 0).then_some(stored.time),
        })
        .collect();
    let stamp = Stamp { timestamp_ms, exemplars: &exemplars };
    match &series.value {
        Value::Number(value) => out.number(labels, *value, stamp),
        Value::Histogram(value) => {
            let point = Histogram {
                bounds: &value.bounds,
                counts: &value.counts,
                sum: value.sum,
                count: value.count,
            };
            out.histogram(labels, &point, stamp);
        }
        Value::Summary(value) => {
            let point = Summary { quantiles: &value.quantiles, sum: value.sum, count: value.count };
            out.summary(labels, &point, stamp);
        }
    }
}
