use super::*;

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn headers_carry_code_message_and_retry_info_both_ways() {
    let status = Status::resource_exhausted("voll: 100 % ü\n").retry_after(Duration::from_millis(2500));
    let mut headers = HeaderMap::new();
    status.write_to(&mut headers);
    assert_eq!(header(&headers, "grpc-status"), "8");
    assert_eq!(header(&headers, "grpc-message"), "voll: 100 %25 %C3%BC%0A");
    assert_eq!(Status::read_from(&headers), Some(status));
}

#[test]
fn the_details_are_the_bytes_of_google_rpc_status() {
    // protoc --encode google.rpc.Status of: code: 8 message: "x" details { [RetryInfo] { retry_delay { seconds: 3 } } }
    let status = Status::resource_exhausted("x").retry_after(Duration::from_secs(3));
    let any = b"\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x03";
    let mut expected = b"\x08\x08\x12\x01x\x1a".to_vec();
    expected.push(any.len() as u8);
    expected.extend_from_slice(any);
    assert_eq!(status.to_protobuf(), expected);
    assert_eq!(Status::from_protobuf(&expected), Some(status));
}

#[test]
fn details_are_taken_with_and_without_padding_and_nonsense_is_left_out() {
    let mut headers = HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("14"),
    )]);
    let encoded = base64::engine::general_purpose::STANDARD
        .encode(Status::unavailable("").retry_after(Duration::from_secs(1)).to_protobuf());
    assert!(encoded.ends_with('='), "the padded form is the one to be read here");
    headers.insert("grpc-status-details-bin", HeaderValue::try_from(encoded).unwrap());
    assert_eq!(Status::read_from(&headers).unwrap().retry_delay, Some(Duration::from_secs(1)));
    headers.insert("grpc-status-details-bin", HeaderValue::from_static("AAAA!"));
    assert_eq!(Status::read_from(&headers), Some(Status::unavailable("")));
}

#[test]
fn negative_delays_are_none() {
    let info = RetryInfo { retry_delay: Some(ProtoDuration { seconds: -1, nanos: 0 }) }.encode_to_vec();
    let any = Any { type_url: RETRY_INFO.to_owned(), value: info };
    let bytes = RpcStatus { code: 14, message: String::new(), details: vec![any] }.encode_to_vec();
    assert_eq!(Status::from_protobuf(&bytes), Some(Status::unavailable("")));
}

#[test]
fn unknown_and_missing_codes() {
    let of = |text: &'static str| {
        HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static(text))])
    };
    assert_eq!(Status::read_from(&of("77")).unwrap().code, Code::Unknown);
    assert_eq!(Status::read_from(&of("x")).unwrap().code, Code::Unknown);
    assert_eq!(Status::read_from(&of("0")).unwrap().code, Code::Ok);
    assert_eq!(Status::read_from(&HeaderMap::new()), None);
    assert_eq!(
        (0..17).map(|n| Code::from_number(n).number()).collect::<Vec<_>>(),
        (0..17).collect::<Vec<u8>>()
    );
}

#[test]
fn messages_decode_leniently() {
    for (wire, text) in [
        ("a%20b", "a b"),
        ("100%", "100%"),
        ("%zz", "%zz"),
        ("%+f", "%+f"),
        ("%C3%BC", "ü"),
        ("%FF", "\u{fffd}"),
    ] {
        assert_eq!(percent_decode(wire.as_bytes()), text, "{wire}");
    }
}

#[test]
fn a_long_message_stays_within_what_clients_take() {
    assert_eq!(percent_encode(&"x".repeat(100_000)).len(), 4096);
    assert!(percent_encode(&"ü".repeat(100_000)).len() < 4100);
}

#[test]
fn http_statuses_are_otelcols() {
    let http = |code| Status::new(code, "").http_status().as_u16();
    for code in [
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unavailable,
        Code::DataLoss,
    ] {
        assert_eq!((http(code), Status::new(code, "").is_retryable()), (503, true), "{code:?}");
    }
    for (code, expected) in [
        (Code::ResourceExhausted, 429),
        (Code::InvalidArgument, 400),
        (Code::Unauthenticated, 401),
        (Code::PermissionDenied, 403),
        (Code::Unimplemented, 404),
        (Code::Internal, 500),
        (Code::Unknown, 500),
    ] {
        assert_eq!((http(code), Status::new(code, "").is_retryable()), (expected, false), "{code:?}");
    }
    assert!(Status::resource_exhausted("").retry_after(Duration::ZERO).is_retryable());
}

#[test]
fn grpc_codes_of_http_statuses() {
    for (http, code) in [
        (400, Code::InvalidArgument),
        (401, Code::Unauthenticated),
        (403, Code::PermissionDenied),
        (404, Code::Unimplemented),
        (429, Code::ResourceExhausted),
        (500, Code::Unknown),
        (502, Code::Unavailable),
        (503, Code::Unavailable),
        (504, Code::Unavailable),
    ] {
        assert_eq!(Status::from_http(StatusCode::from_u16(http).unwrap(), "", None).code, code, "{http}");
    }
}
