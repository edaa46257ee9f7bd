//! Names that become metric attributes, as small numbers, and no more of them than the settings allow.

use std::sync::Arc;

use hashbrown::HashMap;

/// A name in a [`Names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Symbol(u32);

impl Symbol {
    /// All names beyond the limit.
    pub(crate) const OTHER: Self = Self(0);
}

/// Longer names are cut: no name of Asterisk's own is, and an attribute is no place for more.
const NAME_BYTES: usize = 128;

/// Names of one sort.
#[derive(Debug)]
pub(crate) struct Names {
    symbols: HashMap<Arc<str>, Symbol>,
    texts: Vec<Arc<str>>,
    limit: usize,
    overflowed: u64,
}

impl Names {
    pub(super) fn new(limit: usize) -> Self {
        Self { symbols: HashMap::new(), texts: vec![Arc::from("other")], limit, overflowed: 0 }
    }

    /// The symbol of a name; [`Symbol::OTHER`] for new names once the limit is reached, which is counted.
    pub(super) fn intern(&mut self, name: &[u8]) -> Symbol {
        if let Some(symbol) = str::from_utf8(name).ok().and_then(|name| self.symbols.get(name)) {
            return *symbol;
        }
        let text = String::from_utf8_lossy(name);
        let end = (0..=NAME_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        let text = &text[..end.unwrap_or(0)];
        if let Some(symbol) = self.symbols.get(text) {
            return *symbol;
        }
        if self.symbols.len() >= self.limit {
            self.overflowed += 1;
            return Symbol::OTHER;
        }
        let symbol = Symbol(u32::try_from(self.texts.len()).unwrap_or(0));
        let text: Arc<str> = Arc::from(text);
        self.texts.push(Arc::clone(&text));
        self.symbols.insert(text, symbol);
        symbol
    }

    /// The name.
    pub(crate) fn text(&self, symbol: Symbol) -> &str {
        self.texts.get(symbol.0 as usize).map_or("other", |text| text)
    }

    /// How often a name was put under [`Symbol::OTHER`].
    pub(crate) fn overflowed(&self) -> u64 {
        self.overflowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_all_are_other() {
        let mut names = Names::new(2);
        let (sales, support) = (names.intern(b"sales"), names.intern(b"support"));
        assert_eq!(
            (names.intern(b"sales"), names.text(sales), names.text(support)),
            (sales, "sales", "support")
        );
        assert_eq!(names.intern(b"third"), Symbol::OTHER);
        assert_eq!(names.intern(b"support"), support);
        assert_eq!((names.text(Symbol::OTHER), names.overflowed()), ("other", 1));
    }

    #[test]
    fn bytes_that_are_no_text_and_long_names() {
        let mut names = Names::new(9);
        let odd = names.intern(b"caf\xe9");
        assert_eq!((names.intern(b"caf\xe9"), names.text(odd)), (odd, "caf\u{fffd}"));
        let long = names.intern("ä".repeat(100).as_bytes());
        assert_eq!(names.text(long), "ä".repeat(64));
        assert_eq!(names.intern("ä".repeat(90).as_bytes()), long);
    }
}
