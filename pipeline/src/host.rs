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
            let name = extension.to_string();
            ComponentError::new(if self.extensions.contains_key(extension) {
                format!("requested extension {name:?} is not a storage extension")
            } else {
                format!("storage extension {name:?} not found: list it under service::extensions")
            })
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
    /// No such extension runs, it has nothing to put into a client's requests, or it asks itself by way of others.
    pub fn client_auth(&self, authenticator: &str) -> Result<Arc<dyn ClientAuth>, ComponentError> {
        let extension = self.authenticator(authenticator)?;
        self.has_an_end(authenticator, &extension)?;
        extension.client_auth().ok_or_else(|| {
            ComponentError::new(format!(
                "requested authenticator {authenticator:?} is not a client authenticator"
            ))
        })
    }

    /// Follows the authenticators that ask each other: in a circle, the first request would never come to an end.
    fn has_an_end(&self, name: &str, extension: &Arc<dyn Extension>) -> Result<(), ComponentError> {
        let mut way = vec![name.to_owned()];
        let mut last = Arc::clone(extension);
        while let Some(next) = last.additional_auth().map(str::to_owned) {
            let is_known = way.contains(&next);
            last = self.authenticator(&next)?;
            way.push(next);
            if is_known {
                let way = way.join(" -> ");
                return Err(ComponentError::new(format!("authenticators ask each other in a circle: {way}")));
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Component, Kind};

    struct NoStorage;

    impl Component for NoStorage {}
    impl Extension for NoStorage {}

    #[tokio::test]
    async fn what_is_listed_but_no_storage_is_told_apart_from_what_is_not_there() {
        let auth: ComponentId = "auth".parse().unwrap();
        let extension: Arc<dyn Extension> = Arc::new(NoStorage);
        let host = Host::with_extensions(HashMap::from([(auth.clone(), extension)]), Board::default());
        let owner = Context::detached(Kind::Exporter, "otlp");
        let told = async |name: &ComponentId| host.storage(name, &owner, "").await.err().unwrap().to_string();
        assert_eq!(told(&auth).await, "requested extension \"auth\" is not a storage extension");
        let other: ComponentId = "auth/2".parse().unwrap();
        assert_eq!(
            told(&other).await,
            "storage extension \"auth/2\" not found: list it under service::extensions"
        );
    }
}
