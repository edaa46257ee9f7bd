use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use otelcol_confmap::GoDuration;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use super::{ClientTlsState, ServerTlsState};
use crate::config::{
    ClientTls, GrpcClientConfig, GrpcServerConfig, HttpClientConfig, HttpServerConfig, ServerTls,
};
use crate::testing::{self, ECHO, Echo, PATIENCE, Running};
use crate::{Code, Event, GrpcClient, HttpClient, Status};

/// A CA with its certificate as a file, and what it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: PathBuf,
    file: String,
}

impl Authority {
    fn new(dir: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let file = dir.join(format!("{name}.pem"));
        std::fs::write(&file, certificate.pem()).unwrap();
        Authority { issuer: Issuer::new(params, key), dir: dir.to_owned(), file: text(&file) }
    }

    /// Writes certificate and key for `host`, over what is there.
    fn sign(&self, name: &str, host: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let (cert_file, key_file) =
            (self.dir.join(format!("{name}.crt")), self.dir.join(format!("{name}.key")));
        std::fs::write(&cert_file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        (text(&cert_file), text(&key_file))
    }

    fn server(&self, host: &str) -> ServerTls {
        let (cert_file, key_file) = self.sign("server", host);
        ServerTls { cert_file, key_file, ..ServerTls::default() }
    }

    fn trusted(&self) -> ClientTls {
        ClientTls { ca_file: self.file.clone(), ..ClientTls::default() }
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn start(tls: ServerTls, service: &Arc<Echo>) -> Running {
    testing::grpc(&GrpcServerConfig { tls: Some(tls), ..GrpcServerConfig::default() }, service)
}

/// A call over a new connection, to the server by its name.
async fn call(server: &Running, tls: ClientTls) -> Result<Bytes, Status> {
    let endpoint = server.address.replace("127.0.0.1", "localhost");
    let client = GrpcClient::new(&GrpcClientConfig { endpoint, tls, ..GrpcClientConfig::default() }).unwrap();
    client.call(ECHO, vec![Bytes::from_static(b"x")], PATIENCE).await
}

async fn refused(server: &Running, tls: ClientTls) -> String {
    let status = call(server, tls).await.unwrap_err();
    assert_eq!(status.code, Code::Unavailable, "{status}");
    status.message
}

#[tokio::test]
async fn the_servers_certificate_is_verified() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new(dir.path(), "ours"), Authority::new(dir.path(), "other"));
    let service = Arc::new(Echo::default());
    let server = start(ours.server("localhost"), &service);
    assert_eq!(call(&server, ours.trusted()).await.unwrap(), "x");
    assert!(service.seen.lock().unwrap()[0].tls);
    let unknown = refused(&server, other.trusted()).await;
    assert!(unknown.contains("invalid peer certificate: unknownissuer"), "{unknown}");
    let ClientTls { ca_file, .. } = other.trusted();
    let any = ClientTls { ca_file, insecure_skip_verify: true, ..ClientTls::default() };
    assert_eq!(call(&server, any).await.unwrap(), "x");
    let as_text =
        ClientTls { ca_pem: std::fs::read_to_string(&ours.file).unwrap().into(), ..ClientTls::default() };
    assert_eq!(call(&server, ClientTls { insecure: true, ..as_text }).await.unwrap(), "x", "a CA means TLS");
    assert_eq!(
        service.reasons(),
        ["tls_failed"],
        "the server saw the alert of the client that did not trust it"
    );
    server.stop().await;
}

#[tokio::test]
async fn the_servers_name_is_verified_and_can_be_overridden() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new(dir.path(), "ours");
    let server = start(ours.server("tempo.internal"), &Arc::new(Echo::default()));
    let wrong = refused(&server, ours.trusted()).await;
    assert!(wrong.contains("certificate not valid for name \"localhost\""), "{wrong}");
    let named = ClientTls { server_name_override: "tempo.internal".to_owned(), ..ours.trusted() };
    assert_eq!(call(&server, named).await.unwrap(), "x");
    server.stop().await;
}

