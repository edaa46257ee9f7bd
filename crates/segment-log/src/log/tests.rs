//! The log: what was appended comes back, whatever happens to the files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use otelcol_pipeline::storage::{LogRecord, StorageLog};
use otelcol_pipeline::telemetry::Telemetry;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::record::{HEADER, SEGMENT_HEADER, Scan, scan, segment_header};
use super::segment::list;
use super::*;

fn place(directory: &Path) -> Place {
    Place { directory: directory.to_owned(), max_size: 0, fsync: false }
}

fn open(place: Place) -> Opened {
    let corrupt = Telemetry::default().counter("corrupt", "Records.", &[]);
    SegmentLog::open(place, Handle::current(), corrupt).map_err(|why| format!("{why:?}")).unwrap()
}

async fn append(log: &SegmentLog, payload: &[u8], items: usize) -> Result<u64, String> {
    let parts = payload.chunks(7).map(Bytes::copy_from_slice).collect();
    log.append(parts, items).await.map(Appended::keep).map_err(|why| why.to_string())
}

async fn payloads(log: &SegmentLog, records: &[LogRecord]) -> Vec<Bytes> {
    let mut all = Vec::new();
    for record in records {
        all.push(log.read(record.id).await.unwrap());
    }
    all
}

fn segments(directory: &TempDir) -> Vec<PathBuf> {
    list(directory.path()).unwrap().into_iter().map(|(_, path)| path).collect()
}

#[tokio::test]
async fn what_was_appended_and_not_removed_comes_back_in_order() {
    for fsync in [false, true] {
        let directory = TempDir::new().unwrap();
        let (log, none, _) = open(Place { fsync, ..place(directory.path()) });
        assert_eq!(none, []);
        let mut ids = Vec::new();
        for n in 0..10_usize {
            ids.push(append(&log, format!("payload {n}").as_bytes(), n).await.unwrap());
        }
        log.remove(ids[3]);
        log.remove(ids[0]);
        assert_eq!(log.read(ids[5]).await.unwrap(), "payload 5");
        log.close().await;
        let (log, records, damage) = open(place(directory.path()));
        let want: Vec<usize> = vec![1, 2, 4, 5, 6, 7, 8, 9];
        assert_eq!(records.iter().map(|record| record.items).collect::<Vec<_>>(), want);
        let texts: Vec<String> = want.iter().map(|n| format!("payload {n}")).collect();
        assert_eq!(payloads(&log, &records).await, texts);
        assert_eq!(damage, Damage::default());
        records.iter().for_each(|record| log.remove(record.id));
        log.close().await;
        assert_eq!(segments(&directory), Vec::<PathBuf>::new());
        assert_eq!(log.disk_bytes(), 0);
    }
}

#[tokio::test]
async fn an_append_that_nobody_waits_for_is_undone() {
    let directory = TempDir::new().unwrap();
    let (log, ..) = open(place(directory.path()));
    let unclaimed = log.append(vec![Bytes::from_static(b"gone")], 1).await.unwrap();
    drop(unclaimed);
    // The disk is kept waiting until the client is gone.
    let disk = log.segments();
    let cancelled = log.append(vec![Bytes::from_static(b"gone too")], 1);
    assert!(futures_util::FutureExt::now_or_never(cancelled).is_none());
    drop(disk);
    append(&log, b"stays", 1).await.unwrap();
    log.close().await;
    let (log, records, _) = open(place(directory.path()));
    assert_eq!(payloads(&log, &records).await, ["stays"]);
}

#[tokio::test]
async fn one_holder_at_a_time() {
    let directory = TempDir::new().unwrap();
    let (log, ..) = open(place(directory.path()));
    let corrupt = Telemetry::default().counter("corrupt", "Records.", &[]);
    let second = SegmentLog::open(place(directory.path()), Handle::current(), corrupt);
    assert!(matches!(second, Err(OpenError::InUse)));
    log.close().await;
    assert_eq!(
        append(&log, b"late", 1).await.unwrap_err(),
        format!("write {}: the log is closed", directory.path().display())
    );
    open(place(directory.path()));
}

