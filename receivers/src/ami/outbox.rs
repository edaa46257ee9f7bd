//! Batches on their way out: reading from Asterisk never waits for a pipeline.
//!
//! Asterisk keeps what a slow reader does not take, in memory and for every such reader. So batches wait here, up to a limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::telemetry::Counter;
use otelcol_pipeline::{Context, Handover, Output};
use tokio::sync::{SetOnce, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

/// The wait before a batch is offered again, if the pipeline names none.
const RETRY: Duration = Duration::from_millis(200);

/// The end that batches are put into. When it is dropped, the carrier ends behind the last of them.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: mpsc::UnboundedSender<Batch>,
    waiting: Arc<AtomicUsize>,
    limit: usize,
    loss: Arc<Loss>,
}

/// The end that hands them on.
pub(super) struct Carrier {
    queue: mpsc::UnboundedReceiver<Batch>,
    waiting: Arc<AtomicUsize>,
    output: Output,
    loss: Arc<Loss>,
    finish_by: FinishBy,
    handover: Handover,
}

/// When a receiver that is shutting down has to be through. Empty while it is not.
pub(super) type FinishBy = Arc<SetOnce<Instant>>;

/// What nobody took, on its way to the next instance. Counted as lost where there is none.
struct Left {
    batches: Vec<Batch>,
    why: String,
    loss: Arc<Loss>,
}

/// Counts what nobody took.
#[derive(Debug)]
struct Loss {
    receiver: String,
    signal: Signal,
    queue_full: (Counter, AtomicBool),
    permanent: (Counter, AtomicBool),
    shutdown: (Counter, AtomicBool),
}

/// An outbox for one signal; at most `limit` bytes wait in it.
pub(super) fn outbox(
    context: &Context,
    signal: Signal,
    output: Output,
    limit: usize,
    finish_by: FinishBy,
) -> (Outbox, Carrier) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let loss = Arc::new(Loss::new(context, signal));
    let outbox = Outbox { queue: sender, waiting: Arc::clone(&waiting), limit, loss: Arc::clone(&loss) };
    let handover = context.handover.clone();
    if let Some(mut left) = handover.take::<Left>(signal.as_str()) {
        left.batches.drain(..).for_each(|batch| outbox.put(batch));
    }
    (outbox, Carrier { queue: receiver, waiting, output, loss, finish_by, handover })
}

impl Outbox {
    /// Puts a batch in, or drops and counts it where there is no room.
    pub(super) fn put(&self, batch: Batch) {
        let (items, bytes) = (batch.items(), batch.pinned_bytes());
        if self.waiting.load(Ordering::Relaxed) + bytes > self.limit {
            self.loss.add(
                &self.loss.queue_full,
                items,
                "the pipeline is slower than asterisk: limits::queue_bytes is reached",
            );
            return;
        }
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
        if let Err(error) = self.queue.send(batch) {
            self.loss.add(&self.loss.shutdown, error.0.items(), "the receiver is shut down");
        }
    }
}

impl Carrier {
    /// Hands batches on in their order, until the outbox is dropped and empty.
    pub(super) async fn run(mut self) {
        let mut left = Left { batches: Vec::new(), why: String::new(), loss: Arc::clone(&self.loss) };
        while let Some(batch) = self.queue.recv().await {
            let bytes = batch.pinned_bytes();
            if !left.batches.is_empty() {
                left.batches.push(batch);
            } else if let Err(why) = self.hand_on(&batch).await {
                left.batches.push(batch);
                left.why = why;
            }
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        }
        if self.handover.has_heir() {
            self.handover.put(self.loss.signal.as_str(), left);
        }
    }

    /// Offers a batch until it is taken or refused for good; the error is why it was not by the end.
    async fn hand_on(&self, batch: &Batch) -> Result<(), String> {
        loop {
            let taken = self.output.consume_until(batch.clone(), self.too_late()).await;
            let Err(error) = taken else { return Ok(()) };
            if error.is_permanent() {
                self.loss.add(&self.loss.permanent, batch.items(), &error.to_string());
                return Ok(());
            }
            let wait = error.after().unwrap_or(RETRY);
            if self.finish_by.get().is_some_and(|by| Instant::now() + wait >= *by) {
                return Err(error.to_string());
            }
            sleep(wait).await;
        }
    }

    async fn too_late(&self) {
        sleep_until(*self.finish_by.wait().await).await;
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        let items = self.batches.iter().map(Batch::items).sum();
        if items > 0 {
            self.loss.add(&self.loss.shutdown, items, &self.why);
        }
    }
}

