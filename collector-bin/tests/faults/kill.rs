//! SIGKILL and SIGTERM.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use otelcol_net::Status;
use tokio::time::{Instant, sleep};

use crate::program::{Bench, Program, Under, offer};

pub(crate) const SAFE: &str = "{storage: file_storage, batch: {flush_timeout: 20ms, min_size: 100}}";
pub(crate) const PLAIN: &str = "{storage: file_storage, num_consumers: 3}";

/// From before the first accepted request to some twenty later, and then somewhere within the next.
pub(crate) async fn somewhen(bench: &Bench) {
    let random = RandomState::new().build_hasher().finish();
    let want = bench.ledger.len() + usize::try_from(random % 20).unwrap() * 10;
    bench.until(|| bench.ledger.len() >= want, "spans accepted").await;
    sleep(Duration::from_micros(random >> 8 & 0xfff)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_survives_fifty_kills_under_load() {
    for queue in [PLAIN, SAFE] {
        let bench = Bench::new(queue, "", "");
        let load = bench.load(4, 10);
        for round in 0..25 {
            // With a backend that answers, one that is away, and one that comes back on a full disk.
            bench.sink.refuse((round % 3 == 1).then(|| Status::unavailable("away")));
            let program = bench.start(&Under::Nothing).await;
            somewhen(&bench).await;
            program.kill();
        }
        bench.sink.refuse(None);
        let program = bench.start(&Under::Nothing).await;
        bench.wait_for_accepted(100).await;
        load.stop().await;
        bench.until(|| bench.tally().missing.is_empty(), "everything arrived").await;
        assert!(program.terminate().await.success());
        let tally = bench.tally();
        assert!(tally.accepted > 500, "{tally:?}");
        assert_eq!(tally.delivered, tally.accepted);
        assert!(!bench.log().contains("corrupt"), "{}", bench.log());
        println!(
            "{queue}: {} accepted, {} duplicates, {} unasked",
            tally.accepted, tally.duplicates, tally.unasked
        );
        let files = std::fs::read_dir(bench.storage().join("exporter_otlp__traces.queue")).unwrap();
        let files: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files, ["lock"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_batch_processor_answers_before_the_disk_has_it_and_the_queues_batch_does_not() {
    let processor = "processors: {batch: {timeout: 60s, send_batch_size: 100000}}";
    let queue = "{storage: file_storage, batch: {flush_timeout: 60s, min_size: 100000}, sizer: items, queue_size: 1000000}";
    for (queue, more, processors, lost) in [(PLAIN, processor, "batch", 100), (queue, "", "", 0)] {
        let bench = Bench::new(queue, more, processors);
        let program = bench.start(&Under::Nothing).await;
        let client = bench.client();
        for _ in 0..10 {
            offer(&client, &bench.ledger, 10).await.unwrap();
        }
        program.kill();
        let program = bench.start(&Under::Nothing).await;
        assert!(program.terminate().await.success());
        let tally = bench.tally();
        assert_eq!((tally.accepted, tally.missing.len(), tally.duplicates), (100, lost, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_loses_nothing() {
    for queue in ["{queue_size: 10000}", PLAIN, SAFE] {
        let bench = Bench::new(queue, "", "");
        bench.sink.delay(Duration::from_millis(5));
        let program = bench.start(&Under::Nothing).await;
        let load = bench.load(4, 10);
        bench.wait_for_accepted(500).await;
        let ended = program.terminate().await;
        load.stop().await;
        assert!(ended.success(), "{ended:?}\n{}", bench.log());
        // On disk or not: a backend that answers gets it before the end.
        let tally = bench.tally();
        assert_eq!((tally.missing.len(), tally.duplicates), (0, 0), "{queue} {tally:?}");
    }
}

/// A program that holds 70 spans in memory for a backend that is away.
async fn holding(bench: &Bench) -> Program {
    bench.sink.refuse(Some(Status::unavailable("away")));
    let program = bench.start(&Under::Nothing).await;
    let client = bench.client();
    for _ in 0..7 {
        offer(&client, &bench.ledger, 10).await.unwrap();
    }
    program
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_with_a_dead_backend_says_what_is_lost() {
    let bench = Bench::new("{num_consumers: 2}", "", "");
    let program = holding(&bench).await;
    let begun = Instant::now();
    program.signal();
    // A load balancer sends clients elsewhere, while what is there is tried for 20 seconds.
    bench.until_closed().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(program.ended().await.success());
    assert_eq!(bench.tally().missing.len(), 70);
    let told = "70 spans were not delivered at shutdown";
    bench.until(|| bench.log().contains(told), told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_comes_back_during_the_stop_gets_everything() {
    let bench = Bench::new("{num_consumers: 2}", "", "");
    let program = holding(&bench).await;
    program.signal();
    bench.until(|| bench.log().contains("Starting shutdown..."), "the stop began").await;
    sleep(Duration::from_secs(1)).await;
    bench.sink.refuse(None);
    assert!(program.ended().await.success());
    let tally = bench.tally();
    assert_eq!((tally.accepted, tally.delivered, tally.duplicates), (70, 70, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sigterm_does_not_wait_for_the_backend() {
    let bench = Bench::new("{num_consumers: 2}", "", "");
    let program = holding(&bench).await;
    program.signal();
    bench.until(|| bench.log().contains("Starting shutdown..."), "the stop began").await;
    let begun = Instant::now();
    assert!(program.terminate().await.success());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let told = "Received a second signal";
    bench.until(|| bench.log().contains(told), told).await;
}

/// The same in a reload that takes the exporter out, which tries to send for 20 seconds.
async fn reloading() -> (Bench, Program) {
    let bench = Bench::new("{num_consumers: 2}", "", "").with("exporters:\n", "exporters:\n  nop:\n");
    let program = holding(&bench).await;
    bench.begin_reload(&program, "exporters: [otlp]", "exporters: [nop]");
    let told = "Config updated, restart service";
    bench.until(|| bench.log().contains(told), told).await;
    (bench, program)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sigterm_during_a_reload_takes_nothing_more_and_still_sends_what_is_held() {
    let (bench, program) = reloading().await;
    let clients = [bench.client(), bench.client()];
    let [one, two] = clients.each_ref().map(|client| offer(client, &bench.ledger, 10));
    let stopping = async {
        // Nothing tells that both are held.
        sleep(Duration::from_secs(1)).await;
        let begun = Instant::now();
        program.signal();
        bench.until_closed().await;
        begun.elapsed()
    };
    let (one, two, closed_after) = tokio::join!(one, two, stopping);
    assert!(closed_after < Duration::from_secs(3), "{closed_after:?}");
    let told = Status::unavailable("the server is stopping").retry_after(Duration::from_secs(1));
    assert_eq!((one.unwrap_err(), two.unwrap_err()), (told.clone(), told));
    bench.sink.refuse(None);
    let begun = Instant::now();
    assert!(program.ended().await.success());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let tally = bench.tally();
    assert_eq!((tally.accepted, tally.delivered, tally.duplicates, tally.unasked), (70, 70, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sigterm_does_not_wait_for_a_reload() {
    let (bench, program) = reloading().await;
    program.signal();
    let told = "Received signal from OS";
    bench.until(|| bench.log().contains(told), told).await;
    let begun = Instant::now();
    assert!(program.terminate().await.success());
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let told = "Received a second signal";
    bench.until(|| bench.log().contains(told), told).await;
}
