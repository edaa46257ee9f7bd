//! Label sets as text.

use crate::escape::{Escaping, escape_name, is_classic_label_name, write_escaped_value, write_quoted};

/// The inside of the braces: `a="1",b="2"`, values escaped. Rendered once, copied at each scrape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Vec<u8>);

impl Labels {
    /// No labels.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a label; names keep the order of the calls and are not checked for being unique.
    pub fn push(&mut self, name: &str, value: &str) {
        write_label(&mut self.0, name, value);
    }

    /// The text between the braces.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Labels {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let mut labels = Self::new();
        for (name, value) in pairs {
            labels.push(name, value);
        }
        labels
    }
}

/// Appends one label to a rendered set, with the comma where one is needed.
pub fn write_label(out: &mut Vec<u8>, name: &str, value: &str) {
    if !out.is_empty() {
        out.push(b',');
    }
    write_label_name(out, name);
    out.extend_from_slice(b"=\"");
    write_escaped_value(out, value);
    out.push(b'"');
}

/// Appends a label name, in quotes if it is not a classic one.
pub fn write_label_name(out: &mut Vec<u8>, name: &str) {
    if is_classic_label_name(name) {
        out.extend_from_slice(name.as_bytes());
    } else {
        write_quoted(out, name);
    }
}

/// Appends a rendered label set with its names written by the rules of `scheme`.
///
/// `rendered` must come from [`write_label`] or [`Labels`]; of anything else the part that can not be
/// read is left out.
pub fn write_labels_escaped(out: &mut Vec<u8>, rendered: &[u8], scheme: Escaping) {
    let mut rest = rendered;
    let mut first = true;
    while let Some((name, value, tail)) = split_first_label(rest) {
        if !first {
            out.push(b',');
        }
        first = false;
        write_label_name(out, &escape_name(&name, scheme));
        out.push(b'=');
        out.extend_from_slice(value);
        rest = tail;
    }
}

/// The names and values of a rendered label set, in its order.
///
/// `rendered` must come from [`write_label`] or [`Labels`]; of anything else the part that can not be
/// read is left out.
pub fn read_labels(rendered: &[u8]) -> impl Iterator<Item = (String, String)> + '_ {
    let mut rest = rendered;
    std::iter::from_fn(move || {
        let (name, value, tail) = split_first_label(rest)?;
        rest = tail;
        Some((name, unescape(&value[1..value.len() - 1])))
    })
}

/// The first label's name, its value in quotes as rendered, and what follows the comma.
fn split_first_label(rendered: &[u8]) -> Option<(String, &[u8], &[u8])> {
    let (name, rest) = if rendered.first() == Some(&b'"') {
        let end = quoted_len(rendered)?;
        (unescape(&rendered[1..end - 1]), &rendered[end..])
    } else {
        let end = rendered.iter().position(|b| *b == b'=')?;
        (String::from_utf8_lossy(&rendered[..end]).into_owned(), &rendered[end..])
    };
    let value = rest.strip_prefix(b"=")?;
    let end = quoted_len(value)?;
    let tail = &value[end..];
    Some((name, &value[..end], tail.strip_prefix(b",").unwrap_or(tail)))
}

/// Length of the quoted text at the start, both quotes included.
fn quoted_len(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

fn unescape(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => out.push(b'\n'),
                Some(&other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rendered_can_be_read() {
        let pairs = [("plain", "a,\"b\"=\\"), ("with.dot", "x\ny"), ("q\"", ""), ("ü", "ü")];
        let labels = Labels::from_iter(pairs);
        let read: Vec<_> = read_labels(labels.as_bytes()).collect();
        assert_eq!(read, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(read_labels(b"broken").count(), 0);
    }

    #[test]
    fn odd_names_are_quoted_and_can_be_escaped_later() {
        let labels = Labels::from_iter([("plain", "a,\"b\"=\\"), ("with.dot", "x\ny"), ("q\"", "")]);
        assert_eq!(
            String::from_utf8_lossy(labels.as_bytes()),
            r#"plain="a,\"b\"=\\","with.dot"="x\ny","q\""="""#
        );
        let mut out = Vec::new();
        write_labels_escaped(&mut out, labels.as_bytes(), Escaping::Underscores);
        assert_eq!(String::from_utf8_lossy(&out), r#"plain="a,\"b\"=\\",with_dot="x\ny",q_="""#);
    }
}
