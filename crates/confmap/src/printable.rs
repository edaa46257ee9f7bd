use crate::expand::is_scheme;
use crate::opaque::REDACTED;

/// A URL as it may be printed: without user, password, query and fragment, which can hold secrets.
///
/// Any text will do, so that what was meant to be a URL can be told too: there, all that stands before the last `@` counts
/// as user and password, whatever else it may be.
pub fn printable_url(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => (&text[..text.len() - rest.len()], rest),
        _ => ("", text),
    };
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => (format!("{REDACTED}@"), rest),
        None => (String::new(), rest),
    };
    let shown = rest.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}{user}{shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_user_nor_password_nor_query_is_printed() {
        for (text, printed) in [
            ("http://host:1/a/b", "http://host:1/a/b"),
            ("https://host/a?token=S3CRET#S3CRET", "https://host/a"),
            ("http://S3CRET:S3CRET@host:1/a?x=S3CRET", "http://[REDACTED]@host:1/a"),
            ("http://me:S3/CRET@host:1", "http://[REDACTED]@host:1"),
            ("http://me:S3?CR@ET@host:1x", "http://[REDACTED]@host:1x"),
            ("me:S3CRET@host", "[REDACTED]@host"),
            ("http:/me:S3CRET@host", "[REDACTED]@host"),
            ("me:S3://CRET@host", "[REDACTED]@host"),
            ("host?a=S3CRET", "host"),
            ("", ""),
        ] {
            assert_eq!(printable_url(text), printed);
        }
    }
}
