use super::*;

#[test]
fn endpoints_as_otelcol_takes_them() {
    for (endpoint, address) in [
        ("tempo:4317", "tempo:4317"),
        ("http://tempo:4317", "tempo:4317"),
        ("https://tempo:4317/", "tempo:4317"),
        ("dns:///tempo:4317", "tempo:4317"),
        ("dns://8.8.8.8/tempo:4317", "tempo:4317"),
        ("dns:tempo:4317", "tempo:4317"),
        ("passthrough:///tempo:4317", "tempo:4317"),
        ("[::1]:4317", "[::1]:4317"),
    ] {
        assert_eq!(Address::of_grpc(endpoint).unwrap(), Address::Tcp(address.to_owned()), "{endpoint}");
    }
    assert_eq!(Address::of_grpc("unix:///run/x").unwrap(), Address::Unix("/run/x".to_owned()));
    assert_eq!(Address::of_grpc("[::1]:4317").unwrap().host(), "[::1]");
}

#[test]
fn endpoints_that_are_none_say_why() {
    for (endpoint, why) in [
        ("", "missing port in address, expected host:port"),
        ("tempo", "missing port in address, expected host:port"),
        (":4317", "missing host in address, expected host:port"),
        ("tempo:x", "invalid port \"x\""),
        ("tempo:+80", "invalid port \"+80\""),
        ("tempo:65536", "invalid port \"65536\""),
        ("::1:4317", "too many colons in address, expected host:port or [v6]:port"),
        ("unix://", "unix socket path cannot be empty"),
        ("xds:///a:1", "unknown scheme \"xds\", expected host:port, http, https, dns, passthrough or unix"),
    ] {
        assert_eq!(
            Address::of_grpc(endpoint).unwrap_err().to_string(),
            format!("invalid endpoint {endpoint:?}: {why}")
        );
    }
}

#[test]
fn a_password_in_an_endpoint_is_refused_and_not_printed() {
    for (endpoint, why) in [
        (
            "http://me:S3CRET@tempo:4317",
            "\"http://[REDACTED]@tempo:4317\": expected host:port without user and password",
        ),
        (
            "me:S3://CRET@tempo:4317",
            "\"[REDACTED]@tempo:4317\": expected host:port without user and password",
        ),
        ("tempo:4317/?token=S3CRET", "\"tempo:4317/\": invalid port \"4317/\""),
    ] {
        let refused = Address::of_grpc(endpoint).unwrap_err().to_string();
        assert_eq!(refused, format!("invalid endpoint {why}"));
    }
}
