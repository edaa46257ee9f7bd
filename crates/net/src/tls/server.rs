//! The side that shows its certificate first.

use std::sync::Arc;
use std::time::Duration;

use super::{Reloading, TlsError, error, pem, provider, trust, versions};
use crate::config::ServerTls;

/// A changed `client_ca_file` counts from the next handshake, but is looked for at most this often.
const CA_CHECK: Duration = Duration::from_secs(1);

/// A server's TLS for as long as it runs.
pub(crate) struct ServerTlsState {
    settings: ServerTls,
    protocols: Vec<Vec<u8>>,
    config: Reloading<rustls::ServerConfig>,
}

impl ServerTlsState {
    pub(crate) fn new(settings: &ServerTls, protocols: &[&[u8]]) -> Result<Self, TlsError> {
        if !settings.ca_file.is_empty() || !settings.ca_pem.is_empty() {
            tracing::warn!(
                ca_file = settings.ca_file,
                "tls.ca_file has no effect on a server: client_ca_file is what asks clients for certificates"
            );
        }
        let protocols: Vec<Vec<u8>> = protocols.iter().map(|p| p.to_vec()).collect();
        let interval = Some(settings.reload_interval.get()).filter(|i| !i.is_zero());
        let watches_ca = settings.client_ca_file_reload && !settings.client_ca_file.is_empty();
        let every = if watches_ca { Some(interval.unwrap_or(CA_CHECK).min(CA_CHECK)) } else { interval };
        let mut files = vec![settings.client_ca_file.clone()];
        if interval.is_some() {
            files.extend([settings.cert_file.clone(), settings.key_file.clone()]);
        }
        files.retain(|file| !file.is_empty());
        let config = Reloading::new(files, every, || build(settings, &protocols))?;
        Ok(ServerTlsState { settings: settings.clone(), protocols, config })
    }

    /// For the next handshake.
    pub(crate) fn config(&self) -> Arc<rustls::ServerConfig> {
        self.config.get(|| build(&self.settings, &self.protocols))
    }
}

const NO_IDENTITY: &str = "TLS configuration must include both certificate and key for server connections";

/// What is wrong with the settings, whatever their files hold.
pub(crate) fn check(settings: &ServerTls) -> Result<(), TlsError> {
    provider(&settings.cipher_suites, &settings.curve_preferences)?;
    versions(&settings.min_version, &settings.max_version)?;
    let (cert, key) = files(settings);
    if pem::has_identity(cert, key)? { Ok(()) } else { Err(error(NO_IDENTITY)) }
}

/// Files and texts of certificate and key.
fn files(settings: &ServerTls) -> ((&str, &str), (&str, &str)) {
    ((&settings.cert_file, settings.cert_pem.expose()), (&settings.key_file, settings.key_pem.expose()))
}

fn build(settings: &ServerTls, protocols: &[Vec<u8>]) -> Result<rustls::ServerConfig, TlsError> {
    let (cert, key) = files(settings);
    let Some((chain, private)) = pem::identity(cert, key)? else { return Err(error(NO_IDENTITY)) };
    let provider = provider(&settings.cipher_suites, &settings.curve_preferences)?;
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(&settings.min_version, &settings.max_version)?)
        .map_err(|e| error(e.to_string()))?;
    let builder = match pem::source("client CA", (&settings.client_ca_file, ""))? {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let roots =
                pem::roots(Some((&settings.client_ca_file, &ca)), settings.include_system_ca_certs_pool)?;
            builder.with_client_cert_verifier(trust::of_clients(&settings.client_ca_file, roots, provider)?)
        }
    };
    let mut config = builder.with_single_cert(chain, private).map_err(|e| pem::unfit(cert.0, key.0, &e))?;
    config.alpn_protocols = protocols.to_vec();
    Ok(config)
}
