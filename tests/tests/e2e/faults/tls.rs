//! A certificate runs out and is renewed.

use std::path::Path;

use otelcol_confmap::GoDuration;
use otelcol_net::config::{GrpcServerConfig, ServerTls};
use otelcol_testkit::{OtlpGrpcSink, Proxy};
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
    let reload_interval = GoDuration::from_millis(10);
    let tls = Some(ServerTls { reload_interval, ..certificate(dir.path(), &issuer, 2090) });
    let config = GrpcServerConfig { tls, ..GrpcServerConfig::default() };
    let sink = OtlpGrpcSink::start_at(free_port(), &config).unwrap();
    let proxy = Proxy::start(sink.addr()).await;
    let mut bench = Bench::start(&format!(
        "endpoint: 'localhost:{}', tls: {{ca_file: '{}'}}, {FOR_EVER}",
        proxy.addr().port(),
        dir.path().join("ca.pem").display()
    ))
    .await;
    let load = bench.load();
    sink.wait_for_items(100).await;

    // The same server shows a certificate that ran out to whoever comes anew.
    certificate(dir.path(), &issuer, 2020);
    otelcol_tests::eventually(|| async {
        proxy.cut();
        let seen = format!("{:?}", bench.running.collector.shared().board);
        if seen.to_lowercase().contains("expired") { Ok(()) } else { Err(seen) }
    })
    .await;
    let calls = sink.calls();
    bench.wait_for_accepted(300).await;
    assert_eq!(sink.calls(), calls);

    certificate(dir.path(), &issuer, 2091);
    sink.wait_for_calls(calls + 10).await;
    load.stop().await;
    let tally = bench.settle(&sink).await;
    // What was cut off in the middle of a call is sent again.
    at_least_once(&tally);
    assert_eq!(tally.unasked, 0);
}
