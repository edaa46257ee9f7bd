//! Header values from settings.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::ClientError;
use crate::config::Headers;

/// A header value; the error names the header and never the value.
pub(crate) fn value(name: &str, text: &str, secret: bool) -> Result<HeaderValue, ClientError> {
    let invalid =
        |_| ClientError::Invalid(format!("invalid value of header {name:?}: expected visible characters"));
    let mut value = HeaderValue::try_from(text).map_err(invalid)?;
    value.set_sensitive(secret);
    Ok(value)
}

/// All headers of a setting.
pub(crate) fn parse(headers: &Headers) -> Result<HeaderMap, ClientError> {
    let mut map = HeaderMap::new();
    for (name, text) in headers.iter() {
        let parsed = HeaderName::try_from(name);
        let parsed = parsed.map_err(|_| ClientError::Invalid(format!("invalid header name {name:?}")))?;
        map.insert(parsed, value(name, text.expose(), true)?);
    }
    Ok(map)
}
