//! Authentication: of the clients of a server, and of a client at its server. Extensions bring it, servers and clients
//! here ask for it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use otelcol_pdata::{Client, Metadata};

use crate::status::{Code, Status};
use crate::{ClientError, ServeError};

/// What an authenticator found out about a client (`username`, ...).
pub type AuthAttributes = BTreeMap<String, String>;

/// Decides who may use a server.
pub trait ServerAuth: Send + Sync + 'static {
    /// Looks at the headers of a request, before its body is read.
    ///
    /// # Errors
    /// Why the request is refused, as its client is told: [`Code::Unauthenticated`], or another code where the
    /// credentials could not be looked at. Says nothing of them.
    fn authenticate<'a>(&'a self, headers: &'a HeaderMap) -> BoxFuture<'a, Result<AuthAttributes, Status>>;
}

/// Puts credentials, or other headers, into a client's requests.
pub trait ClientAuth: Send + Sync + 'static {
    /// Edits the headers of a request. `client` is who sent the data that the request carries, where that is known.
    ///
    /// # Errors
    /// Why the request can not be sent: [`Code::Unavailable`] where it may be tried again, else
    /// [`Code::Unauthenticated`]. Says nothing of the credentials.
    fn apply(&self, headers: &mut HeaderMap, client: Option<&Client>) -> Result<(), Status>;

    /// Whether gRPC may send it over TLS only.
    fn requires_tls(&self) -> bool {
        false
    }
}

/// Refuses what lacks an authenticator that the settings ask for: a server must not run open by mistake.
pub(crate) fn check_server(wanted: bool, auth: Option<&Arc<dyn ServerAuth>>) -> Result<(), ServeError> {
    if wanted && auth.is_none() {
        return Err(ServeError::Invalid(
            "authentication was configured but this component or its host does not support extensions"
                .to_owned(),
        ));
    }
    Ok(())
}

/// What a service is told of a request's client. `shared` is what is known of its connection already.
pub(crate) fn client_of(
    shared: &Option<Arc<Client>>,
    headers: Option<&HeaderMap>,
    host: Option<&str>,
    auth: AuthAttributes,
) -> Option<Arc<Client>> {
    if headers.is_none() && auth.is_empty() {
        return shared.clone();
    }
    let metadata = headers.map(|headers| metadata(headers, host)).unwrap_or_default();
    let address = shared.as_ref().and_then(|client| client.address);
    Some(Arc::new(Client { address, metadata, auth }))
}

/// Headers that are no text are left out. HTTP/2 has the host elsewhere; it is `host` all the same.
fn metadata(headers: &HeaderMap, host: Option<&str>) -> Metadata {
    let mut metadata = Metadata::default();
    for (name, value) in headers {
        if let Ok(text) = std::str::from_utf8(value.as_bytes()) {
            metadata.append(name.as_str(), text);
        }
    }
    if let Some(host) = host.filter(|_| !headers.contains_key(header::HOST)) {
        metadata.append(header::HOST.as_str(), host);
    }
    metadata
}

/// A client's authenticator: asked for by the settings, there once its component has started.
#[derive(Default)]
pub(crate) struct Credentials {
    name: Option<String>,
    auth: OnceLock<Arc<dyn ClientAuth>>,
}

impl Credentials {
    pub(crate) fn new(config: Option<&crate::config::ClientAuthConfig>) -> Self {
        Credentials { name: config.map(|auth| auth.authenticator.clone()), auth: OnceLock::new() }
    }

    pub(crate) fn set(&self, auth: Arc<dyn ClientAuth>) {
        // The first stays: a client is started once.
        let _ = self.auth.set(auth);
    }

    /// Never lets a request out without the credentials that the settings ask for.
    pub(crate) fn apply(&self, headers: &mut HeaderMap, client: Option<&Client>) -> Result<(), ClientError> {
        let Some(name) = &self.name else { return Ok(()) };
        let Some(auth) = self.auth.get() else {
            let status = Status::unavailable(format!("the authenticator {name:?} is not there yet"));
            return Err(ClientError::Auth(status));
        };
        auth.apply(headers, client).map_err(|mut status| {
            status.message = format!("authenticator {name:?}: {}", status.message);
            ClientError::Auth(status)
        })
    }
}

/// A header to send from text that may be a secret.
///
/// # Errors
/// The name or the value can not be sent; the value is not told.
pub fn secret_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Status> {
    let parsed =
        HeaderName::try_from(name).map_err(|_| unauthenticated(format!("invalid header name {name:?}")))?;
    let value = crate::headers::value(name, value, true);
    let value = value.map_err(|error| unauthenticated(error.to_string()))?;
    Ok((parsed, value))
}

/// The refusal of a client that is not known.
pub fn unauthenticated(message: impl Into<String>) -> Status {
    Status::new(Code::Unauthenticated, message)
}

#[cfg(test)]
mod tests;
