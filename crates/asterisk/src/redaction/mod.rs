//! Phone numbers and names of people in what leaves the collector: kept, shortened, replaced by a hash, or left out.
//!
//! Numbers stand in fields of their own (`CallerIDNum`), behind a name (`"Max" <4930123456>`), and inside other
//! values: channel names (`Local/4930123456@out-00000001;1`), dial strings, SIP URIs, arguments of applications.
//! [`Kind::of`] says what a field of AMI holds; [`Redactor`] has one function for each kind, for those who know what
//! they hold.
//!
//! What is not redacted, because it is neither a number nor a name of a caller: IP addresses, user names of peers with
//! fewer digits than [`Settings::min_digits`], unique ids. Leave such fields out by their name instead.

mod field;
mod settings;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

pub use field::Kind;
pub use settings::{Issue, Names, Numbers, Settings};

/// What stands for the part of a number that is not shown.
const MASK: &str = "***";

/// Bytes of a hash that are shown, as hex digits: 64 bits, so that two of a billion numbers meet with a chance of 1/37.
const HASH_BYTES: usize = 8;

/// Applies [`Settings`]. Cheap to ask; with [`Numbers::Keep`] and [`Names::Keep`] it returns what it was given.
#[derive(Debug, Clone)]
pub struct Redactor {
    numbers: Numbers,
    names: Names,
    min_digits: usize,
    /// The hash state after the salt.
    salted: Sha256,
}

impl Default for Redactor {
    /// Keeps everything.
    fn default() -> Self {
        Self::new(&Settings::default())
    }
}

