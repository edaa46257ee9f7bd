//! Settings of the redaction.

use otelcol_confmap::Opaque;
use serde::Deserialize;

/// Bytes a salt needs. There are so few phone numbers that a hash with a salt that can be guessed is the number itself.
const MIN_SALT: usize = 16;

/// What becomes of a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Numbers {
    /// It stays.
    #[default]
    Keep,
    /// `***` and its last four digits.
    Last4,
    /// The first 16 hex digits of SHA-256 over the salt and its digits.
    Hash,
    /// It is left out; inside other text `***` stands for it.
    Drop,
}

/// What becomes of the name of a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// It stays, and numbers in it are treated as numbers: many systems set the name to the number.
    #[default]
    Keep,
    /// The first 16 hex digits of SHA-256 over the salt and the name.
    Hash,
    /// It is left out.
    Drop,
}

/// `redaction`: what becomes of phone numbers and names. `numbers: last4` alone is a complete setting.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// What becomes of a number.
    pub numbers: Numbers,
    /// What becomes of a name. Unset, it follows `numbers`: kept, hashed, or dropped (also with `last4`).
    pub names: Option<Names>,
    /// Secret that goes into each hash before the number. The same salt gives the same hash on every server.
    pub salt: Opaque,
    /// Digits from which on something is a phone number. Fewer are an extension of the own system, and stay.
    pub min_digits: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { numbers: Numbers::Keep, names: None, salt: Opaque::default(), min_digits: 5 }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Which one, below `redaction`.
    pub path: &'static str,
    /// What was expected and what was found.
    pub message: String,
}

impl Settings {
    /// What becomes of a name.
    #[must_use]
    pub fn names(&self) -> Names {
        self.names.unwrap_or(match self.numbers {
            Numbers::Keep => Names::Keep,
            Numbers::Hash => Names::Hash,
            Numbers::Last4 | Numbers::Drop => Names::Drop,
        })
    }

    /// What is wrong with them.
    #[must_use]
    pub fn issues(&self) -> Vec<Issue> {
        let mut issues = Vec::new();
        let hashes = self.numbers == Numbers::Hash || self.names() == Names::Hash;
        let length = self.salt.expose().len();
        if hashes && length < MIN_SALT {
            issues.push(Issue {
                path: "salt",
                message: format!(
                    "a hash needs a secret salt of at least {MIN_SALT} bytes, found {length}; take one from \
                     `openssl rand -hex 16` and give it as ${{env:NAME}}"
                ),
            });
        }
        if self.min_digits == 0 {
            issues.push(Issue { path: "min_digits", message: "expected at least 1, found 0".to_owned() });
        }
        issues
    }
}
