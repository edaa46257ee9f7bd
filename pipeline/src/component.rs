//! What a component is: a life (start, shutdown) and, except for receivers and extensions, a door for data.

use std::sync::Arc;

use async_trait::async_trait;
use otelcol_net::{ClientAuth, ServerAuth};
use otelcol_pdata::Batch;
use tokio::time::Instant;

use crate::host::Host;
use crate::storage::Storage;
use crate::{ComponentError, ConsumeError};

/// The life of a component.
///
/// Making a component (its factory's `create`) has no effects outside of it: no socket, no file, no task.
/// These begin in `start`.
#[async_trait]
pub trait Component: Send + Sync + 'static {
    /// Opens sockets and files, spawns tasks. Returns when the component can do its work.
    ///
    /// # Errors
    /// What could not be opened, with its address or path.
    async fn start(&self, host: &Host) -> Result<(), ComponentError> {
        let _ = host;
        Ok(())
    }

    /// Stops taking data in, hands on what it holds, and ends its tasks, all by `deadline`.
    /// Everything upstream has been stopped before, everything downstream still runs.
    ///
    /// # Errors
    /// What was left undone at the deadline, with counts.
    async fn shutdown(&self, deadline: Instant) -> Result<(), ComponentError> {
        let _ = deadline;
        Ok(())
    }
}

/// Takes batches.
#[async_trait]
pub trait Consumer: Send + Sync + 'static {
    /// Takes a batch. `Ok` means that the data is the consumer's from now on; an error means that none of it is. Must be safe
    /// to drop at any await: a client goes away, or a reload does not wait any longer.
    ///
    /// # Errors
    /// See [`ConsumeError`]: permanent, retryable or refused.
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError>;
}

/// Processors, exporters and connectors: a life and a door.
pub trait ConsumerComponent: Component + Consumer {}

impl<T: Component + Consumer> ConsumerComponent for T {}

/// A service to the collector or its components.
#[async_trait]
pub trait Extension: Component {
    /// All components run: after the start, and after each reload.
    async fn ready(&self) {}

    /// The storage that this extension offers, if it is one.
    fn storage(self: Arc<Self>) -> Option<Arc<dyn Storage>> {
        None
    }

    /// The authenticator of servers' clients that this extension is, if it is one.
    fn server_auth(self: Arc<Self>) -> Option<Arc<dyn ServerAuth>> {
        None
    }

    /// The authenticator of clients at their servers that this extension is, if it is one.
    fn client_auth(self: Arc<Self>) -> Option<Arc<dyn ClientAuth>> {
        None
    }

    /// The name of the authenticator that this one asks in turn, if there is one.
    fn additional_auth(&self) -> Option<&str> {
        None
    }
}
