use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::{
    ClientAuthConfig, GrpcClientConfig, GrpcServerAuthConfig, GrpcServerConfig, HttpClientConfig,
    HttpServerAuthConfig, HttpServerConfig,
};
use crate::testing::{Budget, ECHO, Echo, PATIENCE, Running};
use crate::{Admission, GrpcClient, HttpClient, Listener, serve_grpc, serve_http};

/// Lets in who sends `x-key: open`.
struct Key;

impl ServerAuth for Key {
    fn authenticate<'a>(&'a self, headers: &'a HeaderMap) -> BoxFuture<'a, Result<AuthAttributes, Status>> {
        Box::pin(async move {
            match headers.get("x-key").map(HeaderValue::as_bytes) {
                Some(b"open") => Ok(BTreeMap::from([("username".to_owned(), "alice".to_owned())])),
                _ => Err(unauthenticated("no key")),
            }
        })
    }
}

/// Sends the key of the client's tenant.
struct Tenant {
    tls_only: bool,
}

impl ClientAuth for Tenant {
    fn apply(&self, headers: &mut HeaderMap, client: Option<&Client>) -> Result<(), Status> {
        let tenant = client.map(|client| client.metadata.get("x-tenant")).unwrap_or_default();
        let [tenant] = tenant else { return Err(unauthenticated(format!("{} tenants", tenant.len()))) };
        let (name, value) = secret_header("x-key", tenant)?;
        headers.insert(name, value);
        Ok(())
    }

    fn requires_tls(&self) -> bool {
        self.tls_only
    }
}

fn of_tenant(name: &str) -> Client {
    let mut client = Client::default();
    client.metadata.append("X-Tenant", name);
    client
}

fn named() -> Option<ClientAuthConfig> {
    Some(ClientAuthConfig { authenticator: "tenant".to_owned() })
}

fn locked_grpc(service: &Arc<Echo>, admission: Option<Arc<dyn Admission>>) -> Running {
    let auth = Some(GrpcServerAuthConfig { authenticator: "key".to_owned() });
    let config = GrpcServerConfig { auth, include_metadata: true, ..GrpcServerConfig::default() };
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let auth: Arc<dyn ServerAuth> = Arc::new(Key);
    let server =
        serve_grpc(listener, &config, Arc::clone(service) as _, admission, Some(auth), stop.clone()).unwrap();
    Running { address, stop, task: tokio::runtime::Handle::current().spawn(server) }
}

fn locked_http(service: &Arc<Echo>, admission: Option<Arc<dyn Admission>>) -> Running {
    let request_params = vec!["x-key".to_owned()];
    let auth = Some(HttpServerAuthConfig { authenticator: "key".to_owned(), request_params });
    let config = HttpServerConfig { auth, ..HttpServerConfig::default() };
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let auth: Arc<dyn ServerAuth> = Arc::new(Key);
    let server =
        serve_http(listener, &config, Arc::clone(service) as _, admission, Some(auth), stop.clone()).unwrap();
    Running { address, stop, task: tokio::runtime::Handle::current().spawn(server) }
}

fn grpc_client(address: &str, auth: Option<ClientAuthConfig>) -> GrpcClient {
    let mut config = GrpcClientConfig { endpoint: address.to_owned(), auth, ..GrpcClientConfig::default() };
    config.tls.insecure = true;
    GrpcClient::new(&config).unwrap()
}

#[tokio::test]
async fn a_grpc_call_without_credentials_is_refused_before_its_message_is_read() {
    let budget = Arc::new(Budget::new(0));
    let service = Arc::new(Echo::default());
    let server = locked_grpc(&service, Some(Arc::clone(&budget) as _));
    let client = grpc_client(&server.address, None);
    let refused = client.call(ECHO, vec![Bytes::from_static(b"data")], PATIENCE).await.unwrap_err();
    assert_eq!((refused.code, refused.message.as_str()), (Code::Unauthenticated, "no key"));
    assert_eq!(budget.asked.load(std::sync::atomic::Ordering::SeqCst), 0);
    assert_eq!(service.reasons(), ["unauthenticated"]);
    server.stop().await;
}

#[tokio::test]
async fn a_client_sends_the_credentials_of_whose_data_it_sends() {
    let service = Arc::new(Echo::default());
    let server = locked_grpc(&service, None);
    let client = grpc_client(&server.address, named());
    let send = |tenant: &'static str| {
        let client = &client;
        async move { client.call_for(Some(&of_tenant(tenant)), ECHO, vec![], PATIENCE).await }
    };
    let early = send("open").await.unwrap_err();
    assert_eq!(early.code, Code::Unavailable);
    assert_eq!(early.message, "the authenticator \"tenant\" is not there yet");
    client.set_auth(Arc::new(Tenant { tls_only: false })).unwrap();
    assert_eq!(send("open").await.unwrap(), "");
    assert_eq!(send("other").await.unwrap_err().code, Code::Unauthenticated);
    let nobody = client.call(ECHO, vec![], PATIENCE).await.unwrap_err();
    assert_eq!(nobody.message, "authenticator \"tenant\": 0 tenants");
    let seen = service.seen.lock().unwrap().pop().unwrap().client.unwrap();
    assert_eq!(seen.auth["username"], "alice");
    assert_eq!(seen.metadata.get("X-Key"), ["open"]);
    assert_eq!(seen.metadata.get("host"), [server.address.as_str()]);
    assert_eq!(seen.address.unwrap().ip().to_string(), "127.0.0.1");
    server.stop().await;
}

