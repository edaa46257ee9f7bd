use super::*;
use crate::mysql_cdr::config::{Columns, Config, TableKind};
use crate::mysql_cdr::time::Zone;

const NOW: Now = Now { wall_ms: 1_795_348_800_000, mono_ms: 0 };

fn settings() -> Settings {
    Settings::new(&Config::default(), &TableKind::Cdr(Columns::default()), Zone::utc())
}

#[test]
fn what_is_written_is_read() {
    let mut table = Table::new(settings(), Reader::Id(ById::after(7)), Some(3), 99, NOW);
    table.rows.insert(1, 5);
    let Book::Cdr(tally) = &mut table.book else { unreachable!() };
    tally.calls.skip(2, 6);
    tally.totals.rows = 12;
    table.newest = Some(1_795_348_000);
    table.binlog = Some(BinlogPosition { file: "binlog.000001".to_owned(), offset: 4, rows: 2 });
    let read = read(&write(&table).unwrap(), settings(), NOW).unwrap();
    let (Book::Cdr(was), Book::Cdr(is)) = (table.book, read.book) else { unreachable!() };
    assert_eq!((is.totals, is.calls), (was.totals, was.calls));
    assert_eq!(
        (read.rows, read.reader, read.floor, read.newest, read.binlog, read.seed),
        (table.rows, table.reader, table.floor, table.newest, table.binlog, 99)
    );
}

#[test]
fn a_record_that_is_not_whole_is_refused() {
    let bytes = write(&Table::new(settings(), Reader::Time(Window::default()), None, 1, NOW)).unwrap();
    for cut in 0..bytes.len() {
        assert!(read(&bytes[..cut], settings(), NOW).is_err(), "{cut}");
    }
    let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
    assert_eq!(read(&longer, settings(), NOW).unwrap_err(), "the record has more than it says");
}
