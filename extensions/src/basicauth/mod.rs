//! User names and passwords (RFC 7617): lets in who has one of a list, or sends one.

mod config;
mod hash;
#[cfg(test)]
mod tests;
mod users;

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use http::{HeaderMap, header};
use otelcol_net::{AuthAttributes, ClientAuth, ServerAuth, Status, secret_header, unauthenticated};
use otelcol_pdata::Client;
use otelcol_pipeline::{Component, ComponentError, Context, Extension, ExtensionFactory, Host};

pub use config::{ClientAuthConfig, Config, Htpasswd};

use crate::secret_file::SecretFile;
use users::Users;

/// The extension type `basicauth`.
pub fn factory() -> ExtensionFactory {
    ExtensionFactory::extension("basicauth", create)
}

fn create(_: Context, config: Config) -> Result<Arc<dyn Extension>, ComponentError> {
    match (config.htpasswd, config.client_auth) {
        (Some(htpasswd), None) => Ok(Arc::new(Server(Users::new(&htpasswd)))),
        (None, Some(client)) => Ok(Arc::new(Sender {
            username: Value::new(&client.username, &client.username_file),
            password: Value::new(client.password.expose(), &client.password_file),
        })),
        _ => Err(ComponentError::new("expected one of `htpasswd` and `client_auth`")),
    }
}

/// `htpasswd`.
struct Server(Users);

#[async_trait]
impl Component for Server {
    async fn start(&self, _: &Host) -> Result<(), ComponentError> {
        self.0.load().map_err(|error| ComponentError::new(format!("htpasswd: {error}")))
    }
}

impl Extension for Server {
    fn server_auth(self: Arc<Self>) -> Option<Arc<dyn ServerAuth>> {
        Some(self)
    }
}

impl ServerAuth for Server {
    fn authenticate<'a>(&'a self, headers: &'a HeaderMap) -> BoxFuture<'a, Result<AuthAttributes, Status>> {
        Box::pin(async move {
            let sent = headers.get(header::AUTHORIZATION).filter(|sent| !sent.is_empty());
            let sent = sent.ok_or_else(|| unauthenticated("no basic auth provided"))?;
            let (user, password, raw) = credentials(sent.as_bytes())?;
            self.0.check(&user, &password).await?;
            Ok(AuthAttributes::from([("username".to_owned(), user), ("raw".to_owned(), raw)]))
        })
    }
}

/// User, password, and both as they were sent.
fn credentials(header: &[u8]) -> Result<(String, String, String), Status> {
    let malformed = || unauthenticated("invalid authorization format");
    let text = std::str::from_utf8(header).map_err(|_| malformed())?;
    let raw = match text.split_once(' ') {
        Some((scheme, raw)) if scheme.eq_ignore_ascii_case("Basic") => raw,
        _ => return Err(unauthenticated("invalid authorization scheme prefix")),
    };
    let decoded = STANDARD.decode(raw).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = decoded.ok_or_else(malformed)?;
    let (user, password) = decoded.split_once(':').ok_or_else(malformed)?;
    Ok((user.to_owned(), password.to_owned(), raw.to_owned()))
}

/// `client_auth`.
struct Sender {
    username: Value,
    password: Value,
}

/// A text of the settings or of a file.
enum Value {
    Set(String),
    File(SecretFile),
}

impl Value {
    fn new(text: &str, file: &str) -> Self {
        if file.is_empty() { Value::Set(text.to_owned()) } else { Value::File(SecretFile::new(file)) }
    }

    fn load(&self) -> Result<(), ComponentError> {
        match self {
            Value::Set(_) => Ok(()),
            Value::File(file) => file.load().map(drop).map_err(ComponentError::new),
        }
    }

    fn get(&self) -> Result<String, Status> {
        match self {
            Value::Set(text) => Ok(text.clone()),
            Value::File(file) => file
                .content()
                .map(|content| content.to_string())
                .ok_or_else(|| Status::unavailable("a file with credentials is not there")),
        }
    }
}

#[async_trait]
impl Component for Sender {
    async fn start(&self, _: &Host) -> Result<(), ComponentError> {
        self.username.load()?;
        self.password.load()
    }
}

impl Extension for Sender {
    fn client_auth(self: Arc<Self>) -> Option<Arc<dyn ClientAuth>> {
        Some(self)
    }
}

impl ClientAuth for Sender {
    fn apply(&self, headers: &mut HeaderMap, _: Option<&Client>) -> Result<(), Status> {
        let login = format!("{}:{}", self.username.get()?, self.password.get()?);
        let (name, value) = secret_header("authorization", &format!("Basic {}", STANDARD.encode(login)))?;
        headers.insert(name, value);
        Ok(())
    }

    fn requires_tls(&self) -> bool {
        true
    }
}
