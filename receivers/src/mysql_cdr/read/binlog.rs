//! Reading by replication: which events end a transaction, and how a column's value in the log becomes its text.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use mysql_async::Value;
use mysql_async::binlog::events::{Event, EventData, OptionalMetadataField, RowsEventData, TableMapEvent};

use crate::mysql_cdr::row::text;
use crate::mysql_cdr::schema::{Column, Layout};
use crate::mysql_cdr::table::BinlogPosition;
use crate::mysql_cdr::time;

/// The types of MariaDB's events with `log_bin_compress` (`Log_event_type`).
const COMPRESSED: RangeInclusive<u8> = 165..=171;

/// Follows the log's position: that of the first event after the last whole transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mysql_cdr) struct Follower {
    position: BinlogPosition,
    /// A transaction is under way.
    open: bool,
    /// An offset in it, where the log tells one.
    within: Option<u64>,
    /// End of a transaction whose events come unpacked.
    packed_end: Option<u64>,
}

/// What an event means.
#[derive(Debug)]
pub(in crate::mysql_cdr) enum Meaning<'a> {
    /// Rows were inserted.
    Rows(RowsEventData<'a>),
    /// A transaction is over, or something outside of any happened: the position moved.
    Moved,
    /// The same, and nothing of the transaction was done.
    Undone,
    /// The same as `Moved`, by a statement that can have changed a table. The database that it was run in stands before it,
    /// and all is in small letters.
    Stated(String),
    /// A transaction under way inserts rows by a statement, which does not say what they are. It is as with `Stated`.
    Inserted(String),
    /// Something that the server has compressed, which nobody here can read.
    Compressed,
    /// Nothing that matters here.
    Nothing,
}

impl Follower {
    /// Begins at a position.
    pub(in crate::mysql_cdr) fn at(position: BinlogPosition) -> Self {
        let position = BinlogPosition::new(position.file, position.offset);
        Self { position, open: false, within: None, packed_end: None }
    }

    /// Where to begin after a restart.
    pub(in crate::mysql_cdr) fn position(&self) -> &BinlogPosition {
        &self.position
    }

    /// Whether the transaction under way is among what lies before `known`. Between two transactions there can be several
    /// positions, so what is behind ours need not be behind the transaction. Its first event says where that is; since
    /// MariaDB 11.7 the others do not.
    pub(in crate::mysql_cdr) fn is_known(&self, known: &BinlogPosition) -> bool {
        let within = self.within.unwrap_or(self.position.offset + 1);
        !is_before(known, &BinlogPosition::new(self.position.file.clone(), within))
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// The event cannot be read.
    pub(in crate::mysql_cdr) fn event<'e>(&mut self, event: &'e Event) -> std::io::Result<Meaning<'e>> {
        if COMPRESSED.contains(&event.header().event_type_raw()) {
            return Ok(Meaning::Compressed);
        }
        let end = u64::from(event.header().log_pos());
        Ok(match event.read_data()? {
            Some(EventData::RotateEvent(rotate)) => {
                let name = rotate.name();
                let offset = rotate.position().max(4);
                // The event that opens a stream names the file that was asked for, with a checksum behind it that the
                // reader does not know of yet.
                let is_same = !self.position.file.is_empty() && name.starts_with(&self.position.file);
                let file = if is_same { self.position.file.clone() } else { name.into_owned() };
                *self = Self::at(BinlogPosition::new(file, offset));
                Meaning::Moved
            }
            Some(EventData::TransactionPayloadEvent(_)) => {
                self.packed_end = Some(end);
                self.within = Some(end);
                Meaning::Nothing
            }
            Some(EventData::XidEvent(_)) => self.moved(end),
            Some(EventData::QueryEvent(query)) => self.statement(&query.schema(), query.query_raw(), end),
            Some(EventData::RowsEvent(rows)) => Meaning::Rows(rows),
            _ => Meaning::Nothing,
        })
    }

    /// Within a transaction there are statements that do not end it: savepoints, and comments that MariaDB sends in place
    /// of events that it does not send.
    fn statement<'e>(&mut self, database: &str, text: &[u8], end: u64) -> Meaning<'e> {
        let is = |statement: &str| text.eq_ignore_ascii_case(statement.as_bytes());
        if is("BEGIN") {
            self.open = true;
            self.within = self.packed_end.or(Some(end).filter(|end| *end > 0));
            return Meaning::Nothing;
        }
        let whole = || format!("{database} {}", String::from_utf8_lossy(text)).to_lowercase();
        // Tables without transactions end theirs with a statement.
        if self.open && !is("COMMIT") && !is("ROLLBACK") {
            let begins = |word: &str| {
                text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word.as_bytes()))
            };
            return if ["INSERT", "REPLACE", "LOAD"].into_iter().any(begins) {
                Meaning::Inserted(whole())
            } else {
                Meaning::Nothing
            };
        }
        let moved = self.moved(end);
        if is("COMMIT") {
            moved
        } else if is("ROLLBACK") {
            Meaning::Undone
        } else {
            Meaning::Stated(whole())
        }
    }

    fn moved<'e>(&mut self, end: u64) -> Meaning<'e> {
        self.open = false;
        self.within = None;
        let end = self.packed_end.take().unwrap_or(end);
        if end > 0 {
            self.position.offset = end;
        }
        Meaning::Moved
    }
}

