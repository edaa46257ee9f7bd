//! The one record in which a table's position, identities and values are kept: it is written as a whole or not at all.
//!
//! Of a table of channel events it holds no open calls: their rows are read again, from the position in it.

use serde::{Deserialize, Serialize};

use super::book::{Book, Tally};
use super::calls::{Calls, Waiting};
use super::cel::{Events, Held};
use super::read::binlog::is_before;
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
    by_id: Option<ById>,
    binlog: Option<BinlogPosition>,
    totals: Option<&'a Totals>,
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
    totals: Option<Totals>,
    waiting: Waiting,
}

/// The key of a table's record.
pub(super) fn key(table: &str) -> String {
    format!("table/{table}")
}

/// From where rows are read after a restart.
struct Position {
    floor: Option<Naive>,
    newest: Option<Naive>,
    by_id: Option<ById>,
    binlog: Option<BinlogPosition>,
}

impl Position {
    /// Where reading is.
    fn of(table: &Table) -> Self {
        let by_id = match &table.reader {
            Reader::Id(by_id) => Some(by_id.clone()),
            Reader::Time(_) => None,
        };
        Self { floor: table.floor, newest: table.newest, by_id, binlog: table.binlog.clone() }
    }

    /// Where the first row stands that an open call has. By time that is not before the rows that can still come; the rows
    /// from there on are all new then.
    fn held(table: &Table, held: Option<&Held>) -> Self {
        let by_id = match &table.reader {
            Reader::Id(by_id) => {
                let before = held.and_then(|held| held.id).map(|id| id.saturating_sub(1));
                Some(ById::after(before.map_or(by_id.low(), |before| before.min(by_id.low()))))
            }
            Reader::Time(_) => None,
        };
        let floor = table.floor.max(table.forgotten_at);
        let binlog = match held {
            None => table.binlog.clone(),
            // A row that came from no log must be read from the table again.
            Some(held) => held
                .log
                .clone()
                .zip(table.binlog.clone())
                .map(|(first, known)| if is_before(&first, &known) { first } else { known }),
        };
        Self {
            floor: held.map_or(floor, |held| floor.map(|floor| floor.min(held.time))),
            newest: None,
            by_id,
            binlog,
        }
    }
}

/// Writes the state of a table.
///
/// # Errors
/// None that is known: all keys of maps are text or numbers.
pub(super) fn write(table: &Table) -> Result<Vec<u8>, String> {
    let no_rows = Seen::default();
    let (position, totals, waiting, rows, calls) = match &table.book {
        Book::Cdr(tally) => {
            let Tally { totals, calls } = &**tally;
            (Position::of(table), Some(totals), calls.waiting(), &table.rows, calls.counted())
        }
        Book::Cel(events) => {
            let position = Position::held(table, table.book.held().as_ref());
            (position, None, Waiting::default(), &no_rows, events.sent())
        }
    };
    let Position { floor, newest, by_id, binlog } = position;
    let header =
        HeaderOut { version: VERSION, seed: table.seed, floor, newest, by_id, binlog, totals, waiting };
    let header = serde_json::to_vec(&header).map_err(|error| error.to_string())?;
    let mut out = Vec::with_capacity(header.len() + 32 + 12 * (rows.len() + calls.len()));
    out.extend_from_slice(&(header.len() as u64).to_le_bytes());
    out.extend_from_slice(&header);
    rows.write(&mut out);
    calls.write(&mut out);
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
    table.book = match (header.totals, &table.settings.events) {
        (Some(mut totals), None) => {
            totals.follow(&table.settings.rules);
            Book::Cdr(Box::new(Tally { totals, calls: Calls::from_record(header.waiting, counted) }))
        }
        (None, Some(_)) => Book::Cel(Events::from_record(counted)),
        _ => return Err("the record is of another kind of table".to_owned()),
    };
    table.book.due_after(now.wall_ms.saturating_add(table.settings.settle_ms));
    table.rows = rows;
    table.newest = header.newest;
    table.binlog = header.binlog;
    table.dirty = false;
    Ok(table)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
