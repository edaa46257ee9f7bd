//! A certificate runs out and is renewed.

use std::path::Path;

use otelcol_net::config::{GrpcServerConfig, ServerTls};
use otelcol_testkit::OtlpGrpcSink;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::*;

/// Writes a CA, and gives what signs with it.
fn authority(dir: &Path) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    std::fs::write(dir.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    Issuer::new(params, key)
}

fn certificate(dir: &Path, issuer: &Issuer<'static, KeyPair>, until: i32) -> ServerTls {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    let file = |name: &str, text: String| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (cert_file, key_file) = (file("cert.pem", certificate.pem()), file("key.pem", key.serialize_pem()));
    ServerTls { cert_file, key_file, ..ServerTls::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_ran_out_holds_data_back_until_it_is_renewed() {
    let dir = TempDir::new().unwrap();
    let issuer = authority(dir.path());
    let serve = |until| GrpcServerConfig {
        tls: Some(certificate(dir.path(), &issuer, until)),
        ..GrpcServerConfig::default()
    };
    let port = free_port();
    let expired = OtlpGrpcSink::start_at(port, &serve(2020)).unwrap();
    let ca = dir.path().join("ca.pem");
    let mut bench = Bench::start(&format!(
        "endpoint: 'localhost:{port}', tls: {{ca_file: '{}'}}, {FOR_EVER}",
        ca.display()
    ))
    .await;
    bench.send(20).await;
    let health = || bench.running.collector.shared().board.clone();
    otelcol_tests::eventually(|| async {
        let seen = format!("{:?}", health());
        if seen.to_lowercase().contains("expired") { Ok(()) } else { Err(seen) }
    })
    .await;
    assert_eq!(expired.calls(), 0);
    drop(expired);
    let renewed = otelcol_tests::eventually(|| async {
        // The old one gives its port back in its own time.
        OtlpGrpcSink::start_at(port, &serve(2090)).map_err(|why| why.to_string())
    })
    .await;
    renewed.wait_for_items(200).await;
    exactly_once(&bench.settle(&renewed).await);
}
