//! Settings of the bearer tokens.

use otelcol_confmap::{GoDuration, Opaque};
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use serde::Deserialize;

/// Settings of the bearer tokens, under contrib's names.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The header that carries the token.
    pub header: String,
    /// The word before the token; may be empty.
    pub scheme: String,
    /// The token to send, and the one to accept.
    pub token: Opaque,
    /// Tokens to accept; the first is sent.
    pub tokens: Vec<Opaque>,
    /// A file with tokens: the first word of each line. Counts instead of `token` and `tokens`.
    pub filename: String,
    /// Waiting for a file that is not there at the start.
    pub retry_on_failure: RetryOnFailure,
    /// Do not start without the file.
    pub wait_for_token_file: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            header: "Authorization".to_owned(),
            scheme: "Bearer".to_owned(),
            token: Opaque::default(),
            tokens: Vec::new(),
            filename: String::new(),
            retry_on_failure: RetryOnFailure::default(),
            wait_for_token_file: false,
        }
    }
}

/// `retry_on_failure`: how a start waits for the file where `wait_for_token_file` is set. Without that, a missing file
/// is looked for at each use, whatever is set here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RetryOnFailure {
    /// Whether to look again.
    pub enabled: bool,
    /// How often. Zero: for ever.
    pub max_retries: u32,
    /// The pause between.
    pub interval: GoDuration,
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let mut issue = |key: &str, text: &str| issues.push(ConfigIssue::new(key, text));
        let named = !self.filename.is_empty();
        if self.token.is_empty() && self.tokens.is_empty() && !named {
            issue("", "no bearer token provided");
        }
        if !self.token.is_empty() && !self.tokens.is_empty() {
            issue("tokens", "either tokens or token should be provided, not both");
        }
        if self.retry_on_failure.enabled && self.retry_on_failure.interval.get().is_zero() {
            issue(
                "retry_on_failure::interval",
                "retry_on_failure.interval must be greater than 0 when retry_on_failure.enabled is true",
            );
        }
        if (self.retry_on_failure.enabled || self.wait_for_token_file) && !named {
            issue("filename", "requires filename to be set");
        }
        if self.wait_for_token_file && !self.retry_on_failure.enabled {
            issue("wait_for_token_file", "wait_for_token_file requires retry_on_failure to be enabled");
        }
        if http::HeaderName::try_from(&self.header).is_err() {
            issue("header", &format!("{:?} can not be the name of a header", self.header));
        }
        issues
    }
}
