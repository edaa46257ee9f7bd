//! Loss of power: the process is gone, and what was not synced with it.

use std::path::PathBuf;

use otelcol_net::Status;

use crate::kill::{PLAIN, SAFE, somewhen};
use crate::program::{Bench, Program, Under, can_trace};
use crate::unsynced::Disk;

/// What `strace` writes of a process that was killed.
const END: &str = "+++ killed by SIGKILL +++";

/// A bench whose storage is two directories below the one that is there.
fn bench(queue: &str, settings: &str) -> Bench {
    let bench = Bench::with_storage(queue, settings, "", "");
    let there = bench.storage().display().to_string();
    bench.with(&format!("'{there}'"), &format!("'{there}/new/storage', create_directory: true"))
}

/// Where [`power_off`] reads what the program did: for [`Under::Recorded`].
pub(crate) fn trace(bench: &Bench) -> PathBuf {
    bench.dir.path().join("trace")
}

/// Ends the program at once, and takes from its disk what `kept` says. Gives the number of names and sectors lost.
pub(crate) async fn power_off(bench: &Bench, program: Program, kept: impl FnMut() -> bool) -> (usize, usize) {
    let pid = program.pid().to_string();
    program.kill();
    let read = || std::fs::read_to_string(trace(bench)).unwrap();
    // The process comes last, after its threads; a number of less than five digits is followed by more than one space.
    let is_end =
        |line: &str| line.split_once(' ').is_some_and(|(of, what)| of == pid && what.trim_start() == END);
    bench.until(|| read().lines().last().is_some_and(is_end), "all is written down").await;
    Disk::read(&read(), &bench.storage()).lose(kept)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_survives_loss_of_power() {
    if !can_trace() {
        return;
    }
    for queue in [PLAIN, SAFE] {
        let bench = bench(queue, "fsync: true");
        let load = bench.load(4, 10);
        let (mut names, mut sectors) = (0, 0);
        let mut random = 1_u64;
        for round in 0..12 {
            bench.sink.refuse((round % 3 == 1).then(|| Status::unavailable("away")));
            let program = bench.start(&Under::Recorded(trace(&bench))).await;
            somewhen(&bench).await;
            let lost = power_off(&bench, program, || {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // All is gone, or half of it.
                round % 2 == 1 && random >> 63 == 1
            });
            let lost = lost.await;
            names += lost.0;
            sectors += lost.1;
        }
        bench.sink.refuse(None);
        let program = bench.start(&Under::Nothing).await;
        load.stop().await;
        bench.until(|| bench.tally().missing.is_empty(), "everything arrived").await;
        assert!(program.terminate().await.success());
        let tally = bench.tally();
        println!("{queue}: {names} names, {sectors} sectors lost, {} accepted", tally.accepted);
        assert!(tally.accepted > 250 && sectors > 0, "{sectors} {tally:?}");
        assert_eq!(tally.delivered, tally.accepted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_fsync_loss_of_power_costs_what_was_not_synced() {
    if !can_trace() {
        return;
    }
    let bench = bench(PLAIN, "fsync: false");
    bench.sink.refuse(Some(Status::unavailable("away")));
    let program = bench.start(&Under::Recorded(trace(&bench))).await;
    let load = bench.load(4, 10);
    bench.wait_for_accepted(200).await;
    load.stop().await;
    let (names, _) = power_off(&bench, program, || false).await;
    bench.sink.refuse(None);
    let program = bench.start(&Under::Nothing).await;
    assert!(program.terminate().await.success());
    let tally = bench.tally();
    assert_eq!((tally.delivered, tally.missing.len()), (0, tally.accepted), "{names} {tally:?}");
}
