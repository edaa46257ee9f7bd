//! Certificates and keys from files or text.

use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{TlsError, error};

/// What a `*_file` or `*_pem` pair of settings holds; None where neither is set.
pub(super) fn source(what: &str, file: &str, pem: &str) -> Result<Option<Vec<u8>>, TlsError> {
    match (file, pem) {
        ("", "") => Ok(None),
        ("", pem) => Ok(Some(pem.as_bytes().to_vec())),
        (file, "") => match std::fs::read(file) {
            Ok(content) => Ok(Some(content)),
            Err(e) => Err(error(format!("failed to load {what} {file}: {}", crate::listener::describe(&e)))),
        },
        _ => Err(error(format!("provide either {what} file or PEM, but not both"))),
    }
}

/// Certificate chain and key for one's own side; None where neither is set.
pub(super) fn identity(
    cert: (&str, &str),
    key: (&str, &str),
) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, TlsError> {
    let certificate = source("certificate", cert.0, cert.1)?;
    let private = source("key", key.0, key.1)?;
    let (Some(certificate), Some(private)) = (&certificate, &private) else {
        if certificate.is_none() && private.is_none() {
            return Ok(None);
        }
        return Err(error(
            "TLS configuration must include both certificate and key (CertFile/CertPem and KeyFile/KeyPem)",
        ));
    };
    let chain = certificates("certificate", cert.0, certificate)?;
    let private = PrivateKeyDer::from_pem_slice(private).map_err(|e| {
        error(format!("failed to load TLS cert and key PEMs: no private key in {}: {e}", place(key.0)))
    })?;
    Ok(Some((chain, private)))
}

/// The CAs in `pem` and, if asked for, the system's.
pub(super) fn roots(pem: Option<(&str, &[u8])>, system: bool) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    if let Some((file, pem)) = pem {
        for certificate in certificates("CA", file, pem)? {
            store.add(certificate).map_err(|e| error(format!("failed to parse CA {}: {e}", place(file))))?;
        }
    }
    if system {
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = store.add_parsable_certificates(found.certs);
        if added == 0 {
            tracing::warn!("the system has no CA certificates: no server can be verified with them");
        }
    }
    Ok(store)
}

fn certificates(what: &str, file: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(error(format!("failed to parse {what} {}: no certificate in it", place(file)))),
        Err(e) => Err(error(format!("failed to parse {what} {}: {e}", place(file)))),
    }
}

fn place(file: &str) -> &str {
    if file.is_empty() { "given as PEM" } else { file }
}
