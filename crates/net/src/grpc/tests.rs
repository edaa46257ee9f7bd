use std::sync::Arc;

use bytes::Bytes;

use crate::GrpcClient;
use crate::config::{ClientTls, GrpcClientConfig, GrpcServerConfig};
use crate::testing::{self, ECHO, Echo, PATIENCE};

fn plain(address: &str) -> GrpcClientConfig {
    GrpcClientConfig {
        endpoint: address.to_owned(),
        tls: ClientTls { insecure: true, ..ClientTls::default() },
        ..GrpcClientConfig::default()
    }
}

fn client(address: &str) -> GrpcClient {
    GrpcClient::new(&plain(address)).unwrap()
}

#[tokio::test]
async fn a_message_comes_back_whatever_its_size_and_pieces() {
    let echo = Arc::new(Echo::default());
    let server = testing::grpc(&GrpcServerConfig::default(), &echo);
    let client = client(&server.address);
    for size in [0, 1, 100, 16_383, 16_384, 300_000, 4 * 1024 * 1024] {
        let whole: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let pieces: Vec<Bytes> = whole.chunks(70_001).map(Bytes::copy_from_slice).collect();
        let reply = client.call(ECHO, pieces, PATIENCE).await.unwrap();
        assert_eq!(reply, whole, "{size} bytes");
    }
    assert_eq!(echo.reasons(), [""; 0]);
    server.stop().await;
}