/// A certificate for `host` that is its own CA, as `openssl req -x509` makes them, and its key.
fn self_signed(dir: &Path, name: &str, host: &str, until: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let (cert_file, key_file) = (dir.join(format!("{name}.crt")), dir.join(format!("{name}.key")));
    std::fs::write(&cert_file, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    (text(&cert_file), text(&key_file))
}

#[tokio::test]
async fn a_certificate_that_is_its_own_ca_is_taken_where_it_is_a_given_one() {
    let dir = tempfile::tempdir().unwrap();
    let made = |name, host, until| self_signed(dir.path(), name, host, until);
    let (client, stranger) = (made("client", "client", 4000), made("stranger", "client", 4000));
    let trusting = |ca_file: &str, (cert_file, key_file): &(String, String)| ClientTls {
        ca_file: ca_file.to_owned(),
        cert_file: cert_file.clone(),
        key_file: key_file.clone(),
        ..ClientTls::default()
    };
    for (host, until, told) in [
        ("localhost", 4000, None),
        ("other", 4000, Some("certificate not valid for name \"localhost\"")),
        ("localhost", 2020, Some("certificate expired")),
    ] {
        let (cert_file, key_file) = made("server", host, until);
        let given = cert_file.clone();
        let tls = ServerTls { cert_file, key_file, client_ca_file: client.0.clone(), ..ServerTls::default() };
        let server = start(tls, &Arc::new(Echo::default()));
        match told {
            None => assert_eq!(call(&server, trusting(&given, &client)).await.unwrap(), "x"),
            Some(told) => {
                let why = refused(&server, trusting(&given, &client)).await;
                assert!(why.contains(told), "{why}");
            }
        }
        let why = refused(&server, trusting(&stranger.0, &client)).await;
        assert!(why.contains("unknownissuer") || why.contains("expired"), "{why}");
        refused(&server, trusting(&given, &stranger)).await;
        server.stop().await;
    }
}

/// `openssl x509 -req` of OpenSSL 3.0, without `-extfile`.
const VERSION_1: &str = "-----BEGIN CERTIFICATE-----
MIIBFjCBvQIUM4vULyKNyifpaKR4cu0SmNJ1PZMwCgYIKoZIzj0EAwIwDTELMAkG
A1UEAwwCY2EwIBcNMjYxMTI4MTEzNDA5WhgPMjEyNjExMDQxMTM0MDlaMA0xCzAJ
BgNVBAMMAnYxMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEOG7lPP3S6p+QfHOG
IMys3Q8jh3kcgqM9TqQAONUq7nX6iBp55srm14Z3aad7qn1NDNJoR6DOsv33ygIy
n6fvtTAKBggqhkjOPQQDAgNIADBFAiEAindj2+9Fsj2+OTtGwRaHm8+IE1JtbLqm
1Ri4RPmtEPgCIFa2l89aOClygHrmv6S6SvEej0LDSmKmgze9irxtuPcQ
-----END CERTIFICATE-----
";

#[tokio::test]
async fn a_client_that_verifies_nothing_takes_what_rustls_can_not_read() {
    let certificate = CertificateDer::from_pem_slice(VERSION_1.as_bytes()).unwrap();
    let key = PrivateKeyDer::try_from(KeyPair::generate().unwrap().serialize_der()).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let identity = rustls::sign::CertifiedKey::new(vec![certificate], key);
    let resolver = Arc::new(rustls::sign::SingleCertAndKey::from(identity));
    for version in ["1.2", "1.3"] {
        let provider = super::provider(&[], &[]).unwrap();
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&super::versions(version, version).unwrap())
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&resolver) as _);
        let (near, far) = tokio::io::duplex(64 * 1024);
        let accepted = tokio_rustls::TlsAcceptor::from(Arc::new(server)).accept(far);
        let any = ClientTls { insecure_skip_verify: true, ..ClientTls::default() };
        let client = ClientTlsState::new(&any, &[]).unwrap();
        let name = client.server_name("localhost").unwrap();
        let connected = tokio_rustls::TlsConnector::from(client.config()).connect(name, near);
        let (accepted, connected) = tokio::join!(accepted, connected);
        assert!(accepted.is_ok() && connected.is_ok(), "{version}: {accepted:?} {connected:?}");
    }
}

#[test]
fn a_certificate_of_version_1_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new(dir.path(), "ours");
    let ca = std::fs::read(&ours.file).unwrap();
    let roots = super::pem::roots(Some((&ours.file, &ca)), false).unwrap();
    let verifier = super::trust::of_clients(&ours.file, roots, super::provider(&[], &[]).unwrap()).unwrap();
    let peer = CertificateDer::from_pem_slice(VERSION_1.as_bytes()).unwrap();
    let refusal = verifier.verify_client_cert(&peer, &[], UnixTime::now()).unwrap_err().to_string();
    assert!(refusal.contains("an X.509 certificate of version 1, expected version 3"), "{refusal}");
}

