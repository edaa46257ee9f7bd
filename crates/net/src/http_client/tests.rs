use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use tokio::sync::Semaphore;

use crate::config::{HttpClientConfig, HttpServerConfig};
use crate::testing::{self, Echo, PATIENCE, section};
use crate::{ClientAuth, ClientError, HttpClient, Listener, Status};

#[tokio::test]
async fn a_dead_server_is_named_with_the_reason() {
    let address = Listener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let client = HttpClient::new(&HttpClientConfig::default()).unwrap();
    let url = format!("http://{address}/v1/traces");
    let error = client.post(&url, HeaderMap::new(), vec![], "text/plain", PATIENCE).await.unwrap_err();
    assert!(matches!(error, ClientError::Connect(_)), "{error:?}");
    assert_eq!(error.to_string(), format!("POST {url:?}: dial tcp {address}: connect: connection refused"));
}

#[tokio::test]
async fn urls_and_settings_that_can_not_work_are_refused() {
    let client = HttpClient::new(&HttpClientConfig::default()).unwrap();
    let refused = client.get("ftp://x/", PATIENCE, 10).await.unwrap_err();
    assert_eq!(refused.to_string(), "invalid URL: expected http(s)://host[:port][/path], found \"ftp://x/\"");
    let config = section("compression: snappy\ncompression_params: {level: 3}").unwrap();
    let refused = HttpClient::new(&config).err().unwrap();
    assert_eq!(refused.to_string(), "unsupported parameters {Level:3} for compression type \"snappy\"");
}

#[tokio::test(start_paused = true)]
async fn no_reply_in_time_is_a_timeout() {
    let service = Arc::new(Echo { gate: Some(Arc::new(Semaphore::new(0))), ..Echo::default() });
    let server = testing::http(&section("write_timeout: 0s").unwrap(), &service);
    let client = HttpClient::new(&section("timeout: 2s").unwrap()).unwrap();
    let error = client.get(&server.url("/x"), Duration::ZERO, 10).await.unwrap_err();
    assert_eq!(error.to_string(), format!("GET {:?}: no reply within 2s", server.url("/x")));
}

#[tokio::test]
async fn a_long_reply_is_cut_and_says_so() {
    let server = testing::http(&HttpServerConfig::default(), &Arc::new(Echo::default()));
    let client = HttpClient::new(&HttpClientConfig::default()).unwrap();
    let body = vec![Bytes::from(vec![b'x'; 70_000])];
    let reply = client.post(&server.url("/x"), HeaderMap::new(), body, "text/plain", PATIENCE).await.unwrap();
    assert_eq!((reply.body.len(), reply.truncated), (65_536, true));
    server.stop().await;
}

#[tokio::test]
async fn configured_headers_win_and_no_more_requests_than_allowed_are_in_flight() {
    let gate = Arc::new(Semaphore::new(0));
    let service = Arc::new(Echo { gate: Some(Arc::clone(&gate)), ..Echo::default() });
    let server = testing::http(&HttpServerConfig::default(), &service);
    let client = HttpClient::new(&section("max_conns_per_host: 2").unwrap()).unwrap();
    let url = server.url("/x");
    let three = futures_util::future::join_all((0..3).map(|_| client.get(&url, PATIENCE, 10)));
    let watch = async {
        while service.seen.lock().unwrap().len() < 2 {
            service.entered.notified().await;
        }
        let seen = service.seen.lock().unwrap().len();
        gate.add_permits(3);
        seen
    };
    let (replies, seen) = tokio::join!(three, watch);
    assert!(replies.iter().all(Result::is_ok));
    assert_eq!((seen, service.seen.lock().unwrap().len()), (2, 3));
    let addresses: std::collections::HashSet<_> =
        service.seen.lock().unwrap().iter().map(|peer| peer.address).collect();
    assert_eq!(addresses.len(), 2, "the third request took a connection that was there");
    server.stop().await;
}

