//! One request and its response.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use otelcol_pdata::Client;
use tokio_util::sync::CancellationToken;

use super::body::Refusal;
use super::pace::Turn;
use super::{HttpRequest, HttpResponse, Server};
use crate::admission::Permit;
use crate::auth::{client_of, secret_header};
use crate::chunks::Chunks;
use crate::event::Event;
use crate::io::Peer;
use crate::panic_text;
use crate::status::percent_decode;

pub(super) async fn answer(
    server: Arc<Server>,
    peer: Peer,
    request: Request<Incoming>,
    turn: Turn,
    give_up: CancellationToken,
) -> Result<Response<Chunks<Turn>>, Infallible> {
    let (head, body) = request.into_parts();
    let mut request = HttpRequest {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body: Bytes::new(),
        peer,
    };
    // HTTP/2 has it in the URI.
    if let Some(host) = head.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        request.headers.entry(header::HOST).or_insert(host);
    }
    let preflight = server.cors.as_ref().and_then(|cors| cors.preflight(&request.method, &request.headers));
    let mut response = match preflight {
        Some(response) => response,
        None => {
            let origin = request.headers.get(header::ORIGIN).filter(|_| server.cors.is_some()).cloned();
            let mut response = server.respond(&mut request, body, &give_up).await;
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
    /// Who asks, where that is allowed, and the body. An unknown client's body is not read.
    async fn admit(
        &self,
        request: &HttpRequest,
        body: Incoming,
    ) -> Result<(Option<Arc<Client>>, Bytes, Vec<Permit>), Refusal> {
        let attributes = match &self.auth {
            None => BTreeMap::new(),
            Some(auth) => {
                let headers = self.credentials(request);
                auth.authenticate(&headers).await.map_err(Refusal::unauthenticated)?
            }
        };
        let headers = self.include_metadata.then_some(&request.headers);
        let client = client_of(&request.peer.client, headers, None, attributes);
        let (body, permits) = self.read(&request.headers, body).await?;
        Ok((client, body, permits))
    }

    /// The headers that the authenticator sees: the request's, and `request_params` of its query.
    fn credentials<'a>(&self, request: &'a HttpRequest) -> Cow<'a, HeaderMap> {
        let query = request.query.as_deref().filter(|_| !self.request_params.is_empty());
        let Some(query) = query else { return Cow::Borrowed(&request.headers) };
        let mut headers = request.headers.clone();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            if !self.request_params.iter().any(|wanted| wanted == name) {
                continue;
            }
            if let Ok((name, value)) =
                secret_header(name, &percent_decode(value.replace('+', " ").as_bytes()))
            {
                headers.insert(name, value);
            }
        }
        Cow::Owned(headers)
    }

    async fn respond(
        &self,
        request: &mut HttpRequest,
        body: Incoming,
        give_up: &CancellationToken,
    ) -> HttpResponse {
        let admitted = tokio::select! {
            biased;
            admitted = self.admit(request, body) => admitted,
            () = give_up.cancelled() => Err(Refusal::stopping()),
        };
        let (client, body, _admitted) = match admitted {
            Ok(read) => read,
            Err(refusal) => return self.refuse(request, &refusal),
        };
        let content_type = request.headers.get(header::CONTENT_TYPE).cloned();
        let whole = HttpRequest {
            method: request.method.clone(),
            path: std::mem::take(&mut request.path),
            query: request.query.take(),
            headers: std::mem::take(&mut request.headers),
            body,
            peer: Peer { client, ..request.peer.clone() },
        };
        // Also what the service does before its future is made must not take the connection down.
        let call = AssertUnwindSafe(async { self.service.call(whole).await });
        let called = tokio::select! {
            biased;
            called = call.catch_unwind() => called,
            () = give_up.cancelled() => {
                request.headers.extend(content_type.map(|value| (header::CONTENT_TYPE, value)));
                return self.refuse(request, &Refusal::stopping());
            }
        };
        match called {
            Ok(response) => response,
            Err(panic) => {
                self.reporter.report(&Event::Panicked(panic_text(&*panic)), &request.peer);
                HttpResponse::text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the server failed while handling the request",
                )
            }
        }
    }

    fn refuse(&self, request: &HttpRequest, refusal: &Refusal) -> HttpResponse {
        self.reporter.report(&refusal.event, &request.peer);
        let mut response = self.service.refuse(request, refusal.http, &refusal.status);
        if let Some(delay) = refusal.status.retry_delay {
            // Whole seconds, and never sooner than asked for (RFC 9110 10.2.3).
            let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            response.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