/// Whether `a` comes before `b` in the log. Numbers at the ends of file names have six digits at least.
pub(in crate::mysql_cdr) fn is_before(a: &BinlogPosition, b: &BinlogPosition) -> bool {
    (a.file.len(), &a.file, a.offset, a.rows) < (b.file.len(), &b.file, b.offset, b.rows)
}

/// Whether a statement in small letters can mean this table of this database.
pub(in crate::mysql_cdr) fn is_named(statement: &str, (database, table): (&str, &str)) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
    [database, table].map(str::to_lowercase).iter().all(|name| {
        statement.match_indices(name).any(|(at, _)| {
            !statement[..at].ends_with(is_part) && !statement[at + name.len()..].starts_with(is_part)
        })
    })
}

/// The names of a table's columns, where the log has them (`binlog_row_metadata=FULL`).
///
/// # Errors
/// They cannot be read.
pub(in crate::mysql_cdr) fn column_names(map: &TableMapEvent<'_>) -> std::io::Result<Vec<String>> {
    for field in map.iter_optional_meta() {
        if let OptionalMetadataField::ColumnName(names) = field? {
            return names.iter_names().map(|name| Ok(name?.name().into_owned())).collect();
        }
    }
    Ok(Vec::new())
}

/// Where the columns of a layout stand in rows of `total` columns with these names, if the log has them. `None`: they were
/// written when the table had other columns, and nobody knows which.
pub(in crate::mysql_cdr) fn places(
    layout: &Layout,
    total: usize,
    names: &[String],
) -> Option<Vec<Option<usize>>> {
    if names.len() != total {
        let places = || layout.columns.iter().map(|column| Some(column.ordinal)).collect();
        return (total == layout.total).then(places);
    }
    let place = |column: &Column| names.iter().position(|name| name.eq_ignore_ascii_case(&column.name));
    let places: Vec<Option<usize>> = layout.columns.iter().map(place).collect();
    layout.is_enough(|place| places.get(place).is_some_and(Option::is_some)).then_some(places)
}

/// The text of a column's value, as a query would give it.
pub(in crate::mysql_cdr) fn column_text<'v>(value: &'v Value, column: &Column) -> Option<Cow<'v, str>> {
    match value {
        Value::Bytes(bytes) if column.charset.starts_with("latin1") => {
            Some(Cow::Owned(bytes.iter().map(|byte| latin1(*byte)).collect()))
        }
        Value::Bytes(seconds) if column.data_type == "timestamp" => {
            let text = std::str::from_utf8(seconds).ok()?;
            let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
            Some(Cow::Owned(time::format(whole.parse().ok()?) + fraction))
        }
        // The log does not say that a column is unsigned.
        Value::Int(number) if *number < 0 && column.unsigned => {
            let bits = match column.data_type.as_str() {
                "tinyint" => 8,
                "smallint" => 16,
                "mediumint" => 24,
                "int" => 32,
                _ => 64,
            };
            Some(Cow::Owned((i128::from(*number) + (1_i128 << bits)).to_string()))
        }
        value => text(value),
    }
}

