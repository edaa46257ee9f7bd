//! A reload exchanges an exporter: what it has not sent goes on in its successor.

use otelcol_testkit::{Answer, samples};

use super::*;
use crate::helper::inheritance::Left;

impl Setup {
    /// Stops as in a reload. Gives how long it took.
    pub(super) async fn exchange(&self) -> Duration {
        self.shared.shelf.expect_heirs(["exporter test/one".to_owned()]);
        let begun = Instant::now();
        self.shutdown(Duration::from_secs(20)).await.unwrap();
        begun.elapsed()
    }

    /// The next instance, with other settings.
    async fn successor(&self, settings: Settings) -> Self {
        Self::start_in(self.shared.clone(), &Host::default(), settings, Sent::default()).await
    }

    /// Spans that the next instance has been left.
    pub(super) fn left(&self) -> usize {
        let left: Option<Left> = self.context.handover.take("queue");
        left.map_or(0, |left| left.take().iter().map(Batch::items).sum())
    }
}

/// Five batches of two spans, of which this exporter has tried at least one.
async fn waiting(config: QueueConfig, answer: Answer) -> Setup {
    let setup = Setup::start(queue(config)).await;
    setup.sink.answer(answer);
    for _ in 0..5 {
        setup.exporter.consume(samples::spans(2)).await.unwrap();
    }
    setup.sink.wait_for_attempts(1).await;
    setup
}

fn all_shapes() -> [QueueConfig; 4] {
    [None, Some(batch(1000, 0)), Some(batch(4, 4)), Some(batch(3, 3))].map(|batch| QueueConfig {
        num_consumers: 2,
        batch,
        ..QueueConfig::default()
    })
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_away_costs_neither_time_nor_data() {
    for config in all_shapes() {
        let old = waiting(config.clone(), Answer::Fail(unavailable())).await;
        let attempts = old.sink.attempts();
        assert_eq!(old.exchange().await, Duration::ZERO);
        // One more for each task that was waiting, and none for what was behind it.
        assert!(old.sink.attempts() <= attempts + 2, "{}", old.sink.attempts());
        let new = old.successor(queue(config)).await;
        new.sink.wait_for_items(10).await;
        new.shutdown(Duration::from_secs(20)).await.unwrap();
        assert_eq!((old.sink.items(), new.sink.items(), new.dropped("shutdown")), (0, 10, 0.0));
        assert_eq!(new.value("otelcol_exporter_sent_spans", &[]), 10.0);
        assert_eq!(new.value("otelcol_exporter_send_failed_spans", &[]), 0.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_does_not_answer_is_waited_for_a_little_only() {
    for config in all_shapes() {
        for retry in [Some(retry()), None] {
            let old = Setup::start(Settings { retry: retry.clone(), ..queue(config.clone()) }).await;
            old.sink.answer(Answer::Block);
            for _ in 0..5 {
                old.exporter.consume(samples::spans(2)).await.unwrap();
            }
            old.sink.wait_for_attempts(1).await;
            assert_eq!(old.exchange().await, Duration::from_secs(5));
            let new = old.successor(queue(config.clone())).await;
            new.shutdown(Duration::from_secs(20)).await.unwrap();
            assert_eq!((new.sink.items(), new.dropped("shutdown")), (10, 0.0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_takes_it_gets_it_before_the_exchange() {
    for config in all_shapes() {
        let old = Setup::start(queue(config)).await;
        for _ in 0..50 {
            old.exporter.consume(samples::spans(3)).await.unwrap();
        }
        assert_eq!(old.exchange().await, Duration::ZERO);
        assert_eq!(old.sink.items(), 150);
        assert!(old.context.handover.take::<Left>("queue").is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_ends_with_the_old_backend() {
    let old = waiting(QueueConfig { num_consumers: 1, ..QueueConfig::default() }, Answer::Block).await;
    let bad = Answer::Fail(ConsumeError::permanent("bad data"));
    old.sink.answer_next([Answer::Accept, bad, Answer::Fail(unavailable())]);
    let releasing = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        old.sink.answer(Answer::Accept);
    };
    let (took, ()) = tokio::join!(old.exchange(), releasing);
    // The first was held for a second; of the others one was taken, one refused, and one found it away.
    assert_eq!(took, Duration::from_secs(1));
    assert_eq!((old.sink.items(), old.dropped("permanent_error"), old.left()), (4, 2.0, 4));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_is_counted_as_lost() {
    let old = waiting(QueueConfig::default(), Answer::Fail(unavailable())).await;
    old.exchange().await;
    assert_eq!(old.dropped("shutdown"), 0.0);
    // No queue, or one whose producers wait for the backend: nobody would answer for what is lost.
    old.successor(bare()).await;
    old.successor(queue(QueueConfig { wait_for_result: true, ..QueueConfig::default() })).await;
    drop(old.context.handover.take::<Left>("queue").unwrap());
    assert_eq!(old.dropped("shutdown"), 10.0);
    assert_eq!(old.value("otelcol_exporter_send_failed_spans", &[]), 10.0);
}

#[tokio::test(start_paused = true)]
async fn a_smaller_queue_takes_over_all_of_it() {
    let config = QueueConfig { queue_size: 2, ..QueueConfig::default() };
    let old = waiting(QueueConfig::default(), Answer::Fail(unavailable())).await;
    old.exchange().await;
    let new = old.successor(queue(config)).await;
    new.sink.wait_for_items(10).await;
    new.shutdown(Duration::from_secs(20)).await.unwrap();
    assert_eq!(new.sink.items(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_waits_for_the_result_keeps_its_batch() {
    let config = QueueConfig { wait_for_result: true, ..QueueConfig::default() };
    for (answer, took) in [(Answer::Fail(unavailable()), 0), (Answer::Block, 5)] {
        let old = Setup::start(queue(config.clone())).await;
        old.sink.answer(answer);
        let exchanging = async {
            old.sink.wait_for_attempts(1).await;
            old.exchange().await
        };
        let (refused, exchanged) = tokio::join!(old.exporter.consume(samples::spans(2)), exchanging);
        assert!(!refused.unwrap_err().is_permanent());
        assert_eq!((exchanged, old.left()), (Duration::from_secs(took), 0));
        assert_eq!(old.dropped("shutdown"), 0.0);
    }
}
