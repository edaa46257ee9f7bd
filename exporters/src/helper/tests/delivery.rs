//! Repeats, time limit, counters and what is logged, without a queue.

use otelcol_pipeline::ErrorKind;
use otelcol_testkit::{Answer, LogCapture, samples};

use super::*;

const SENT: &str = "otelcol_exporter_sent_spans";
const FAILED: &str = "otelcol_exporter_send_failed_spans";

fn with_retry(retry: RetryConfig) -> Settings {
    Settings { retry: Some(retry), ..bare() }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_sent_as_it_is() {
    let setup = Setup::start(bare()).await;
    let sent = samples::spans(3);
    setup.exporter.consume(sent.clone()).await.unwrap();
    assert_eq!(setup.sink.batches()[0].to_wire(), sent.to_wire());
    assert_eq!((setup.value(SENT, &[]), setup.value(FAILED, &[])), (3.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_for_an_empty_batch() {
    let setup = Setup::start(bare()).await;
    setup.exporter.consume(samples::spans(0)).await.unwrap();
    assert_eq!(setup.sink.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_repeated_with_growing_waits() {
    let setup = Setup::start(with_retry(retry())).await;
    setup.sink.answer_next(vec![Answer::Fail(unavailable()); 3]);
    let begun = Instant::now();
    setup.exporter.consume(samples::spans(2)).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_millis(5_000 + 7_500 + 11_250));
    assert_eq!(setup.sink.attempts(), 4);
    assert_eq!((setup.value(SENT, &[]), setup.value(FAILED, &[])), (2.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn the_wait_that_the_backend_asks_for_counts_when_it_is_longer() {
    for (asked, waited) in [(60, 60), (1, 5)] {
        let setup = Setup::start(with_retry(retry())).await;
        let throttled = ConsumeError::retryable("slow down", Some(Duration::from_secs(asked)));
        setup.sink.answer_next([Answer::Fail(throttled)]);
        let begun = Instant::now();
        setup.exporter.consume(samples::spans(1)).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_secs(waited));
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_given_up_after_the_longest_time() {
    let config = RetryConfig { max_elapsed_time: GoDuration::from_secs(30), ..retry() };
    let setup = Setup::start(with_retry(config)).await;
    setup.sink.answer(Answer::Fail(unavailable()));
    let begun = Instant::now();
    let error = setup.exporter.consume(samples::spans(4)).await.unwrap_err();
    assert_eq!(error.to_string(), "no more retries left: unavailable");
    assert_eq!(error.kind(), ErrorKind::Retryable);
    // 5 + 7.5 + 11.25 are waited; 16.875 more would end after the 30 seconds.
    assert_eq!(begun.elapsed(), Duration::from_millis(23_750));
    assert_eq!(setup.sink.attempts(), 4);
    assert_eq!((setup.value(SENT, &[]), setup.value(FAILED, &[])), (0.0, 4.0));
}

#[tokio::test(start_paused = true)]
async fn zero_as_the_longest_time_is_for_ever() {
    let config = RetryConfig { max_elapsed_time: GoDuration::from_secs(0), ..retry() };
    let setup = Setup::start(with_retry(config)).await;
    setup.sink.answer_next(vec![Answer::Fail(unavailable()); 1000]);
    setup.exporter.consume(samples::spans(1)).await.unwrap();
    assert_eq!(setup.sink.attempts(), 1001);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_is_not_repeated() {
    let setup = Setup::start(with_retry(retry())).await;
    setup.sink.answer(Answer::Fail(ConsumeError::permanent("bad data")));
    let error = setup.exporter.consume(samples::spans(5)).await.unwrap_err();
    assert_eq!(error, ConsumeError::permanent("bad data"));
    assert_eq!(setup.sink.attempts(), 1);
    assert_eq!(setup.value(FAILED, &[]), 5.0);
    // The pipeline was told: the loss is not the exporter's.
    assert_eq!(setup.dropped("permanent_error"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_refuses_for_good_is_not_well_until_it_takes_something() {
    for retry in [Some(retry()), None] {
        let setup = Setup::start(Settings { retry, ..Settings::default() }).await;
        assert_eq!(setup.status(), Status::Ok);
        let error = ConsumeError::permanent("HTTP Status Code 401");
        setup.sink.answer_next([Answer::Fail(error.clone()), Answer::Fail(error)]);
        for _ in 0..2 {
            setup.exporter.consume(samples::spans(1)).await.unwrap_err();
            assert_eq!(
                setup.status(),
                Status::Recoverable("permanent error: HTTP Status Code 401".to_owned())
            );
        }
        setup.exporter.consume(samples::spans(1)).await.unwrap();
        assert_eq!(setup.status(), Status::Ok);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_has_a_time_limit() {
    let settings = Settings { timeout: Duration::from_secs(5), ..with_retry(retry()) };
    let setup = Setup::start(settings).await;
    setup.sink.answer_next([Answer::Block]);
    setup.sink.answer(Answer::Block);
    let exporter = Arc::clone(&setup.exporter);
    let (result, ()) = tokio::join!(exporter.consume(samples::spans(1)), async {
        setup.sink.wait_for_attempts(2).await;
        setup.sink.answer(Answer::Accept);
    });
    result.unwrap();
    assert_eq!(setup.sink.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_the_backend_refuses_of_a_batch_is_counted() {
    let sent = Sent { rejected: 2, message: "too old".to_owned() };
    let setup = Setup::start_with(bare(), sent).await;
    let (log, _guard) = LogCapture::start();
    setup.exporter.consume(samples::spans(10)).await.unwrap();
    setup.exporter.consume(samples::spans(10)).await.unwrap();
    assert_eq!((setup.value(SENT, &[]), setup.value(FAILED, &[])), (16.0, 4.0));
    assert_eq!(setup.dropped("partial_success"), 4.0);
    let lines = log.lines("ERROR");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("Partial success response"), "{lines:?}");
    assert!(lines[0].contains("error=too old") && lines[0].contains("dropped_items=2"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_away_is_told_once_and_its_return_too() {
    let (log, _guard) = LogCapture::start();
    let setup =
        Setup::start(with_retry(RetryConfig { max_elapsed_time: GoDuration::from_secs(0), ..retry() })).await;
    setup.sink.answer_next(vec![Answer::Fail(unavailable()); 500]);
    setup.exporter.consume(samples::spans(1)).await.unwrap();
    let (errors, infos) = (log.lines("ERROR"), log.lines("INFO"));
    assert_eq!((errors.len(), infos.len()), (1, 1), "{errors:?} {infos:?}");
    assert!(
        errors[0].contains("error=unavailable") && errors[0].contains("component=test/one"),
        "{errors:?}"
    );
    assert!(infos[0].contains("failed_attempts=500"), "{infos:?}");
}

#[tokio::test(start_paused = true)]
async fn a_minute_without_a_backend_costs_nothing_with_the_settings_that_are_there_by_default() {
    let config = QueueConfig::default();
    let settings = Settings { queue: Some(config), retry: Some(RetryConfig::default()), ..bare() };
    let setup = Setup::start(settings).await;
    let begun = Instant::now();
    let (from, to) = (Duration::from_secs(30), Duration::from_secs(90));
    for _ in 0..1200 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let away = (from..to).contains(&begun.elapsed());
        setup.sink.answer(if away { Answer::Fail(unavailable()) } else { Answer::Accept });
        setup.exporter.consume(samples::spans(7)).await.unwrap();
    }
    assert_eq!(begun.elapsed(), Duration::from_secs(120));
    // The longest wait is half as long again as 30 s.
    tokio::time::sleep(Duration::from_secs(45)).await;
    assert_eq!((setup.sink.items(), setup.value(SENT, &[]), setup.value(FAILED, &[])), (8400, 8400.0, 0.0));
    setup.shutdown(Duration::from_secs(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn losses_of_one_kind_are_summed_up() {
    let (log, _guard) = LogCapture::start();
    let setup = Setup::start(bare()).await;
    setup.sink.answer(Answer::Fail(ConsumeError::permanent("bad data")));
    for _ in 0..100 {
        setup.exporter.consume(samples::spans(3)).await.unwrap_err();
    }
    assert_eq!(log.lines("ERROR").len(), 1);
    tokio::time::advance(Duration::from_secs(601)).await;
    setup.exporter.consume(samples::spans(3)).await.unwrap_err();
    let lines = log.lines("ERROR");
    assert_eq!(lines.len(), 2);
    // 99 of the first hundred were not told, and this one.
    assert!(lines[1].contains("dropped_items=300"), "{lines:?}");
}

/// `Retry-After: 18446744073709551615`, behind an attempt that took a while.
#[tokio::test(start_paused = true)]
async fn a_wait_without_an_end_gives_the_batch_up() {
    let setup = Setup::start(with_retry(retry())).await;
    let endless = ConsumeError::retryable("slow down", Some(Duration::from_secs(u64::MAX)));
    setup.sink.answer_next([Answer::Fail(unavailable()), Answer::Fail(endless)]);
    let error = setup.exporter.consume(samples::spans(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "no more retries left: slow down");
    assert_eq!(setup.sink.attempts(), 2);
}
