//! `headers` of a client and `response_headers` of a server: names with secret values.

use std::fmt;

use otelcol_confmap::Opaque;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Header names with values that are never printed, in the order of the file.
///
/// Written as a map (`name: value`) or, as otelcol also takes it, as a list of `{name, value}`.
/// A name that occurs twice, whatever its case, is an error.
#[derive(Debug, Clone, Default)]
pub struct Headers(Vec<(String, Opaque)>);

impl Headers {
    /// The pairs in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Opaque)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn push<E: Error>(&mut self, name: String, value: Opaque) -> Result<(), E> {
        if self.0.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            return Err(E::custom(format_args!("duplicate keys in map-style list: [{name}]")));
        }
        crate::headers::pair(&name, &value).map_err(E::custom)?;
        self.0.push((name, value));
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeadersVisitor)
    }
}

#[derive(serde::Deserialize)]
struct Pair {
    name: String,
    value: Opaque,
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of header names to values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
        let mut headers = Headers::default();
        while let Some((name, value)) = map.next_entry::<String, Opaque>()? {
            headers.push(name, value)?;
        }
        Ok(headers)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Headers, A::Error> {
        let mut headers = Headers::default();
        while let Some(Pair { name, value }) = seq.next_element()? {
            headers.push(name, value)?;
        }
        Ok(headers)
    }

    fn visit_unit<E: Error>(self) -> Result<Headers, E> {
        Ok(Headers::default())
    }

    fn visit_none<E: Error>(self) -> Result<Headers, E> {
        Ok(Headers::default())
    }
}
