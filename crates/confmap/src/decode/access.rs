use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::deserializer::{De, Step};
use super::error::DecodeError;
use crate::{Map, Node, Value};

/// Which keys of a mapping are handed out.
#[derive(Clone, Copy)]
pub(super) enum Fields {
    All,
    /// Those of a struct.
    Only(&'static [&'static str]),
}

/// The elements of a list.
pub(super) struct ListAccess<'a> {
    parent: De<'a>,
    items: &'a [Node],
    next: usize,
}

impl<'a> ListAccess<'a> {
    pub(super) fn new(parent: De<'a>, items: &'a [Node]) -> Self {
        Self { parent, items, next: 0 }
    }
}

impl<'de> de::SeqAccess<'de> for ListAccess<'_> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        while let Some(node) = self.items.get(self.next) {
            let name = self.next.to_string();
            let step = self.parent.at.item(self.next, &name);
            self.next += 1;
            if !self.parent.context.skipped.contains_key(&step.steps()) {
                return decode(seed, node, &step, &self.parent).map(Some);
            }
        }
        Ok(None)
    }
}

/// The entries of a mapping, as a map or as the fields of a struct.
pub(super) struct MapAccess<'a> {
    parent: De<'a>,
    map: &'a Map,
    entries: Box<dyn Iterator<Item = (usize, (&'a str, &'a Node))> + 'a>,
    is_struct: bool,
    value: Option<(usize, &'a str, &'a Node)>,
}

impl<'a> MapAccess<'a> {
    pub(super) fn new(parent: De<'a>, map: &'a Map, fields: Fields) -> Self {
        let entries = map.iter().enumerate();
        let (is_struct, entries): (bool, Box<dyn Iterator<Item = _>>) = match fields {
            Fields::All => (false, Box::new(entries)),
            Fields::Only(fields) => (true, Box::new(entries.filter(|(_, (key, _))| fields.contains(key)))),
        };
        Self { parent, map, entries, is_struct, value: None }
    }
}

impl<'de> de::MapAccess<'de> for MapAccess<'_> {
    type Error = DecodeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DecodeError> {
        for (index, (key, node)) in self.entries.by_ref() {
            let step = self.parent.at.key(index, key, self.map, false);
            if self.parent.context.skipped.contains_key(&step.steps()) {
                continue;
            }
            self.value = Some((index, key, node));
            // A key that is a number or a duration is converted like a value.
            let text = Node::new(Value::String(key.to_owned()), self.map.key_location(key).cloned());
            return decode(seed, &text, &step, &self.parent).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        let Some((index, key, node)) = self.value.take() else {
            return Err(DecodeError::invalid("expected a key before its value".into()));
        };
        let step = self.parent.at.key(index, key, self.map, self.is_struct);
        decode(seed, node, &step, &self.parent)
    }
}

/// `variant: value`.
pub(super) struct EnumAccess<'a> {
    parent: De<'a>,
    map: &'a Map,
}

impl<'a> EnumAccess<'a> {
    /// `map` has one entry.
    pub(super) fn new(parent: De<'a>, map: &'a Map) -> Self {
        Self { parent, map }
    }
}

impl<'de, 'a> de::EnumAccess<'de> for EnumAccess<'a> {
    type Error = DecodeError;
    type Variant = VariantAccess<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, VariantAccess<'a>), DecodeError> {
        let Some((key, node)) = self.map.iter().next() else {
            return Err(DecodeError::invalid("expected one key, got an empty map".into()));
        };
        let variant = seed.deserialize(IntoDeserializer::<DecodeError>::into_deserializer(key))?;
        Ok((variant, VariantAccess { parent: self.parent, map: self.map, key, node }))
    }
}

pub(super) struct VariantAccess<'a> {
    parent: De<'a>,
    map: &'a Map,
    key: &'a str,
    node: &'a Node,
}

impl VariantAccess<'_> {
    fn with<T>(self, read: impl FnOnce(De<'_>) -> Result<T, DecodeError>) -> Result<T, DecodeError> {
        let step = self.parent.at.key(0, self.key, self.map, false);
        let inner = De { node: self.node, at: &step, context: self.parent.context };
        read(inner).map_err(|error| error.located(&step, self.node))
    }
}

impl<'de> de::VariantAccess<'de> for VariantAccess<'_> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        self.with(|inner| de::Deserialize::deserialize(inner))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, DecodeError> {
        self.with(|inner| seed.deserialize(inner))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.with(|inner| de::Deserializer::deserialize_tuple(inner, len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.with(|inner| de::Deserializer::deserialize_struct(inner, "", fields, visitor))
    }
}

fn decode<'de, S: DeserializeSeed<'de>>(
    seed: S,
    node: &Node,
    step: &Step<'_>,
    parent: &De<'_>,
) -> Result<S::Value, DecodeError> {
    let inner = De { node, at: step, context: parent.context };
    seed.deserialize(inner).map_err(|error| error.located(step, node))
}
