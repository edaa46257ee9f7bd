//! A backend whose name nobody knows for a while.

use otelcol_testkit::Proxy;

use crate::program::{Bench, Under, can_mount};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_gone_for_a_while_costs_nothing() {
    if !can_mount() {
        return;
    }
    let bench = Bench::new("{queue_size: 100000}", "", "");
    let network = Proxy::start(bench.sink.addr()).await;
    let (sink, name) = (bench.sink.addr().to_string(), format!("backend.test:{}", network.addr().port()));
    let bench = bench.with(&sink, &name).with("{level: none}", "{level: none}, logs: {level: debug}");
    bench.names("127.0.0.1 backend.test\n");
    let program = bench.start(&Under::OwnNames).await;
    let load = bench.load(2, 10);
    bench.until(|| bench.tally().delivered >= 100, "the name is known").await;

    bench.names("");
    let gone = "failed to lookup address information";
    // A connection that is there does not ask for names.
    let arrived = bench.sink.calls();
    bench.until(|| bench.sink.calls() > arrived, "spans arrive without the name").await;
    network.cut();
    bench.until(|| bench.log().contains(gone), gone).await;
    let arrived = bench.sink.calls();
    bench.wait_for_accepted(500).await;
    assert_eq!(bench.sink.calls(), arrived);

    bench.names("127.0.0.1 backend.test\n");
    load.stop().await;
    bench.until(|| bench.tally().missing.is_empty(), "everything arrived").await;
    assert!(program.terminate().await.success());
    let tally = bench.tally();
    assert_eq!((tally.delivered, tally.unasked), (tally.accepted, 0), "{tally:?}");
}
