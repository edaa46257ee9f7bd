//! Configuration over http and https.

use std::time::Duration;

use otelcol_confmap::{Provider, printable_url};
use otelcol_net::HttpClient;
use otelcol_net::config::HttpClientConfig;

/// As much as the YAML reader takes.
const MAX_SIZE: usize = 16 << 20;
const TIMEOUT: Duration = Duration::from_secs(30);

/// Reads `http:` and `https:` URIs.
pub(crate) struct Http {
    runtime: tokio::runtime::Handle,
}

impl Http {
    /// Must be called on the runtime's own threads, blocking ones included.
    pub(crate) fn new() -> Self {
        Self { runtime: tokio::runtime::Handle::current() }
    }
}

impl Provider for Http {
    fn retrieve(&self, uri: &str) -> Result<Vec<u8>, String> {
        let failed = |error: &dyn std::fmt::Display| {
            format!("unable to download the file via HTTP GET for uri {:?}: {error}", printable_url(uri))
        };
        let client = HttpClient::new(&HttpClientConfig::default()).map_err(|error| failed(&error))?;
        let reply =
            self.runtime.block_on(client.get(uri, TIMEOUT, MAX_SIZE)).map_err(|error| failed(&error))?;
        if !reply.status.is_success() {
            return Err(failed(&format!("status code {}, expected 200", reply.status.as_u16())));
        }
        if reply.truncated {
            return Err(failed(&format!("it is larger than {MAX_SIZE} bytes")));
        }
        Ok(reply.body.to_vec())
    }
}
