//! A server that runs until it is dropped.

use std::net::SocketAddr;

use otelcol_net::{Listener, LocalAddr};
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

    /// The same on an address of the caller's.
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
