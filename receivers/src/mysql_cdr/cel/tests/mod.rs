//! Traces of captured and made up tables.

mod cut;
mod golden;
mod made_up;
mod truth;

use std::borrow::Cow;
use std::io::Read as _;

use otelcol_asterisk::redaction::{Redactor, Settings as Redaction};
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::trace::Span as OtlpSpan;
use otelcol_testkit::csv_fields;

use super::writer::TraceWriter;
use super::{EventColumns, Events, TracesConfig};
use crate::mysql_cdr::book::{self, Book};
use crate::mysql_cdr::config::{Config, TableKind};
use crate::mysql_cdr::read::by_id::ById;
use crate::mysql_cdr::row::{Decoder, Keep, TableRow};
use crate::mysql_cdr::schema::tests::columns;
use crate::mysql_cdr::schema::{Column, Layout};
use crate::mysql_cdr::system::System;
use crate::mysql_cdr::table::{Now, Reader, Settings, Table};
use crate::mysql_cdr::time::Zone;

/// A table of channel events, as text.
struct Captured {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Captured {
    fn new(text: &str) -> Self {
        let mut lines = text.lines().map(csv_fields);
        Self { columns: lines.next().unwrap(), rows: lines.collect() }
    }

    fn scenarios() -> Self {
        Self::new(include_str!("../../testdata/scenarios_cel.csv"))
    }

    fn load() -> Self {
        let packed: &[u8] = include_bytes!("../../testdata/load_cel.csv.gz");
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
        Self::new(&text)
    }

    /// Its rows, with their keys or without.
    fn read(&self, by_key: bool) -> Vec<TableRow> {
        let names: Vec<&str> =
            self.columns.iter().map(String::as_str).filter(|name| by_key || *name != "id").collect();
        let decoder = decoder(&names);
        let places: Vec<usize> = decoder
            .layout
            .columns
            .iter()
            .map(|column| self.columns.iter().position(|name| *name == column.name).unwrap())
            .collect();
        let decode = |row: &Vec<String>| decoder.decode(|at| Some(Cow::Owned(row[places[at]].clone())), 0);
        self.rows.iter().map(decode).collect()
    }
}

fn layout(found: &[Column]) -> Result<Layout, String> {
    Layout::new("`a`.`cel`".to_owned(), found, &[], &EventColumns::default().shape(), false, 4096)
}

fn decoder(names: &[&str]) -> Decoder {
    let layout = layout(&columns(names)).unwrap();
    Decoder { layout, zone: Zone::utc(), seed: 7, keep: Keep::Cel, value_bytes: 4096 }
}

fn writer(config: &TracesConfig, redaction: &Redaction) -> TraceWriter {
    let system = System::new("pbx", "host");
    TraceWriter::new(system, config.clone(), Redactor::new(redaction), "0", Resource::default())
}

/// The spans of all calls that are over.
fn written(writer: &mut TraceWriter, events: &mut Events, config: &TracesConfig) -> Vec<OtlpSpan> {
    let mut spans = Vec::new();
    while let Some(traces) = writer.traces(events) {
        events.were_sent(traces.calls, &book::rules(config));
        let blocks = traces.batch.unwrap().map(|batch| batch.into_traces().unwrap()).unwrap_or_default();
        let scopes = blocks.into_iter().flat_map(|block| block.scope_spans);
        spans.extend(scopes.flat_map(|scope| scope.spans));
    }
    spans
}

const NOW: Now = Now { wall_ms: 1_795_310_000_000, mono_ms: 0 };

fn table(config: &TracesConfig, reader: Reader) -> Table {
    let config = Config { traces: config.clone(), ..Config::default() };
    let settings = Settings::new(&config, &TableKind::Cel(EventColumns::default()), Zone::utc());
    Table::new(settings, reader, None, 7, NOW)
}

/// The spans of rows that were read at once, the calls that are open left out.
fn spans_with(rows: &[TableRow], config: &TracesConfig, redaction: &Redaction) -> Vec<OtlpSpan> {
    let mut table = table(config, Reader::Id(ById::default()));
    for row in rows {
        table.replicated(row, NOW);
    }
    table.settle(NOW, u64::MAX, None);
    let Book::Cel(events) = &mut table.book else { unreachable!() };
    written(&mut writer(config, redaction), events, config)
}

fn spans_of(rows: &[TableRow]) -> Vec<OtlpSpan> {
    spans_with(rows, &TracesConfig::default(), &Redaction::default())
}
