//! What a component may ask of the collector that runs it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::status::Board;
use crate::storage::{OpenedLog, Storage, StorageClient};
use crate::{ComponentError, ComponentId, Context};

/// The running collector as its components see it at start.
#[derive(Clone, Default)]
pub struct Host {
    storages: HashMap<ComponentId, Arc<dyn Storage>>,
    board: Board,
}

impl Host {
    /// A host with the given storages; `board` holds the state of all components.
    pub fn new(storages: HashMap<ComponentId, Arc<dyn Storage>>, board: Board) -> Self {
        Self { storages, board }
    }

    /// The state of all components, for health checks.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Opens the component's space in the storage extension `extension`.
    ///
    /// # Errors
    /// No such extension runs, it is no storage, or it can not be opened.
    pub async fn storage(
        &self,
        extension: &ComponentId,
        owner: &Context,
        name: &str,
    ) -> Result<Arc<dyn StorageClient>, ComponentError> {
        let storage = self.find(extension)?;
        storage.open(owner.kind, &owner.id, name).await.map_err(ComponentError::from_display)
    }

    /// Opens the component's log in the storage extension `extension`.
    ///
    /// # Errors
    /// No such extension runs, it has no logs, or the log can not be opened.
    pub async fn storage_log(
        &self,
        extension: &ComponentId,
        owner: &Context,
        name: &str,
    ) -> Result<OpenedLog, ComponentError> {
        let storage = self.find(extension)?;
        storage.open_log(owner.kind, &owner.id, name).await.map_err(ComponentError::from_display)
    }

    fn find(&self, extension: &ComponentId) -> Result<&Arc<dyn Storage>, ComponentError> {
        self.storages.get(extension).ok_or_else(|| {
            ComponentError::new(format!(
                "storage extension {extension:?} not found: list it under service::extensions",
                extension = extension.to_string()
            ))
        })
    }
}
