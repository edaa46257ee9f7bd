use std::sync::Arc;
use std::time::Duration;

use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{ConsumeError, ConsumerComponent, Context, ErrorKind, Host, Kind};
use otelcol_testkit::{Answer, Sink};
use proptest::prelude::*;
use tokio::time::Instant;

use super::{Config, create};
use crate::testing::{config, names, output, spans};

struct Bench {
    sink: Arc<Sink>,
    batch: Arc<dyn ConsumerComponent>,
    context: Context,
}

async fn bench(yaml: &str) -> Bench {
    let sink = Sink::new();
    let context = Context::detached(Kind::Processor, "batch");
    let config: Config = config(yaml).unwrap();
    let batch = create(context.clone(), config, Signal::Traces, output(&sink)).unwrap();
    batch.start(&Host::default()).await.unwrap();
    Bench { sink, batch, context }
}

impl Bench {
    async fn push(&self, batch: Batch) {
        self.batch.consume(batch).await.unwrap();
    }

    async fn stop(&self, seconds: u64) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        self.batch.shutdown(deadline).await.map_err(|error| error.to_string())
    }

    fn metric(&self, name: &str) -> f64 {
        self.context.telemetry.value(name, &[("processor", "batch")]).unwrap()
    }

    fn dropped(&self, reason: &str) -> f64 {
        let labels = [("processor", "batch"), ("data_type", "traces"), ("reason", reason)];
        self.context.telemetry.value("otelcol_processor_dropped_items", &labels).unwrap()
    }
}

/// Lets all other tasks run until they wait, without time passing by more than this.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[test]
fn the_defaults_are_otelcols() {
    let config: Config = config("{}").unwrap();
    assert_eq!(config.timeout.get(), Duration::from_millis(200));
    assert_eq!((config.send_batch_size, config.send_batch_max_size), (8192, 0));
}

#[test]
fn wrong_settings_are_named() {
    let errors = |yaml| config::<Config>(yaml).unwrap_err();
    assert_eq!(
        errors("{send_batch_size: 100, send_batch_max_size: 99}"),
        ["send_batch_max_size must be greater or equal to send_batch_size"]
    );
    assert_eq!(errors("{max_buffer_bytes: 0}"), ["expected 1 to 4294967295 bytes, found 0"]);
    assert_eq!(
        errors("{metadata_keys: [a, A]}"),
        ["duplicate entry in metadata_keys: \"A\" (case-insensitive)"]
    );
}

