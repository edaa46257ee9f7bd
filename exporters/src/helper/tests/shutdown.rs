//! The end of an exporter: what waits is sent, nothing is tried for ever, and what is left is told.

use otelcol_testkit::{Answer, samples};

use super::*;

#[tokio::test(start_paused = true)]
async fn what_waits_is_sent() {
    for batch in [None, Some(batch(1000, 0))] {
        let config = QueueConfig { num_consumers: 2, batch, ..QueueConfig::default() };
        let setup = Setup::start(queue(config)).await;
        for _ in 0..50 {
            setup.exporter.consume(samples::spans(3)).await.unwrap();
        }
        setup.shutdown(Duration::from_secs(5)).await.unwrap();
        assert_eq!(setup.sink.items(), 150);
        let refused = setup.exporter.consume(samples::spans(1)).await.unwrap_err();
        assert_eq!(refused.to_string(), "the exporter is stopped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_before_a_repeat_ends_with_one_more_attempt() {
    let setup = Setup::start(queue(QueueConfig::default())).await;
    setup.sink.answer_next([Answer::Fail(unavailable())]);
    setup.exporter.consume(samples::spans(3)).await.unwrap();
    setup.sink.wait_for_attempts(1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    setup.shutdown(Duration::from_secs(60)).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(setup.sink.items(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_dead_backend_is_tried_once_for_each_batch() {
    let setup = Setup::start(queue(QueueConfig { num_consumers: 1, ..QueueConfig::default() })).await;
    setup.sink.answer(Answer::Fail(unavailable()));
    for _ in 0..5 {
        setup.exporter.consume(samples::spans(2)).await.unwrap();
    }
    let begun = Instant::now();
    let error = setup.shutdown(Duration::from_secs(60)).await.unwrap_err();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(error.starts_with("10 spans were not delivered at shutdown (0 still in the queue"), "{error}");
    assert_eq!(setup.dropped("shutdown"), 10.0);
    assert_eq!(setup.value("otelcol_exporter_send_failed_spans", &[]), 10.0);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_at_the_deadline_is_counted() {
    let setup = Setup::start(queue(QueueConfig { num_consumers: 2, ..QueueConfig::default() })).await;
    setup.sink.answer(Answer::Block);
    for _ in 0..5 {
        setup.exporter.consume(samples::spans(2)).await.unwrap();
    }
    let begun = Instant::now();
    let error = setup.shutdown(Duration::from_secs(7)).await.unwrap_err();
    assert_eq!(begun.elapsed(), Duration::from_secs(7));
    assert!(error.starts_with("10 spans were not delivered at shutdown (10 still in the queue"), "{error}");
    assert_eq!(setup.dropped("shutdown"), 10.0);
}
