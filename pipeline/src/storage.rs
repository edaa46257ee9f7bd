//! Keeping a component's state over a restart. Offered by extensions such as `file_storage`.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{ComponentId, Kind};

/// Why a storage could not be opened, read or written; the text holds the path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StorageError(pub String);

/// A storage extension: one space for each component that asks.
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// Opens the space of one component. `name` tells several spaces of one component apart; may be empty.
    ///
    /// # Errors
    /// The path that could not be opened or whose content is not readable.
    async fn open(
        &self,
        kind: Kind,
        id: &ComponentId,
        name: &str,
    ) -> Result<Arc<dyn StorageClient>, StorageError>;
}

/// One change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageOp {
    /// Puts a value in place of whatever the key held.
    Set(String, Vec<u8>),
    /// Takes a key away.
    Delete(String),
}

/// A component's own keys and values.
#[async_trait]
pub trait StorageClient: Send + Sync + 'static {
    /// The value of a key, `None` where there is none.
    ///
    /// # Errors
    /// The path that could not be read.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError>;

    /// Does all of `ops` or none of them, also when the machine stops in the middle.
    ///
    /// # Errors
    /// The path that could not be written; the old values are still there.
    async fn write(&self, ops: Vec<StorageOp>) -> Result<(), StorageError>;
}
