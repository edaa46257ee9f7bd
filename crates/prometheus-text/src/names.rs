//! OpenTelemetry names as Prometheus names.
//!
//! Sources: the OpenTelemetry specification "Prometheus and OpenMetrics compatibility" and, where it is
//! silent, what `github.com/prometheus/otlptranslator` 1.0 does.

use std::borrow::Cow;

/// Which characters and suffixes names get; the words are those of `translation_strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Classic characters only, unit and type as suffixes.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// Classic characters only, no suffix.
    UnderscoreEscapingWithoutSuffixes,
    /// Characters as they are, unit and type as suffixes.
    NoUtf8EscapingWithSuffixes,
    /// Names as they are.
    NoTranslation,
}

impl Strategy {
    /// The strategy of this name, `None` if there is none.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "UnderscoreEscapingWithSuffixes" => Some(Self::UnderscoreEscapingWithSuffixes),
            "UnderscoreEscapingWithoutSuffixes" => Some(Self::UnderscoreEscapingWithoutSuffixes),
            "NoUTF8EscapingWithSuffixes" => Some(Self::NoUtf8EscapingWithSuffixes),
            "NoTranslation" => Some(Self::NoTranslation),
            _ => None,
        }
    }

    /// Whether names are reduced to the classic characters.
    #[must_use]
    pub fn escapes(self) -> bool {
        matches!(self, Self::UnderscoreEscapingWithSuffixes | Self::UnderscoreEscapingWithoutSuffixes)
    }
}

/// What of a metric's type decides its suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// An OTLP gauge: unit `1` gives `_ratio`.
    Gauge,
    /// A monotonic sum: ends in `_total`.
    Counter,
    /// Any other: non-monotonic sums, histograms, summaries.
    Other,
}

/// A name of which nothing is left that Prometheus could take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName;

impl std::fmt::Display for InvalidName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("name has no character that Prometheus allows, expected at least one letter or digit")
    }
}

impl std::error::Error for InvalidName {}

/// Builds metric names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricNamer {
    namespace: String,
    repeat_namespace: bool,
    strategy: Strategy,
}

impl MetricNamer {
    /// A namer that puts `namespace` (may be empty) before each name that does not begin with it.
    #[must_use]
    pub fn new(namespace: &str, strategy: Strategy) -> Self {
        let namespace = if strategy.escapes() {
            namespace.chars().map(|c| if is_metric_char(c) || c == '_' { c } else { '_' }).collect()
        } else {
            namespace.to_owned()
        };
        Self { namespace, repeat_namespace: false, strategy }
    }

    /// Puts the namespace also before names that begin with it already, as otelcol does.
    #[must_use]
    pub fn repeat_namespace(mut self, repeat: bool) -> Self {
        self.repeat_namespace = repeat;
        self
    }

    /// The namespace as it stands in names.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The Prometheus name of a metric with this OTLP name and UCUM unit.
    ///
    /// # Errors
    /// If no character of the name can be kept.
    pub fn build(&self, name: &str, unit: &str, kind: NameKind) -> Result<String, InvalidName> {
        let built = match self.strategy {
            Strategy::UnderscoreEscapingWithSuffixes => self.classic_with_suffixes(name, unit, kind),
            Strategy::UnderscoreEscapingWithoutSuffixes => self.classic(name),
            Strategy::NoUtf8EscapingWithSuffixes => add_suffixes(self.with_namespace(name, '.'), unit, kind),
            Strategy::NoTranslation => self.with_namespace(name, '.'),
        };
        let nothing_left = built.is_empty() || (built != name && built.bytes().all(|b| b == b'_'));
        if nothing_left { Err(InvalidName) } else { Ok(built) }
    }

    fn classic_with_suffixes(&self, name: &str, unit: &str, kind: NameKind) -> String {
        let mut tokens: Vec<Cow<'_, str>> =
            name.split(|c| !is_metric_char(c)).filter(|token| !token.is_empty()).map(Cow::Borrowed).collect();
        add_unit_tokens(&mut tokens, unit);
        match kind {
            NameKind::Counter => move_to_end(&mut tokens, "total"),
            NameKind::Gauge if unit == "1" => move_to_end(&mut tokens, "ratio"),
            NameKind::Gauge | NameKind::Other => {}
        }
        not_digit_first(self.with_namespace(&tokens.join("_"), '_'))
    }

    fn classic(&self, name: &str) -> String {
        let runs: Vec<&str> =
            name.split(|c| !is_metric_char(c) && c != '_').filter(|run| !run.is_empty()).collect();
        not_digit_first(self.with_namespace(&runs.join("_"), '_'))
    }

    fn with_namespace(&self, name: &str, separator: char) -> String {
        let has_it = name
            .strip_prefix(self.namespace.as_str())
            .is_some_and(|rest| rest.starts_with('_') || rest.starts_with(separator));
        if self.namespace.is_empty() || (has_it && !self.repeat_namespace) {
            name.to_owned()
        } else if name.is_empty() {
            self.namespace.clone()
        } else {
            format!("{}_{name}", self.namespace)
        }
    }
}

