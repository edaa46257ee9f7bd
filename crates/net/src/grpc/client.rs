//! The client: calls, over one connection that is made when it is needed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use otelcol_pdata::Client;

use super::channel::{Channel, Link};
use super::frame::{Incoming, PREFIX, Rope, format_timeout};
use crate::ClientError;
use crate::auth::{ClientAuth, Credentials};
use crate::compress::{Compression, compress, decompress};
use crate::config::GrpcClientConfig;
use crate::dial::Address;
use crate::status::{Code, Status};
use crate::tls::ClientTlsState;

/// Largest reply, as in grpc-go.
const MAX_REPLY: usize = 4 * 1024 * 1024;

const USER_AGENT: &str = concat!("otelcol-asterisk/", env!("CARGO_PKG_VERSION"));

/// Makes unary calls to one endpoint. Connects at the first call, again when the connection is lost, and at most
/// as often as its back-off allows (0.25 s doubling to 10 s). Any number of calls share the connection.
pub struct GrpcClient {
    channel: Channel,
    scheme: Scheme,
    authority: Authority,
    headers: HeaderMap,
    compression: Compression,
    credentials: Credentials,
}

impl GrpcClient {
    /// A client for these settings. Does not connect.
    ///
    /// # Errors
    /// An endpoint, header, balancer, compression or `tls` section that can not be used.
    pub fn new(config: &GrpcClientConfig) -> Result<Self, ClientError> {
        let invalid = |message: String| ClientError::Invalid(message);
        if let Some((_, message)) = config.issues().into_iter().next() {
            return Err(invalid(message));
        }
        let address = Address::of_grpc(&config.endpoint)?;
        let compression = config.compression.for_grpc().unwrap_or_default();
        // otelcol's rule: a CA means TLS, whatever `insecure` says, and so does https.
        let tls = &config.tls;
        let plain = tls.insecure && tls.ca_file.is_empty() && tls.ca_pem.expose().is_empty();
        let plain = plain && !config.endpoint.starts_with("https://");
        let state = if plain { None } else { Some(Arc::new(ClientTlsState::new(tls, &[b"h2"])?)) };
        let authority = match (config.authority.as_str(), tls.server_name_override.as_str()) {
            ("", "") => match &address {
                Address::Tcp(name) => name.clone(),
                Address::Unix(_) => "localhost".to_owned(),
            },
            ("", name) if !plain => name.to_owned(),
            ("", _) => address.text().to_owned(),
            (authority, _) => authority.to_owned(),
        };
        let authority = Authority::try_from(authority.as_str())
            .map_err(|e| invalid(format!("invalid authority {authority:?}: {e}")))?;
        Ok(GrpcClient {
            channel: Channel::new(address, state, config),
            scheme: if plain { Scheme::HTTP } else { Scheme::HTTPS },
            authority,
            headers: fixed_headers(config, compression)?,
            compression,
            credentials: Credentials::new(config.auth.as_ref()),
        })
    }

    /// Gives the authenticator that the settings ask for. Until then calls fail.
    ///
    /// # Errors
    /// It wants TLS, which the settings have not.
    pub fn set_auth(&self, auth: Arc<dyn ClientAuth>) -> Result<(), ClientError> {
        if auth.requires_tls() && self.scheme == Scheme::HTTP {
            // grpc-go's words, but for what to do.
            return Err(ClientError::Invalid(
                "the credentials require transport level security: take tls::insecure away".to_owned(),
            ));
        }
        self.credentials.set(auth);
        Ok(())
    }

    /// From now on at most 0.25 s pass between two attempts to connect: for an end that has a deadline.
    pub fn hurry(&self) {
        self.channel.hurry();
    }

