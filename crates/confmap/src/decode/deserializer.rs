use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use serde::de::value::StrDeserializer;
use serde::de::{Deserializer, IntoDeserializer, Visitor};

use super::access::{EnumAccess, Fields, ListAccess, MapAccess};
use super::convert::{to_bool, to_float, to_integer, to_list, to_text, unconvertible};
use super::error::DecodeError;
use super::{Skipped, join, node};
use crate::{ConfigError, Location, Map, Node, Value, nearest, opaque};

/// What one pass knows and notes.
pub(super) struct Context<'a> {
    pub(super) skipped: &'a HashMap<Vec<usize>, Skipped>,
    /// By place in the document, which is also the order of the report.
    pub(super) findings: &'a RefCell<BTreeMap<Vec<usize>, ConfigError>>,
}

/// The way from the root to a value, as a list over the stack.
pub(super) struct Step<'a> {
    parent: Option<&'a Step<'a>>,
    /// Number among its siblings.
    index: usize,
    name: &'a str,
    key_location: Option<&'a Location>,
    /// The value is a field of a struct, which has a default.
    is_field: bool,
}

/// Where an error belongs.
#[derive(Debug)]
pub(super) struct Position {
    pub(super) steps: Vec<usize>,
    pub(super) path: String,
    pub(super) location: Option<Location>,
}

impl<'a> Step<'a> {
    pub(super) fn root(path: &'a str) -> Self {
        Self { parent: None, index: 0, name: path, key_location: None, is_field: false }
    }

    pub(super) fn item(&'a self, index: usize, name: &'a str) -> Self {
        Self { parent: Some(self), index, name, key_location: None, is_field: false }
    }

    pub(super) fn key(&'a self, index: usize, key: &'a str, map: &'a Map, is_field: bool) -> Self {
        Self { parent: Some(self), index, name: key, key_location: map.key_location(key), is_field }
    }

    pub(super) fn position(&self, node: &Node) -> Position {
        // A section starts below its key, and the key is what its reader looks for.
        let is_section = matches!(node.value, Value::Map(_) | Value::Seq(_) | Value::Null);
        let own = node.location.as_ref();
        let location = if is_section { self.key_location.or(own) } else { own.or(self.key_location) };
        Position { steps: self.steps(), path: self.path(), location: location.cloned() }
    }

    pub(super) fn steps(&self) -> Vec<usize> {
        let Some(parent) = self.parent else { return Vec::new() };
        let mut steps = parent.steps();
        steps.push(self.index);
        steps
    }

    fn path(&self) -> String {
        match self.parent {
            Some(parent) => join(&parent.path(), self.name),
            None => self.name.to_owned(),
        }
    }
}

/// Deserializes one value; copies are cheap and stand for the same value.
#[derive(Clone, Copy)]
pub(super) struct De<'a> {
    pub(super) node: &'a Node,
    pub(super) at: &'a Step<'a>,
    pub(super) context: &'a Context<'a>,
}

impl<'a> De<'a> {
    /// Ends the pass if nothing is written for a field: the next one leaves the field out, so that
    /// it keeps its default.
    fn require_value(&self) -> Result<(), DecodeError> {
        if self.at.is_field && self.node.is_null() { Err(DecodeError::unset()) } else { Ok(()) }
    }

    /// The entries to look at, and an error for each key that is not among `fields`.
    fn fields(self, map: &'a Map, fields: &'static [&'static str]) -> MapAccess<'a> {
        for (index, (key, node)) in map.iter().enumerate().filter(|(_, (key, _))| !fields.contains(key)) {
            let step = self.at.key(index, key, map, true);
            let hint = nearest(key, fields.iter().copied());
            let hint = hint.map(|known| format!(", did you mean {known:?}?")).unwrap_or_default();
            let location = map.key_location(key).or(node.location.as_ref()).cloned();
            let message = format!("has invalid keys: {key}{hint}");
            let finding = ConfigError::new(self.at.path(), location, message);
            self.context.findings.borrow_mut().insert(step.steps(), finding);
        }
        MapAccess::new(self, map, Fields::Only(fields))
    }

    fn not_a_map(&self) -> DecodeError {
        DecodeError::invalid(format!("expected a map or struct, got \"{}\"", self.node.value.kind()))
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty, $name:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            self.require_value()?;
            visitor.$visit(to_integer::<$type>(&self.node.value, $name)?)
        })*
    };
}

impl<'de> Deserializer<'de> for De<'_> {
    type Error = DecodeError;

    integers! {
        deserialize_i8 visit_i8 i8, "int8";
        deserialize_i16 visit_i16 i16, "int16";
        deserialize_i32 visit_i32 i32, "int32";
        deserialize_i64 visit_i64 i64, "int";
        deserialize_u8 visit_u8 u8, "uint8";
        deserialize_u16 visit_u16 u16, "uint16";
        deserialize_u32 visit_u32 u32, "uint32";
        deserialize_u64 visit_u64 u64, "uint";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.require_value()?;
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Int(number) => visitor.visit_i64(*number),
            Value::Uint(number) => visitor.visit_u64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::String(text) => visitor.visit_str(text),
            Value::Seq(items) => visitor.visit_seq(ListAccess::new(self, items)),
            Value::Map(map) => visitor.visit_map(MapAccess::new(self, map, Fields::All)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.require_value()?;
        visitor.visit_bool(to_bool(&self.node.value)?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.require_value()?;
        visitor.visit_f64(to_float(&self.node.value)?)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.require_value()?;
        visitor.visit_str(&to_text(self.node)?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.require_value()?;
        visitor.visit_bytes(to_text(self.node)?.as_bytes())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.require_value()?;
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Map(map) => {
                self.fields(map, &[]);
                visitor.visit_unit()
            }
            _ => Err(self.not_a_map()),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name == node::TOKEN {
            node::hand_over(self.node);
            return visitor.visit_unit();
        }
        if name == opaque::TOKEN {
            self.node.mark_secret();
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.require_value()?;
        let items = to_list(self.node);
        let list = visitor.visit_seq(ListAccess::new(self, &items));
        if let Cow::Owned(items) = items {
            self.node.mark_secret_like(&items);
        }
        list
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.require_value()?;
        match &self.node.value {
            Value::Map(map) => visitor.visit_map(MapAccess::new(self, map, Fields::All)),
            Value::Null => visitor.visit_map(MapAccess::new(self, &Map::new(), Fields::All)),
            Value::Seq(items) if items.is_empty() => {
                visitor.visit_map(MapAccess::new(self, &Map::new(), Fields::All))
            }
            other => Err(unconvertible("map", other)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Map(map) => visitor.visit_map(self.fields(map, fields)),
            Value::Null => visitor.visit_map(MapAccess::new(self, &Map::new(), Fields::All)),
            _ => Err(self.not_a_map()),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.require_value()?;
        match &self.node.value {
            Value::Map(map) if map.len() == 1 => visitor.visit_enum(EnumAccess::new(self, map)),
            Value::Map(_) | Value::Seq(_) => Err(unconvertible("string", &self.node.value)),
            _ => {
                let text = to_text(self.node)?;
                let variant: StrDeserializer<'_, DecodeError> = text.as_ref().into_deserializer();
                visitor.visit_enum(variant)
            }
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }
}
