//! A server that runs until it is dropped.

use std::net::SocketAddr;
use std::sync::Arc;

use otelcol_net::config::HttpServerConfig;
use otelcol_net::{HttpService, Listener, LocalAddr, serve_http};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Where a fake listens; dropping it stops the fake.
#[derive(Debug)]
pub(crate) struct Running {
    addr: SocketAddr,
    _stop: DropGuard,
}

impl Running {
    /// Binds a free port and runs what `serve` makes of it.
    #[expect(clippy::expect_used, reason = "a test that can not listen has failed")]
    pub(crate) fn start<F>(serve: impl FnOnce(Listener, CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start_at("127.0.0.1:0", serve).expect("listen on a free port")
    }

    /// Serves HTTP on a free port.
    #[expect(clippy::expect_used, reason = "a test that can not serve has failed")]
    pub(crate) fn http(service: Arc<dyn HttpService>) -> Self {
        Self::start(|listener, stop| {
            serve_http(listener, &HttpServerConfig::default(), service, None, None, stop)
                .expect("default settings")
        })
    }

    /// Binds an address of the caller's and runs what `serve` makes of it.
    pub(crate) fn start_at<F>(
        addr: &str,
        serve: impl FnOnce(Listener, CancellationToken) -> F,
    ) -> Result<Self, otelcol_net::BindError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = Listener::bind(addr)?;
        let Ok(LocalAddr::Tcp(addr)) = listener.local_addr() else { unreachable!("bound to TCP above") };
        let stop = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "a fake is no component")]
        tokio::spawn(serve(listener, stop.clone()));
        Ok(Self { addr, _stop: stop.drop_guard() })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}
