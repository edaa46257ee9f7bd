//! The background work of a component: no panic goes unseen, and nothing outlives the component.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::failure::Failure;

/// Spawns and ends the tasks and threads of one component.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    failure: Failure,
}

impl Tasks {
    pub(crate) fn new(failure: Failure) -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new(), failure }
    }

    /// Is cancelled when the component is asked to stop; loops select on it.
    pub fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Runs `future` beside the component. If it panics, that is logged and counted, and health turns red.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let failure = self.failure.clone();
        self.tracker.spawn(async move {
            if let Err(panic) = AssertUnwindSafe(future).catch_unwind().await {
                failure.panicked(name, &*panic);
            }
        });
    }

    /// Runs blocking work on a thread of its own, guarded like [`spawn`](Self::spawn).
    ///
    /// # Errors
    /// The system refuses another thread.
    pub fn spawn_thread(
        &self,
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<()> {
        let failure = self.failure.clone();
        let token = self.tracker.token();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let result: Result<(), Box<dyn Any + Send>> = std::panic::catch_unwind(AssertUnwindSafe(work));
            if let Err(panic) = result {
                failure.panicked(name, &*panic);
            }
            drop(token);
        })?;
        Ok(())
    }

    /// Asks all tasks to stop and waits for their end. False when some still run at the deadline.
    pub async fn stop(&self, deadline: Instant) -> bool {
        self.stop.cancel();
        self.wait(deadline).await
    }

    /// Waits for the end of tasks that have nothing to wait for any more. False when some still run after a second.
    pub async fn wait_a_moment(&self) -> bool {
        self.wait(Instant::now() + Duration::from_secs(1)).await
    }

    /// Waits for the end of all tasks without asking them to stop.
    pub async fn wait(&self, deadline: Instant) -> bool {
        self.tracker.close();
        tokio::time::timeout_at(deadline, self.tracker.wait()).await.is_ok()
    }
}
