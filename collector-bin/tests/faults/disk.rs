//! A full disk refuses new data and loses nothing that was accepted.

use std::sync::atomic::Ordering;

use otelcol_net::{Code, Status};

use crate::program::{Bench, Under, can_mount, offer};

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
    assert_eq!(refused.retry_delay, Some(std::time::Duration::from_secs(1)));
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
    if !can_mount() {
        assert!(
            std::env::var_os("CI").is_none(),
            "this user may not mount a tmpfs in a namespace of its own"
        );
        println!("SKIPPED: this user may not mount a tmpfs in a namespace of its own");
        return;
    }
    fill_and_drain(Under::Tmpfs(3), "max_size: 0").await;
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