#[tokio::test]
async fn space_is_bounded_and_comes_back() {
    let directory = TempDir::new().unwrap();
    let max_size = 1024 * 1024;
    let (log, ..) = open(Place { max_size, ..place(directory.path()) });
    let payload = vec![7; 10_000];
    let mut ids = Vec::new();
    let refused = loop {
        match append(&log, &payload, 1).await {
            Ok(id) => ids.push(id),
            Err(why) => break why,
        }
    };
    assert!(refused.contains("the queue's storage is full") && refused.contains("1048576"), "{refused}");
    assert_eq!(ids.len() as u64, (max_size - 9 * SEGMENT_HEADER as u64) / (10_000 + HEADER as u64));
    assert!(log.disk_bytes() <= max_size && log.disk_bytes() > max_size - 10_100);
    // Removed in order, as a queue does, space comes back segment by segment.
    for id in &ids[..50] {
        log.remove(*id);
    }
    for _ in 0..39 {
        append(&log, &payload, 1).await.unwrap();
    }
    let on_disk: u64 = segments(&directory).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert_eq!(on_disk, log.disk_bytes());
    assert!(on_disk <= max_size);
    assert_eq!(log.read(ids[50]).await.unwrap(), payload);
}

#[tokio::test]
async fn the_longest_payload_fits_an_empty_log_and_no_longer_one_does() {
    let directory = TempDir::new().unwrap();
    let (log, ..) = open(Place { max_size: 300_000, ..place(directory.path()) });
    let longest = usize::try_from(log.longest()).unwrap();
    for _ in 0..2 {
        let id = append(&log, &vec![7; longest], 1).await.unwrap();
        assert_eq!(log.disk_bytes(), 300_000);
        log.remove(id);
    }
    let refused = append(&log, &vec![7; longest + 1], 1).await.unwrap_err();
    assert!(refused.contains("the queue's storage is full"), "{refused}");
    let other = TempDir::new().unwrap();
    assert_eq!(open(place(other.path())).0.longest(), u64::from(u32::MAX));
}

#[tokio::test]
async fn a_queue_that_is_empty_now_and_then_stays_small() {
    let directory = TempDir::new().unwrap();
    let (log, ..) = open(place(directory.path()));
    let payload = vec![7; 1024 * 1024];
    for _ in 0..40 {
        let id = append(&log, &payload, 1).await.unwrap();
        log.remove(id);
    }
    append(&log, b"last", 1).await.unwrap();
    assert!(log.disk_bytes() < 5 * 1024 * 1024, "{}", log.disk_bytes());
    assert_eq!(segments(&directory).len(), 1);
}

