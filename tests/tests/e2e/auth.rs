//! Who may send, who it was, and what goes on with the data.

use std::path::Path;
use std::time::Duration;

use otelcol_net::config::{ClientTls, GrpcClientConfig, Headers};
use otelcol_net::{Code, GrpcClient};
use otelcol_pdata::Signal;
use otelcol_testkit::{FakeLoki, LogCapture, samples};
use otelcol_tests::{Running, free_port};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::otlp::{client, path};

const WAIT: Duration = Duration::from_secs(10);

/// A client that sends `Authorization: Basic`, and a tenant.
fn sender(port: u16, login: &str, tenant: &str) -> GrpcClient {
    let headers = format!("{{Authorization: 'Basic {login}', X-Tenant: {tenant}}}");
    let root = otelcol_confmap::Node::from_yaml(&headers, "headers").unwrap();
    let config = GrpcClientConfig {
        endpoint: format!("127.0.0.1:{port}"),
        tls: ClientTls { insecure: true, ..ClientTls::default() },
        headers: root.decode::<Headers>("headers").unwrap(),
        ..GrpcClientConfig::default()
    };
    GrpcClient::new(&config).unwrap()
}

/// `alice:s3cret` and `alice:wr0ng` (RFC 4648).
const ALICE: &str = "YWxpY2U6czNjcmV0";
const WRONG: &str = "YWxpY2U6d3Iwbmc=";

/// In over gRPC with a password, on over HTTP with a token, out to Loki with the sender's tenant and name.
fn configuration(port: u16, inner: u16, loki: &str) -> String {
    format!(
        "extensions:
  basicauth: {{htpasswd: {{inline: 'alice:s3cret'}}}}
  bearertokenauth: {{token: t0ken}}
  headers_setter/inner:
    additional_auth: bearertokenauth
    headers: [{{key: X-Tenant, from_context: x-tenant}}, {{key: X-User, value: relay}}]
  headers_setter/loki:
    headers: [{{key: X-Scope-OrgID, from_context: X-TENANT, default_value: nobody}}]
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}', include_metadata: true, auth: {{authenticator: basicauth}}}}}}}}
  otlp/inner: {{protocols: {{http: {{endpoint: '127.0.0.1:{inner}', include_metadata: true, auth: {{authenticator: bearertokenauth}}}}}}}}
processors:
  batch: {{timeout: 10ms, metadata_keys: [X-Tenant]}}
exporters:
  otlphttp: {{endpoint: 'http://127.0.0.1:{inner}', auth: {{authenticator: headers_setter/inner}}}}
  loki: {{endpoint: '{loki}', auth: {{authenticator: headers_setter/loki}}}}
service:
  extensions: [basicauth, bearertokenauth, headers_setter/inner, headers_setter/loki]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    logs/outer: {{receivers: [otlp], processors: [batch], exporters: [otlphttp]}}
    logs/inner: {{receivers: [otlp/inner], processors: [batch], exporters: [loki]}}
"
    )
}

#[tokio::test]
async fn tenants_travel_with_their_data_and_strangers_do_not_get_in() {
    let (log, _guard) = LogCapture::start();
    let loki = FakeLoki::start();
    let (port, inner) = (free_port(), free_port());
    let mut running = Running::start(&configuration(port, inner, &loki.url())).await.unwrap();
    let logs = path(Signal::Logs);
    let refused = sender(port, WRONG, "a").call(logs, samples::records(1).wire_chunks(), WAIT).await;
    assert_eq!(refused.unwrap_err().code, Code::Unauthenticated);
    for (tenant, records) in [("a", 3), ("b", 5)] {
        let client = sender(port, ALICE, tenant);
        client.call(logs, samples::records(records).wire_chunks(), WAIT).await.unwrap();
    }
    loki.wait_for_entries(8).await;
    let of = |tenant: &str| {
        let pushes = loki.pushes();
        let pushes = pushes.iter().filter(|push| push.tenant == tenant);
        pushes.map(|push| push.entries.len()).sum::<usize>()
    };
    assert_eq!((of("a"), of("b")), (3, 5));
    let direct = format!("http://127.0.0.1:{inner}/v1/logs");
    let stranger = otelcol_net::HttpClient::new(&Default::default()).unwrap();
    let body = samples::records(1).wire_chunks();
    let reply =
        stranger.post(&direct, Default::default(), body, "application/x-protobuf", WAIT).await.unwrap();
    assert_eq!(reply.status, 401);
    running.collector.shutdown().await;
    let all: String = ["ERROR", "WARN", "INFO", "DEBUG"].map(|level| log.lines(level).join("\n")).join("\n");
    assert!(all.contains("unauthenticated"), "{all}");
    for secret in ["s3cret", "wr0ng", "t0ken", ALICE, WRONG] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

#[tokio::test]
async fn an_authenticator_that_is_not_there_is_told_by_its_name() {
    let loki = FakeLoki::start();
    let good = configuration(free_port(), free_port(), &loki.url());
    for (from, to, told) in [
        (
            "auth: {authenticator: basicauth}",
            "auth: {authenticator: basicauth/x}",
            "failed to resolve authenticator \"basicauth/x\": authenticator not found: list it under service::extensions",
        ),
        (
            "auth: {authenticator: basicauth}",
            "auth: {authenticator: headers_setter/loki}",
            "requested authenticator \"headers_setter/loki\" is not a server authenticator",
        ),
        (
            "auth: {authenticator: headers_setter/loki}",
            "auth: {authenticator: basicauth}",
            "requested authenticator \"basicauth\" is not a client authenticator",
        ),
        (
            "additional_auth: bearertokenauth",
            "additional_auth: headers_setter/inner",
            "authenticators ask each other in a circle: headers_setter/inner -> headers_setter/inner",
        ),
    ] {
        assert!(good.contains(from));
        let error = Running::start(&good.replace(from, to)).await.err().unwrap().to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_there_yet_shows_in_health_until_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    let (port, loki) = (free_port(), FakeLoki::start());
    let yaml = format!(
        "extensions: {{bearertokenauth: {{filename: '{}'}}}}
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}}}
exporters:
  loki: {{endpoint: '{}', auth: {{authenticator: bearertokenauth}}, retry_on_failure: {{initial_interval: 10ms, max_interval: 50ms}}}}
service:
  extensions: [bearertokenauth]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{logs: {{receivers: [otlp], exporters: [loki]}}}}
