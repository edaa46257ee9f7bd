//! What may stand in names and values, and how the rest is written.

/// How a scraper wants names that the classic format can not carry (`escaping=` of its Accept header).
///
/// Source: <https://prometheus.io/docs/instrumenting/escaping_schemes/>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Escaping {
    /// Names are written as they are, in quotes where needed (`allow-utf-8`).
    AllowUtf8,
    /// Each character that is not allowed becomes `_` (`underscores`); also what an old scraper gets.
    #[default]
    Underscores,
    /// `.` becomes `_dot_`, `_` becomes `__` (`dots`).
    Dots,
    /// Reversible: `U__` and the code point of each character (`values`).
    Values,
}

impl Escaping {
    /// The word used in Accept and Content-Type headers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Escaping::AllowUtf8 => "allow-utf-8",
            Escaping::Underscores => "underscores",
            Escaping::Dots => "dots",
            Escaping::Values => "values",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Escaping::AllowUtf8, Escaping::Underscores, Escaping::Dots, Escaping::Values]
            .into_iter()
            .find(|scheme| scheme.as_str() == word)
    }

    /// Whether names that are already classic come out unchanged.
    #[must_use]
    pub fn keeps_classic_names(self) -> bool {
        self != Escaping::Dots
    }
}

/// Whether `name` can stand outside quotes: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
#[must_use]
pub fn is_classic_metric_name(name: &str) -> bool {
    is_classic(name, true)
}

/// Whether `name` can stand outside quotes as a label name: `[a-zA-Z_][a-zA-Z0-9_]*`.
#[must_use]
pub fn is_classic_label_name(name: &str) -> bool {
    is_classic(name, false)
}

fn is_classic(name: &str, colon: bool) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || (colon && b == b':'))
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || (colon && b == b':'))
}

/// Writes `name` by the rules of `scheme`; only [`Escaping::AllowUtf8`] can leave it in need of quotes.
#[must_use]
pub fn escape_name(name: &str, scheme: Escaping) -> String {
    let allowed = |index: usize, c: char| {
        c.is_ascii_alphabetic() || c == '_' || c == ':' || (c.is_ascii_digit() && index > 0)
    };
    let chars = name.char_indices();
    match scheme {
        Escaping::AllowUtf8 => name.to_owned(),
        Escaping::Underscores => chars.map(|(i, c)| if allowed(i, c) { c } else { '_' }).collect(),
        Escaping::Dots => chars.fold(String::with_capacity(name.len()), |mut out, (i, c)| {
            match c {
                '.' => out.push_str("_dot_"),
                c if c != '_' && allowed(i, c) => out.push(c),
                _ => out.push_str("__"),
            }
            out
        }),
        Escaping::Values if is_classic_metric_name(name) => name.to_owned(),
        Escaping::Values => chars.fold(String::from("U__"), |mut out, (i, c)| {
            match c {
                '_' => out.push_str("__"),
                c if allowed(i, c) => out.push(c),
                c => out.push_str(&format!("_{:x}_", u32::from(c))),
            }
            out
        }),
    }
}

/// Appends a label value or an OpenMetrics help text: `\`, `"` and line feeds escaped.
pub fn write_escaped_value(out: &mut Vec<u8>, value: &str) {
    let mut rest = value.as_bytes();
    while let Some(at) = memchr::memchr3(b'\\', b'"', b'\n', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'\\' => b"\\\\",
            b'"' => b"\\\"",
            _ => b"\\n",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Appends a help text of the text format: `\` and line feeds escaped, quotes as they are.
pub(crate) fn write_escaped_help(out: &mut Vec<u8>, help: &str) {
    let mut rest = help.as_bytes();
    while let Some(at) = memchr::memchr2(b'\\', b'\n', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(if rest[at] == b'\\' { b"\\\\" } else { b"\\n" });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

pub(crate) fn write_quoted(out: &mut Vec<u8>, name: &str) {
    out.push(b'"');
    write_escaped_value(out, name);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_match_the_published_examples() {
        for (name, underscores, dots, values) in [
            (
                "mysystem.prod.west.cpu.load",
                "mysystem_prod_west_cpu_load",
                "mysystem_dot_prod_dot_west_dot_cpu_dot_load",
                "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load",
            ),
            (
                "mysystem.prod.west.cpu.load_total",
                "mysystem_prod_west_cpu_load_total",
                "mysystem_dot_prod_dot_west_dot_cpu_dot_load__total",
                "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load__total",
            ),
            ("http.status:sum", "http_status:sum", "http_dot_status:sum", "U__http_2e_status:sum"),
            ("0no", "_no", "__no", "U___30_no"),
            ("label with 花火", "label_with___", "label__with______", "U__label_20_with_20__82b1__706b_"),
            ("plain_name", "plain_name", "plain__name", "plain_name"),
        ] {
            assert_eq!(escape_name(name, Escaping::Underscores), underscores);
            assert_eq!(escape_name(name, Escaping::Dots), dots);
            assert_eq!(escape_name(name, Escaping::Values), values);
            assert_eq!(escape_name(name, Escaping::AllowUtf8), name);
        }
    }

    #[test]
    fn values_and_help_escape_what_the_formats_ask() {
        let mut out = Vec::new();
        write_escaped_value(&mut out, "a\\b\"c\nd");
        out.push(b'|');
        write_escaped_help(&mut out, "a\\b\"c\nd");
        assert_eq!(String::from_utf8(out).unwrap(), "a\\\\b\\\"c\\nd|a\\\\b\"c\\nd");
    }
}