impl Redactor {
    /// One that does as the settings say. Whoever has settings from outside asks [`Settings::issues`] first.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            numbers: settings.numbers,
            names: settings.names(),
            min_digits: settings.min_digits.max(1),
            salted: Sha256::new_with_prefix(settings.salt.expose()),
        }
    }

    /// Whether nothing is redacted, so that a caller need not ask what a value holds. Secrets are an exception:
    /// see [`Kind::Secret`].
    #[must_use]
    pub fn keeps_all(&self) -> bool {
        self.numbers == Numbers::Keep && self.names == Names::Keep
    }

    /// A value of a known kind. `None`: leave it out.
    #[must_use]
    pub fn value<'a>(&self, kind: Kind, value: &'a str) -> Option<Cow<'a, str>> {
        match kind {
            Kind::Secret => None,
            _ if self.keeps_all() => Some(Cow::Borrowed(value)),
            Kind::Plain => Some(Cow::Borrowed(value)),
            Kind::Number => self.number(value),
            Kind::Name => self.name(value),
            Kind::CallerId => self.caller_id(value),
            Kind::Channel => Some(self.channel(value)),
            Kind::Text => Some(self.text(value)),
            Kind::Digits => self.digits(value),
        }
    }

    /// The number of a caller or of the other side. One that has no digits, as SIP user names may be, is taken for a
    /// name; a short one (see [`Settings::min_digits`]) and `<unknown>` stay. `None`: leave it out.
    #[must_use]
    pub fn number<'a>(&self, number: &'a str) -> Option<Cow<'a, str>> {
        if self.numbers == Numbers::Keep || means_nothing(number) {
            return Some(Cow::Borrowed(number));
        }
        let bare = number.strip_prefix('+').unwrap_or(number);
        if !bare.bytes().all(|byte| byte.is_ascii_digit() || b" -()./*#".contains(&byte)) {
            return match self.text(number) {
                Cow::Borrowed(unchanged) => self.name(unchanged),
                Cow::Owned(_) if self.numbers == Numbers::Drop => None,
                changed @ Cow::Owned(_) => Some(changed),
            };
        }
        if count_digits(number) < self.min_digits {
            return Some(Cow::Borrowed(number));
        }
        match self.numbers {
            Numbers::Keep => Some(Cow::Borrowed(number)),
            Numbers::Drop => None,
            Numbers::Last4 | Numbers::Hash => {
                let mut out = String::with_capacity(2 * HASH_BYTES);
                self.push_number(&mut out, number);
                Some(Cow::Owned(out))
            }
        }
    }

    /// The name of a caller or of the other side. `<unknown>` stays. `None`: leave it out.
    #[must_use]
    pub fn name<'a>(&self, name: &'a str) -> Option<Cow<'a, str>> {
        if means_nothing(name) {
            return Some(Cow::Borrowed(name));
        }
        match self.names {
            Names::Keep => Some(self.text(name)),
            Names::Drop => None,
            Names::Hash => {
                let mut out = String::with_capacity(2 * HASH_BYTES);
                self.push_hash(&mut out, name.as_bytes());
                Some(Cow::Owned(out))
            }
        }
    }

    /// Name and number as a CDR has them: `"Max" <4930123456>`. A name that is not kept is left out, with its quotes.
    #[must_use]
    pub fn caller_id<'a>(&self, value: &'a str) -> Option<Cow<'a, str>> {
        if self.keeps_all() {
            return Some(Cow::Borrowed(value));
        }
        let split = value.rfind('<').and_then(|at| Some((&value[..at], value[at + 1..].strip_suffix('>')?)));
        let Some((name, number)) = split.filter(|(name, _)| !name.is_empty()) else {
            return self.number(value);
        };
        let name = self.name(name.trim().trim_matches('"'));
        match (name, self.number(number)) {
            (None, None) => None,
            (Some(name), None) => Some(Cow::Owned(format!("\"{name}\""))),
            (None, Some(number)) => Some(Cow::Owned(format!("<{number}>"))),
            (Some(name), Some(number)) => Some(Cow::Owned(format!("\"{name}\" <{number}>"))),
        }
    }

    /// The name of a channel. The counter at its end, as `-0000001a;1`, stays: it tells channels apart.
    #[must_use]
    pub fn channel<'a>(&self, name: &'a str) -> Cow<'a, str> {
        let whole = name.strip_suffix(";1").or_else(|| name.strip_suffix(";2")).unwrap_or(name);
        let is_counter = |tail: &str| tail.len() == 8 && tail.bytes().all(|byte| byte.is_ascii_hexdigit());
        let Some(at) = whole.rfind('-').filter(|at| is_counter(&whole[at + 1..])) else {
            return self.text(name);
        };
        match self.text(&name[..at]) {
            Cow::Borrowed(_) => Cow::Borrowed(name),
            Cow::Owned(mut redacted) => {
                redacted.push_str(&name[at..]);
                Cow::Owned(redacted)
            }
        }
    }

    /// Any text: each run of at least [`Settings::min_digits`] digits in it, with a `+` before it, is a number.
    /// Where numbers are dropped, `***` stands for one.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.numbers == Numbers::Keep {
            return Cow::Borrowed(text);
        }
        let bytes = text.as_bytes();
        let (mut out, mut copied, mut at) = (String::new(), 0, 0);
        while at < bytes.len() {
            let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits >= self.min_digits {
                let start = if at > copied && bytes[at - 1] == b'+' { at - 1 } else { at };
                out.push_str(&text[copied..start]);
                self.push_number(&mut out, &text[at..at + digits]);
                copied = at + digits;
            }
            at += digits.max(1);
        }
        if copied == 0 {
            return Cow::Borrowed(text);
        }
        out.push_str(&text[copied..]);
        Cow::Owned(out)
    }

    /// Digits that were dialled during a call. They may be a PIN or the number of a card, and a hash or the last four
    /// of them would give them away: `None` unless numbers are kept.
    #[must_use]
    pub fn digits<'a>(&self, digits: &'a str) -> Option<Cow<'a, str>> {
        (self.numbers == Numbers::Keep).then_some(Cow::Borrowed(digits))
    }

    fn push_number(&self, out: &mut String, number: &str) {
        match self.numbers {
            Numbers::Keep => out.push_str(number),
            Numbers::Drop => out.push_str(MASK),
            Numbers::Last4 => {
                out.push_str(MASK);
                let hidden = count_digits(number).saturating_sub(4);
                out.extend(number.chars().filter(char::is_ascii_digit).skip(hidden));
            }
            Numbers::Hash => {
                let digits: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).collect();
                self.push_hash(out, &digits);
            }
        }
    }

    fn push_hash(&self, out: &mut String, what: &[u8]) {
        let mut state = self.salted.clone();
        state.update(what);
        for byte in &state.finalize()[..HASH_BYTES] {
            // Writing to a String cannot fail.
            let _ = write!(out, "{byte:02x}");
        }
    }
}

/// What Asterisk and SIP put where they know no number or name.
fn means_nothing(value: &str) -> bool {
    ["", "<unknown>", "unknown", "anonymous"].iter().any(|nothing| value.eq_ignore_ascii_case(nothing))
}

fn count_digits(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).count()
}
