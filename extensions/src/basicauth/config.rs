//! Settings of the user names and passwords.

use otelcol_confmap::Opaque;
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use serde::Deserialize;

/// Settings of the user names and passwords, under contrib's names: one of the two sections.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Whom to let in.
    pub htpasswd: Option<Htpasswd>,
    /// Whom to be.
    pub client_auth: Option<ClientAuthConfig>,
}

/// `htpasswd`: users with their hashed passwords, a line each. Where a user is in both, `inline` counts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Htpasswd {
    /// The path of a file as Apache's htpasswd makes it.
    pub file: String,
    /// The content of such a file.
    pub inline: Opaque,
}

/// `client_auth`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ClientAuthConfig {
    /// User name.
    pub username: String,
    /// A file with the user name, which counts instead of `username`.
    pub username_file: String,
    /// Password.
    pub password: Opaque,
    /// A file with the password, which counts instead of `password`.
    pub password_file: String,
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let wrong = match (&self.htpasswd, &self.client_auth) {
            (Some(_), Some(_)) => Some(("", "only one of `htpasswd` or `client_auth` can be specified")),
            (None, None) => Some(("", "no credential source provided")),
            (Some(users), None) if users.file.is_empty() && users.inline.is_empty() => {
                Some(("htpasswd", "no credential source provided"))
            }
            // RFC 7617 2: it would end there.
            (None, Some(client)) if client.username.contains(':') => {
                Some(("client_auth::username", "a user name can not hold a colon"))
            }
            _ => None,
        };
        wrong.map(|(key, text)| ConfigIssue::new(key, text)).into_iter().collect()
    }
}
