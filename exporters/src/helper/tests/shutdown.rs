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

/// Five batches of two spans that a backend has refused once.
async fn refused(config: QueueConfig) -> Setup {
    let setup = Setup::start(queue(config)).await;
    setup.sink.answer(Answer::Fail(unavailable()));
    for _ in 0..5 {
        setup.exporter.consume(samples::spans(2)).await.unwrap();
    }
    setup.sink.wait_for_attempts(1).await;
    setup
}

#[tokio::test(start_paused = true)]
async fn a_dead_backend_is_tried_until_the_deadline() {
    for batch in [None, Some(batch(4, 4))] {
        let setup = refused(QueueConfig { num_consumers: 1, batch, ..QueueConfig::default() }).await;
        let begun = Instant::now();
        let error = setup.shutdown(Duration::from_millis(19_500)).await.unwrap_err();
        assert_eq!(begun.elapsed(), Duration::from_millis(19_500));
        assert!(error.starts_with("10 spans were not delivered at shutdown: "), "{error}");
        assert_eq!(setup.dropped("shutdown"), 10.0);
        assert_eq!(setup.value("otelcol_exporter_send_failed_spans", &[]), 10.0);
        // One before, one at once, and then one a second.
        assert_eq!(setup.sink.attempts(), 1 + 20);
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_comes_back_before_the_deadline_gets_everything() {
    for batch in [None, Some(batch(1000, 0)), Some(batch(3, 3))] {
        let setup = refused(QueueConfig { num_consumers: 1, batch, ..QueueConfig::default() }).await;
        assert!(!setup.hurried.load(Ordering::Relaxed));
        let begun = Instant::now();
        let (stopped, ()) = tokio::join!(setup.shutdown(Duration::from_secs(20)), async {
            tokio::time::sleep(Duration::from_millis(12_500)).await;
            setup.sink.answer(Answer::Accept);
        });
        stopped.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_secs(13));
        assert!(
            setup.hurried.load(Ordering::Relaxed),
            "the sender is told that there is no time for long waits"
        );
        assert_eq!((setup.sink.items(), setup.dropped("shutdown")), (10, 0.0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_asks_for_time_gets_it_at_a_stop_too() {
    let setup = refused(QueueConfig { num_consumers: 1, ..QueueConfig::default() }).await;
    let busy = ConsumeError::retryable("busy", Some(Duration::from_secs(7)));
    setup.sink.answer_next([Answer::Fail(busy)]);
    setup.sink.answer(Answer::Accept);
    let begun = Instant::now();
    setup.shutdown(Duration::from_secs(20)).await.unwrap();
    assert_eq!((begun.elapsed(), setup.sink.items()), (Duration::from_secs(7), 10));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_result_gets_it_at_once() {
    let config = QueueConfig { wait_for_result: true, ..QueueConfig::default() };
    let setup = Setup::start(queue(config)).await;
    setup.sink.answer(Answer::Fail(unavailable()));
    let (refused, stopped) = tokio::join!(setup.exporter.consume(samples::spans(2)), async {
        setup.sink.wait_for_attempts(1).await;
        let begun = Instant::now();
        let stopped = setup.shutdown(Duration::from_secs(20)).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        stopped
    });
    assert_eq!(refused.unwrap_err(), unavailable());
    stopped.unwrap();
    assert_eq!(setup.dropped("shutdown"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_that_was_sent_in_part_the_rest_is_counted() {
    let config = QueueConfig { num_consumers: 1, batch: Some(batch(10, 10)), ..QueueConfig::default() };
    let setup = Setup::start(queue(config)).await;
    // 7 and 25 become 10, 10, 10 and 2: two are taken, one is refused for good, the last is never answered.
    let bad = Answer::Fail(ConsumeError::permanent("bad data"));
    setup.sink.answer_next([Answer::Accept, Answer::Accept, bad]);
    setup.sink.answer(Answer::Block);
    for spans in [7, 25] {
        setup.exporter.consume(samples::spans(spans)).await.unwrap();
    }
    setup.sink.wait_for_attempts(3).await;
    let error = setup.shutdown(Duration::from_secs(5)).await.unwrap_err();
    assert!(error.starts_with("2 spans were not delivered at shutdown: "), "{error}");
    assert_eq!(
        (setup.sink.items(), setup.dropped("permanent_error"), setup.dropped("shutdown")),
        (20, 10.0, 2.0)
    );
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
    assert!(error.starts_with("10 spans were not delivered at shutdown: "), "{error}");
    assert_eq!(setup.dropped("shutdown"), 10.0);
}
