//! A consumer that keeps what it is given, or refuses it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use otelcol_pdata::Batch;
use otelcol_pipeline::{Component, ConsumeError, Consumer};
use tokio::sync::watch;

use crate::PATIENCE;

/// What a sink does with a batch.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Keeps it.
    Accept,
    /// Answers with an error.
    Fail(ConsumeError),
    /// Holds it until another answer is set.
    Block,
}

/// Keeps the batches that it accepts. Clones of the `Arc` see the same batches.
#[derive(Debug)]
pub struct Sink {
    state: Mutex<State>,
    answer: watch::Sender<Answer>,
    changes: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    batches: Vec<Batch>,
    attempts: usize,
    next: VecDeque<Answer>,
}

impl Sink {
    /// A sink that accepts.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            answer: watch::Sender::new(Answer::Accept),
            changes: watch::Sender::new(0),
        })
    }

    /// The same sink as pipelines take it.
    pub fn consumer(self: &Arc<Self>) -> Arc<dyn Consumer> {
        Arc::clone(self) as Arc<dyn Consumer>
    }

    /// Answers so from now on, also to batches that are held.
    pub fn answer(&self, answer: Answer) {
        self.answer.send_replace(answer);
    }

    /// Answers the next batches so, one each, before the general answer counts again.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state().next.extend(answers);
    }

    /// The batches accepted so far, in their order.
    pub fn batches(&self) -> Vec<Batch> {
        self.state().batches.clone()
    }

    /// The sizes of the batches accepted so far, in items.
    pub fn sizes(&self) -> Vec<usize> {
        self.state().batches.iter().map(Batch::items).collect()
    }

    /// The items accepted so far.
    pub fn items(&self) -> usize {
        self.sizes().iter().sum()
    }

    /// How often a batch was offered.
    pub fn attempts(&self) -> usize {
        self.state().attempts
    }

    /// Takes out the batches accepted so far.
    pub fn take(&self) -> Vec<Batch> {
        std::mem::take(&mut self.state().batches)
    }

    /// Waits until `items` items have been accepted.
    ///
    /// # Panics
    /// They do not come within [`PATIENCE`].
    pub async fn wait_for_items(&self, items: usize) {
        self.wait_for("items", items, Self::items).await;
    }

    /// Waits until batches have been offered `attempts` times.
    ///
    /// # Panics
    /// They do not come within [`PATIENCE`].
    pub async fn wait_for_attempts(&self, attempts: usize) {
        self.wait_for("attempts", attempts, Self::attempts).await;
    }

    async fn wait_for(&self, what: &str, wanted: usize, count: impl Fn(&Self) -> usize) {
        let mut changes = self.changes.subscribe();
        let reached = async {
            while count(self) < wanted {
                _ = changes.changed().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, reached).await.is_ok();
        assert!(in_time, "expected {wanted} {what} within {PATIENCE:?}, found {}", count(self));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> Option<Answer> {
        let mut state = self.state();
        state.attempts += 1;
        let next = state.next.pop_front();
        drop(state);
        self.changes.send_modify(|n| *n += 1);
        next
    }

    async fn settle(&self, next: Option<Answer>) -> Result<(), ConsumeError> {
        let mut answers = self.answer.subscribe();
        let mut answer = next.unwrap_or_else(|| answers.borrow_and_update().clone());
        loop {
            match answer {
                Answer::Accept => return Ok(()),
                Answer::Fail(error) => return Err(error),
                Answer::Block => _ = answers.changed().await,
            }
            answer = answers.borrow_and_update().clone();
        }
    }
}

#[async_trait]
impl Component for Sink {}

#[async_trait]
impl Consumer for Sink {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        let next = self.begin();
        self.settle(next).await?;
        self.state().batches.push(batch);
        self.changes.send_modify(|n| *n += 1);
        Ok(())
    }
}
