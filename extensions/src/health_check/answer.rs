//! What a health check is told.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use otelcol_confmap::GoDuration;
use otelcol_net::HttpResponse;
use otelcol_pipeline::status::{Board, Status};
use serde::Serialize;

use super::config::ResponseBody;

/// The state of the collector at one moment.
#[derive(Debug)]
pub(super) struct Health {
    pub(super) healthy: bool,
    pub(super) components: Vec<(String, Status)>,
}

impl Health {
    pub(super) fn of(board: &Board) -> Self {
        Self { healthy: board.healthy(), components: board.components() }
    }

    fn http_status(&self) -> StatusCode {
        if self.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    }

    /// The words of `response_body`.
    pub(super) fn text(&self, body: &ResponseBody) -> HttpResponse {
        let text = if self.healthy { &body.healthy } else { &body.unhealthy };
        HttpResponse::text(self.http_status(), text.clone())
    }

    /// contrib's JSON. Components that are not well are listed, and with `verbose` all.
    pub(super) fn json(&self, up_since: SystemTime, uptime: Duration, verbose: bool) -> HttpResponse {
        let listed = |status: &Status| verbose || *status != Status::Ok;
        let components: BTreeMap<&str, String> = self
            .components
            .iter()
            .filter(|(_, status)| listed(status))
            .map(|(name, status)| (name.as_str(), status.to_string()))
            .collect();
        let answer = Answer {
            status: if self.healthy { "Server available" } else { "Server not available" },
            up_since: if self.healthy { rfc3339(up_since) } else { GO_ZERO_TIME.to_owned() },
            uptime: if self.healthy { GoDuration::from(uptime).to_string() } else { String::new() },
            components,
        };
        let body = serde_json::to_vec(&answer).unwrap_or_default();
        HttpResponse::new(self.http_status(), "application/json", Bytes::from(body))
    }
}

/// How Go prints a time that was never set.
const GO_ZERO_TIME: &str = "0001-01-01T00:00:00Z";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    status: &'static str,
    up_since: String,
    uptime: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    components: BTreeMap<&'a str, String>,
}

fn rfc3339(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| GO_ZERO_TIME.to_owned(), |time| time.to_string())
}
