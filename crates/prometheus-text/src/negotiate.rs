//! Which format a scraper gets.

use crate::escape::Escaping;

/// A text exposition format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// Prometheus text 0.0.4.
    #[default]
    Text,
    /// OpenMetrics text, 1.0.0 or 0.0.1: they differ in the Content-Type alone.
    OpenMetrics {
        /// Whether 1.0.0 was asked for.
        v1: bool,
    },
}

impl Format {
    /// Whether this is OpenMetrics.
    #[must_use]
    pub fn is_open_metrics(self) -> bool {
        matches!(self, Format::OpenMetrics { .. })
    }

    /// The Content-Type to answer with.
    #[must_use]
    pub fn content_type(self, escaping: Escaping) -> String {
        let media_type = match self {
            Format::Text => "text/plain; version=0.0.4",
            Format::OpenMetrics { v1: true } => "application/openmetrics-text; version=1.0.0",
            Format::OpenMetrics { v1: false } => "application/openmetrics-text; version=0.0.1",
        };
        format!("{media_type}; charset=utf-8; escaping={}", escaping.as_str())
    }
}

struct Clause<'a> {
    media_type: &'a str,
    version: &'a str,
    escaping: Option<Escaping>,
    quality: f64,
}

/// Chooses by an Accept header, as Prometheus' client libraries do: the first clause by quality that names
/// a format we write, else text. OpenMetrics only if `open_metrics` is set.
#[must_use]
pub fn negotiate(accept: &str, open_metrics: bool) -> (Format, Escaping) {
    let mut clauses: Vec<Clause<'_>> =
        accept.split(',').map(parse_clause).filter(|c| c.quality > 0.0).collect();
    clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    let mut escaping = Escaping::default();
    for clause in &clauses {
        escaping = clause.escaping.unwrap_or(escaping);
        match (clause.media_type, clause.version) {
            ("application/openmetrics-text", "1.0.0") if open_metrics => {
                return (Format::OpenMetrics { v1: true }, escaping);
            }
            ("application/openmetrics-text", "" | "0.0.1") if open_metrics => {
                return (Format::OpenMetrics { v1: false }, escaping);
            }
            ("text/plain" | "text/*", "" | "0.0.4") => return (Format::Text, escaping),
            _ => {}
        }
    }
    (Format::Text, escaping)
}

fn parse_clause(clause: &str) -> Clause<'_> {
    let mut parts = clause.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let mut parsed = Clause { media_type, version: "", escaping: None, quality: 1.0 };
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        match key.trim() {
            "q" => parsed.quality = value.trim().parse().ok().filter(|q: &f64| q.is_finite()).unwrap_or(1.0),
            "version" => parsed.version = value.trim(),
            "escaping" => parsed.escaping = Escaping::parse(value.trim()),
            _ => {}
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Format = Format::Text;
    const OM1: Format = Format::OpenMetrics { v1: true };
    const OM0: Format = Format::OpenMetrics { v1: false };

    #[test]
    fn follows_quality_version_and_escaping() {
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, open_metrics, format, escaping) in [
            ("", true, TEXT, Escaping::Underscores),
            ("*/*", true, TEXT, Escaping::Underscores),
            (prometheus_3, true, OM1, Escaping::AllowUtf8),
            (prometheus_3, false, TEXT, Escaping::AllowUtf8),
            ("application/openmetrics-text", true, OM0, Escaping::Underscores),
            ("application/openmetrics-text; version=0.0.1", true, OM0, Escaping::Underscores),
            (
                "text/plain;q=0.9, application/openmetrics-text;version=1.0.0;q=0.5",
                true,
                TEXT,
                Escaping::Underscores,
            ),
            (
                "text/plain;q=0.5, application/openmetrics-text;version=1.0.0",
                true,
                OM1,
                Escaping::Underscores,
            ),
            ("application/openmetrics-text;version=1.0.0;q=0", true, TEXT, Escaping::Underscores),
            ("application/openmetrics-text;version=9.0.0", true, TEXT, Escaping::Underscores),
            ("text/plain;escaping=dots", true, TEXT, Escaping::Dots),
            ("text/plain;escaping=unknown;q=nan", true, TEXT, Escaping::Underscores),
        ] {
            assert_eq!(negotiate(accept, open_metrics), (format, escaping), "{accept}");
        }
        assert_eq!(
            TEXT.content_type(Escaping::Underscores),
            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
        );
        assert_eq!(
            OM1.content_type(Escaping::AllowUtf8),
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
        );
    }
}
