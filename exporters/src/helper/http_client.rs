//! Settings and answers that exporters over HTTP have in common.

use std::time::Duration;

use http::header::RETRY_AFTER;
use otelcol_net::config::{ClientAuthConfig, HttpClientConfig};
use otelcol_net::{ClientError, HttpClient, HttpReply, HttpUrl};
use otelcol_pipeline::{Clock, ComponentError, ConfigIssue, ConsumeError, Host};

/// Writes the settings of an exporter over HTTP: those of the HTTP client and of the queue and the repeats beside
/// the exporter's own.
#[cfg(any(feature = "otlphttp", feature = "loki"))]
macro_rules! http_exporter_config {
    (
        $(#[$meta:meta])*
        pub struct $name:ident { $($own:tt)* }
        defaults { $($defaults:tt)* }
    ) => {
        otelcol_net::http_client_config! {
            $(#[$meta])*
            pub struct $name {
                $($own)*
                /// What waits between the pipeline and the backend.
                pub sending_queue: $crate::helper::QueueConfig = Default::default(),
                /// Repeats after an error that may pass.
                pub retry_on_failure: $crate::helper::RetryConfig = Default::default(),
            }
            defaults { $($defaults)* }
        }

        impl $name {
            /// The settings of the HTTP client, and what stands between the pipeline and the sender.
            pub fn into_parts(self) -> (otelcol_net::config::HttpClientConfig, $crate::helper::Settings) {
                let client = otelcol_net::config::HttpClientConfig::from(&self);
                let settings = $crate::helper::Settings {
                    timeout: self.timeout.get(),
                    queue: Some(self.sending_queue),
                    retry: Some(self.retry_on_failure),
                    log: None,
                };
                (client, settings)
            }
        }
    };
}
#[cfg(any(feature = "otlphttp", feature = "loki"))]
pub(crate) use http_exporter_config;

/// Gives the client the authenticator that the settings ask for.
pub(crate) fn authenticate(
    client: &HttpClient,
    auth: Option<&ClientAuthConfig>,
    host: &Host,
) -> Result<(), ComponentError> {
    if let Some(auth) = auth {
        client.set_auth(host.client_auth(&auth.authenticator)?);
    }
    Ok(())
}

/// A request that got no answer may be repeated, but not one that has no credentials to go out with.
pub(crate) fn no_reply(error: &ClientError) -> ConsumeError {
    if let ClientError::Auth(status) = error
        && !status.is_retryable()
    {
        return ConsumeError::permanent(error.to_string());
    }
    ConsumeError::retryable(format!("failed to make an HTTP request: {error}"), None)
}

/// What the backend asks for in `Retry-After`: seconds or a date (RFC 9110, 10.2.3).
pub(crate) fn retry_after(reply: &HttpReply, clock: &Clock) -> Option<Duration> {
    let text = reply.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(clock.now()).unwrap_or_default())
}

/// What is wrong with the settings of an HTTP client besides its URL; `section` is what stands before their keys.
pub(crate) fn client_issues(section: &str, client: &HttpClientConfig) -> Vec<ConfigIssue> {
    let issues = client.issues().into_iter();
    issues.map(|(key, message)| ConfigIssue::new(format!("{section}{key}"), message)).collect()
}

/// What is wrong with the URL under `key`, if it can not be sent to. `rule` says what it must be, in otelcol's words.
pub(crate) fn url_issue(key: &str, url: &str, rule: &str) -> Option<ConfigIssue> {
    let error = url.parse::<HttpUrl>().err()?;
    Some(ConfigIssue::new(key, format!("{rule}: {error}")))
}