#[tokio::test]
async fn a_client_without_the_right_certificate_is_refused_where_one_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new(dir.path(), "ours"), Authority::new(dir.path(), "other"));
    let service = Arc::new(Echo::default());
    let server = start(ServerTls { client_ca_file: ours.file.clone(), ..ours.server("localhost") }, &service);
    let with = |authority: &Authority, name: &str| {
        let (cert_file, key_file) = authority.sign(name, "client");
        ClientTls { cert_file, key_file, ..ours.trusted() }
    };
    assert_eq!(call(&server, with(&ours, "mine")).await.unwrap(), "x");
    assert_eq!(call(&server, ours.trusted()).await.unwrap_err().code, Code::Unavailable);
    assert_eq!(call(&server, with(&other, "foreign")).await.unwrap_err().code, Code::Unavailable);
    let events = service.events.lock().unwrap().clone();
    let none = Event::TlsFailed("peer sent no certificates".to_owned());
    assert_eq!(events[0], none);
    assert!(
        matches!(&events[1], Event::TlsFailed(why) if why.starts_with("invalid peer certificate")),
        "{events:?}"
    );
    server.stop().await;
}

#[tokio::test]
async fn ciphers_and_curves_are_those_that_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new(dir.path(), "ours");
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let chacha = list(&["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"]);
    let aes = list(&["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]);
    let service = Arc::new(Echo::default());
    let only = ServerTls {
        cipher_suites: chacha.clone(),
        curve_preferences: list(&["P256"]),
        max_version: "1.2".to_owned(),
        ..ours.server("localhost")
    };
    let server = start(only, &service);
    let client = |cipher_suites: &[String], curves: &[&str]| ClientTls {
        cipher_suites: cipher_suites.to_vec(),
        curve_preferences: list(curves),
        ..ours.trusted()
    };
    assert_eq!(call(&server, client(&chacha, &["X25519", "P256"])).await.unwrap(), "x");
    refused(&server, client(&aes, &[])).await;
    refused(&server, client(&chacha, &["X25519"])).await;
    server.stop().await;
    let wrong = |tls: ClientTls| ClientTlsState::new(&tls, &[]).err().unwrap().to_string();
    let suite = wrong(client(&list(&["TLS_RSA_WITH_RC4_128_SHA"]), &[]));
    assert!(
        suite.starts_with("invalid TLS cipher suite: \"TLS_RSA_WITH_RC4_128_SHA\", expected one of TLS_AES_"),
        "{suite}"
    );
    assert_eq!(
        wrong(client(&[], &["P521"])),
        "invalid curve type: P521. Expected values are [P256 P384 X25519]"
    );
}

#[tokio::test]
async fn versions_outside_the_range_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new(dir.path(), "ours");
    let service = Arc::new(Echo::default());
    let server = start(ServerTls { min_version: "1.3".to_owned(), ..ours.server("localhost") }, &service);
    let old = ClientTls { max_version: "1.2".to_owned(), ..ours.trusted() };
    assert_eq!(call(&server, old).await.unwrap_err().code, Code::Unavailable);
    assert_eq!(call(&server, ours.trusted()).await.unwrap(), "x");
    assert_eq!(service.reasons(), ["tls_failed"]);
    server.stop().await;
}

#[tokio::test]
async fn a_renewed_certificate_counts_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(dir.path(), "old"), Authority::new(dir.path(), "new"));
    let tls =
        ServerTls { reload_interval: GoDuration::from(Duration::from_nanos(1)), ..old.server("localhost") };
    let server = start(tls, &Arc::new(Echo::default()));
    assert_eq!(call(&server, old.trusted()).await.unwrap(), "x");
    new.sign("server", "localhost");
    assert_eq!(call(&server, new.trusted()).await.unwrap(), "x");
    assert!(refused(&server, old.trusted()).await.contains("unknownissuer"));
    std::fs::write(dir.path().join("server.key"), "half written").unwrap();
    assert_eq!(call(&server, new.trusted()).await.unwrap(), "x", "what can not be used changes nothing");
    server.stop().await;
}

#[tokio::test]
async fn without_an_interval_nothing_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(dir.path(), "old"), Authority::new(dir.path(), "new"));
    let server = start(old.server("localhost"), &Arc::new(Echo::default()));
    new.sign("server", "localhost");
    assert_eq!(call(&server, old.trusted()).await.unwrap(), "x");
    server.stop().await;
}