#[tokio::test]
async fn credentials_that_need_tls_are_not_sent_without() {
    let client = grpc_client("127.0.0.1:1", named());
    let refused = client.set_auth(Arc::new(Tenant { tls_only: true })).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the credentials require transport level security: take tls::insecure away"
    );
    let unsent = client.call(ECHO, vec![], PATIENCE).await.unwrap_err();
    assert_eq!(unsent.message, "the authenticator \"tenant\" is not there yet");
}

#[tokio::test]
async fn an_http_request_needs_credentials_in_a_header_or_a_named_parameter() {
    let budget = Arc::new(Budget::new(0));
    let service = Arc::new(Echo::default());
    let server = locked_http(&service, Some(Arc::clone(&budget) as _));
    let client = HttpClient::new(&HttpClientConfig { auth: named(), ..HttpClientConfig::default() }).unwrap();
    client.set_auth(Arc::new(Tenant { tls_only: false }));
    let open = HttpClient::new(&HttpClientConfig::default()).unwrap();
    let post = |client: Option<Client>, sender, url: String, body: &'static [u8]| async move {
        let sender: &HttpClient = sender;
        let body = vec![Bytes::from_static(body)];
        sender
            .post_for(client.as_ref(), &url.parse().unwrap(), HeaderMap::new(), body, "text/plain", PATIENCE)
            .await
    };
    let refused = post(None, &open, server.url("/x"), b"data").await.unwrap();
    assert_eq!((refused.status.as_u16(), refused.body.as_ref()), (401, &b"no key"[..]));
    assert_eq!(budget.asked.load(std::sync::atomic::Ordering::SeqCst), 0);
    for (sender, tenant, path, status) in [
        (&client, Some("open"), "/x", 200),
        (&client, Some("shut"), "/x", 401),
        (&open, None, "/x?a=b&x-key=o%70en", 200),
        (&open, None, "/x?other=open", 401),
    ] {
        let reply = post(tenant.map(of_tenant), sender, server.url(path), b"").await.unwrap();
        assert_eq!(reply.status.as_u16(), status, "{tenant:?} {path}");
    }
    let error = post(None, &client, server.url("/x"), b"").await.unwrap_err();
    assert_eq!(error.to_string(), "authenticator \"tenant\": 0 tenants");
    server.stop().await;
}

#[tokio::test]
async fn a_server_without_the_authenticator_it_asks_for_does_not_start() {
    let auth = Some(GrpcServerAuthConfig { authenticator: "key".to_owned() });
    let config = GrpcServerConfig { auth, ..GrpcServerConfig::default() };
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let service = Arc::new(Echo::default());
    let error = serve_grpc(listener, &config, service, None, None, CancellationToken::new()).err().unwrap();
    assert_eq!(
        error.to_string(),
        "authentication was configured but this component or its host does not support extensions"
    );
}

#[tokio::test]
async fn a_slow_authenticator_does_not_outlive_the_calls_deadline() {
    struct Never;
    impl ServerAuth for Never {
        fn authenticate<'a>(&'a self, _: &'a HeaderMap) -> BoxFuture<'a, Result<AuthAttributes, Status>> {
            Box::pin(std::future::pending())
        }
    }
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, service) = (CancellationToken::new(), Arc::new(Echo::default()));
    let auth: Arc<dyn ServerAuth> = Arc::new(Never);
    let config = GrpcServerConfig::default();
    let server = serve_grpc(listener, &config, service, None, Some(auth), stop.clone()).unwrap();
    let server = Running { address, stop, task: tokio::runtime::Handle::current().spawn(server) };
    let client = grpc_client(&server.address, None);
    let late = client.call(ECHO, vec![], Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(late.code, Code::DeadlineExceeded);
    server.stop().await;
}

#[test]
fn a_secret_that_can_not_be_a_header_is_not_told() {
    assert_eq!(
        secret_header("authorization", "Bearer se\ncret").unwrap_err().message,
        "invalid value of header \"authorization\": expected visible characters"
    );
    assert!(
        format!("{:?}", secret_header("authorization", "Bearer secret").unwrap().1).contains("Sensitive")
    );
}
