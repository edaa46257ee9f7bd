//! The side that connects.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Reloading, TlsError, error, pem, provider, trust, versions};
use crate::config::ClientTls;

/// A client's TLS for as long as it runs.
pub(crate) struct ClientTlsState {
    settings: ClientTls,
    protocols: Vec<Vec<u8>>,
    config: Reloading<rustls::ClientConfig>,
}

impl ClientTlsState {
    pub(crate) fn new(settings: &ClientTls, protocols: &[&[u8]]) -> Result<Self, TlsError> {
        let protocols: Vec<Vec<u8>> = protocols.iter().map(|p| p.to_vec()).collect();
        let every = Some(settings.reload_interval.get()).filter(|i| !i.is_zero());
        let mut files = vec![settings.ca_file.clone(), settings.cert_file.clone(), settings.key_file.clone()];
        files.retain(|file| !file.is_empty());
        let config = Reloading::new(files, every, || build(settings, &protocols))?;
        Ok(ClientTlsState { settings: settings.clone(), protocols, config })
    }

    /// For the next connection.
    pub(crate) fn config(&self) -> Arc<rustls::ClientConfig> {
        self.config.get(|| build(&self.settings, &self.protocols))
    }

    /// The name to ask for and verify, where the endpoint says `host`.
    pub(crate) fn server_name(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        let name = match self.settings.server_name_override.as_str() {
            "" => host.trim_start_matches('[').trim_end_matches(']'),
            other => other,
        };
        ServerName::try_from(name.to_owned())
            .map_err(|_| error(format!("{name:?} is no server name TLS can verify")))
    }
}

/// What is wrong with the settings, whatever their files hold.
pub(crate) fn check(settings: &ClientTls) -> Result<(), TlsError> {
    provider(&settings.cipher_suites, &settings.curve_preferences)?;
    versions(&settings.min_version, &settings.max_version)?;
    pem::is_set("CA", (&settings.ca_file, settings.ca_pem.expose()))?;
    pem::has_identity(
        (&settings.cert_file, settings.cert_pem.expose()),
        (&settings.key_file, settings.key_pem.expose()),
    )?;
    Ok(())
}

fn build(settings: &ClientTls, protocols: &[Vec<u8>]) -> Result<rustls::ClientConfig, TlsError> {
    let provider = provider(&settings.cipher_suites, &settings.curve_preferences)?;
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(&settings.min_version, &settings.max_version)?)
        .map_err(|e| error(e.to_string()))?;
    let builder = if settings.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        let ca = pem::source("CA", (&settings.ca_file, settings.ca_pem.expose()))?;
        let system = ca.is_none() || settings.include_system_ca_certs_pool;
        let roots = pem::roots(ca.as_deref().map(|ca| (settings.ca_file.as_str(), ca)), system)?;
        if roots.store.is_empty() {
            // Nobody is trusted, which is told at each connection.
            builder.with_root_certificates(roots.store)
        } else {
            builder.dangerous().with_custom_certificate_verifier(trust::of_servers(roots, provider)?)
        }
    };
    let identity = pem::identity(
        (&settings.cert_file, settings.cert_pem.expose()),
        (&settings.key_file, settings.key_pem.expose()),
    )?;
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|e| pem::unfit(&settings.cert_file, &settings.key_file, &e))?,
    };
    config.alpn_protocols = protocols.to_vec();
    Ok(config)
}

/// `insecure_skip_verify`: whoever answers is right. As everyone can make a certificate, a signature that fits it proves
/// nothing, and one that rustls can not read (X.509 version 1, keys of 1024 bits) must not matter.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