#[tokio::test]
async fn http_has_the_same_tls_with_http2_and_http1() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new(dir.path(), "ours");
    let config = HttpServerConfig { tls: Some(ours.server("localhost")), ..HttpServerConfig::default() };
    let server = testing::http(&config, &Arc::new(Echo::default()));
    let url = format!("https://{}/x", server.address.replace("127.0.0.1", "localhost"));
    for force_attempt_http2 in [true, false] {
        let config =
            HttpClientConfig { tls: ours.trusted(), force_attempt_http2, ..HttpClientConfig::default() };
        let client = HttpClient::new(&config).unwrap();
        let body = vec![Bytes::from(vec![7; 60_000])];
        let reply = client.post(&url, HeaderMap::new(), body.clone(), "text/plain", PATIENCE).await.unwrap();
        assert_eq!(reply.body, body[0], "h2: {force_attempt_http2}");
    }
    let other = Authority::new(dir.path(), "other");
    let client =
        HttpClient::new(&HttpClientConfig { tls: other.trusted(), ..HttpClientConfig::default() }).unwrap();
    let error = client.get(&url, PATIENCE, 10).await.unwrap_err().to_string();
    assert!(error.contains("invalid peer certificate: unknownissuer"), "{error}");
    server.stop().await;
}

#[tokio::test]
async fn tls_goes_through_the_tunnel_of_a_proxy_to_the_server_itself() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new(dir.path(), "ours");
    let config =
        HttpServerConfig { tls: Some(ours.server("backend.invalid")), ..HttpServerConfig::default() };
    let server = testing::http(&config, &Arc::new(Echo::default()));
    let (proxy, mut asked) = testing::proxy(&server.address, None).await;
    let config = HttpClientConfig {
        tls: ours.trusted(),
        proxy_url: format!("http://me:secret@{proxy}").into(),
        ..HttpClientConfig::default()
    };
    let client = HttpClient::new(&config).unwrap();
    let body = vec![Bytes::from(vec![7; 60_000])];
    let url = "https://backend.invalid/x";
    let reply = client.post(url, HeaderMap::new(), body.clone(), "text/plain", PATIENCE).await.unwrap();
    assert_eq!(reply.body, body[0]);
    let head = asked.recv().await.unwrap();
    assert!(head.starts_with("CONNECT backend.invalid:443 HTTP/1.1\r\n"), "{head}");
    // printf 'me:secret' | base64
    assert!(head.contains("\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "{head}");
    server.stop().await;
}

#[test]
fn sections_that_can_not_work_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new(dir.path(), "ours");
    let server = |tls: ServerTls| ServerTlsState::new(&tls, &[]).err().unwrap().to_string();
    let client = |tls: ClientTls| ClientTlsState::new(&tls, &[]).err().unwrap().to_string();
    let good = ours.server("localhost");
    assert_eq!(
        server(ServerTls::default()),
        "TLS configuration must include both certificate and key for server connections"
    );
    assert_eq!(
        server(ServerTls { key_file: String::new(), ..good.clone() }),
        "TLS configuration must include both certificate and key (CertFile/CertPem and KeyFile/KeyPem)"
    );
    assert_eq!(
        server(ServerTls { cert_pem: "x".into(), ..good.clone() }),
        "provide either certificate file or PEM, but not both"
    );
    assert_eq!(
        server(ServerTls { cert_file: "/nonexistent.crt".to_owned(), ..good.clone() }),
        "failed to load certificate /nonexistent.crt: no such file or directory"
    );
    assert_eq!(
        server(ServerTls { min_version: "1.3".to_owned(), max_version: "1.2".to_owned(), ..good.clone() }),
        "invalid TLS configuration: min_version cannot be greater than max_version"
    );
    assert_eq!(
        client(ClientTls { min_version: "2".to_owned(), ..ClientTls::default() }),
        "invalid TLS min_version: unsupported TLS version: \"2\", expected 1.2 or 1.3"
    );
    let (_, other) = ours.sign("other", "localhost");
    assert_eq!(
        server(ServerTls { key_file: other.clone(), ..good.clone() }),
        format!(
            "failed to load TLS cert and key PEMs: certificate {} and key {}: keys may not be consistent: KeyMismatch",
            good.cert_file, other
        )
    );
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    assert_eq!(
        client(ClientTls { ca_file: text(&empty), ..ClientTls::default() }),
        format!("failed to parse CA {}: no certificate in it", empty.display())
    );
}
