//! Bearer tokens (RFC 6750): sends one, and lets in who sends one that is known.

mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use otelcol_net::{
    AuthAttributes, ClientAuth, ServerAuth, Status as Refusal, secret_header, unauthenticated,
};
use otelcol_pdata::Client;
use otelcol_pipeline::status::Status;
use otelcol_pipeline::{Component, ComponentError, Context, Extension, ExtensionFactory, Host};
use subtle::ConstantTimeEq as _;

pub use config::{Config, RetryOnFailure};

use crate::secret_file::{SecretFile, fits_header};

/// The extension type `bearertokenauth`.
pub fn factory() -> ExtensionFactory {
    ExtensionFactory::extension("bearertokenauth", create)
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of factories")]
fn create(context: Context, config: Config) -> Result<Arc<dyn Extension>, ComponentError> {
    Ok(Arc::new(BearerTokenAuth::new(context, config)))
}

struct BearerTokenAuth {
    context: Context,
    config: Config,
    file: Option<SecretFile>,
    /// The file was not there at the start, and health says so.
    is_missed: AtomicBool,
}

impl BearerTokenAuth {
    fn new(context: Context, config: Config) -> Self {
        let file = (!config.filename.is_empty()).then(|| {
            SecretFile::new(&config.filename).expecting(has_tokens, "tokens that a header can carry")
        });
        Self { context, config, file, is_missed: AtomicBool::new(false) }
    }

    /// Calls `take` with the header's values that are good, until it says true.
    fn any_value(&self, mut take: impl FnMut(&str) -> bool) -> bool {
        let mut good = |token: &str| match self.config.scheme.as_str() {
            "" => take(token),
            scheme => take(&format!("{scheme} {token}")),
        };
        let Some(file) = &self.file else {
            let mut tokens = std::iter::once(&self.config.token).chain(&self.config.tokens);
            return tokens.any(|token| !token.is_empty() && good(token.expose()));
        };
        let content = file.content();
        if content.is_some() && self.is_missed.swap(false, Ordering::Relaxed) {
            self.context.status.report(Status::Ok);
        }
        tokens(content.as_deref().unwrap_or_default()).any(good)
    }

    async fn wait_for_file(&self, file: &SecretFile) -> Result<(), ComponentError> {
        let retry = &self.config.retry_on_failure;
        let mut retries = 0;
        loop {
            let Err(error) = file.load() else { return Ok(()) };
            if retry.max_retries > 0 && retries == retry.max_retries {
                return Err(ComponentError::new(format!(
                    "max number of retries ({retries}) reached: {error}"
                )));
            }
            retries += 1;
            tracing::warn!(component = %self.context.id, "{error}, looking again in {}", retry.interval);
            tokio::time::sleep(retry.interval.get()).await;
        }
    }
}

/// The first word of each line; behind it stands a comment.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.split_whitespace().next())
}

fn has_tokens(text: &str) -> bool {
    tokens(text).all(fits_header)
}

#[async_trait]
impl Component for BearerTokenAuth {
    async fn start(&self, _: &Host) -> Result<(), ComponentError> {
        let Some(file) = &self.file else { return Ok(()) };
        if !self.config.token.is_empty() || !self.config.tokens.is_empty() {
            tracing::warn!(component = %self.context.id, "a filename is specified: configured tokens are ignored");
        }
        if self.config.wait_for_token_file {
            return self.wait_for_file(file).await;
        }
        if let Err(error) = file.load() {
            // As in contrib, the rest of the collector is worth starting all the same.
            tracing::error!(component = %self.context.id, "{error}: nobody is let in and nothing sent until it is there");
            self.is_missed.store(true, Ordering::Relaxed);
            self.context.status.report(Status::Recoverable(error));
        }
        Ok(())
    }
}

impl Extension for BearerTokenAuth {
    fn server_auth(self: Arc<Self>) -> Option<Arc<dyn ServerAuth>> {
        Some(self)
    }

    fn client_auth(self: Arc<Self>) -> Option<Arc<dyn ClientAuth>> {
        Some(self)
    }
}

impl ServerAuth for BearerTokenAuth {
    fn authenticate<'a>(&'a self, headers: &'a HeaderMap) -> BoxFuture<'a, Result<AuthAttributes, Refusal>> {
        let name = &self.config.header;
        let outcome = match headers.get(name) {
            None => Err(format!("missing or empty authorization header: {name}")),
            Some(sent) if self.any_value(|good| bool::from(sent.as_bytes().ct_eq(good.as_bytes()))) => {
                Ok(AuthAttributes::new())
            }
            Some(_) => Err("provided authorization does not match expected scheme or token".to_owned()),
        };
        Box::pin(std::future::ready(outcome.map_err(unauthenticated)))
    }
}

impl ClientAuth for BearerTokenAuth {
    fn apply(&self, headers: &mut HeaderMap, _: Option<&Client>) -> Result<(), Refusal> {
        let mut first = None;
        self.any_value(|value| {
            first = Some(secret_header(&self.config.header, value));
            true
        });
        let missing = || Refusal::unavailable(format!("there is no token in {}", self.config.filename));
        let (name, value) = first.ok_or_else(missing)??;
        headers.insert(name, value);
        Ok(())
    }

    fn requires_tls(&self) -> bool {
        true
    }
}
