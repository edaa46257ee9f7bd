//! Which devices and interfaces are measured (contrib's `filterset`).

use std::collections::HashSet;

use regex::{Regex, RegexSet};

/// `include` and `exclude` of one scraper.
#[derive(Debug, Default)]
pub struct Filter {
    include: Option<Matcher>,
    exclude: Option<Matcher>,
}

/// A filter that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error creating {subject} {section} filters: {problem}")]
pub struct FilterError {
    /// What is filtered: `device`, `network interface`.
    pub subject: &'static str,
    /// Which of the two sections is wrong: `include` or `exclude`.
    pub section: &'static str,
    /// Why: an unknown `match_type`, or an expression that cannot be compiled.
    pub problem: String,
}

#[derive(Debug)]
enum Matcher {
    Strict(HashSet<String>),
    Regexp(RegexSet),
}

/// `match_type` and the names or expressions of a section.
type Section<'a> = (&'a str, &'a [String]);

impl Filter {
    /// From the two sections; an empty list is no filter. `subject` is what is filtered, for errors.
    ///
    /// # Errors
    /// An unknown `match_type`, or a regular expression that cannot be compiled.
    pub fn new(
        subject: &'static str,
        include: Section<'_>,
        exclude: Section<'_>,
    ) -> Result<Self, FilterError> {
        let matcher = |section, settings| {
            Matcher::new(settings).map_err(|problem| FilterError { subject, section, problem })
        };
        Ok(Self { include: matcher("include", include)?, exclude: matcher("exclude", exclude)? })
    }

    /// Whether `name` is measured. Expressions match anywhere in the name, as in contrib.
    #[must_use]
    pub fn accepts(&self, name: &str) -> bool {
        self.include.as_ref().is_none_or(|include| include.matches(name))
            && !self.exclude.as_ref().is_some_and(|exclude| exclude.matches(name))
    }
}

impl Matcher {
    fn new((match_type, list): Section<'_>) -> Result<Option<Self>, String> {
        if list.is_empty() {
            return Ok(None);
        }
        match match_type {
            "strict" => Ok(Some(Self::Strict(list.iter().cloned().collect()))),
            "regexp" => {
                RegexSet::new(list).map(|set| Some(Self::Regexp(set))).map_err(|_| bad_expression(list))
            }
            unknown => Err(format!("unrecognized match_type: '{unknown}', valid types are: [regexp strict]")),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Strict(names) => names.contains(name),
            Self::Regexp(set) => set.is_match(name),
        }
    }
}

/// Which of the expressions is wrong, in one line: a set does not say.
fn bad_expression(list: &[String]) -> String {
    let error =
        list.iter().find_map(|expression| Some((expression, Regex::new(expression).err()?.to_string())));
    let (expression, error) =
        error.map_or(("", String::new()), |(expression, error)| (expression.as_str(), error));
    let reason = error.lines().last().unwrap_or("too large together").trim_start_matches("error: ");
    format!("invalid regular expression '{expression}': {reason}")
}