/// MySQL's latin1 is Windows-1252; the five bytes that are nothing there are control characters.
fn latin1(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        other => char::from(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql_cdr::config::Columns;
    use crate::mysql_cdr::schema::tests::columns;

    fn column(data_type: &str, charset: &str) -> Column {
        Column {
            name: "c".to_owned(),
            data_type: data_type.to_owned(),
            length: 80,
            auto_increment: false,
            unsigned: true,
            compressed: false,
            charset: charset.to_owned(),
            ordinal: 0,
        }
    }

    #[test]
    fn values_are_as_a_query_gives_them() {
        let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
        for (value, column, expected) in [
            (bytes(b"Zo\xeb \x80"), column("varchar", "latin1"), "Zoë €"),
            (bytes("Zoë 📞".as_bytes()), column("varchar", "utf8mb4"), "Zoë 📞"),
            (bytes(b"1795307195"), column("timestamp", ""), "2026-11-22 00:26:35"),
            (bytes(b"1795307195.250000"), column("timestamp", ""), "2026-11-22 00:26:35.250000"),
            (Value::Int(-1), column("int", ""), "4294967295"),
            (Value::Int(-1), column("bigint", ""), "18446744073709551615"),
            (Value::Int(7), column("bigint", ""), "7"),
            (Value::Date(2026, 11, 22, 0, 26, 35, 0), column("datetime", ""), "2026-11-22 00:26:35"),
        ] {
            assert_eq!(column_text(&value, &column).as_deref(), Some(expected), "{value:?}");
        }
        assert_eq!(column_text(&Value::NULL, &column("int", "")), None);
    }

    #[test]
    fn a_position_is_between_transactions() {
        let mut follower = Follower::at(BinlogPosition::new("b.000001".to_owned(), 4));
        for (statement, end, offset) in [
            ("CREATE TABLE cdr (n INT)", 100, 100),
            ("BEGIN", 200, 100),
            ("# Dummy event replacing event type 160 that slave cannot handle.", 300, 100),
            ("SAVEPOINT `a`", 400, 100),
            ("ROLLBACK TO `a`", 500, 100),
            ("COMMIT", 600, 600),
            ("DROP TABLE cdr", 700, 700),
        ] {
            let moved =
                !matches!(follower.statement("asterisk", statement.as_bytes(), end), Meaning::Nothing);
            assert_eq!((moved, follower.position().offset), (offset == end, offset), "{statement}");
        }
    }

    #[test]
    fn a_transaction_is_known_behind_its_first_event() {
        let at = |offset, rows| BinlogPosition { rows, ..BinlogPosition::new("b.000001".to_owned(), offset) };
        let mut follower = Follower::at(at(100, 7));
        assert_eq!(follower.position(), &at(100, 0));
        let known = |follower: &Follower| {
            [(100, 0), (100, 7), (150, 0), (300, 0)].map(|(o, r)| follower.is_known(&at(o, r)))
        };
        // Something that is no transaction ends at 150, where this one begins.
        follower.statement("asterisk", b"BEGIN", 200);
        assert_eq!(known(&follower), [false, false, false, true]);
        assert!(follower.is_known(&BinlogPosition::new("b.000002".to_owned(), 4)));
        assert!(matches!(follower.statement("asterisk", b"ROLLBACK", 300), Meaning::Undone));
        assert_eq!(follower.position(), &at(300, 0));
        // One whose events say nothing.
        let mut follower = Follower::at(at(100, 0));
        follower.statement("asterisk", b"BEGIN", 0);
        assert_eq!(known(&follower), [false, false, true, true]);
    }

    #[test]
    fn statements_name_tables() {
        for (statement, is) in [
            ("asterisk alter table cdr add x int", true),
            ("mysql rename table `asterisk`.`cdr` to old", true),
            ("mysql alter table cdr add x int", false),
            ("asterisk drop table cdr_old", false),
            ("asterisk drop table old$cdr, cdr", true),
            ("asterisk2 truncate cdr", false),
        ] {
            assert_eq!(is_named(statement, ("asterisk", "CDR")), is, "{statement}");
        }
    }

    #[test]
    fn rows_that_are_logged_as_statements_are_noticed() {
        let mut follower = Follower::at(BinlogPosition::new("b.000001".to_owned(), 4));
        follower.statement("asterisk", b"BEGIN", 100);
        for (statement, expected) in [
            ("insert INTO CDR VALUES (1)", Some("asterisk insert into cdr values (1)")),
            ("UPDATE cdr SET a=1", None),
            ("LO", None),
        ] {
            let meaning = follower.statement("asterisk", statement.as_bytes(), 200);
            let found = match &meaning {
                Meaning::Inserted(statement) => Some(statement.as_str()),
                _ => None,
            };
            assert_eq!(found, expected, "{statement}");
        }
    }

    #[test]
    fn files_are_in_the_order_of_their_numbers() {
        let at = |file: &str, offset| BinlogPosition::new(file.to_owned(), offset);
        assert!(is_before(&at("binlog.000009", 900), &at("binlog.000010", 4)));
        assert!(is_before(&at("binlog.999999", 4), &at("binlog.1000000", 4)));
        assert!(is_before(&at("b.000001", 4), &at("b.000001", 5)));
        assert!(!is_before(&at("b.000001", 5), &at("b.000001", 5)));
        assert!(is_before(&at("b.000001", 5), &BinlogPosition { rows: 1, ..at("b.000001", 5) }));
    }

    #[test]
    fn columns_are_found_by_name_or_by_the_number_of_all() {
        let found = columns(&["id", "start", "end", "disposition", "uniqueid", "note"]);
        let names = Columns::default();
        let layout = Layout::new("t".to_owned(), &found, &[], &names.shape(), false, 100).unwrap();
        let of = |names: &[&str], total| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            places(&layout, total, &names)
        };
        let all = |places: [usize; 5]| Some(places.map(Some).to_vec());
        assert_eq!(of(&[], 6), all([0, 1, 2, 3, 4]));
        assert_eq!(of(&[], 7), None);
        assert_eq!(of(&["x", "ID", "start", "end", "disposition", "uniqueid"], 6), all([1, 2, 3, 4, 5]));
        let keyless = [None, Some(0), Some(1), Some(2), Some(3)].to_vec();
        assert_eq!(of(&["start", "end", "disposition", "uniqueid"], 4), Some(keyless));
        assert_eq!(of(&["start", "end", "ending", "uniqueid"], 4), None);
    }
}
