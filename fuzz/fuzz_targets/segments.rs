//! The files of a queue on disk. The first byte of the input says what the rest is: a file that somebody else wrote, or batches
//! of which some bytes are damaged on the disk. Whatever is there opens, reads back as it was written, takes more, and
//! is the same after the next start; a damaged byte costs one batch at most.

#![no_main]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use otelcol_pipeline::storage::{OpenedLog, StorageLog};
use otelcol_pipeline::telemetry::Counter;
use otelcol_segment_log::Place;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).build().expect("a runtime"));

/// What begins a record inside of a batch may be found there when what is around it is damaged.
const MARK: &[u8] = b"\xf0REC";

type Records = BTreeMap<u64, Bytes>;

async fn open(directory: &Path) -> OpenedLog {
    let place = Place { directory: directory.to_owned(), max_size: 0, fsync: false };
    otelcol_segment_log::open(place, Duration::ZERO, Counter::default()).await.expect("a directory opens")
}

async fn read(opened: &OpenedLog) -> Records {
    let mut records = Records::new();
    for record in &opened.records {
        let payload = opened.log.read(record.id).await.expect("what is listed can be read");
        assert_eq!(payload.len(), record.len);
        assert!(records.insert(record.id, payload).is_none(), "{} is there twice", record.id);
    }
    records
}

async fn append(log: &dyn StorageLog, payload: &[u8]) -> u64 {
    let appended = log.append(vec![Bytes::copy_from_slice(payload)], 1).await;
    appended.expect("a disk with room takes it").keep()
}

/// Opens what is there, takes every other record out and one in, and looks whether the next start finds that.
async fn goes_on(directory: &Path) -> Records {
    let opened = open(directory).await;
    let found = read(&opened).await;
    let mut expected = found.clone();
    for id in found.keys().step_by(2) {
        opened.log.remove(*id);
        expected.remove(id);
    }
    let id = append(&*opened.log, b"one more").await;
    assert!(found.keys().all(|other| *other < id), "{id} is not the highest number");
    expected.insert(id, Bytes::from_static(b"one more"));
    opened.log.close().await;
    let again = open(directory).await;
    assert_eq!(read(&again).await, expected);
    again.log.close().await;
    found
}

/// `bytes` begin with the size of a batch and a number of places, of two bytes each, and what is flipped there.
async fn damaged(directory: &Path, bytes: &[u8]) {
    let [size, flips, bytes @ ..] = bytes else { return };
    let Some((places, bytes)) = bytes.split_at_checked(usize::from(flips % 4) * 3) else { return };
    let opened = open(directory).await;
    let mut written = Records::new();
    for payload in bytes.chunks(usize::from(*size).max(1)).take(16) {
        written.insert(append(&*opened.log, payload).await, Bytes::copy_from_slice(payload));
    }
    opened.log.close().await;
    if written.is_empty() {
        return;
    }
    let file = directory.join(format!("{:020}.segment", 1));
    let mut segment = std::fs::read(&file).expect("the segment of the first record");
    let end = segment.len();
    for place in places.chunks_exact(3) {
        segment[usize::from(u16::from_be_bytes([place[0], place[1]])) % end] ^= place[2];
    }
    std::fs::write(&file, segment).expect("a disk with room takes it");
    let found = goes_on(directory).await;
    if bytes.windows(MARK.len()).any(|window| window == MARK) {
        return;
    }
    assert!(found.iter().all(|(id, payload)| written.get(id) == Some(payload)));
    assert!(found.len() + places.len() / 3 >= written.len(), "{} of {}", found.len(), written.len());
}

fuzz_target!(|input: &[u8]| {
    let Some((what, bytes)) = input.split_first() else { return };
    let directory = TempDir::new().expect("a directory");
    RUNTIME.block_on(async {
        if what % 2 == 0 {
            damaged(directory.path(), bytes).await;
        } else {
            std::fs::write(directory.path().join("1.segment"), bytes).expect("a disk with room takes it");
            goes_on(directory.path()).await;
        }
    });
});
