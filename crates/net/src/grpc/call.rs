//! One call of a gRPC server, from its headers to its trailers.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use tokio_util::sync::CancellationToken;

use super::frame::{Incoming, Rope, parse_timeout};
use super::server::{Server, UnaryService};
use crate::accept::{Reporter, stopping};
use crate::admission::{Admission, NotDecompressed, Permit, Reservation, decompress_admitted};
use crate::auth::{ServerAuth, client_of};
use crate::compress::{Compression, DecompressError};
use crate::event::Event;
use crate::io::Peer;
use crate::panic_text;
use crate::status::{Code, Status};

/// Calls in progress on one connection where `max_concurrent_streams` is not set.
pub(super) const MAX_STREAMS: u32 = 256;

/// A message whose next bytes do not come for this long is given up, with the memory admitted for it.
const MESSAGE_STALL: Duration = Duration::from_secs(60);

/// What this server can read, for clients that sent something else.
const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("gzip,zstd,snappy,deflate");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

pub(super) type Connection = Arc<Peer>;

pub(super) struct CallContext {
    pub(super) service: Arc<dyn UnaryService>,
    pub(super) admission: Option<Arc<dyn Admission>>,
    pub(super) auth: Option<Arc<dyn ServerAuth>>,
    pub(super) reporter: Reporter,
    pub(super) max_message: usize,
    pub(super) include_metadata: bool,
}

/// Why a call is not answered by the service: an HTTP status for what is no gRPC, else a gRPC status.
enum Refusal {
    Http(StatusCode),
    Grpc(Status),
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Refusal::Grpc(status)
    }
}

pub(super) async fn answer(
    server: Arc<Server>,
    connection: Connection,
    request: Request<RecvStream>,
    mut respond: SendResponse<Rope>,
    give_up: &CancellationToken,
) {
    let outcome = tokio::select! {
        biased;
        outcome = server.call.run(&connection, request) => outcome,
        () = give_up.cancelled() => {
            server.call.reporter.report(&Event::Stopping, &*connection);
            Err(stopping().into())
        }
    };
    // Sending can only fail because the client is gone or took the call back.
    let _ = match outcome {
        Ok(message) => send_reply(&mut respond, message),
        Err(Refusal::Grpc(status)) => send_status(&mut respond, &status),
        Err(Refusal::Http(status)) => {
            let mut response = Response::new(());
            *response.status_mut() = status;
            respond.send_response(response, true).map(drop)
        }
    };
}

fn send_reply(respond: &mut SendResponse<Rope>, message: Bytes) -> Result<(), h2::Error> {
    let rope = match Rope::framed([message], false) {
        Ok(rope) => rope,
        Err(status) => return send_status(respond, &status),
    };
    let mut response = Response::new(());
    response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
    let mut body = respond.send_response(response, false)?;
    body.send_data(rope, false)?;
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    body.send_trailers(trailers)
}

fn send_status(respond: &mut SendResponse<Rope>, status: &Status) -> Result<(), h2::Error> {
    let mut response = Response::new(());
    response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
    if status.code == Code::Unimplemented {
        response.headers_mut().insert("grpc-accept-encoding", ACCEPT_ENCODING);
    }
    status.write_to(response.headers_mut());
    respond.send_response(response, true).map(drop)
}