",
        token.display(),
        loki.url()
    );
    let mut running = Running::start(&yaml).await.unwrap();
    let board = running.collector.shared().board.clone();
    let said = || {
        let components = board.components();
        components.into_iter().find(|(name, _)| name == "extension bearertokenauth").unwrap().1
    };
    let missing = format!("recoverable error: failed to read {}: ", token.display());
    assert!(said().to_string().starts_with(&missing), "{:?}", said());
    let client = sender(port, ALICE, "a");
    client.call(path(Signal::Logs), samples::records(1).wire_chunks(), WAIT).await.unwrap();
    std::fs::write(&token, "t0ken").unwrap();
    loki.wait_for_entries(1).await;
    assert_eq!(said().to_string(), "ok");
    running.collector.shutdown().await;
}

/// A CA, and certificate and key of `localhost` and of a client that it has signed, as files of `dir`.
fn certificates(dir: &Path) {
    let write = |name: &str, pem: String| std::fs::write(dir.join(name), pem).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    write("ca.pem", params.self_signed(&key).unwrap().pem());
    let issuer = Issuer::new(params, key);
    for name in ["localhost", "client"] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        write(&format!("{name}.crt"), params.signed_by(&key, &issuer).unwrap().pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

#[tokio::test]
async fn certificates_and_passwords_of_both_sides_are_asked_for_over_grpc_and_http() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    std::fs::write(dir.path().join("password"), "s3cret\n").unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let loki = FakeLoki::start();
    let (outer, grpc, http) = (free_port(), free_port(), free_port());
    let server = format!(
        "tls: {{cert_file: {}, key_file: {}, client_ca_file: {}, min_version: '1.3'}}, auth: {{authenticator: basicauth/in}}",
        at("localhost.crt"),
        at("localhost.key"),
        at("ca.pem")
    );
    let client_tls = format!(
        "tls: {{ca_file: {}, cert_file: {}, key_file: {}}}, auth: {{authenticator: basicauth/out}}",
        at("ca.pem"),
        at("client.crt"),
        at("client.key")
    );
    let mut running = Running::start(&format!(
        "extensions:
  basicauth/in: {{htpasswd: {{inline: 'pbx:$2y$04$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG'}}}}
  basicauth/out: {{client_auth: {{username: pbx, password_file: {password}}}}}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{outer}'}}}}}}
  otlp/inner: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{grpc}', {server}}}, http: {{endpoint: '127.0.0.1:{http}', {server}}}}}}}
exporters:
  otlp: {{endpoint: 'localhost:{grpc}', {client_tls}}}
  otlphttp: {{endpoint: 'https://localhost:{http}', {client_tls}}}
  loki: {{endpoint: '{loki}'}}
service:
  extensions: [basicauth/in, basicauth/out]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    logs/outer: {{receivers: [otlp], exporters: [otlp, otlphttp]}}
    logs/inner: {{receivers: [otlp/inner], exporters: [loki]}}
",
        password = at("password"),
        loki = loki.url(),
    ))
    .await
    .unwrap();
    client(outer).call(path(Signal::Logs), samples::records(7).wire_chunks(), WAIT).await.unwrap();
    loki.wait_for_entries(14).await;
    assert_eq!(loki.entries().len(), 14, "seven each way");
    running.collector.shutdown().await;
}
