//! The sending queue: a backend that is away holds nothing up and holds no more memory than it may.

use otelcol_pipeline::ErrorKind;
use otelcol_testkit::{Answer, samples};

use super::super::Sizer;
use super::*;

const ENQUEUE_FAILED: &str = "otelcol_exporter_enqueue_failed_spans";

#[tokio::test(start_paused = true)]
async fn a_dead_backend_holds_up_nobody_and_holds_a_bounded_number() {
    let setup =
        Setup::start(queue(QueueConfig { queue_size: 20, num_consumers: 3, ..QueueConfig::default() })).await;
    setup.sink.answer(Answer::Block);
    let begun = Instant::now();
    let mut refused = 0;
    for _ in 0..100 {
        match setup.exporter.consume(samples::spans(2).without_models()).await {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(
                    (error.kind(), error.to_string().as_str()),
                    (ErrorKind::Refused, "sending queue is full")
                );
                refused += 1;
            }
        }
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    // What is under way counts too.
    assert_eq!(refused, 80);
    assert_eq!((setup.queue("size"), setup.queue("capacity")), (20.0, 20.0));
    assert_eq!(setup.value(ENQUEUE_FAILED, &[]), 160.0);
    let one = samples::spans(2).without_models().pinned_bytes() as f64;
    assert_eq!(setup.queue("pinned_bytes"), 20.0 * one);

    setup.sink.answer(Answer::Accept);
    setup.sink.wait_for_items(40).await;
    setup.shutdown(Duration::from_secs(5)).await.unwrap();
    assert_eq!((setup.queue("size"), setup.queue("pinned_bytes")), (0.0, 0.0));
    assert_eq!(setup.value("otelcol_exporter_sent_spans", &[]), 40.0);
}

#[tokio::test(start_paused = true)]
async fn as_many_batches_as_consumers_are_under_way() {
    let setup = Setup::start(queue(QueueConfig { num_consumers: 4, ..QueueConfig::default() })).await;
    setup.sink.answer(Answer::Block);
    for _ in 0..10 {
        setup.exporter.consume(samples::spans(1)).await.unwrap();
    }
    setup.sink.wait_for_attempts(4).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(setup.sink.attempts(), 4);
}