    /// Calls `/package.Service/Method` with `message` and gives the reply's message.
    ///
    /// # Errors
    /// The server's status; the authenticator's; UNAVAILABLE with the address when it can not be reached or the connection broke;
    /// DEADLINE_EXCEEDED after `timeout` (zero: none).
    pub async fn call(&self, path: &str, message: Vec<Bytes>, timeout: Duration) -> Result<Bytes, Status> {
        self.call_for(None, path, message, timeout).await
    }

    /// The same with data that `client` sent, by which an authenticator may choose the credentials.
    ///
    /// # Errors
    /// As [`GrpcClient::call`].
    pub async fn call_for(
        &self,
        client: Option<&Client>,
        path: &str,
        message: Vec<Bytes>,
        timeout: Duration,
    ) -> Result<Bytes, Status> {
        let request = self.request(path, timeout, client)?;
        let compressed =
            self.compression != Compression::None && message.iter().any(|chunk| !chunk.is_empty());
        let message = if compressed {
            let packed = compress(self.compression, 0, &message);
            vec![packed.map_err(|e| Status::internal(format!("failed to compress the request: {e}")))?]
        } else {
            message
        };
        if timeout.is_zero() {
            return self.attempt(&request, message, compressed).await;
        }
        match tokio::time::timeout(timeout, self.attempt(&request, message, compressed)).await {
            Ok(result) => result,
            Err(_) => Err(self.channel.deadline_exceeded(timeout)),
        }
    }

    async fn attempt(
        &self,
        request: &Request<()>,
        message: Vec<Bytes>,
        compressed: bool,
    ) -> Result<Bytes, Status> {
        // A connection can turn out to be closed before anything was sent on it, and a server that is going away
        // can say that it did not look at a call. Both are tried again, once.
        let mut again = true;
        loop {
            let link = self.channel.link().await?;
            let rope = Rope::framed(message.iter().cloned(), compressed)?;
            match exchange(&link, request.clone(), rope).await {
                Err(Failure::NotSent(_)) if again => {
                    again = false;
                    self.channel.forget(&link);
                }
                Err(Failure::NotSent(e)) => return Err(self.channel.failed(&e)),
                Err(Failure::Broken(e)) => return Err(self.channel.failed(&e)),
                Err(Failure::Status(status)) => return Err(status),
                Ok(reply) => return Ok(reply),
            }
        }
    }

    fn request(&self, path: &str, timeout: Duration, client: Option<&Client>) -> Result<Request<()>, Status> {
        let path = PathAndQuery::try_from(path)
            .map_err(|e| Status::internal(format!("invalid path {path:?}: {e}")))?;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_parts(parts).map_err(|e| Status::internal(e.to_string()))?;
        *request.headers_mut() = self.headers.clone();
        if !timeout.is_zero()
            && let Ok(value) = HeaderValue::try_from(format_timeout(timeout))
        {
            request.headers_mut().insert("grpc-timeout", value);
        }
        self.credentials.apply(request.headers_mut(), client).map_err(|e| match e {
            ClientError::Auth(status) => status,
            other => Status::internal(other.to_string()),
        })?;
        Ok(request)
    }
}

fn fixed_headers(config: &GrpcClientConfig, compression: Compression) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-accept-encoding", HeaderValue::from_static("gzip,zstd,snappy,deflate"));
    // On the wire both gRPC snappies have the one name.
    match compression {
        Compression::None => {}
        Compression::SnappyFramed => _ = headers.insert("grpc-encoding", HeaderValue::from_static("snappy")),
        other => _ = headers.insert("grpc-encoding", HeaderValue::from_static(other.name())),
    }
    let agent = if config.user_agent.is_empty() { USER_AGENT } else { &config.user_agent };
    headers.insert(header::USER_AGENT, crate::headers::value("user_agent", agent, false)?);
    headers.extend(crate::headers::parse(&config.headers)?);
    Ok(headers)
}

enum Failure {
    /// The server has not looked at it.
    NotSent(h2::Error),
    /// The connection or the stream ended; the server may have done its work.
    Broken(h2::Error),
    /// The call's outcome.
    Status(Status),
}