#[tokio::test(start_paused = true)]
async fn items_wait_for_the_timeout_and_no_longer() {
    let bench = bench("{timeout: 10s, send_batch_size: 100}").await;
    bench.push(spans("a", 0..3)).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    bench.push(spans("b", 0..2)).await;
    tokio::time::sleep(Duration::from_millis(5_990)).await;
    assert_eq!(bench.sink.sizes(), [0; 0]);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(bench.sink.sizes(), [5]);
    assert_eq!(names(&bench.sink), ["a-0", "a-1", "a-2", "b-0", "b-1"]);
    assert_eq!(bench.metric("otelcol_processor_batch_timeout_trigger_send"), 1.0);
    assert_eq!(bench.metric("otelcol_processor_batch_batch_size_trigger_send"), 0.0);
    assert_eq!(bench.metric("otelcol_processor_batch_batch_send_size"), 5.0);
    bench.stop(1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn enough_items_are_sent_at_once() {
    let bench = bench("{timeout: 1h, send_batch_size: 4}").await;
    bench.push(spans("a", 0..3)).await;
    settle().await;
    assert_eq!(bench.sink.sizes(), [0; 0]);
    bench.push(spans("a", 3..6)).await;
    settle().await;
    assert_eq!(bench.sink.sizes(), [6]);
    assert_eq!(bench.metric("otelcol_processor_batch_batch_size_trigger_send"), 1.0);
    bench.stop(1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rest_below_the_size_goes_on_waiting() {
    let bench = bench("{timeout: 1h, send_batch_size: 4, send_batch_max_size: 5}").await;
    bench.push(spans("a", 0..12)).await;
    settle().await;
    assert_eq!(bench.sink.sizes(), [5, 5]);
    bench.push(spans("a", 12..14)).await;
    settle().await;
    assert_eq!(bench.sink.sizes(), [5, 5, 4]);
    let expected: Vec<String> = (0..14).map(|n| format!("a-{n}")).collect();
    assert_eq!(names(&bench.sink), expected);
    bench.stop(1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_zero_timeout_or_size_means_at_once() {
    for yaml in ["{timeout: 0s}", "{send_batch_size: 0}"] {
        let bench = bench(yaml).await;
        bench.push(spans("a", 0..1)).await;
        settle().await;
        assert_eq!(bench.sink.sizes(), [1], "{yaml}");
        bench.stop(1).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_cut_before_it_is_too_large_for_its_receiver() {
    let one = spans("a", 0..100).wire_len();
    let bench =
        bench(&format!("{{timeout: 1h, send_batch_size: 1000000, send_batch_max_bytes: {}}}", one + 20))
            .await;
    bench.push(spans("a", 0..100)).await;
    settle().await;
    assert_eq!(bench.sink.sizes(), [0; 0]);
    bench.push(spans("a", 100..300)).await;
    settle().await;
    bench.stop(1).await.unwrap();
    assert_eq!(bench.sink.sizes().iter().sum::<usize>(), 300);
    assert!(bench.sink.batches().len() > 2);
    assert!(bench.sink.batches().iter().all(|batch| batch.wire_len() <= one + 20));
}

#[tokio::test(start_paused = true)]
async fn a_slow_next_component_makes_senders_wait() {
    let one = spans("a", 0..10).pinned_bytes();
    let bench = bench(&format!("{{timeout: 0s, max_buffer_bytes: {}}}", one * 2)).await;
    bench.sink.answer(Answer::Block);
    bench.push(spans("a", 0..10)).await;
    settle().await;
    bench.push(spans("b", 0..10)).await;
    let waiting = bench.batch.consume(spans("c", 0..10));
    tokio::pin!(waiting);
    assert!(tokio::time::timeout(Duration::from_secs(3600), &mut waiting).await.is_err());
    bench.sink.answer(Answer::Accept);
    waiting.await.unwrap();
    settle().await;
    assert_eq!(bench.sink.sizes().iter().sum::<usize>(), 30);
    bench.stop(1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_buffer_smaller_than_a_batch_does_not_wait_for_its_timeout() {
    let one = spans("a", 0..10).pinned_bytes();
    let settings = format!("send_batch_max_bytes: 0, max_buffer_bytes: {}", one * 2);
    let bench = bench(&format!("{{timeout: 1h, send_batch_size: 1000000, {settings}}}")).await;
    for n in 0..20 {
        bench.push(spans("a", n * 10..n * 10 + 10)).await;
        settle().await;
    }
    assert_eq!(names(&bench.sink).len(), 200);
    bench.stop(1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn refused_data_is_kept_and_offered_again() {
    let bench = bench("{timeout: 0s}").await;
    bench.sink.answer_next([Answer::Fail(ConsumeError::refused("queue is full", None))]);
    bench.sink.answer_next([Answer::Fail(ConsumeError::retryable(
        "connection lost",
        Some(Duration::from_secs(3)),
    ))]);
    bench.push(spans("a", 0..3)).await;
    tokio::time::sleep(Duration::from_millis(99)).await;
    assert_eq!(bench.sink.attempts(), 1);
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(bench.sink.attempts(), 2);
    tokio::time::sleep(Duration::from_millis(2_900)).await;
    assert_eq!(bench.sink.sizes(), [0; 0]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(bench.sink.sizes(), [3]);
    assert_eq!(bench.dropped("refused"), 0.0);
    bench.stop(1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_refuses_while_the_next_component_refuses() {
    let one = spans("a", 0..10).pinned_bytes();
    let bench = bench(&format!("{{timeout: 0s, max_buffer_bytes: {}}}", one * 2)).await;
    bench.sink.answer(Answer::Fail(ConsumeError::refused("queue is full", None)));
    bench.push(spans("a", 0..10)).await;
    settle().await;
    bench.push(spans("b", 0..10)).await;
    let error = bench.batch.consume(spans("c", 0..10)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.to_string(), "batch buffer is full and the next component refuses data");
    assert_eq!(error.after(), Some(Duration::from_millis(100)));
    bench.sink.answer(Answer::Accept);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(names(&bench.sink).len(), 20);
    bench.push(spans("c", 0..10)).await;
    bench.stop(1).await.unwrap();
    assert_eq!(names(&bench.sink).len(), 30);
}

#[tokio::test(start_paused = true)]
async fn data_is_dropped_and_counted_when_it_was_held_for_too_long() {
    let bench = bench("{timeout: 0s, max_hold: 1m}").await;
    bench.sink.answer(Answer::Fail(ConsumeError::refused("queue is full", None)));
    bench.push(spans("a", 0..3)).await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(bench.dropped("refused"), 0.0);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(bench.dropped("refused"), 3.0);
    // The outage lasts: what comes next is offered once, so that other exporters of the pipeline do not wait.
    let asked = bench.sink.attempts();
    bench.push(spans("b", 0..2)).await;
    settle().await;
    assert_eq!((bench.dropped("refused"), bench.sink.attempts()), (5.0, asked + 1));
    bench.sink.answer(Answer::Accept);
    bench.push(spans("c", 0..2)).await;
    settle().await;
    assert_eq!(names(&bench.sink), ["c-0", "c-1"]);
    bench.stop(1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_taken_is_dropped_and_counted() {
    let bench = bench("{timeout: 0s}").await;
    bench.sink.answer_next([Answer::Fail(ConsumeError::permanent("no such tenant"))]);
    bench.push(spans("a", 0..3)).await;
    settle().await;
    bench.push(spans("b", 0..2)).await;
    settle().await;
    assert_eq!(bench.dropped("permanent"), 3.0);
    assert_eq!(names(&bench.sink), ["b-0", "b-1"]);
    bench.stop(1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_buffer_is_sent_at_shutdown() {
    let bench = bench("{timeout: 1h}").await;
    bench.push(spans("a", 0..3)).await;
    bench.stop(1).await.unwrap();
    assert_eq!(bench.sink.sizes(), [3]);
    let error = bench.batch.consume(spans("b", 0..1)).await.unwrap_err();
    assert_eq!(error.to_string(), "the batch processor has stopped");
}

#[tokio::test(start_paused = true)]
async fn what_is_left_at_the_deadline_is_counted_and_told() {
    let refused = bench("{timeout: 1h}").await;
    refused.sink.answer(Answer::Fail(ConsumeError::refused("queue is full", None)));
    refused.push(spans("a", 0..3)).await;
    let told = refused.stop(2).await.unwrap_err();
    assert_eq!(told, "3 spans dropped: the next component did not take them by the deadline");
    assert_eq!(refused.dropped("shutdown"), 3.0);

    let stuck = bench("{timeout: 1h, send_batch_max_size: 2, send_batch_size: 2}").await;
    stuck.sink.answer(Answer::Block);
    stuck.push(spans("a", 0..7)).await;
    settle().await;
    assert!(stuck.stop(2).await.unwrap_err().starts_with("7 spans dropped"));
}

#[tokio::test(start_paused = true)]
async fn resources_without_items_end_here() {
    let bench = bench("{timeout: 0s}").await;
    bench.push(spans("a", 0..0)).await;
    settle().await;
    assert_eq!(bench.sink.attempts(), 0);
    bench.stop(1).await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_in_comes_out_in_order_and_within_limits(
        sizes in proptest::collection::vec((0..3_usize, 1..40_usize), 1..30),
        size in 1..50_usize,
        extra in 0..20_usize,
        bytes in 200..3000_usize,
        refusals in proptest::collection::vec(any::<bool>(), 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let max = size + extra;
            let bench = bench(&format!(
                "{{timeout: 1s, send_batch_size: {size}, send_batch_max_size: {max}, send_batch_max_bytes: {bytes}, max_buffer_bytes: 20000}}"
            )).await;
            let full = Answer::Fail(ConsumeError::refused("queue is full", None));
            bench.sink.answer_next(refusals.iter().map(|no| if *no { full.clone() } else { Answer::Accept }));
            let mut counts = [0; 3];
            for (source, items) in sizes {
                let from = counts[source];
                counts[source] += items;
                let batch = spans(&source.to_string(), from..from + items);
                // A sender that is refused holds its data and tries again.
                while bench.batch.consume(batch.clone()).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            bench.stop(60).await.unwrap();
            let names = names(&bench.sink);
            for (source, count) in counts.into_iter().enumerate() {
                let prefix = format!("{source}-");
                let got: Vec<&String> = names.iter().filter(|name| name.starts_with(&prefix)).collect();
                let expected: Vec<String> = (0..count).map(|n| format!("{prefix}{n}")).collect();
                assert_eq!(got, expected.iter().collect::<Vec<_>>());
            }
            for batch in bench.sink.batches() {
                assert!(batch.items() <= max);
                assert!(batch.wire_len() <= bytes || batch.items() == 1);
            }
        });
    }
}

fn from(tenant: Option<&str>, batch: Batch) -> Batch {
    let mut client = otelcol_pdata::Client::default();
    client.metadata.append("authorization", "secret");
    tenant.into_iter().for_each(|tenant| client.metadata.append("X-Tenant", tenant));
    batch.with_client(Some(Arc::new(client)))
}

#[tokio::test(start_paused = true)]
async fn batches_are_kept_apart_by_metadata_and_keep_it() {
    let bench = bench("{metadata_keys: [x-tenant], metadata_cardinality_limit: 3}").await;
    for (tenant, name) in [(Some("a"), "1"), (Some("b"), "2"), (None, "3"), (Some("a"), "4")] {
        bench.push(from(tenant, spans(name, 0..1))).await;
    }
    bench.push(spans("5", 0..1)).await;
    let fourth = bench.batch.consume(from(Some("c"), spans("6", 0..1))).await.unwrap_err();
    assert_eq!(fourth.kind(), ErrorKind::Permanent);
    assert_eq!(fourth.to_string(), "permanent error: too many batcher metadata-value combinations");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut seen: Vec<_> = bench
        .sink
        .batches()
        .iter()
        .map(|batch| {
            let client = batch.client();
            let of = |name| client.map(|client| client.metadata.get(name).to_vec()).unwrap_or_default();
            assert_eq!(of("authorization"), [""; 0], "only the keys stay");
            (of("x-tenant").concat(), batch.items())
        })
        .collect();
    seen.sort();
    assert_eq!(seen, [(String::new(), 2), ("a".to_owned(), 2), ("b".to_owned(), 1)]);
    assert_eq!(bench.metric("otelcol_processor_batch_metadata_cardinality"), 3.0);
    bench.stop(5).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_keys_a_batch_forgets_who_sent_it() {
    let bench = bench("{}").await;
    bench.push(from(Some("a"), spans("1", 0..1))).await;
    bench.stop(5).await.unwrap();
    assert!(bench.sink.batches()[0].client().is_none());
}
