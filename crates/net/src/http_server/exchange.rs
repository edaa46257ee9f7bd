//! One request and its response.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::body::Chunks;
use super::pace::Turn;
use super::{HttpRequest, HttpResponse, Server};
use crate::event::Event;
use crate::io::Peer;
use crate::panic_text;

pub(super) async fn answer(
    server: Arc<Server>,
    peer: Peer,
    request: Request<Incoming>,
    turn: Turn,
) -> Result<Response<Chunks>, Infallible> {
    let (head, body) = request.into_parts();
    let mut request = HttpRequest {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body: Bytes::new(),
        peer,
    };
    let preflight = server.cors.as_ref().and_then(|cors| cors.preflight(&request.method, &request.headers));
    let mut response = match preflight {
        Some(response) => response,
        None => {
            let origin = request.headers.get(header::ORIGIN).filter(|_| server.cors.is_some()).cloned();
            let mut response = server.respond(&mut request, body).await;
            if let Some(cors) = &server.cors {
                let asked = origin.into_iter().map(|origin| (header::ORIGIN, origin)).collect();
                cors.mark(&asked, &mut response.headers);
            }
            response
        }
    };
    for (name, value) in &server.response_headers {
        response.headers.entry(name).or_insert_with(|| value.clone());
    }
    let mut out = Response::new(Chunks::new(response.body, turn));
    *out.status_mut() = response.status;
    *out.headers_mut() = response.headers;
    Ok(out)
}

impl Server {
    async fn respond(&self, request: &mut HttpRequest, body: Incoming) -> HttpResponse {
        let peer = request.peer.clone();
        let (body, _admitted) = match self.read(&request.headers, body).await {
            Ok(read) => read,
            Err(refusal) => {
                self.reporter.report(&refusal.event, &peer);
                let mut response = self.service.refuse(request, refusal.http, &refusal.status);
                if let Some(delay) = refusal.status.retry_delay {
                    // Whole seconds, and never sooner than asked for (RFC 9110 10.2.3).
                    let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
                    response.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                }
                return response;
            }
        };
        let whole = HttpRequest {
            method: request.method.clone(),
            path: std::mem::take(&mut request.path),
            query: request.query.take(),
            headers: std::mem::take(&mut request.headers),
            body,
            peer: request.peer.clone(),
        };
        // Also what the service does before its future is made must not take the connection down.
        let call = AssertUnwindSafe(async { self.service.call(whole).await });
        match call.catch_unwind().await {
            Ok(response) => response,
            Err(panic) => {
                self.reporter.report(&Event::Panicked(panic_text(&*panic)), &peer);
                HttpResponse::text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the server failed while handling the request",
                )
            }
        }
    }
}
