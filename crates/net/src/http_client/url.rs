//! URLs to send to, whose secrets do not print.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::uri::Authority;
use http::{HeaderValue, Uri};
use otelcol_confmap::printable_url;
use percent_encoding::percent_decode_str;

use crate::ClientError;
use crate::dial::{Address, parse_port};

const FORM: &str = "http(s)://host[:port][/path]";
const PORT: &str = "a port up to 65535 after the host's colon";

/// An `http://` or `https://` URL that can be sent to. Prints without user, password and query.
#[derive(Clone)]
pub struct HttpUrl {
    /// Without user and password.
    pub(super) uri: Uri,
    /// User and password as `Basic` credentials (RFC 7617).
    pub(super) authorization: Option<HeaderValue>,
    pub(super) address: Address,
}

/// A text that is no [`HttpUrl`]. Says what was expected and what was found, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct InvalidUrl {
    expected: &'static str,
    found: String,
}

impl From<InvalidUrl> for ClientError {
    fn from(error: InvalidUrl) -> Self {
        ClientError::Invalid(format!("invalid URL: {error}"))
    }
}

impl FromStr for HttpUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        Self::parse(text).map_err(|expected| InvalidUrl { expected, found: printable_url(text) })
    }
}

impl HttpUrl {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let uri = Uri::try_from(text).map_err(|_| FORM)?;
        let address = address(&uri)?;
        let mut parts = uri.into_parts();
        let authority = parts.authority.take().ok_or(FORM)?;
        let (user, server) = split(&authority);
        let authorization = user.map(basic).transpose()?;
        parts.authority = Some(server.parse().map_err(|_| FORM)?);
        let uri = Uri::from_parts(parts).map_err(|_| FORM)?;
        Ok(Self { uri, authorization, address })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let server = self.uri.authority().map(Authority::as_str).unwrap_or_default();
        write!(f, "{scheme}://{server}{}", self.uri.path())
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// Where to connect for a URL: at the scheme's port where it names none. The error is what was expected.
pub(super) fn address(uri: &Uri) -> Result<Address, &'static str> {
    let default = match uri.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return Err(FORM),
    };
    let authority = uri.authority().ok_or(FORM)?;
    let host = authority.host();
    let port = match split(authority).1.strip_prefix(host) {
        Some(_) if host.is_empty() => return Err(FORM),
        Some("") => default,
        Some(rest) => rest.strip_prefix(':').and_then(parse_port).ok_or(PORT)?,
        None => return Err(FORM),
    };
    Ok(Address::Tcp(format!("{host}:{port}")))
}

/// User and password, and host and port.
fn split(authority: &Authority) -> (Option<&str>, &str) {
    let text = authority.as_str();
    text.rsplit_once('@').map_or((None, text), |(user, server)| (Some(user), server))
}

fn basic(user: &str) -> Result<HeaderValue, &'static str> {
    let user = if user.contains(':') { user.to_owned() } else { format!("{user}:") };
    let decoded: Vec<u8> = percent_decode_str(&user).collect();
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(decoded))).map_err(|_| FORM)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> HttpUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_url_says_where_to_connect() {
        for (text, address) in [
            ("http://host", "host:80"),
            ("https://host/a:1", "host:443"),
            ("http://me:80@host:4318?a:1", "host:4318"),
            ("https://[::1]", "[::1]:443"),
            ("https://[::1]:65535/", "[::1]:65535"),
        ] {
            assert_eq!(url(text).address, Address::Tcp(address.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_can_not_be_sent_to_says_what_was_expected() {
        for (text, expected) in [
            ("http://127.0.0.1:431x8", PORT),
            ("http://127.0.0.1:99999/a", PORT),
            ("http://127.0.0.1:/a", PORT),
            ("https://127.0.0.1:+80", PORT),
            ("https://[::1]:", PORT),
            ("host:4318", FORM),
            ("ftp://host", FORM),
            ("http://:80", FORM),
            ("http:///a", FORM),
            ("http://a b", FORM),
            ("", FORM),
        ] {
            let error = text.parse::<HttpUrl>().unwrap_err().to_string();
            assert_eq!(error, format!("expected {expected}, found {text:?}"));
        }
    }

    #[test]
    fn secrets_are_used_and_not_printed() {
        let url = url("http://us%3Aer:S3C%40RET@host:1/a?token=S3CRET");
        assert_eq!(url.uri, "http://host:1/a?token=S3CRET");
        // printf 'us:er:S3C@RET' | base64
        assert_eq!(url.authorization.as_ref().unwrap(), "Basic dXM6ZXI6UzNDQFJFVA==");
        assert_eq!(format!("{url} {url:?}"), "http://host:1/a \"http://host:1/a\"");
        // Go's net/http: a user alone has an empty password. printf 'me:' | base64
        assert_eq!(self::url("http://me@host").authorization.unwrap(), "Basic bWU6");
        for wrong in ["http://me:S3CRET@host:1x/?a=S3CRET", "http://me:S3/CRET@host", "me:S3CRET@host:1"] {
            let error = wrong.parse::<HttpUrl>().unwrap_err();
            let printed = format!("{error} {error:?} {}", ClientError::from(error.clone()));
            assert!(printed.contains("[REDACTED]@host") && !printed.contains("S3"), "{printed}");
        }
    }
}
