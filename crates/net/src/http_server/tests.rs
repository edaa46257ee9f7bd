use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::HttpClient;
use crate::config::{HttpClientConfig, HttpServerConfig};
use crate::testing::{self, Echo, PATIENCE};

#[tokio::test]
async fn a_body_comes_back_whatever_its_size_and_pieces() {
    let echo = Arc::new(Echo::default());
    let server = testing::http(&HttpServerConfig::default(), &echo);
    let client = HttpClient::new(&HttpClientConfig::default()).unwrap();
    for size in [0, 1, 16_384, 65_536] {
        let whole: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let pieces: Vec<Bytes> = whole.chunks(7_001).map(Bytes::copy_from_slice).collect();
        let reply = client
            .post(&server.url("/x"), HeaderMap::new(), pieces, "application/x-protobuf", PATIENCE)
            .await
            .unwrap();
        assert_eq!((reply.status, reply.truncated), (StatusCode::OK, false));
        assert_eq!(reply.body, whole, "{size} bytes");
    }
    assert_eq!(echo.reasons(), [""; 0]);
    server.stop().await;
}