impl CallContext {
    async fn run(&self, connection: &Connection, request: Request<RecvStream>) -> Result<Bytes, Refusal> {
        let (head, body) = request.into_parts();
        let refuse = |event: Event| self.reporter.report(&event, &**connection);
        if head.method != Method::POST {
            refuse(Event::Malformed("method is not POST"));
            return Err(Refusal::Http(StatusCode::METHOD_NOT_ALLOWED));
        }
        if !is_grpc(&head.headers) {
            refuse(Event::Malformed("content-type is not application/grpc"));
            return Err(Refusal::Http(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let path = head.uri.path();
        if !self.service.knows(path) {
            refuse(Event::UnknownPath);
            return Err(unknown_method(path).into());
        }
        let deadline = head.headers.get("grpc-timeout").and_then(|t| parse_timeout(t.to_str().ok()?));
        let encoding = self.encoding(&head.headers).inspect_err(|_| refuse(Event::UnknownEncoding))?;
        let work = async {
            let peer = self.caller(connection, &head, &refuse).await?;
            let (message, _admitted) = self.receive(body, encoding, &refuse).await?;
            match AssertUnwindSafe(self.service.call(path, message, &peer)).catch_unwind().await {
                Ok(result) => result,
                Err(panic) => {
                    refuse(Event::Panicked(panic_text(&*panic)));
                    Err(Status::internal("the server failed while handling the call"))
                }
            }
        };
        let result = match deadline {
            None => work.await,
            Some(deadline) => tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| {
                Err(Status::new(Code::DeadlineExceeded, "the call's deadline passed on the server"))
            }),
        };
        result.map_err(Refusal::Grpc)
    }

    /// Who calls, where that is allowed.
    async fn caller(
        &self,
        connection: &Connection,
        head: &http::request::Parts,
        refuse: &(dyn Fn(Event) + Sync),
    ) -> Result<Peer, Status> {
        let attributes = match &self.auth {
            None => BTreeMap::new(),
            Some(auth) => {
                let refused = |_: &Status| refuse(Event::Unauthenticated);
                auth.authenticate(&head.headers).await.inspect_err(refused)?
            }
        };
        let headers = self.include_metadata.then_some(&head.headers);
        let host = head.uri.authority().map(http::uri::Authority::as_str);
        let client = client_of(&connection.client, headers, host, attributes);
        Ok(Peer { client, ..(**connection).clone() })
    }

    fn encoding(&self, headers: &HeaderMap) -> Result<Compression, Status> {
        let Some(name) = headers.get("grpc-encoding") else {
            return Ok(Compression::None);
        };
        let name = String::from_utf8_lossy(name.as_bytes());
        Compression::from_name(&name).ok().and_then(Compression::for_grpc).ok_or_else(|| {
            Status::new(
                Code::Unimplemented,
                format!("grpc: Decompressor is not installed for grpc-encoding {name:?}"),
            )
        })
    }

    /// Reads the message. The permits are for what it takes in memory.
    async fn receive(
        &self,
        mut body: RecvStream,
        encoding: Compression,
        refuse: &(dyn Fn(Event) + Sync),
    ) -> Result<(Bytes, Vec<Permit>), Status> {
        let mut reservation = Reservation::new(self.admission.as_ref());
        let mut hold = |bytes| reservation.hold(bytes).inspect_err(|_| refuse(Event::NotAdmitted));
        let mut incoming = Incoming::default();
        let (compressed, length) = loop {
            if let Some(prefix) = incoming.prefix()? {
                break prefix;
            }
            match next_data(&mut body, refuse).await? {
                Some(data) => incoming.push(data),
                None => {
                    refuse(Event::Malformed("call without a message"));
                    return Err(Status::internal(
                        "cardinality violation: received no request message from the client",
                    ));
                }
            }
        };
        if length > self.max_message {
            refuse(Event::TooLarge);
            let message =
                format!("grpc: received message larger than max ({length} vs. {})", self.max_message);
            return Err(Status::resource_exhausted(message));
        }
        hold(length)?;
        while !incoming
            .is_complete(length)
            .inspect_err(|_| refuse(Event::Malformed("more than one message")))?
        {
            match next_data(&mut body, refuse).await? {
                Some(data) => incoming.push(data),
                None => {
                    refuse(Event::Malformed("message cut short"));
                    return Err(Status::internal("the call ended in the middle of its message"));
                }
            }
        }
        let message = incoming.into_message();
        if !compressed {
            return Ok((message, reservation.into_permits()));
        }
        if encoding == Compression::None {
            refuse(Event::Malformed("compressed message without grpc-encoding"));
            return Err(Status::internal("grpc: compressed flag set with identity or empty encoding"));
        }
        let plain = decompress_admitted(self.admission.as_ref(), encoding, &message, self.max_message);
        let plain = plain.map_err(|e| match e {
            NotDecompressed::NotAdmitted(status) => {
                refuse(Event::NotAdmitted);
                status
            }
            NotDecompressed::Failed(DecompressError::TooLarge { limit }) => {
                refuse(Event::TooLarge);
                Status::resource_exhausted(format!(
                    "grpc: message after decompression larger than max ({limit})"
                ))
            }
            NotDecompressed::Failed(corrupt) => {
                refuse(Event::Corrupt);
                Status::internal(format!("grpc: failed to decompress the received message: {corrupt}"))
            }
        })?;
        drop((message, reservation));
        let mut kept = Reservation::new(self.admission.as_ref());
        kept.hold(plain.len()).inspect_err(|_| refuse(Event::NotAdmitted))?;
        Ok((plain, kept.into_permits()))
    }
}

async fn next_data(body: &mut RecvStream, refuse: &(dyn Fn(Event) + Sync)) -> Result<Option<Bytes>, Status> {
    match tokio::time::timeout(MESSAGE_STALL, body.data()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(data))) => {
            // An error means the connection is gone, which the next read says.
            let _ = body.flow_control().release_capacity(data.len());
            Ok(Some(data))
        }
        Ok(Some(Err(e))) => Err(Status::new(Code::Cancelled, format!("the client took the call back: {e}"))),
        Err(_) => {
            refuse(Event::TooSlow("a message stalled"));
            Err(Status::new(Code::DeadlineExceeded, format!("no data for {MESSAGE_STALL:?}")))
        }
    }
}

/// `application/grpc`, or it with `+proto` or parameters.
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = kind.and_then(|kind| kind.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'+' || rest[0] == b';')
}

/// grpc-go's words.
fn unknown_method(path: &str) -> Status {
    let message = match path.trim_start_matches('/').rsplit_once('/') {
        Some((service, method)) => format!("unknown method {method} for service {service}"),
        None => format!("malformed method name: {path:?}"),
    };
    Status::new(Code::Unimplemented, message)
}