#[tokio::test]
async fn many_appends_at_once_share_writes_and_each_gets_its_own_answer() {
    let directory = TempDir::new().unwrap();
    let (log, ..) = open(Place { max_size: 300_000, fsync: true, ..place(directory.path()) });
    let payloads: Vec<Vec<u8>> = (0..100_u8).map(|n| vec![n; 5_000]).collect();
    let results =
        futures_util::future::join_all(payloads.iter().map(|payload| append(&log, payload, 1))).await;
    let taken: Vec<usize> = (0..100).filter(|n| results[*n].is_ok()).collect();
    assert!((50..60).contains(&taken.len()), "{}", taken.len());
    log.close().await;
    let (log, records, damage) = open(place(directory.path()));
    assert_eq!(damage, Damage::default());
    let found = self::payloads(&log, &records).await;
    assert_eq!(found, taken.iter().map(|n| payloads[*n].clone()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cut_anywhere_costs_only_what_is_cut() {
    let directory = TempDir::new().unwrap();
    let (log, ..) = open(place(directory.path()));
    let texts = ["first", "second and longer", "third"];
    for text in texts {
        append(&log, text.as_bytes(), 1).await.unwrap();
    }
    log.close().await;
    let path = segments(&directory).remove(0);
    let whole = fs::read(&path).unwrap();
    let mut end = SEGMENT_HEADER;
    let ends: Vec<usize> = texts
        .iter()
        .map(|text| {
            end += HEADER + text.len();
            end
        })
        .collect();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (log, records, damage) = open(place(directory.path()));
        let whole_records = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(payloads(&log, &records).await, texts[..whole_records], "cut at {cut}");
        let kept = match whole_records {
            0 if cut < SEGMENT_HEADER => 0,
            0 => SEGMENT_HEADER,
            n => ends[n - 1],
        };
        assert_eq!((damage.corrupt, damage.torn), (0, (cut - kept) as u64), "cut at {cut}");
        log.close().await;
    }
}

#[tokio::test]
async fn a_record_that_is_damaged_while_it_waits_is_told_and_counted() {
    let directory = TempDir::new().unwrap();
    let telemetry = Telemetry::default();
    let corrupt = telemetry.counter("corrupt", "Records.", &[]);
    let (log, ..) = SegmentLog::open(place(directory.path()), Handle::current(), corrupt).unwrap();
    let first = append(&log, b"first", 1).await.unwrap();
    let second = append(&log, b"second", 1).await.unwrap();
    let path = segments(&directory).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[SEGMENT_HEADER + HEADER] ^= 1;
    fs::write(&path, bytes).unwrap();
    let why = log.read(first).await.unwrap_err().to_string();
    assert!(why.ends_with("record 1 is corrupt: its checksum does not match"), "{why}");
    assert_eq!(log.read(second).await.unwrap(), "second");
    assert_eq!(telemetry.value("corrupt", &[]), Some(1.0));
}

fn segment(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = segment_header(1).to_vec();
    for (n, payload) in payloads.iter().enumerate() {
        let header = Header {
            number: n as u64 + 1,
            len: payload.len() as u32,
            items: 1,
            checksum: crc32fast::hash(payload),
            done: n % 3 == 2,
        };
        bytes.extend_from_slice(&header.encode());
        bytes.extend_from_slice(payload);
    }
    bytes
}

#[test]
fn what_a_client_writes_into_a_batch_that_is_cut_off_is_no_record() {
    let forged = segment(&[b"forged".to_vec()])[SEGMENT_HEADER..].to_vec();
    let whole = segment(&[b"first".to_vec(), [forged, vec![0; 100]].concat()]);
    let found = scan(&whole[..whole.len() - 1]);
    assert_eq!(found.records.iter().map(|(_, header)| header.number).collect::<Vec<_>>(), [1]);
    assert_eq!((found.corrupt, found.end), (0, (SEGMENT_HEADER + HEADER + 5) as u64));
}

#[test]
fn a_number_that_nobody_counts_to_is_no_record() {
    for (number, found) in [(u64::MAX, 0), (1 << 63, 0), ((1 << 63) - 1, 1)] {
        let header = Header { number, len: 0, items: 1, checksum: 0, done: false };
        let bytes = [segment_header(1).to_vec(), header.encode().to_vec()].concat();
        assert_eq!(scan(&bytes).records.len(), found, "{number}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_byte_costs_one_record_at_most(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..12),
        place: prop::sample::Index,
        flip in 1..=255_u8,
    ) {
        let mut bytes = segment(&payloads);
        let whole = scan(&bytes);
        prop_assert_eq!(whole.records.len(), payloads.len());
        prop_assert_eq!((whole.corrupt, whole.end), (0, bytes.len() as u64));
        let at = place.index(bytes.len());
        bytes[at] ^= flip;
        let damaged = scan(&bytes);
        let numbers = |scan: &Scan| scan.records.iter().map(|(_, h)| h.number).collect::<Vec<_>>();
        let (before, after) = (numbers(&whole), numbers(&damaged));
        let lost: Vec<&u64> = before.iter().filter(|number| !after.contains(number)).collect();
        prop_assert!(lost.len() <= 1, "{:?}", lost);
        prop_assert!(after.iter().all(|number| before.contains(number)));
        // Told as corrupt, or cut off as the end.
        let told = damaged.corrupt > 0 || damaged.end < bytes.len() as u64;
        prop_assert!(lost.is_empty() || told);
    }

    #[test]
    fn any_bytes_can_be_read(bytes: Vec<u8>) {
        let mut segment = segment_header(1).to_vec();
        segment.extend_from_slice(&bytes);
        let found = scan(&segment);
        prop_assert!(found.end <= segment.len() as u64);
        scan(&bytes);
    }

    /// Against a map that forgets nothing: appends, removals and restarts in any order.
    #[test]
    fn the_log_is_a_map_that_outlives_restarts(
        steps in prop::collection::vec((0..4_u8, prop::collection::vec(any::<u8>(), 0..3000)), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let directory = TempDir::new().unwrap();
            let small = Place { max_size: 512 * 1024, ..place(directory.path()) };
            let mut reference: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
            let (mut log, ..) = open(small.clone());
            for (step, payload) in steps {
                match step {
                    0 | 1 => {
                        let id = append(&log, &payload, payload.len()).await.unwrap();
                        assert!(reference.insert(id, payload).is_none());
                    }
                    2 => {
                        let Some(id) = reference.keys().nth(payload.len() % reference.len().max(1)).copied() else {
                            continue;
                        };
                        log.remove(id);
                        reference.remove(&id);
                    }
                    _ => {
                        log.close().await;
                        let (again, records, damage) = open(small.clone());
                        log = again;
                        assert_eq!(damage, Damage::default());
                        let found: Vec<u64> = records.iter().map(|record| record.id).collect();
                        assert_eq!(found, reference.keys().copied().collect::<Vec<_>>());
                    }
                }
            }
            for (id, payload) in &reference {
                assert_eq!(log.read(*id).await.unwrap(), payload);
            }
        });
    }
}

#[tokio::test]
async fn removals_after_the_end_are_ignored() {
    let directory = TempDir::new().unwrap();
    let (log, ..) = open(place(directory.path()));
    let kept = Arc::clone(&log);
    log.close().await;
    kept.remove(1);
    kept.close().await;
}

#[tokio::test]
async fn a_file_that_is_not_ours_stays_out_of_it() {
    let directory = TempDir::new().unwrap();
    let foreign = directory.path().join("18446744073709551615.segment");
    fs::write(&foreign, b"notes").unwrap();
    let (log, records, damage) = open(place(directory.path()));
    assert_eq!((records, damage), (Vec::new(), Damage::default()));
    assert_eq!(append(&log, b"a", 1).await, Ok(1));
    log.close().await;
    assert_eq!(fs::read(&foreign).unwrap(), b"notes");
}

#[tokio::test]
async fn a_file_that_somebody_removes_takes_nothing_more() {
    let directory = TempDir::new().unwrap();
    let (log, ..) = open(place(directory.path()));
    let first = append(&log, b"a", 1).await.unwrap();
    fs::remove_file(&segments(&directory)[0]).unwrap();
    let why = append(&log, b"b", 1).await.unwrap_err();
    assert!(why.ends_with("somebody removed the file that was written to"), "{why}");
    let third = append(&log, b"c", 1).await.unwrap();
    // What was accepted before can be sent as long as the process runs.
    assert_eq!((log.read(first).await.unwrap(), log.read(third).await.unwrap()), ("a".into(), "c".into()));
    log.close().await;
    let (log, records, _) = open(place(directory.path()));
    assert_eq!(payloads(&log, &records).await, ["c"]);
}

#[tokio::test]
async fn after_a_panic_nobody_waits_for_an_answer() {
    let directory = TempDir::new().unwrap();
    let (log, ..) = open(place(directory.path()));
    log.segments().overflow();
    for _ in 0..2 {
        let why = append(&log, b"a", 1).await.unwrap_err();
        assert!(why.ends_with("the log is closed"), "{why}");
    }
    log.close().await;
}
