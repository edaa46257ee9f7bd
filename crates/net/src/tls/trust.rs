//! Peers' certificates, by the CAs of the settings.
//!
//! `openssl req -x509` makes a certificate that is its own CA, and Go takes it for both where it is in `ca_file`. webpki
//! refuses a CA as the certificate of a peer, whoever trusts it: here one that is among the given CAs, byte by byte, is
//! taken all the same. Its time webpki has looked at before, which a test holds it to.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::pem::Roots;
use super::{TlsError, error};

#[derive(Debug)]
struct Trusting<V: ?Sized> {
    webpki: Arc<V>,
    given: Vec<CertificateDer<'static>>,
}

/// Verifies servers by `roots`, of which there is one at least.
pub(super) fn of_servers(
    roots: Roots,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots.store), provider).build();
    let webpki = webpki.map_err(|e| error(format!("failed to load the CAs: {e}")))?;
    Ok(Arc::new(Trusting { webpki, given: roots.given }))
}

/// Verifies clients by the CAs of `file`.
pub(super) fn of_clients(
    file: &str,
    roots: Roots,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let webpki = WebPkiClientVerifier::builder_with_provider(Arc::new(roots.store), provider).build();
    let webpki = webpki.map_err(|e| error(format!("failed to load client CA {file}: {e}")))?;
    Ok(Arc::new(Trusting { webpki, given: roots.given }))
}

impl<V: ?Sized> Trusting<V> {
    /// What webpki's refusal of `peer` comes to.
    fn judge(&self, peer: &CertificateDer<'_>, refusal: Error) -> Result<(), Error> {
        let why = match &refusal {
            Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => why.downcast_ref(),
            _ => None,
        };
        match why {
            Some(webpki::Error::CaUsedAsEndEntity) if self.given.contains(peer) => Ok(()),
            Some(webpki::Error::CaUsedAsEndEntity) => Err(CertificateError::UnknownIssuer.into()),
            Some(webpki::Error::UnsupportedCertVersion) => {
                Err(CertificateError::Other(OtherError(Arc::new(OldVersion))).into())
            }
            _ => Err(refusal),
        }
    }
}

/// rustls shows what it does not know in the form for debugging.
#[derive(thiserror::Error)]
#[error("an X.509 certificate of version 1, expected version 3: openssl x509 -req makes it with -extfile")]
struct OldVersion;

impl fmt::Debug for OldVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What both traits ask of the handshake's signatures, which have to fit the certificate.
macro_rules! signatures_by_webpki {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.webpki.verify_tls12_signature(message, cert, dss)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.webpki.verify_tls13_signature(message, cert, dss)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.webpki.supported_verify_schemes()
        }
    };
}

impl ServerCertVerifier for Trusting<WebPkiServerVerifier> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verified.or_else(|refusal| {
            self.judge(end_entity, refusal)?;
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            Ok(ServerCertVerified::assertion())
        })
    }

    signatures_by_webpki!();
}

impl ClientCertVerifier for Trusting<dyn ClientCertVerifier> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.webpki.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.webpki.verify_client_cert(end_entity, intermediates, now).or_else(|refusal| {
            self.judge(end_entity, refusal)?;
            Ok(ClientCertVerified::assertion())
        })
    }

    signatures_by_webpki!();
}
