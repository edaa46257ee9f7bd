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
    let error = section::<HttpClientConfig>("headers: {'X A': secret}").unwrap_err();
    assert!(error.contains("x::headers: invalid header name \"X A\""), "{error}");
    let error = section::<HttpClientConfig>("headers: {X-A: \"sec\\nret\"}").unwrap_err();
    assert!(error.contains("x::headers: invalid value of header \"X-A\""), "{error}");
    assert!(!error.contains("ret"), "{error}");
    let error = section::<HttpServerConfig>("compression_algorithms: [gzip, brotli]").unwrap_err();
    assert!(error.contains("unsupported compression type \"brotli\""), "{error}");
}

#[test]
fn what_is_wrong_with_tls_settings_is_told_before_their_files_are_there() {
    for (yaml, told) in [
        ("{min_version: '1.4'}", "invalid TLS min_version: unsupported TLS version: \"1.4\""),
        ("{max_version: '1.1'}", "invalid TLS max_version: unsupported TLS version: \"1.1\""),
        ("{min_version: '1.3', max_version: '1.2'}", "min_version cannot be greater than max_version"),
        ("{cipher_suites: [RC4]}", "invalid TLS cipher suite: \"RC4\""),
        ("{curve_preferences: [P521]}", "invalid curve type: P521"),
        ("{ca_file: a, ca_pem: b}", "provide either CA file or PEM, but not both"),
        ("{cert_file: a}", "must include both certificate and key"),
    ] {
        let error = section::<HttpClientConfig>(&format!("tls: {yaml}")).unwrap_err();
        assert!(error.contains("x::tls: ") && error.contains(told), "{yaml}: {error}");
        if !yaml.contains("_file") {
            let with_files = yaml.replace('}', ", cert_file: c, key_file: k}");
            let server = section::<GrpcServerConfig>(&format!("tls: {with_files}")).unwrap_err();
            assert!(server.contains("x::tls: ") && server.contains(told), "{with_files}: {server}");
        }
    }
    let error = section::<HttpServerConfig>("tls: {}").unwrap_err();
    assert!(error.contains("must include both certificate and key for server connections"), "{error}");
    for later in ["client_ca_file: /later.pem", "ca_file: /of/no/effect.pem"] {
        let yaml = format!("tls: {{cert_file: /later.crt, key_file: /later.key, {later}}}");
        assert!(section::<HttpServerConfig>(&yaml).unwrap().tls.is_some());
    }
}

#[test]
fn issues_are_those_of_a_client() {
    let http = |yaml| section::<HttpClientConfig>(yaml).unwrap().issues();
    assert_eq!(http("endpoint: ''"), []);
    let issues = http("{compression: gzip, compression_params: {level: 10}, proxy_url: 'socks5://a:1'}");
    let keys: Vec<_> = issues.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ["compression_params::level", "proxy_url"]);
    let grpc =
        section::<GrpcClientConfig>("{endpoint: 'ftp://a', balancer_name: x, compression: lz4}").unwrap();
    let keys: Vec<_> = grpc.issues().iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ["endpoint", "balancer_name", "compression"]);
}
