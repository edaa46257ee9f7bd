//! A disk that is full, slow or broken: it refuses or delays new data and loses nothing that was accepted.

use std::sync::atomic::Ordering;
use std::time::Duration;

use otelcol_net::{Code, Status};
use tokio::time::Instant;

use crate::program::{Bench, Under, can_mount, can_trace, offer};

async fn fill_and_drain(under: Under, storage: &str) {
    let bench = Bench::with_storage("{storage: file_storage, queue_size: 100000}", storage, "", "");
    bench.sink.refuse(Some(Status::unavailable("away")));
    let program = bench.start(&under).await;
    let load = bench.load(4, 200);
    bench.until(|| bench.refused.load(Ordering::Relaxed) >= 50, "the disk is full").await;
    load.stop().await;
    let client = bench.client();
    let refused = loop {
        if let Err(status) = offer(&client, &bench.ledger, 200).await {
            break status;
        }
    };
    assert_eq!(refused.code, Code::Unavailable);
    assert_eq!(refused.retry_delay, Some(Duration::from_secs(1)));
    assert!(refused.message.contains("sending queue: write"), "{}", refused.message);
    let full = bench.ledger.len();
    // What is on the disk is sent, which makes room.
    bench.sink.refuse(None);
    bench.until(|| bench.tally().missing.is_empty(), "everything arrived").await;
    let load = bench.load(4, 200);
    bench.wait_for_accepted(1000).await;
    load.stop().await;
    assert!(program.terminate().await.success());
    let tally = bench.tally();
    assert_eq!((tally.missing.len(), tally.duplicates, tally.unasked), (0, 0, 0), "{tally:?}");
    assert!(full > 10_000 && tally.accepted >= full + 1000, "{tally:?}");
}

/// A limit on files that no record fits into: the disk takes nothing at all.
const NOTHING_FITS: Under = Under::FileSize(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_reached_its_largest_size_refuses_and_loses_nothing() {
    fill_and_drain(Under::Nothing, "max_size: 3145728").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_takes_nothing_refuses_everything() {
    let bench = Bench::new("{storage: file_storage}", "", "");
    let program = bench.start(&NOTHING_FITS).await;
    for _ in 0..20 {
        let refused = offer(&bench.client(), &bench.ledger, 10).await.unwrap_err();
        assert_eq!(refused.code, Code::Unavailable);
        assert!(refused.message.contains("File too large"), "{}", refused.message);
    }
    assert!(program.terminate().await.success());
    let program = bench.start(&Under::Nothing).await;
    offer(&bench.client(), &bench.ledger, 10).await.unwrap();
    assert!(program.terminate().await.success());
    let tally = bench.tally();
    assert_eq!((tally.accepted, tally.delivered, tally.unasked), (10, 10, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_file_system_refuses_and_loses_nothing() {
    if can_mount() {
        fill_and_drain(Under::Tmpfs(3), "max_size: 0").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_memory_may_stand_in_for_a_full_disk_it_is_told() {
    let bench = Bench::new("{storage: file_storage, queue_size: 100000, on_storage_error: memory}", "", "");
    bench.sink.refuse(Some(Status::unavailable("away")));
    let program = bench.start(&NOTHING_FITS).await;
    let client = bench.client();
    for _ in 0..40 {
        offer(&client, &bench.ledger, 200).await.unwrap();
    }
    let told = "The storage of the queue can not take data. Keeping it in memory only.";
    bench.until(|| bench.log().contains(told), told).await;
    bench.sink.refuse(None);
    bench.until(|| bench.tally().missing.is_empty(), "everything arrived").await;
    assert!(program.terminate().await.success());
    let tally = bench.tally();
    assert_eq!((tally.accepted, tally.delivered, tally.duplicates), (8000, 8000, 0));
}

const SYNCED: &str = "fsync: true";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_disk_makes_senders_wait_and_loses_nothing() {
    if !can_trace() {
        return;
    }
    let bench = Bench::with_storage("{storage: file_storage, queue_size: 100000}", SYNCED, "", "");
    let slow = &["fdatasync:delay_exit=200000", "pwrite64:delay_exit=2000"];
    let program = bench.start(&Under::Disk(slow)).await;
    let begun = Instant::now();
    offer(&bench.client(), &bench.ledger, 10).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    // Who comes at the same time shares a write: thirty senders get more through than five answers a second.
    let (begun, before) = (Instant::now(), bench.ledger.len());
    let load = bench.load(30, 10);
    bench.wait_for_accepted(1500).await;
    let one_by_one = Duration::from_millis(200) * u32::try_from((bench.ledger.len() - before) / 10).unwrap();
    assert!(begun.elapsed() < one_by_one, "{:?}", begun.elapsed());
    // A stop in the middle of it.
    let ended = program.terminate().await;
    load.stop().await;
    assert!(ended.success(), "{ended:?}\n{}", bench.log());
    let program = bench.start(&Under::Nothing).await;
    bench.until(|| bench.tally().missing.is_empty(), "everything arrived").await;
    assert!(program.terminate().await.success());
    let tally = bench.tally();
    // What was sent and could not be marked in time is sent again, and so is what had no answer yet.
    assert_eq!((tally.delivered, tally.missing.len()), (tally.accepted, 0), "{tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_now_and_then_refuses_and_loses_nothing() {
    if !can_trace() {
        return;
    }
    let bench = Bench::with_storage("{storage: file_storage, queue_size: 100000}", SYNCED, "", "");
    let program = bench.start(&Under::Disk(&["pwrite64,fdatasync:error=EIO:when=5+3"])).await;
    let load = bench.load(4, 10);
    bench.wait_for_accepted(500).await;
    bench.until(|| bench.refused.load(Ordering::Relaxed) >= 20, "the disk failed").await;
    load.stop().await;
    bench.until(|| bench.tally().missing.is_empty(), "everything arrived").await;
    program.kill();
    assert!(bench.log().contains("Input/output error"), "{}", bench.log());
    // Of what was refused nothing comes back, but what was sent and could not be marked does.
    let program = bench.start(&Under::Nothing).await;
    assert!(program.terminate().await.success());
    let tally = bench.tally();
    assert_eq!((tally.delivered, tally.missing.len()), (tally.accepted, 0), "{tally:?}");
}
