//! What the tests of several modules share: servers on port 0, an echo service, certificates.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use otelcol_confmap::Resolver;

use crate::config::{GrpcServerConfig, Headers, HttpServerConfig};
use crate::{
    Admission, Event, HttpRequest, HttpResponse, HttpService, Listener, Peer, Permit, Status, UnaryService,
    serve_grpc, serve_http,
};

pub(crate) const ECHO: &str = "/test.Echo/Echo";
/// Far above what any test needs; a test that waits this long fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Answers with what it gets, and remembers what was refused.
#[derive(Default)]
pub(crate) struct Echo {
    pub(crate) events: Mutex<Vec<Event>>,
    /// Held calls wait for a permit here.
    pub(crate) gate: Option<Arc<tokio::sync::Semaphore>>,
    pub(crate) entered: tokio::sync::Notify,
    pub(crate) seen: Mutex<Vec<Peer>>,
}

impl Echo {
    pub(crate) fn reasons(&self) -> Vec<&'static str> {
        self.events.lock().unwrap().iter().map(Event::reason).collect()
    }

    async fn wait(&self) {
        self.entered.notify_one();
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
    }
}

impl UnaryService for Echo {
    fn call<'a>(
        &'a self,
        path: &'a str,
        message: Bytes,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<Bytes, Status>> {
        Box::pin(async move {
            self.seen.lock().unwrap().push(peer.clone());
            self.wait().await;
            match path {
                "/test.Echo/Panic" => panic!("as asked"),
                "/test.Echo/Fail" => {
                    Err(Status::resource_exhausted("später, 100 %").retry_after(Duration::from_millis(1500)))
                }
                _ => Ok(message),
            }
        })
    }

    fn knows(&self, path: &str) -> bool {
        path.starts_with("/test.Echo/") && path != "/test.Echo/Missing"
    }

    fn event(&self, event: &Event) {
        self.events.lock().unwrap().push(event.clone());
    }
}

impl HttpService for Echo {
    fn call(&self, request: HttpRequest) -> BoxFuture<'_, HttpResponse> {
        assert_ne!(request.path, "/panic", "as asked");
        Box::pin(async move {
            self.seen.lock().unwrap().push(request.peer.clone());
            self.wait().await;
            match request.path.as_str() {
                "/head" => HttpResponse::text(
                    StatusCode::OK,
                    format!("{} {} {:?}", request.method, request.path, request.query),
                ),
                _ => HttpResponse::new(StatusCode::OK, "application/octet-stream", request.body),
            }
        })
    }

    fn event(&self, event: &Event) {
        self.events.lock().unwrap().push(event.clone());
    }
}

pub(crate) struct Running {
    pub(crate) address: String,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Stops and waits for the end.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

pub(crate) fn grpc(config: &GrpcServerConfig, service: &Arc<Echo>) -> Running {
    grpc_on(Listener::bind("127.0.0.1:0").unwrap(), config, service, None)
}

pub(crate) fn grpc_on(
    listener: Listener,
    config: &GrpcServerConfig,
    service: &Arc<Echo>,
    admission: Option<Arc<dyn Admission>>,
) -> Running {
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let server =
        serve_grpc(listener, config, Arc::clone(service) as _, admission, None, stop.clone()).unwrap();
    let task = tokio::runtime::Handle::current().spawn(server);
    Running { address, stop, task }
}

pub(crate) fn http(config: &HttpServerConfig, service: &Arc<Echo>) -> Running {
    http_admitted(config, service, None)
}

pub(crate) fn http_admitted(
    config: &HttpServerConfig,
    service: &Arc<Echo>,
    admission: Option<Arc<dyn Admission>>,
) -> Running {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let server =
        serve_http(listener, config, Arc::clone(service) as _, admission, None, stop.clone()).unwrap();
    let task = tokio::runtime::Handle::current().spawn(server);
    Running { address, stop, task }
}

/// Starts a proxy that leads to `server`, whatever it is asked for, or refuses tunnels with `refusal`. Gives its address,
/// and the heads of what it is asked.
pub(crate) async fn proxy(
    server: &str,
    refusal: Option<&'static str>,
) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (heads, asked) = mpsc::unbounded_channel();
    let server = server.to_owned();
    tokio::runtime::Handle::current().spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            let is_tunnel = head.starts_with(b"CONNECT ");
            heads.send(String::from_utf8(head.clone()).unwrap()).unwrap();
            if let Some(refusal) = refusal {
                client.write_all(refusal.as_bytes()).await.unwrap();
                continue;
            }
            let mut server = TcpStream::connect(&server).await.unwrap();
            if is_tunnel {
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            } else {
                server.write_all(&head).await.unwrap();
            }
            // Ends with the client.
            _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        }
    });
    (address, asked)
}

/// Admits up to a number of bytes.
pub(crate) struct Budget {
    limit: usize,
    pub(crate) used: Arc<AtomicUsize>,
    /// All that was ever asked for.
    pub(crate) asked: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Budget { limit, used: Arc::default(), asked: AtomicUsize::new(0) }
    }
}

struct Held(Arc<AtomicUsize>, usize);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::SeqCst);
    }
}

impl Admission for Budget {
    fn admit(&self, bytes: usize) -> Result<Permit, Status> {
        self.asked.fetch_add(bytes, Ordering::SeqCst);
        let used = self.used.fetch_add(bytes, Ordering::SeqCst) + bytes;
        let held = Held(Arc::clone(&self.used), bytes);
        if used > self.limit {
            let status = Status::unavailable(format!("no memory for {bytes} bytes"));
            return Err(status.retry_after(Duration::from_secs(1)));
        }
        Ok(Box::new(held))
    }
}

/// A section of a configuration file.
pub(crate) fn section<T: serde::de::DeserializeOwned>(yaml: &str) -> Result<T, String> {
    let resolved = Resolver::new(vec![format!("yaml:{yaml}")], Vec::new()).resolve().unwrap();
    resolved
        .root
        .decode("x")
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

pub(crate) fn headers(yaml: &str) -> Headers {
    section(yaml).unwrap()
}
