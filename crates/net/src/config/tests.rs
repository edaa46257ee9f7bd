use std::time::Duration;

use crate::Compression;
use crate::config::{
    ClientTls, GrpcClientConfig, GrpcServerConfig, Headers, HttpClientConfig, HttpServerConfig,
};
use crate::testing::section;

#[test]
fn defaults_are_otelcols() {
    let grpc = section::<GrpcServerConfig>("endpoint: 0.0.0.0:4317").unwrap();
    assert_eq!((grpc.endpoint.as_str(), grpc.max_message()), ("0.0.0.0:4317", 4 << 20));
    let http = HttpServerConfig::default();
    assert_eq!(http.max_body(), 20 << 20);
    assert_eq!(http.header_limit(), Some(Duration::from_secs(60)));
    assert_eq!(http.idle_limit(), Some(Duration::from_secs(60)));
    assert_eq!(http.write_timeout.get(), Duration::from_secs(30));
    assert!(http.keeps_alive());
    let client = GrpcClientConfig::default();
    let keepalive = client.keepalive.unwrap();
    assert_eq!(
        (keepalive.time.get(), keepalive.timeout.get()),
        (Duration::from_secs(10), Duration::from_secs(10))
    );
    assert_eq!((client.balancer_name.as_str(), client.compression), ("round_robin", Compression::None));
    let client = HttpClientConfig::default();
    assert_eq!((client.idle_connections(), client.idle_limit()), (100, Some(Duration::from_secs(90))));
}

#[test]
fn the_newer_keepalive_sections_override_the_flat_keys() {
    let server =
        section::<HttpServerConfig>("idle_timeout: 9s\nkeepalive: {enabled: false, idle_timeout: 3s}")
            .unwrap();
    assert_eq!((server.keeps_alive(), server.idle_limit()), (false, Some(Duration::from_secs(3))));
    let client = section::<HttpClientConfig>(
        "max_idle_conns: 7\nkeepalive: {max_idle_conns_per_host: 2, idle_conn_timeout: 0s}",
    )
    .unwrap();
    assert_eq!((client.idle_connections(), client.idle_limit()), (2, None));
    let off = section::<HttpClientConfig>("disable_keep_alives: true").unwrap();
    assert_eq!(off.idle_connections(), 0);
}

#[test]
fn times_that_are_zero_fall_back_as_in_go() {
    let http =
        section::<HttpServerConfig>("read_timeout: 5s\nread_header_timeout: 0s\nidle_timeout: 0s").unwrap();
    assert_eq!(
        (http.header_limit(), http.idle_limit()),
        (Some(Duration::from_secs(5)), Some(Duration::from_secs(5)))
    );
}

#[test]
fn headers_are_a_map_or_a_list_and_never_printed() {
    for yaml in ["b: secret\na: other", "[{name: b, value: secret}, {name: a, value: other}]"] {
        let headers = section_of_headers(yaml);
        let pairs: Vec<_> = headers.iter().map(|(name, value)| (name, value.expose())).collect();
        assert_eq!(pairs, [("b", "secret"), ("a", "other")], "{yaml}");
        assert!(!format!("{headers:?}").contains("secret"));
    }
}

fn section_of_headers(yaml: &str) -> Headers {
    let yaml = match yaml.starts_with('[') {
        true => format!("headers: {yaml}"),
        false => format!("headers: {{{}}}", yaml.replace('\n', ", ")),
    };
    section::<HttpClientConfig>(&yaml).unwrap().headers
}

#[test]
fn what_can_not_be_honoured_is_an_error_with_its_place() {
    let error = section::<HttpClientConfig>("cookies: {enabled: true}").unwrap_err();
    assert!(error.contains("cookies"), "{error}");
    let error = section::<HttpClientConfig>("headers: {X-A: 1, x-a: 2}").unwrap_err();
    assert!(error.contains("duplicate keys in map-style list: [x-a]"), "{error}");
    let error = section::<GrpcClientConfig>("compression: brotli").unwrap_err();
    assert!(error.contains("unsupported compression type \"brotli\""), "{error}");
    let error = section::<ClientTls>("cipher_suits: []").unwrap_err();
    assert!(error.contains("cipher_suits"), "{error}");
}
