//! `sending_queue::batch`.

use otelcol_pdata::Client;
use otelcol_testkit::{Answer, samples};

use super::super::{PartitionConfig, Sizer};
use super::*;

async fn with(batch: BatchConfig) -> Setup {
    let config =
        QueueConfig { num_consumers: 1, queue_size: 10_000, batch: Some(batch), ..QueueConfig::default() };
    Setup::start(queue(config)).await
}

#[test]
fn a_section_without_content_switches_batching_on() {
    for (yaml, expected) in
        [("batch:", Some((8192, Sizer::Items))), ("batch: {}", Some((8192, Sizer::Items))), ("{}", None)]
    {
        let node = otelcol_confmap::Node::from_yaml(yaml, "test.yaml").unwrap();
        let config: QueueConfig = node.decode("sending_queue").unwrap();
        assert_eq!(config.batching().map(|(batch, sizer)| (batch.min_size, sizer)), expected, "{yaml}");
    }
}

#[tokio::test(start_paused = true)]
async fn small_batches_are_joined_until_they_are_large_enough() {
    let setup = with(batch(10, 0)).await;
    for _ in 0..5 {
        setup.exporter.consume(samples::spans(4)).await.unwrap();
    }
    setup.sink.wait_for_items(12).await;
    assert_eq!(setup.sink.sizes(), [12]);
    // The other two are too small and wait for the time.
    let begun = Instant::now();
    setup.sink.wait_for_items(20).await;
    assert_eq!(begun.elapsed().as_millis().div_ceil(10), 100);
    assert_eq!(setup.sink.sizes(), [12, 8]);
}

#[tokio::test(start_paused = true)]
async fn large_batches_are_split() {
    let setup = with(batch(10, 10)).await;
    setup.exporter.consume(samples::spans(4)).await.unwrap();
    setup.exporter.consume(samples::spans(21)).await.unwrap();
    setup.sink.wait_for_items(25).await;
    assert_eq!(setup.sink.sizes(), [10, 10, 5]);
}

#[tokio::test(start_paused = true)]
async fn sizes_can_be_bytes() {
    let one = samples::spans(1).wire_len();
    let setup = with(BatchConfig { sizer: Some(Sizer::Bytes), ..batch(3 * one, 3 * one) }).await;
    for _ in 0..7 {
        setup.exporter.consume(samples::spans(1)).await.unwrap();
    }
    setup.sink.wait_for_items(7).await;
    assert_eq!(setup.sink.sizes(), [3, 3, 1]);
}

#[tokio::test(start_paused = true)]
async fn without_a_least_size_each_batch_goes_at_once() {
    let setup = with(batch(0, 0)).await;
    for _ in 0..3 {
        setup.exporter.consume(samples::spans(2)).await.unwrap();
    }
    setup.sink.wait_for_items(6).await;
    assert_eq!(setup.sink.sizes(), [2, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn the_queue_counts_what_waits_to_be_joined() {
    let setup = with(batch(10, 0)).await;
    setup.exporter.consume(samples::spans(4)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(setup.queue("size"), 1.0);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!((setup.queue("size"), setup.sink.items()), (0.0, 4));
}

#[tokio::test(start_paused = true)]
async fn each_producer_gets_the_result_of_its_own_parts() {
    let config = QueueConfig { wait_for_result: true, batch: Some(batch(10, 10)), ..QueueConfig::default() };
    let setup = Setup::start(queue(QueueConfig { num_consumers: 1, ..config })).await;
    // 4 + 21 become 10, 10 and 5: the second of them fails, which is of the second producer only.
    setup.sink.answer_next([Answer::Accept, Answer::Fail(ConsumeError::permanent("bad data"))]);
    let (first, second) =
        tokio::join!(setup.exporter.consume(samples::spans(4)), setup.exporter.consume(samples::spans(21)));
    assert_eq!(first, Ok(()));
    assert_eq!(second, Err(ConsumeError::permanent("bad data")));
    assert_eq!(setup.sink.sizes(), [10, 5]);
}

#[tokio::test(start_paused = true)]
async fn requests_with_other_headers_are_kept_apart() {
    let partition = PartitionConfig { metadata_keys: vec!["X-Tenant".to_owned()] };
    let setup = with(BatchConfig { partition, ..batch(10, 0) }).await;
    let of = |tenant: &str, n| {
        let mut client = Client::default();
        client.metadata.append("x-tenant", tenant);
        client.metadata.append("user-agent", format!("{n}"));
        samples::spans(n).with_client(Some(Arc::new(client)))
    };
    for batch in [of("a", 4), of("b", 5), of("a", 6), samples::spans(3)] {
        setup.exporter.consume(batch).await.unwrap();
    }
    setup.sink.wait_for_items(18).await;
    let tenant = |batch: &Batch| batch.client().map(|client| client.metadata.get("x-tenant").to_vec());
    let mut sent: Vec<_> = setup.sink.batches().iter().map(|batch| (batch.items(), tenant(batch))).collect();
    sent.sort();
    let tenants = |name: &str| Some(vec![name.to_owned()]);
    assert_eq!(sent, [(3, None), (5, tenants("b")), (10, tenants("a"))]);
    setup.shutdown(Duration::from_secs(1)).await.unwrap();
}
