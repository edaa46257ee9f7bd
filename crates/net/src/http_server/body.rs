//! Reading a request's body within its limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::Server;
use crate::accept::stopping;
use crate::admission::{NotDecompressed, Permit, Reservation, decompress_admitted};
use crate::compress::{Compression, DecompressError};
use crate::event::Event;
use crate::status::{Code, Status};

/// A body whose next bytes do not come for this long is given up, with the memory admitted for it.
const STALL: Duration = Duration::from_secs(60);

/// Why a request does not get to the service.
pub(super) struct Refusal {
    pub(super) http: StatusCode,
    pub(super) status: Status,
    pub(super) event: Event,
}

impl Refusal {
    fn new(http: StatusCode, event: Event, code: Code, message: String) -> Self {
        Refusal { http, status: Status::new(code, message), event }
    }

    fn too_large(limit: usize) -> Self {
        let message = format!("request body is larger than the limit of {limit} bytes");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Event::TooLarge, Code::ResourceExhausted, message)
    }

    /// 401, unless the authenticator could not look at the credentials.
    pub(super) fn unauthenticated(status: Status) -> Self {
        Refusal { http: status.http_status(), status, event: Event::Unauthenticated }
    }

    pub(super) fn stopping() -> Self {
        let status = stopping();
        Refusal { http: status.http_status(), status, event: Event::Stopping }
    }

    fn not_admitted(status: Status) -> Self {
        Refusal { http: status.http_status(), status, event: Event::NotAdmitted }
    }
}

impl Server {
    /// The whole body, decompressed. The permits are for what it takes in memory.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<(Bytes, Vec<Permit>), Refusal> {
        let encoding = self.encoding(headers)?;
        let declared = body.size_hint().exact();
        if declared == Some(0) {
            return Ok((Bytes::new(), Vec::new()));
        }
        if declared.is_some_and(|n| n > self.max_body as u64) {
            return Err(Refusal::too_large(self.max_body));
        }
        let mut reservation = Reservation::new(self.admission.as_ref());
        if let Some(length) = declared {
            reservation.hold(usize::try_from(length).unwrap_or(usize::MAX)).map_err(Refusal::not_admitted)?;
        }
        let raw = self.collect(body, &mut reservation).await?;
        if encoding == Compression::None {
            return Ok((raw, reservation.into_permits()));
        }
        let plain = decompress_admitted(self.admission.as_ref(), encoding, &raw, self.max_body);
        let plain = plain.map_err(|e| match e {
            NotDecompressed::NotAdmitted(status) => Refusal::not_admitted(status),
            NotDecompressed::Failed(DecompressError::TooLarge { limit }) => Refusal::too_large(limit),
            NotDecompressed::Failed(corrupt) => {
                let message = corrupt.to_string();
                Refusal::new(StatusCode::BAD_REQUEST, Event::Corrupt, Code::InvalidArgument, message)
            }
        })?;
        drop((raw, reservation));
        let mut kept = Reservation::new(self.admission.as_ref());
        kept.hold(plain.len()).map_err(Refusal::not_admitted)?;
        Ok((plain, kept.into_permits()))
    }

    fn encoding(&self, headers: &HeaderMap) -> Result<Compression, Refusal> {
        let Some(name) = headers.get(header::CONTENT_ENCODING) else {
            return Ok(Compression::None);
        };
        let name = String::from_utf8_lossy(name.as_bytes());
        let known = Compression::from_name(&name).ok();
        let allowed = |c: &Compression| self.encodings.as_ref().is_none_or(|set| set.contains(c));
        known.filter(allowed).ok_or_else(|| {
            let message = format!("unsupported Content-Encoding: {name}");
            let http = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            Refusal::new(http, Event::UnknownEncoding, Code::InvalidArgument, message)
        })
    }

    async fn collect(&self, mut body: Incoming, reservation: &mut Reservation<'_>) -> Result<Bytes, Refusal> {
        let end = self.read_timeout.map(|limit| Instant::now() + limit);
        let mut chunks: Vec<Bytes> = Vec::new();
        let mut total = 0;
        loop {
            let stall = Instant::now() + STALL;
            let next = timeout_at(end.map_or(stall, |end| end.min(stall)), body.frame()).await;
            let frame = match next {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => break,
                Ok(Some(Err(e))) => {
                    let event = Event::Malformed("body cut short");
                    let message = format!("failed to read the body: {e}");
                    return Err(Refusal::new(StatusCode::BAD_REQUEST, event, Code::InvalidArgument, message));
                }
                Err(_) => {
                    let event = Event::TooSlow("a body stalled");
                    let message = "the body did not come in time".to_owned();
                    return Err(Refusal::new(
                        StatusCode::REQUEST_TIMEOUT,
                        event,
                        Code::DeadlineExceeded,
                        message,
                    ));
                }
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            total += data.len();
            if total > self.max_body {
                return Err(Refusal::too_large(self.max_body));
            }
            reservation.hold_growing(total, self.max_body).map_err(Refusal::not_admitted)?;
            chunks.push(data);
        }
        // Even a single chunk is copied: it would keep the connection's whole read buffer alive.
        let mut whole = BytesMut::with_capacity(total);
        chunks.iter().for_each(|chunk| whole.extend_from_slice(chunk));
        Ok(whole.freeze())
    }
}
