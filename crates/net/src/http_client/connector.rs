//! How hyper's connection pool gets a connection.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use hyper_util::rt::TokioIo;
use tower_service::Service;

use super::proxy::Proxy;
use super::url::address;
use crate::config::ClientTls;
use crate::dial::dial;
use crate::io::Stream;
use crate::tls::{ClientTlsState, TlsError};

#[derive(Clone)]
pub(super) struct Connector {
    tls: Arc<LazyTls>,
    proxy: Option<Arc<Proxy>>,
}

/// Set up at the first https URL: a megabyte of the system's CAs is nothing a client of http should load.
struct LazyTls {
    settings: ClientTls,
    protocols: &'static [&'static [u8]],
    state: OnceLock<Result<Arc<ClientTlsState>, TlsError>>,
}

impl Connector {
    pub(super) fn new(
        settings: &ClientTls,
        protocols: &'static [&'static [u8]],
        proxy: Option<Arc<Proxy>>,
    ) -> Self {
        let tls = LazyTls { settings: settings.clone(), protocols, state: OnceLock::new() };
        Connector { tls: Arc::new(tls), proxy }
    }

    /// The TLS of https URLs.
    pub(super) fn tls(&self) -> Result<Arc<ClientTlsState>, TlsError> {
        let LazyTls { settings, protocols, state } = &*self.tls;
        state.get_or_init(|| ClientTlsState::new(settings, protocols).map(Arc::new)).clone()
    }
}

/// Boxed, as hyper wants the errors of connectors.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let address = address(&uri)?;
            let tls = if uri.scheme() == Some(&Scheme::HTTPS) { Some(this.tls()?) } else { None };
            let stream = match (&this.proxy, &tls) {
                (None, tls) => dial(&address, tls.as_ref()).await?,
                (Some(proxy), None) => Stream::Proxied(proxy.connect().await?),
                (Some(proxy), tls) => address.secure(proxy.tunnel(uri).await?, tls.as_ref()).await?,
            };
            Ok(TokioIo::new(stream))
        })
    }
}