async fn exchange(link: &Link, request: Request<()>, message: Rope) -> Result<Bytes, Failure> {
    let _busy = link.busy();
    let mut sender = link.sender().ready().await.map_err(Failure::NotSent)?;
    let (response, mut body) = sender.send_request(request, false).map_err(Failure::NotSent)?;
    // The message is in memory already: h2 may queue all of it.
    body.send_data(message, true).map_err(failed)?;
    let (head, mut body) = response.await.map_err(failed)?.into_parts();
    link.received();
    if let Some(status) = Status::read_from(&head.headers) {
        return finished(status, Bytes::new());
    }
    if !head.status.is_success() {
        return Err(Failure::Status(not_grpc(head.status)));
    }
    let mut incoming = Incoming::default();
    let mut total = 0;
    while let Some(data) = body.data().await {
        let data = data.map_err(failed)?;
        // An error means the connection is gone, which the next read says.
        let _ = body.flow_control().release_capacity(data.len());
        total += data.len();
        if total > MAX_REPLY + PREFIX {
            let message = format!("grpc: received message larger than max ({MAX_REPLY})");
            return Err(Failure::Status(Status::resource_exhausted(message)));
        }
        incoming.push(data);
    }
    let trailers = body.trailers().await.map_err(failed)?;
    let status = trailers.as_ref().and_then(Status::read_from);
    match status {
        Some(status) if status.code != Code::Ok => Err(Failure::Status(status)),
        Some(_) => unpack(incoming, &head.headers).map_err(Failure::Status),
        None => Err(Failure::Status(Status::internal("server closed the stream without sending trailers"))),
    }
}

fn finished(status: Status, reply: Bytes) -> Result<Bytes, Failure> {
    match status.code {
        Code::Ok => Ok(reply),
        _ => Err(Failure::Status(status)),
    }
}

fn unpack(mut incoming: Incoming, headers: &HeaderMap) -> Result<Bytes, Status> {
    let Some((compressed, length)) = incoming.prefix()? else {
        return Ok(Bytes::new());
    };
    if !incoming.is_complete(length)? {
        return Err(Status::internal("the reply ended in the middle of its message"));
    }
    let message = incoming.into_message();
    if !compressed {
        return Ok(message);
    }
    let name = headers.get("grpc-encoding").and_then(|e| e.to_str().ok()).unwrap_or_default();
    let encoding =
        Compression::from_name(name).ok().and_then(Compression::for_grpc).filter(|e| *e != Compression::None);
    let encoding =
        encoding.ok_or_else(|| Status::internal(format!("reply with unknown grpc-encoding {name:?}")))?;
    decompress(encoding, &message, MAX_REPLY).map_err(|e| Status::internal(format!("invalid reply: {e}")))
}

/// gRPC's http-grpc-status-mapping.md, for proxies that answer themselves.
fn not_grpc(status: http::StatusCode) -> Status {
    let code = match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502..=504 => Code::Unavailable,
        _ => Code::Unknown,
    };
    Status::new(code, format!("unexpected HTTP status code received from server: {status}"))
}

/// RFC 9113 8.7: a refused stream, or one above the last of a GOAWAY, has not been looked at. The gRPC codes of
/// other resets are PROTOCOL-HTTP2.md's.
fn failed(error: h2::Error) -> Failure {
    let code = match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => return Failure::NotSent(error),
        Some(h2::Reason::CANCEL) if error.is_reset() => Code::Cancelled,
        Some(h2::Reason::ENHANCE_YOUR_CALM) if error.is_reset() => Code::ResourceExhausted,
        Some(h2::Reason::INADEQUATE_SECURITY) if error.is_reset() => Code::PermissionDenied,
        Some(_) if error.is_reset() => Code::Internal,
        _ => return Failure::Broken(error),
    };
    Failure::Status(Status::new(code, format!("stream terminated by RST_STREAM: {error}")))
}
