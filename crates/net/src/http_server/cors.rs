//! Cross-origin requests of browsers (Fetch standard, "CORS protocol"), as otelcol's `cors` section means them.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::HttpResponse;
use crate::config::CorsConfig;

const METHODS: [Method; 3] = [Method::GET, Method::POST, Method::HEAD];

/// Always allowed. With no list at all, browsers' libraries also get X-Requested-With.
const SAFE: [&str; 4] = ["accept", "accept-language", "content-type", "content-language"];

pub(super) struct Cors {
    origins: Vec<String>,
    any_header: bool,
    headers: Vec<String>,
    exposed: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
}

impl Cors {
    pub(super) fn new(config: &CorsConfig) -> Result<Self, String> {
        if config.allowed_origins.is_empty() && !config.allowed_headers.is_empty() {
            tracing::warn!("cors: allowed_headers without allowed_origins: no other origin may call");
        }
        let exposed = Some(config.exposed_headers.join(", ")).filter(|e| !e.is_empty());
        let exposed = exposed.map(HeaderValue::try_from).transpose();
        let mut headers: Vec<String> =
            config.allowed_headers.iter().map(|h| h.to_ascii_lowercase()).collect();
        if headers.is_empty() {
            headers.push("x-requested-with".to_owned());
        }
        headers.extend(SAFE.map(str::to_owned));
        Ok(Cors {
            origins: config.allowed_origins.iter().map(|o| o.to_ascii_lowercase()).collect(),
            any_header: config.allowed_headers.iter().any(|h| h == "*"),
            headers,
            exposed: exposed.map_err(|_| "invalid cors.exposed_headers: expected header names".to_owned())?,
            max_age: (config.max_age > 0).then(|| HeaderValue::from(config.max_age)),
        })
    }

    /// The answer to a browser that asks whether it may send the real request; None for other requests.
    pub(super) fn preflight(&self, method: &Method, request: &HeaderMap) -> Option<HttpResponse> {
        let wanted =
            request.get(header::ACCESS_CONTROL_REQUEST_METHOD).filter(|_| method == Method::OPTIONS)?;
        let mut response =
            HttpResponse { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: Vec::new() };
        let out = &mut response.headers;
        out.insert(
            header::VARY,
            HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        );
        let asked = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        let method_fits = METHODS.iter().any(|m| m.as_str().as_bytes() == wanted.as_bytes());
        let Some(origin) = self.allowed(request).filter(|_| method_fits && self.allows_headers(asked)) else {
            return Some(response);
        };
        out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        out.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, wanted.clone());
        if let Some(asked) = asked {
            out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        if let Some(max_age) = &self.max_age {
            out.insert(header::ACCESS_CONTROL_MAX_AGE, max_age.clone());
        }
        Some(response)
    }

    /// What the response to a real request needs so that the browser hands it to the script.
    pub(super) fn mark(&self, request: &HeaderMap, response: &mut HeaderMap) {
        response.append(header::VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = self.allowed(request) else {
            return;
        };
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        if let Some(exposed) = &self.exposed {
            response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
    }

    fn allowed<'r>(&self, request: &'r HeaderMap) -> Option<&'r HeaderValue> {
        let origin = request.get(header::ORIGIN)?;
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        let fits = |allowed: &String| match allowed.split_once('*') {
            None => *allowed == text,
            Some((start, end)) => {
                text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
            }
        };
        self.origins.iter().any(fits).then_some(origin)
    }

    fn allows_headers(&self, asked: Option<&HeaderValue>) -> bool {
        let Some(asked) = asked.filter(|_| !self.any_header) else {
            return true;
        };
        let Ok(asked) = asked.to_str() else {
            return false;
        };
        let names = asked.split(',').map(str::trim).filter(|name| !name.is_empty());
        names
            .map(HeaderName::try_from)
            .all(|name| name.is_ok_and(|n| self.headers.iter().any(|h| h == n.as_str())))
    }
}
