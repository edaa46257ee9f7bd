//! `tls` sections. What is wrong with the settings themselves is told when they are read; what is wrong with their
//! files, which may come later, when they are used.

use otelcol_confmap::{GoDuration, Opaque};
use serde::de::{Deserialize, Deserializer, Error as _};

use crate::tls;

/// TLS of a client, after otelcol's `configtls.ClientConfig`.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default, remote = "Self")]
pub struct ClientTls {
    /// No TLS at all, unless a CA is given (otelcol's rule). For HTTP the scheme of the URL decides.
    pub insecure: bool,
    /// TLS without looking at the server's certificate.
    pub insecure_skip_verify: bool,
    /// PEM file with the CAs that may sign the server's certificate. Empty: the system's.
    pub ca_file: String,
    /// The same as text.
    pub ca_pem: Opaque,
    /// PEM file with this client's certificate chain.
    pub cert_file: String,
    /// The same as text.
    pub cert_pem: Opaque,
    /// PEM file with this client's private key.
    pub key_file: String,
    /// The same as text.
    pub key_pem: Opaque,
    /// Name to ask for and to verify instead of the host of the endpoint.
    pub server_name_override: String,
    /// Lowest version: "1.2" (default) or "1.3"; "1.0" and "1.1" are taken and mean 1.2.
    pub min_version: String,
    /// Highest version: "1.2" or "1.3" (default).
    pub max_version: String,
    /// Trust the system's CAs besides the given one.
    pub include_system_ca_certs_pool: bool,
    /// TLS 1.2 ciphers to use, by Go's names; those of 1.3 are always all there. Empty: all that are safe.
    pub cipher_suites: Vec<String>,
    /// No effect here: there are no insecure ones.
    pub include_insecure_cipher_suites: bool,
    /// Key exchange groups to use: X25519, P256, P384. Empty: all.
    pub curve_preferences: Vec<String>,
    /// How often the files are read again, at the next connection. Zero: never.
    pub reload_interval: GoDuration,
}

impl<'de> Deserialize<'de> for ClientTls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The derived function, which is no trait's because of `remote`.
        let settings = Self::deserialize(deserializer)?;
        tls::check_client(&settings).map_err(D::Error::custom)?;
        Ok(settings)
    }
}

/// TLS of a server, after otelcol's `configtls.ServerConfig`. Certificate and key are required.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default, remote = "Self")]
pub struct ServerTls {
    /// No effect, as in otelcol, but for a warning: whom to let in is up to `client_ca_file`.
    pub ca_file: String,
    /// The same as text.
    pub ca_pem: Opaque,
    /// PEM file with the certificate chain.
    pub cert_file: String,
    /// The same as text.
    pub cert_pem: Opaque,
    /// PEM file with the private key.
    pub key_file: String,
    /// The same as text.
    pub key_pem: Opaque,
    /// PEM file with the CAs whose clients may connect. Empty: no client certificate is asked for.
    pub client_ca_file: String,
    /// Read `client_ca_file` again when it changes, without waiting for `reload_interval`.
    pub client_ca_file_reload: bool,
    /// Trust the system's CAs for client certificates besides `client_ca_file`.
    pub include_system_ca_certs_pool: bool,
    /// Lowest version: "1.2" (default) or "1.3"; "1.0" and "1.1" are taken and mean 1.2.
    pub min_version: String,
    /// Highest version: "1.2" or "1.3" (default).
    pub max_version: String,
    /// TLS 1.2 ciphers to use, by Go's names; those of 1.3 are always all there. Empty: all that are safe.
    pub cipher_suites: Vec<String>,
    /// No effect here: there are no insecure ones.
    pub include_insecure_cipher_suites: bool,
    /// Key exchange groups to use: X25519, P256, P384. Empty: all.
    pub curve_preferences: Vec<String>,
    /// How often the files are read again, at the next connection. Zero: never.
    pub reload_interval: GoDuration,
}

impl<'de> Deserialize<'de> for ServerTls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let settings = Self::deserialize(deserializer)?;
        tls::check_server(&settings).map_err(D::Error::custom)?;
        Ok(settings)
    }
}
