//! Certificates and keys from files or text.

use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{TlsError, error};

/// Whether a `*_file` or `*_pem` pair of settings is set.
pub(super) fn is_set(what: &str, (file, pem): (&str, &str)) -> Result<bool, TlsError> {
    match (file, pem) {
        ("", "") => Ok(false),
        (_, "") | ("", _) => Ok(true),
        _ => Err(error(format!("provide either {what} file or PEM, but not both"))),
    }
}

/// Whether there is an identity: certificate and key, or neither.
pub(super) fn has_identity(cert: (&str, &str), key: (&str, &str)) -> Result<bool, TlsError> {
    let has_certificate = is_set("certificate", cert)?;
    if has_certificate == is_set("key", key)? {
        return Ok(has_certificate);
    }
    Err(error(
        "TLS configuration must include both certificate and key (CertFile/CertPem and KeyFile/KeyPem)",
    ))
}

/// What such a pair holds; None where neither is set.
pub(super) fn source(what: &str, (file, pem): (&str, &str)) -> Result<Option<Vec<u8>>, TlsError> {
    if !is_set(what, (file, pem))? {
        return Ok(None);
    }
    if file.is_empty() {
        return Ok(Some(pem.as_bytes().to_vec()));
    }
    let failed = |e| error(format!("failed to load {what} {file}: {}", crate::listener::describe(&e)));
    std::fs::read(file).map(Some).map_err(failed)
}

/// Certificate chain and key for one's own side; None where neither is set.
pub(super) fn identity(
    cert: (&str, &str),
    key: (&str, &str),
) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, TlsError> {
    has_identity(cert, key)?;
    let (certificate, private) = (source("certificate", cert)?, source("key", key)?);
    let (Some(certificate), Some(private)) = (certificate, private) else { return Ok(None) };
    let chain = certificates("certificate", cert.0, &certificate)?;
    let private = PrivateKeyDer::from_pem_slice(&private).map_err(|e| {
        error(format!("failed to load TLS cert and key PEMs: no private key in {}: {e}", place(key.0)))
    })?;
    Ok(Some((chain, private)))
}

/// Whom to trust.
pub(super) struct Roots {
    pub(super) store: RootCertStore,
    /// Those that the settings name.
    pub(super) given: Vec<CertificateDer<'static>>,
}

/// The CAs in `pem` and, if asked for, the system's.
pub(super) fn roots(pem: Option<(&str, &[u8])>, system: bool) -> Result<Roots, TlsError> {
    let mut store = RootCertStore::empty();
    let mut given = Vec::new();
    if let Some((file, pem)) = pem {
        given = certificates("CA", file, pem)?;
        for certificate in given.iter().cloned() {
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
    Ok(Roots { store, given })
}

fn certificates(what: &str, file: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(error(format!("failed to parse {what} {}: no certificate in it", place(file)))),
        Err(e) => Err(error(format!("failed to parse {what} {}: {e}", place(file)))),
    }
}

/// A certificate and a key that are no pair.
pub(super) fn unfit(cert: &str, key: &str, why: &rustls::Error) -> TlsError {
    let (cert, key) = (place(cert), place(key));
    error(format!("failed to load TLS cert and key PEMs: certificate {cert} and key {key}: {why}"))
}

fn place(file: &str) -> &str {
    if file.is_empty() { "given as PEM" } else { file }
}
