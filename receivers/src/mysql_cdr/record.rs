//! The one record in which a table's position, identities and values are kept: it is written as a whole or not at all.

use serde::{Deserialize, Serialize};

use super::calls::{Calls, Waiting};
use super::read::by_id::ById;
use super::read::window::Window;
use super::seen::Seen;
use super::table::{BinlogPosition, Now, Reader, Settings, Table};
use super::time::Naive;
use super::totals::Totals;

const VERSION: u32 = 1;

#[derive(Serialize)]
struct HeaderOut<'a> {
    version: u32,
    seed: u64,
    floor: Option<Naive>,
    newest: Option<Naive>,
    by_id: Option<&'a ById>,
    binlog: Option<&'a BinlogPosition>,
    totals: &'a Totals,
    waiting: Waiting,
}

#[derive(Deserialize)]
struct Header {
    version: u32,
    seed: u64,
    floor: Option<Naive>,
    newest: Option<Naive>,
    by_id: Option<ById>,
    binlog: Option<BinlogPosition>,
    totals: Totals,
    waiting: Waiting,
}

/// The key of a table's record.
pub(super) fn key(table: &str) -> String {
    format!("table/{table}")
}

/// Writes the state of a table.
///
/// # Errors
/// None that is known: all keys of maps are text or numbers.
pub(super) fn write(table: &Table) -> Result<Vec<u8>, String> {
    let header = HeaderOut {
        version: VERSION,
        seed: table.seed,
        floor: table.floor,
        newest: table.newest,
        by_id: match &table.reader {
            Reader::Id(by_id) => Some(by_id),
            Reader::Time(_) => None,
        },
        binlog: table.binlog.as_ref(),
        totals: &table.totals,
        waiting: table.calls.waiting(),
    };
    let header = serde_json::to_vec(&header).map_err(|error| error.to_string())?;
    let mut out =
        Vec::with_capacity(header.len() + 32 + 12 * (table.rows.len() + table.calls.counted().len()));
    out.extend_from_slice(&(header.len() as u64).to_le_bytes());
    out.extend_from_slice(&header);
    table.rows.write(&mut out);
    table.calls.counted().write(&mut out);
    Ok(out)
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// What is wrong with the bytes.
pub(super) fn read(bytes: &[u8], settings: Settings, now: Now) -> Result<Table, String> {
    let cut = || "the record is cut off".to_owned();
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(cut)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut())?;
    let (header, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header: Header = serde_json::from_slice(header).map_err(|error| error.to_string())?;
    if header.version != VERSION {
        return Err(format!("expected version {VERSION}, found {}", header.version));
    }
    let (rows, rest) = Seen::read(rest).ok_or_else(cut)?;
    let (counted, rest) = Seen::read(rest).ok_or_else(cut)?;
    if !rest.is_empty() {
        return Err("the record has more than it says".to_owned());
    }
    let reader = match header.by_id {
        Some(by_id) => Reader::Id(by_id),
        None => Reader::Time(Window::of(rows.iter().map(|(_, time)| time))),
    };
    let mut table = Table::new(settings, reader, header.floor, header.seed, now);
    table.totals = header.totals;
    table.totals.follow(&table.settings.rules);
    table.calls = Calls::from_record(header.waiting, counted);
    table.calls.due_after(now.wall_ms.saturating_add(table.settings.settle_ms));
    table.rows = rows;
    table.newest = header.newest;
    table.binlog = header.binlog;
    table.dirty = false;
    Ok(table)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
