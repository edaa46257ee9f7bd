//! What an exporter that stops has not sent: on disk it stays for the next start, and what is in memory goes to the instance
//! that a reload starts in its place.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use otelcol_pdata::Batch;
use otelcol_pipeline::ConsumeError;

use super::exporter::Progress;
use super::job::{Content, Job, Share, settle};
use super::sending::{Core, GaveUp};
use super::stats::Reason;

/// Gathers what is left.
#[derive(Default)]
pub(crate) struct Inheritance {
    /// The backend did not take one that is kept: the others are not tried.
    has_begun: AtomicBool,
    /// None: nobody takes what is in memory.
    batches: Mutex<Option<Vec<Batch>>>,
}

impl Inheritance {
    /// A successor takes what is in memory.
    pub(crate) fn expect_heir(&self) {
        *self.lock() = Some(Vec::new());
    }

    /// Whether a successor takes what is in memory.
    pub(crate) fn has_heir(&self) -> bool {
        self.lock().is_some()
    }

    /// Whether a job is to be left without an attempt.
    pub(crate) fn wants(&self, job: &Job) -> bool {
        self.has_begun.load(Ordering::Relaxed) && (job.is_stored() || self.has_heir())
    }

    /// Leaves a job. What is on disk needs nothing: a share that is not settled stays there.
    pub(crate) fn leave(&self, content: Content, shares: Vec<Share>) {
        self.has_begun.store(true, Ordering::Relaxed);
        if shares.iter().all(Share::is_stored) {
            return;
        }
        if let (Content::Here(batch), Some(batches)) = (content, &mut *self.lock()) {
            batches.push(batch);
            // Its end is the successor's to tell.
            settle(shares.into_iter().filter(|share| !share.is_stored()).collect(), &Ok(()));
        }
    }

    /// Takes out what has gathered.
    fn take(&self) -> Vec<Batch> {
        self.lock().take().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Batch>>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Batches on their way to the successor. What it does not take is counted as lost.
pub(crate) struct Left {
    batches: Vec<Batch>,
    core: Arc<Core>,
}

impl Left {
    /// What has gathered, if anything has.
    pub(crate) fn of(core: &Arc<Core>) -> Option<Self> {
        let batches = core.inheritance.take();
        (!batches.is_empty()).then(|| Self { batches, core: Arc::clone(core) })
    }

    /// They are the successor's now.
    pub(crate) fn take(mut self) -> Vec<Batch> {
        mem::take(&mut self.batches)
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        let items = self.batches.iter().map(Batch::items).sum();
        if items > 0 {
            let error =
                ConsumeError::retryable("the new configuration has no queue that goes on with it", None);
            self.core.give_up(items, GaveUp::new(Reason::Shutdown, error, Progress::default()));
        }
    }
}
