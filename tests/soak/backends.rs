//! Backends that take everything and keep nothing, and what goes wrong with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::StatusCode;
use otelcol_net::config::{GrpcServerConfig, HttpServerConfig};
use otelcol_net::{
    HttpRequest, HttpResponse, HttpService, Listener, LocalAddr, Peer, Status, UnaryService, serve_grpc,
    serve_http,
};
use otelcol_testkit::Proxy;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// One gRPC and one HTTP server behind networks that break.
pub(crate) struct Backends {
    pub(crate) grpc: Proxy,
    pub(crate) http: Proxy,
    mood: Arc<Mood>,
    _stop: CancellationToken,
}

/// How long a usual fault lasts. After each, all is well for twice as long as it lasted, to send what has gathered.
const SHORT: Duration = Duration::from_millis(1500);
/// How many faults there are.
pub(crate) const FAULTS: usize = 7;

/// How long it takes until each fault was there once, where one of them lasts `long`.
pub(crate) fn cycle(long: Duration) -> Duration {
    (SHORT * (FAULTS as u32 - 1) + long) * 3
}

/// How both servers answer: takes all, refuses, refuses with a wait, slow.
#[derive(Default)]
struct Mood(AtomicU8);

const WELL: u8 = 0;
const DOWN: u8 = 1;
const BUSY: u8 = 2;
const SLOW: u8 = 3;

impl Mood {
    async fn answer(&self) -> Result<(), Status> {
        match self.0.load(Ordering::Relaxed) {
            DOWN => Err(Status::unavailable("maintenance")),
            BUSY => Err(Status::resource_exhausted("busy").retry_after(Duration::from_millis(100))),
            SLOW => {
                sleep(Duration::from_millis(80)).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

struct Grpc(Arc<Mood>);

impl UnaryService for Grpc {
    fn call<'a>(&'a self, _: &'a str, _: Bytes, _: &'a Peer) -> BoxFuture<'a, Result<Bytes, Status>> {
        async { self.0.answer().await.map(|()| Bytes::new()) }.boxed()
    }

    fn knows(&self, _: &str) -> bool {
        true
    }
}

struct Http(Arc<Mood>);

impl HttpService for Http {
    fn call(&self, _: HttpRequest) -> BoxFuture<'_, HttpResponse> {
        let answer = async {
            match self.0.answer().await {
                Ok(()) => HttpResponse::new(StatusCode::OK, "application/x-protobuf", Bytes::new()),
                Err(_) => HttpResponse::text(StatusCode::SERVICE_UNAVAILABLE, "maintenance"),
            }
        };
        answer.boxed()
    }
}

impl Backends {
    #[expect(clippy::expect_used, clippy::disallowed_methods, reason = "a soak without backends is over")]
    pub(crate) async fn start() -> Self {
        let (mood, stop) = (Arc::new(Mood::default()), CancellationToken::new());
        let listen = || {
            let listener = Listener::bind("127.0.0.1:0").expect("a free port");
            let Ok(LocalAddr::Tcp(addr)) = listener.local_addr() else { unreachable!("bound to TCP") };
            (listener, addr)
        };
        let (listener, grpc) = listen();
        let service = Arc::new(Grpc(Arc::clone(&mood)));
        let config = GrpcServerConfig { max_recv_msg_size_mib: 64, ..GrpcServerConfig::default() };
        tokio::spawn(serve_grpc(listener, &config, service, None, None, stop.clone()).expect("settings"));
        let (listener, http) = listen();
        let service = Arc::new(Http(Arc::clone(&mood)));
        let config = HttpServerConfig::default();
        tokio::spawn(serve_http(listener, &config, service, None, None, stop.clone()).expect("settings"));
        Self { grpc: Proxy::start(grpc).await, http: Proxy::start(http).await, mood, _stop: stop }
    }

    /// Breaks something for a while and mends it; which thing goes by the number. Every seventh lasts `long`.
    pub(crate) async fn fault(&self, number: usize, long: Duration) {
        let mood = |mood| self.mood.0.store(mood, Ordering::Relaxed);
        let mut lasts = SHORT;
        match number % FAULTS {
            0 => mood(DOWN),
            1 => mood(BUSY),
            2 => mood(SLOW),
            3 => self.cut(),
            4 => self.close(),
            5 => {
                self.close();
                lasts = long;
            }
            _ => {}
        }
        sleep(lasts).await;
        self.heal();
        sleep(lasts * 2).await;
    }

    /// Everything works.
    pub(crate) fn heal(&self) {
        self.mood.0.store(WELL, Ordering::Relaxed);
        self.grpc.open(true);
        self.http.open(true);
    }

    /// Ends all connections, and lets no new ones in.
    pub(crate) async fn disconnect(&self) {
        self.close();
        sleep(Duration::from_secs(2)).await;
    }

    fn close(&self) {
        self.grpc.open(false);
        self.http.open(false);
        self.cut();
    }

    fn cut(&self) {
        self.grpc.cut();
        self.http.cut();
    }
}
