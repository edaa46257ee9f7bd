//! Header values from settings.

use http::{HeaderMap, HeaderName, HeaderValue};
use otelcol_confmap::Opaque;

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

/// A header of a setting; the error does not show the value.
pub(crate) fn pair(name: &str, text: &Opaque) -> Result<(HeaderName, HeaderValue), ClientError> {
    let parsed = HeaderName::try_from(name);
    let parsed = parsed.map_err(|_| ClientError::Invalid(format!("invalid header name {name:?}")))?;
    Ok((parsed, value(name, text.expose(), true)?))
}

/// All headers of a setting.
pub(crate) fn parse(headers: &Headers) -> Result<HeaderMap, ClientError> {
    headers.iter().map(|(name, text)| pair(name, text)).collect()
}
