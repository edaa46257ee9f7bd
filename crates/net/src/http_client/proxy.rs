//! A proxy between an HTTP client and the servers of its URLs: asked by CONNECT for a tunnel to those with TLS, and
//! given the requests to the others (RFC 9110, 7.1 and 9.3.6).

use std::pin::Pin;
use std::task::{Context, Poll};

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use otelcol_confmap::Opaque;
use tower_service::Service;

use super::connector::BoxError;
use super::url::HttpUrl;
use crate::ClientError;
use crate::dial::{Address, DialError};
use crate::io::Plain;

/// What `proxy_url` says.
pub(crate) struct Proxy {
    address: Address,
    tunnel: Tunnel<ToProxy>,
    authorization: Option<HeaderValue>,
}

impl Proxy {
    /// None where no proxy is set.
    pub(crate) fn new(url: &Opaque) -> Result<Option<Self>, ClientError> {
        if url.is_empty() {
            return Ok(None);
        }
        // Without the URL, which may hold a password.
        let invalid = || {
            ClientError::Invalid(
                "invalid proxy_url: expected http://host:port or http://user:password@host:port".to_owned(),
            )
        };
        let url: HttpUrl = url.expose().parse().map_err(|_| invalid())?;
        let HttpUrl { uri, address, authorization } = url;
        if uri.scheme() != Some(&Scheme::HTTP) {
            return Err(invalid());
        }
        let tunnel = Tunnel::new(uri, ToProxy(address.clone()));
        let tunnel = match &authorization {
            None => tunnel,
            Some(value) => tunnel.with_auth(value.clone()),
        };
        Ok(Some(Self { address, tunnel, authorization }))
    }

    /// The `Proxy-Authorization` of requests that are given to the proxy.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// A connection to the proxy itself.
    pub(super) async fn connect(&self) -> Result<Plain, DialError> {
        self.address.connect().await
    }

    /// A connection through the proxy to the server of `uri`.
    pub(super) async fn tunnel(&self, uri: Uri) -> Result<Plain, BoxError> {
        let tunnel = self.tunnel.clone().call(uri).await.map_err(|error| {
            let mut text = format!("proxy {}: {error}", self.address.text());
            if let Some(source) = std::error::Error::source(&error) {
                text.push_str(&format!(": {source}"));
            }
            text
        })?;
        Ok(tunnel.into_inner())
    }
}

/// Connects to the proxy, whatever it is asked for.
#[derive(Clone)]
struct ToProxy(Address);

impl Service<Uri> for ToProxy {
    type Response = TokioIo<Plain>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let address = self.0.clone();
        Box::pin(async move { address.connect().await.map(TokioIo::new) })
    }
}