#[tokio::test]
async fn a_proxy_is_given_whole_urls_and_its_own_credentials() {
    let service = Arc::new(Echo::default());
    let server = testing::http(&HttpServerConfig::default(), &service);
    let (proxy, mut asked) = testing::proxy(&server.address, None).await;
    let client = |user: &str| {
        HttpClient::new(&HttpClientConfig {
            proxy_url: format!("http://{user}{proxy}").into(),
            disable_keep_alives: true,
            ..HttpClientConfig::default()
        })
        .unwrap()
    };
    // Only the proxy knows where that is.
    let url = "http://backend.invalid:4318/v1/traces?x=1";
    let body = vec![Bytes::from_static(b"spans")];
    // printf 'us:er:p@ss' | base64
    for (user, credentials) in [("", None), ("us%3Aer:p%40ss@", Some("Basic dXM6ZXI6cEBzcw=="))] {
        let reply = client(user).post(url, HeaderMap::new(), body.clone(), "text/plain", PATIENCE).await;
        assert_eq!(reply.unwrap().body, "spans");
        let head = asked.recv().await.unwrap();
        assert!(head.starts_with(&format!("POST {url} HTTP/1.1\r\n")), "{head}");
        let sent = head.lines().find_map(|line| line.strip_prefix("proxy-authorization: "));
        assert_eq!(sent, credentials, "{head}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_proxy_that_can_not_be_used_is_named_without_its_password() {
    let with = |url: &str| {
        HttpClient::new(&HttpClientConfig { proxy_url: url.into(), ..HttpClientConfig::default() })
    };
    for url in [
        "proxy:3128",
        "https://me:secret@proxy",
        "socks5://me:secret@proxy",
        "http://:80",
        "http://a b",
        "http://me:secret@127.0.0.1:31x",
        "http://127.0.0.1:99999",
        "http://me:secret@proxy:",
    ] {
        let refused = with(url).err().unwrap().to_string();
        let want = "invalid proxy_url: expected http://host:port or http://user:password@host:port";
        assert_eq!(refused, want, "{url}");
    }
    let address = Listener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let client = with(&format!("http://me:secret@{address}")).unwrap();
    let dead = format!("dial tcp {address}: connect: connection refused");
    let error = client.get("http://backend.invalid/x", PATIENCE, 10).await.unwrap_err().to_string();
    assert_eq!(error, format!("GET \"http://backend.invalid/x\": {dead}"));
    let error = client.get("https://backend.invalid/x", PATIENCE, 10).await.unwrap_err().to_string();
    assert!(error.contains(&format!("proxy {address}: ")) && error.ends_with(&dead), "{error}");
    let refusal = Some("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    let (address, _asked) = testing::proxy("", refusal).await;
    let client = with(&format!("http://me:secret@{address}")).unwrap();
    let error = client.get("https://backend.invalid/x", PATIENCE, 10).await.unwrap_err().to_string();
    assert!(
        error.ends_with(&format!("proxy {address}: tunnel error: proxy authorization required")),
        "{error}"
    );
}

/// The first header `Authorization` that a server sees.
async fn authorization(
    config: &HttpClientConfig,
    auth: Option<Arc<dyn ClientAuth>>,
    own: Option<&str>,
) -> String {
    let service = Arc::new(Echo::default());
    let server = testing::http(&HttpServerConfig::default(), &service);
    // The proxy tells what it was sent.
    let (proxy, mut asked) = testing::proxy(&server.address, None).await;
    let proxied = HttpClientConfig { proxy_url: format!("http://{proxy}").into(), ..config.clone() };
    let client = HttpClient::new(&proxied).unwrap();
    if let Some(auth) = auth {
        client.set_auth(auth);
    }
    let headers = own.map(|value| (header::AUTHORIZATION, value.parse().unwrap())).into_iter().collect();
    let url = "http://me:S3CRET@backend.invalid/x?token=T0KEN";
    client.post(url, headers, vec![], "text/plain", PATIENCE).await.unwrap();
    let head = asked.recv().await.unwrap();
    assert!(head.starts_with("POST http://backend.invalid/x?token=T0KEN HTTP/1.1\r\n"), "{head}");
    let sent: Vec<_> = head.lines().filter_map(|line| line.strip_prefix("authorization: ")).collect();
    server.stop().await;
    sent.join(" and ")
}

struct Token;

impl ClientAuth for Token {
    fn apply(&self, headers: &mut HeaderMap, _: Option<&otelcol_pdata::Client>) -> Result<(), Status> {
        headers.insert(header::AUTHORIZATION, "Bearer auth".parse().unwrap());
        Ok(())
    }
}

#[tokio::test]
async fn user_and_password_of_a_url_are_sent_where_nothing_else_is_set() {
    let plain = HttpClientConfig::default();
    // printf 'me:S3CRET' | base64
    assert_eq!(authorization(&plain, None, None).await, "Basic bWU6UzNDUkVU");
    assert_eq!(authorization(&plain, None, Some("Bearer own")).await, "Bearer own");
    let configured: HttpClientConfig = section("headers: {Authorization: Bearer configured}").unwrap();
    assert_eq!(authorization(&configured, None, None).await, "Bearer configured");
    let authenticated = section("auth: {authenticator: token}").unwrap();
    assert_eq!(authorization(&authenticated, Some(Arc::new(Token)), None).await, "Bearer auth");
}

#[tokio::test(start_paused = true)]
async fn no_error_tells_the_secrets_of_a_url() {
    let secret = |address: &str| format!("http://me:S3CRET@{address}/x?token=T0KEN");
    let client = HttpClient::new(&section("timeout: 2s").unwrap()).unwrap();
    let fail = async |url: &str| client.get(url, Duration::ZERO, 10).await.unwrap_err().to_string();
    let address = Listener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let dead = fail(&secret(&address)).await;
    assert!(dead.starts_with(&format!("GET \"http://{address}/x\": dial tcp {address}: ")), "{dead}");
    let service = Arc::new(Echo { gate: Some(Arc::new(Semaphore::new(0))), ..Echo::default() });
    let server = testing::http(&section("write_timeout: 0s").unwrap(), &service);
    let slow = fail(&secret(&server.address)).await;
    assert_eq!(slow, format!("GET {:?}: no reply within 2s", server.url("/x")));
    let wrong = fail(&secret("127.0.0.1:431x8")).await;
    assert_eq!(
        wrong,
        "invalid URL: expected a port up to 65535 after the host's colon, found \"http://[REDACTED]@127.0.0.1:431x8/x\""
    );
}