/// The Prometheus name of an attribute: classic characters, `key_` before a leading digit or underscore.
///
/// # Errors
/// If no character of the name can be kept.
pub fn label_name(name: &str, strategy: Strategy) -> Result<String, InvalidName> {
    let mut out = String::with_capacity(name.len() + 4);
    push_label_name(&mut out, name, strategy)?;
    Ok(out)
}

/// Appends what [`label_name`] gives.
///
/// # Errors
/// As [`label_name`]; `out` is then as it was before.
pub fn push_label_name(out: &mut String, name: &str, strategy: Strategy) -> Result<(), InvalidName> {
    let start = out.len();
    if !strategy.escapes() || is_clean_label(name) {
        out.push_str(name);
    } else {
        push_classic_label(out, name);
    }
    if name.is_empty() || out.as_bytes()[start..].iter().all(|b| *b == b'_') {
        out.truncate(start);
        return Err(InvalidName);
    }
    Ok(())
}

/// Whether the rules of [`label_name`] leave `name` as it is, whatever the strategy.
fn is_clean_label(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
        && !bytes.windows(2).any(|pair| pair == b"__")
}

fn push_classic_label(out: &mut String, name: &str) {
    let reserved = name.len() >= 4 && name.starts_with("__") && name.ends_with("__");
    let inner = if reserved { &name[2..name.len() - 2] } else { name };
    if reserved {
        out.push_str("__");
    } else if inner.starts_with(|c: char| c.is_ascii_digit()) {
        out.push_str("key_");
    } else if !inner.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        out.push_str("key");
    }
    let mut after_underscore = false;
    for c in inner.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !after_underscore {
            out.push('_');
        }
        after_underscore = !c.is_ascii_alphanumeric();
    }
    if reserved {
        out.push_str("__");
    }
}

fn is_metric_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}

fn not_digit_first(name: String) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn move_to_end<'a>(tokens: &mut Vec<Cow<'a, str>>, suffix: &'a str) {
    tokens.retain(|token| token != suffix);
    tokens.push(Cow::Borrowed(suffix));
}

/// The words of a UCUM unit as metadata shows them: `By/s` is `bytes_per_second`. Empty where there is none.
#[must_use]
pub fn unit_name(unit: &str) -> String {
    let mut tokens = Vec::new();
    add_unit_tokens(&mut tokens, unit);
    tokens.join("_")
}

fn add_unit_tokens(tokens: &mut Vec<Cow<'_, str>>, unit: &str) {
    let (main, per) = unit_suffixes(unit);
    let (mut main, mut per) = (classic_unit(main), classic_unit(&per));
    if tokens.iter().any(|token| *token == main) {
        main.clear();
    }
    if per == "per_" {
        per.clear();
    } else if per.ends_with('_') {
        per.pop();
    }
    if tokens.iter().any(|token| *token == per) {
        per.clear();
    }
    if !per.is_empty() && main.ends_with('_') {
        main.pop();
    }
    tokens.extend([main, per].into_iter().filter(|token| !token.is_empty()).map(Cow::Owned));
}

fn add_suffixes(mut name: String, unit: &str, kind: NameKind) -> String {
    let type_suffix = match kind {
        NameKind::Counter => "total",
        NameKind::Gauge if unit == "1" => "ratio",
        NameKind::Gauge | NameKind::Other => "",
    };
    let (main, per) = unit_suffixes(unit);
    trim_suffix(&mut name, type_suffix);
    trim_suffix(&mut name, &per);
    if !name.ends_with(main) {
        name.push('_');
        name.push_str(main);
    }
    for suffix in [per.as_str(), type_suffix].into_iter().filter(|suffix| !suffix.is_empty()) {
        name.push('_');
        name.push_str(suffix);
    }
    name
}

/// Takes `suffix` and the one character before it off, unless nothing else would be left.
fn trim_suffix(name: &mut String, suffix: &str) {
    if suffix.is_empty() || !name.ends_with(suffix) || name.len() <= suffix.len() + 1 {
        return;
    }
    let keep = name[..name.len() - suffix.len()].char_indices().next_back().map_or(0, |(at, _)| at);
    name.truncate(keep);
}

/// The words of a UCUM unit, `By/s` as `bytes` and `per_second`; annotations in braces give none.
fn unit_suffixes(unit: &str) -> (&str, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let word = |part: &'_ str| !part.is_empty() && !part.contains(['{', '}']);
    let (main, per) = (main.trim(), per.trim());
    (
        if word(main) { unit_word(main) } else { "" },
        if word(per) { format!("per_{}", per_word(per)) } else { String::new() },
    )
}

fn classic_unit(unit: &str) -> String {
    let mut out = String::with_capacity(unit.len());
    for c in unit.chars() {
        let c = if is_metric_char(c) { c } else { '_' };
        if c != '_' || !(out.is_empty() || out.ends_with('_')) {
            out.push(c);
        }
    }
    out
}

fn unit_word(unit: &str) -> &str {
    match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "1" => "",
        "%" => "percent",
        other => other,
    }
}

fn per_word(unit: &str) -> &str {
    match unit {
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => other,
    }
}

#[cfg(test)]
mod tests;
