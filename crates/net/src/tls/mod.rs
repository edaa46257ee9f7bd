//! rustls configurations from `tls` sections, read again when their files change.

mod client;
mod pem;
mod server;
mod trust;

pub(crate) use client::{ClientTlsState, check as check_client};
pub(crate) use server::{ServerTlsState, check as check_server};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;

/// A `tls` section can not be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(pub(crate) String);

fn error(message: impl Into<String>) -> TlsError {
    TlsError(message.into())
}

/// The cryptography of a `tls` section: `cipher_suites` and `curve_preferences`, by Go's names.
fn provider(cipher_suites: &[String], curves: &[String]) -> Result<Arc<CryptoProvider>, TlsError> {
    let mut provider = rustls::crypto::ring::default_provider();
    if !cipher_suites.is_empty() {
        let known: Vec<String> = provider.cipher_suites.iter().map(|suite| go_name(suite.suite())).collect();
        if let Some(wrong) = cipher_suites.iter().find(|wanted| !known.contains(wanted)) {
            let known = known.join(", ");
            return Err(error(format!("invalid TLS cipher suite: {wrong:?}, expected one of {known}")));
        }
        // As in Go, the list is for 1.2 alone.
        provider
            .cipher_suites
            .retain(|suite| suite.tls13().is_some() || cipher_suites.contains(&go_name(suite.suite())));
    }
    if !curves.is_empty() {
        let group = |name: &String| match name.as_str() {
            "X25519" => Ok(rustls::NamedGroup::X25519),
            "P256" => Ok(rustls::NamedGroup::secp256r1),
            "P384" => Ok(rustls::NamedGroup::secp384r1),
            other => {
                Err(error(format!("invalid curve type: {other}. Expected values are [P256 P384 X25519]")))
            }
        };
        let wanted: Vec<_> = curves.iter().map(group).collect::<Result<_, _>>()?;
        provider.kx_groups.retain(|group| wanted.contains(&group.name()));
    }
    Ok(Arc::new(provider))
}

/// `TLS13_AES_...` of rustls is `TLS_AES_...` in Go, as in the RFCs.
fn go_name(suite: rustls::CipherSuite) -> String {
    let name = format!("{suite:?}");
    name.replacen("TLS13_", "TLS_", 1)
}

/// The versions between `min` and `max`. rustls has no 1.0 and 1.1 any more (RFC 8996): as a minimum they mean 1.2.
fn versions(min: &str, max: &str) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let min13 = match min {
        "" | "1.0" | "1.1" | "1.2" => false,
        "1.3" => true,
        other => return Err(unsupported("min_version", other)),
    };
    let max13 = match max {
        "" | "1.3" => true,
        "1.2" => false,
        other => return Err(unsupported("max_version", other)),
    };
    match (min13, max13) {
        (true, true) => Ok(vec![&rustls::version::TLS13]),
        (false, true) => Ok(vec![&rustls::version::TLS13, &rustls::version::TLS12]),
        (false, false) => Ok(vec![&rustls::version::TLS12]),
        (true, false) => {
            Err(error("invalid TLS configuration: min_version cannot be greater than max_version"))
        }
    }
}

fn unsupported(key: &str, found: &str) -> TlsError {
    error(format!("invalid TLS {key}: unsupported TLS version: {found:?}, expected 1.2 or 1.3"))
}

/// A value built from files, built again when their content is no longer what it was built from.
struct Reloading<T> {
    files: Vec<String>,
    every: Option<Duration>,
    current: Mutex<Current<T>>,
}

struct Current<T> {
    value: Arc<T>,
    content: Vec<Option<Vec<u8>>>,
    checked: Instant,
}

impl<T> Reloading<T> {
    fn new(
        files: Vec<String>,
        every: Option<Duration>,
        build: impl Fn() -> Result<T, TlsError>,
    ) -> Result<Self, TlsError> {
        let content = read_all(&files);
        let value = Arc::new(build()?);
        Ok(Reloading {
            files,
            every,
            current: Mutex::new(Current { value, content, checked: Instant::now() }),
        })
    }

    /// The newest value that could be built. Files that can not be used leave the old one in place, with a warning:
    /// a certificate that is being replaced must not stop the service.
    fn get(&self, build: impl Fn() -> Result<T, TlsError>) -> Arc<T> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(every) = self.every.filter(|every| current.checked.elapsed() >= *every) else {
            return Arc::clone(&current.value);
        };
        current.checked = Instant::now();
        let content = read_all(&self.files);
        if content != current.content {
            match build() {
                Ok(value) => {
                    tracing::info!(files = ?self.files, interval = ?every, "tls files were read again");
                    current.value = Arc::new(value);
                }
                Err(e) => {
                    tracing::warn!(files = ?self.files, "tls files changed but can not be used, the old ones stay: {e}");
                }
            }
            current.content = content;
        }
        Arc::clone(&current.value)
    }
}

fn read_all(files: &[String]) -> Vec<Option<Vec<u8>>> {
    files.iter().map(|file| std::fs::read(file).ok()).collect()
}

#[cfg(test)]
mod tests;