impl Loss {
    fn new(context: &Context, signal: Signal) -> Self {
        let receiver = context.id.to_string();
        let counter = |reason: &str| {
            let counter = context.telemetry.counter(
                "otelcol_ami_lost_items",
                "Spans and log records that were made and not taken by any pipeline, by reason.",
                &[("receiver", receiver.as_str()), ("signal", signal.as_str()), ("reason", reason)],
            );
            (counter, AtomicBool::new(false))
        };
        let (queue_full, permanent, shutdown) =
            (counter("queue_full"), counter("permanent"), counter("shutdown"));
        Self { queue_full, permanent, shutdown, signal, receiver }
    }

    fn add(&self, (counter, said): &(Counter, AtomicBool), items: usize, why: &str) {
        counter.add(items as u64);
        if !said.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                receiver = %self.receiver,
                signal = self.signal.as_str(),
                items,
                error = why,
                "data of asterisk was lost; more is counted in otelcol_ami_lost_items"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use otelcol_pipeline::{ComponentId, ConsumeError, Kind, Shared};
    use otelcol_testkit::{Answer, Sink, samples};

    use super::*;

    fn full() -> Answer {
        Answer::Fail(ConsumeError::refused("full", None))
    }

    fn lost(context: &Context, reason: &str) -> f64 {
        let labels = [("receiver", "ami"), ("signal", "logs"), ("reason", reason)];
        context.telemetry.value("otelcol_ami_lost_items", &labels).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_waits_and_what_does_not_fit_is_counted() {
        let context = Context::detached(Kind::Receiver, "ami");
        let sink = Sink::new();
        let output = Output::to(sink.consumer());
        let limit = samples::records(4).pinned_bytes() + samples::records(6).pinned_bytes();
        sink.answer_next([full(), full(), Answer::Accept, Answer::Fail(ConsumeError::permanent("bad"))]);
        let (outbox, carrier) = outbox(&context, Signal::Logs, output, limit, FinishBy::default());
        outbox.put(samples::records(4));
        outbox.put(samples::records(6));
        outbox.put(samples::records(1)); // no room
        drop(outbox);
        carrier.run().await;
        assert_eq!((sink.sizes(), sink.attempts()), (vec![4], 4));
        assert_eq!((lost(&context, "queue_full"), lost(&context, "permanent")), (1.0, 6.0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_does_not_wait_for_ever_and_an_heir_loses_nothing() {
        for answer in [full(), Answer::Block] {
            for heirs in [vec![], vec!["receiver ami".to_owned()]] {
                let (shared, sink) = (Shared::default(), Sink::new());
                shared.shelf.expect_heirs(heirs.clone());
                let context = Context::new(&shared, Kind::Receiver, ComponentId::new("ami"), "");
                let start = |finish_by| {
                    outbox(&context, Signal::Logs, Output::to(sink.consumer()), usize::MAX, finish_by)
                };
                sink.answer(answer.clone());
                let finish_by = FinishBy::default();
                let (outbox, carrier) = start(Arc::clone(&finish_by));
                outbox.put(samples::records(4));
                outbox.put(samples::records(2));
                finish_by.set(Instant::now() + Duration::from_secs(5)).unwrap();
                drop(outbox);
                carrier.run().await;
                assert!(Instant::now() <= *finish_by.get().unwrap());

                sink.answer(Answer::Accept);
                let (outbox, carrier) = start(FinishBy::default());
                outbox.put(samples::records(1));
                drop(outbox);
                carrier.run().await;
                let told = if heirs.is_empty() { (vec![1], 6.0) } else { (vec![4, 2, 1], 0.0) };
                assert_eq!((sink.sizes(), lost(&context, "shutdown")), told);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_heir_does_not_take_is_counted() {
        let (shared, sink) = (Shared::default(), Sink::new());
        shared.shelf.expect_heirs(["receiver ami".to_owned()]);
        let context = Context::new(&shared, Kind::Receiver, ComponentId::new("ami"), "");
        sink.answer(full());
        let finish_by = Arc::new(SetOnce::new_with(Some(Instant::now())));
        let (outbox, carrier) =
            outbox(&context, Signal::Logs, Output::to(sink.consumer()), usize::MAX, finish_by);
        outbox.put(samples::records(4));
        drop(outbox);
        carrier.run().await;
        assert_eq!(lost(&context, "shutdown"), 0.0);
        drop(context.handover.take::<Left>("logs").unwrap());
        assert_eq!(lost(&context, "shutdown"), 4.0);
    }
}