#[tokio::test(start_paused = true)]
async fn room_is_counted_in_items_or_bytes() {
    let wire = samples::spans(10).wire_len();
    for (sizer, queue_size) in [(Sizer::Items, 25), (Sizer::Bytes, wire * 2 + 1)] {
        let config = QueueConfig { sizer: Some(sizer), queue_size, ..QueueConfig::default() };
        let setup = Setup::start(queue(config)).await;
        setup.sink.answer(Answer::Block);
        let results: Vec<bool> = [10, 10, 10]
            .map(samples::spans)
            .into_iter()
            .map(|batch| {
                futures_util::FutureExt::now_or_never(setup.exporter.consume(batch)).unwrap().is_ok()
            })
            .collect();
        assert_eq!(results, [true, true, false], "{sizer}");
        let unit = if sizer == Sizer::Items { 10 } else { wire };
        assert_eq!(setup.queue("size"), (2 * unit) as f64);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_larger_than_the_queue_is_a_permanent_error() {
    let config = QueueConfig { sizer: Some(Sizer::Items), queue_size: 5, ..QueueConfig::default() };
    let setup = Setup::start(queue(config)).await;
    let error = setup.exporter.consume(samples::spans(6)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "permanent error: element size too large: a batch of 6 items can never fit a sending queue of 5; raise queue_size or make batches smaller"
    );
    assert_eq!(setup.value(ENQUEUE_FAILED, &[]), 6.0);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_can_make_the_pipeline_wait() {
    let config =
        QueueConfig { queue_size: 1, num_consumers: 1, block_on_overflow: true, ..QueueConfig::default() };
    let setup = Setup::start(queue(config)).await;
    setup.sink.answer(Answer::Block);
    setup.exporter.consume(samples::spans(1)).await.unwrap();
    let exporter = Arc::clone(&setup.exporter);
    let (second, ()) = tokio::join!(exporter.consume(samples::spans(1)), async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(setup.sink.attempts(), 1);
        setup.sink.answer(Answer::Accept);
    });
    second.unwrap();
    setup.sink.wait_for_items(2).await;
}

#[tokio::test(start_paused = true)]
async fn the_result_can_be_waited_for() {
    let config = QueueConfig { wait_for_result: true, ..QueueConfig::default() };
    let setup = Setup::start(queue(config)).await;
    setup.exporter.consume(samples::spans(1)).await.unwrap();
    assert_eq!(setup.sink.items(), 1);
    setup.sink.answer(Answer::Fail(ConsumeError::permanent("bad data")));
    let error = setup.exporter.consume(samples::spans(1)).await.unwrap_err();
    assert_eq!(error, ConsumeError::permanent("bad data"));
    assert_eq!(setup.dropped("permanent_error"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_is_counted_by_reason() {
    let setup = Setup::start(queue(QueueConfig::default())).await;
    setup.sink.answer_next([Answer::Fail(ConsumeError::permanent("bad data"))]);
    setup.exporter.consume(samples::spans(2)).await.unwrap();
    setup.sink.wait_for_attempts(1).await;
    setup.sink.answer(Answer::Fail(unavailable()));
    setup.exporter.consume(samples::spans(3)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(400)).await;
    assert_eq!(setup.dropped("permanent_error"), 2.0);
    assert_eq!(setup.dropped("retries_exhausted"), 3.0);
    assert_eq!(setup.value("otelcol_exporter_send_failed_spans", &[]), 5.0);
    assert_eq!(setup.queue("size"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn without_repeats_a_failure_is_final() {
    let setup = Setup::start(Settings { retry: None, ..queue(QueueConfig::default()) }).await;
    setup.sink.answer_next([Answer::Fail(unavailable())]);
    setup.exporter.consume(samples::spans(3)).await.unwrap();
    setup.exporter.consume(samples::spans(1)).await.unwrap();
    setup.sink.wait_for_items(1).await;
    assert_eq!(setup.dropped("retry_disabled"), 3.0);
}

#[tokio::test(start_paused = true)]
async fn an_exporter_that_is_gone_has_no_queue_and_its_successor_has_its_own() {
    let setup = Setup::start(queue(QueueConfig { queue_size: 20, ..QueueConfig::default() })).await;
    assert_eq!(setup.queue("capacity"), 20.0);
    setup.shutdown(Duration::from_secs(1)).await.unwrap();
    let Setup { exporter, context, .. } = setup;
    drop(exporter);
    let capacity = |context: &Context| {
        let labels = [("exporter", "test/one"), ("data_type", "traces")];
        context.telemetry.value("otelcol_exporter_queue_capacity", &labels)
    };
    assert_eq!(capacity(&context), Some(0.0));
    let sender = ToSink { sink: Sink::new(), sent: Sent::default(), hurried: Arc::default() };
    let settings = queue(QueueConfig { queue_size: 30, ..QueueConfig::default() });
    let successor = Exporter::new(context.clone(), Signal::Traces, sender, settings);
    successor.start(&Host::default()).await.unwrap();
    assert_eq!(capacity(&context), Some(30.0));
}

#[tokio::test]
async fn what_has_to_wait_is_held_as_bytes() {
    let setup = Setup::start(queue(QueueConfig { num_consumers: 1, ..QueueConfig::default() })).await;
    setup.sink.answer(Answer::Block);
    let body = samples::spans(5).to_wire();
    for _ in 0..11 {
        let batch = Batch::from_wire(Signal::Traces, body.clone()).unwrap();
        setup.exporter.consume(batch.clone()).await.unwrap();
        // As another exporter does.
        batch.traces().unwrap();
    }
    let built = Batch::from_traces(samples::spans(5).into_traces().unwrap());
    setup.exporter.consume(built).await.unwrap();
    setup.sink.answer(Answer::Accept);
    setup.sink.wait_for_items(60).await;
    let held: Vec<_> = setup.sink.batches().iter().map(Batch::pinned_bytes).collect();
    let expected = [vec![2 * body.len(); 10], vec![body.len(), body.len() - 3]].concat();
    assert_eq!(held, expected);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_counted_and_the_other_tasks_go_on() {
    struct Panics(Arc<Sink>);

    #[async_trait]
    impl Sender for Panics {
        async fn send(&self, batch: &Batch, _: &mut Progress) -> Result<Sent, ConsumeError> {
            assert!(batch.items() != 13, "unlucky");
            self.0.consume(batch.clone()).await?;
            Ok(Sent::default())
        }
    }

    let (sink, context) = (Sink::new(), Context::detached(Kind::Exporter, "test/one"));
    let settings = queue(QueueConfig { num_consumers: 2, ..QueueConfig::default() });
    let sender = Panics(Arc::clone(&sink));
    let exporter = Exporter::new(context.clone(), Signal::Traces, sender, settings);
    exporter.start(&Host::default()).await.unwrap();
    exporter.consume(samples::spans(13)).await.unwrap();
    exporter.consume(samples::spans(5)).await.unwrap();
    sink.wait_for_items(5).await;
    let setup = Setup { sink, exporter, context, hurried: Arc::default(), shared: Shared::default() };
    assert_eq!((setup.dropped("panic"), setup.queue("size")), (13.0, 0.0));
}
