//! What a component may ask of the collector that runs it.

use std::collections::HashMap;
use std::sync::Arc;

use otelcol_net::{ClientAuth, ServerAuth};

use crate::status::Board;
use crate::storage::{OpenedLog, Storage, StorageClient};
use crate::{ComponentError, ComponentId, Context, Extension};

/// The running collector as its components see it at start.
#[derive(Clone, Default)]
pub struct Host {
    storages: HashMap<ComponentId, Arc<dyn Storage>>,
    extensions: HashMap<ComponentId, Arc<dyn Extension>>,
    board: Board,
}

impl Host {
    /// A host with the given storages; `board` holds the state of all components.
    pub fn new(storages: HashMap<ComponentId, Arc<dyn Storage>>, board: Board) -> Self {
        Self { storages, extensions: HashMap::new(), board }
    }

    /// A host with the given extensions, storages among them.
    pub fn with_extensions(extensions: HashMap<ComponentId, Arc<dyn Extension>>, board: Board) -> Self {
        let storages = extensions.iter();
        let storages =
            storages.filter_map(|(id, extension)| Some((id.clone(), Arc::clone(extension).storage()?)));
        Self { storages: storages.collect(), extensions, board }
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

    /// The authenticator that a server's `auth` section names, for the server's clients.
    ///
    /// # Errors
    /// No such extension runs, or it does not authenticate servers' clients.
    pub fn server_auth(&self, authenticator: &str) -> Result<Arc<dyn ServerAuth>, ComponentError> {
        self.authenticator(authenticator)?.server_auth().ok_or_else(|| {
            ComponentError::new(format!(
                "requested authenticator {authenticator:?} is not a server authenticator"
            ))
        })
    }

    /// The authenticator that a client's `auth` section names.
    ///
    /// # Errors
    /// No such extension runs, or it has nothing to put into a client's requests.
    pub fn client_auth(&self, authenticator: &str) -> Result<Arc<dyn ClientAuth>, ComponentError> {
        self.authenticator(authenticator)?.client_auth().ok_or_else(|| {
            ComponentError::new(format!(
                "requested authenticator {authenticator:?} is not a client authenticator"
            ))
        })
    }

    fn authenticator(&self, name: &str) -> Result<Arc<dyn Extension>, ComponentError> {
        let id: Option<ComponentId> = name.parse().ok();
        id.and_then(|id| self.extensions.get(&id)).cloned().ok_or_else(|| {
            ComponentError::new(format!(
                "failed to resolve authenticator {name:?}: authenticator not found: list it under service::extensions"
            ))
        })
    }
}
