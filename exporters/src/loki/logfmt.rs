//! Lines in logfmt: `key=value key2="a value"` (brandur.org/logfmt; quoting as github.com/go-logfmt/logfmt).

use std::fmt::Write as _;

use otelcol_pdata::model::as_string;
use otelcol_pdata::model::common::AnyValue;
use otelcol_pdata::model::common::any_value::Value;

/// A line under construction.
#[derive(Debug, Default)]
pub(crate) struct Line(Vec<(String, String)>);

impl Line {
    /// Adds a body: the pairs of a text that is logfmt itself or of a map, else `msg`.
    pub(crate) fn body(&mut self, body: &AnyValue) {
        match &body.value {
            Some(Value::StringValue(text)) => match parse(text) {
                Some(pairs) => self.0.extend(pairs),
                None => self.text("msg", text),
            },
            Some(Value::KvlistValue(_)) => self.value("", Some(body)),
            Some(Value::ArrayValue(_)) => self.value("body", Some(body)),
            _ => self.value("msg", Some(body)),
        }
    }

    /// Adds a value; the parts of maps and lists become pairs of their own, their keys joined by `_`.
    pub(crate) fn value(&mut self, key: &str, value: Option<&AnyValue>) {
        let join = |part: &str| if key.is_empty() { part.to_owned() } else { format!("{key}_{part}") };
        match value.and_then(|value| value.value.as_ref()) {
            None => {}
            Some(Value::KvlistValue(map)) => {
                for inner in &map.values {
                    self.value(&join(&inner.key), inner.value.as_ref());
                }
            }
            Some(Value::ArrayValue(list)) => {
                for (n, inner) in list.values.iter().enumerate() {
                    self.value(&join(&n.to_string()), Some(inner));
                }
            }
            Some(_) => self.text(key, &value.map(as_string).unwrap_or_default()),
        }
    }

    /// Adds a pair.
    pub(crate) fn text(&mut self, key: &str, text: &str) {
        self.0.push((key.to_owned(), text.to_owned()));
    }

    /// Puts a text in place of what stands under the same key; an empty text changes nothing.
    pub(crate) fn replace(&mut self, key: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => text.clone_into(old),
            None => self.text(key, text),
        }
    }

    /// The line. Characters that a key can not hold are left out of it.
    pub(crate) fn finish(self) -> String {
        let mut out = String::new();
        for (key, text) in self.0 {
            let key: String = key.chars().filter(|c| !special(*c)).collect();
            if key.is_empty() {
                continue;
            }
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(&key);
            out.push('=');
            if text == "null" || text.contains(special) {
                quote(&text, &mut out);
            } else {
                out.push_str(&text);
            }
        }
        out
    }
}

/// What a key can not hold, and what makes a value be quoted.
fn special(c: char) -> bool {
    c <= ' ' || c == '=' || c == '"' || c == char::REPLACEMENT_CHARACTER
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => _ = write!(out, "\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The pairs of a text in logfmt, None when it is none. A key alone has an empty value.
fn parse(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start_matches(|c| c <= ' ');
    while !rest.is_empty() {
        let end = rest.find(|c: char| c <= ' ' || c == '=' || c == '"').unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        if key.contains(char::REPLACEMENT_CHARACTER) || after.starts_with('"') {
            return None;
        }
        let (value, after) = match after.strip_prefix('=') {
            None => (String::new(), after),
            Some(_) if key.is_empty() => return None,
            Some(after) => parse_value(after)?,
        };
        pairs.push((key.to_owned(), value));
        rest = after.trim_start_matches(|c| c <= ' ');
    }
    Some(pairs)
}

fn parse_value(text: &str) -> Option<(String, &str)> {
    if !text.starts_with('"') {
        let end = text.find(|c: char| c <= ' ' || c == '=' || c == '"').unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        return if after.starts_with(['=', '"']) { None } else { Some((value.to_owned(), after)) };
    }
    let mut escaped = false;
    let closing = text.char_indices().skip(1).find(|(_, c)| {
        let closes = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    });
    let (quoted, after) = text.split_at(closing?.0 + 1);
    // A quoted value is a JSON string, but that it may hold bare control characters.
    let quoted = quoted.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
    serde_json::from_str(&quoted).ok().map(|value| (value, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Option<Vec<(String, String)>> {
        parse(text)
    }

    #[test]
    fn pairs_are_read_and_written() {
        let text = r#"a=1 flag b="two words" c="q\"\u00e9" d="#;
        let read = pairs(text).unwrap();
        let expected = [("a", "1"), ("flag", ""), ("b", "two words"), ("c", "q\"é"), ("d", "")];
        assert_eq!(read, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(Line(read).finish(), r#"a=1 flag= b="two words" c="q\"é" d="#);
    }

    #[test]
    fn other_texts_are_no_logfmt() {
        for text in ["=1", "a=b=c", "say \"hi\"", "a=\"open", "a=b\"c", "a\u{fffd}=1"] {
            assert_eq!(pairs(text), None, "{text}");
        }
    }

    #[test]
    fn parts_of_values_become_pairs() {
        let mut line = Line::default();
        line.text("a b", "null");
        line.replace("severity", "INFO");
        line.replace("severity", "WARN");
        line.text("=", "lost key");
        assert_eq!(line.finish(), "ab=\"null\" severity=WARN");
    }
}
