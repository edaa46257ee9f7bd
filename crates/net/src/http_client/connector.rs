//! How hyper's connection pool gets a connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tower_service::Service;

use crate::dial::{Address, DialError, dial};
use crate::io::Stream;
use crate::tls::ClientTlsState;

#[derive(Clone)]
pub(super) struct Connector {
    tls: Arc<ClientTlsState>,
}

impl Connector {
    pub(super) fn new(tls: Arc<ClientTlsState>) -> Self {
        Connector { tls }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let tls = Arc::clone(&self.tls);
        Box::pin(async move {
            let secure = uri.scheme_str() == Some("https");
            let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
            let address = Address::Tcp(format!("{}:{port}", uri.host().unwrap_or_default()));
            dial(&address, secure.then_some(&tls)).await.map(TokioIo::new)
        })
    }
}
