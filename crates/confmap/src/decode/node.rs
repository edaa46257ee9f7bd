//! A [`Node`] as the target of decoding: it is handed over as it is, with its lines.

use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::{Map, Node, Value};

/// Asks this crate's deserializer for the node itself.
pub(super) const TOKEN: &str = "$otelcol_confmap::Node";

thread_local! {
    /// serde has no way to pass a value of our own through a visitor, so it goes beside it.
    static HANDED_OVER: Cell<Option<Node>> = const { Cell::new(None) };
}

pub(super) fn hand_over(node: &Node) {
    HANDED_OVER.set(Some(node.clone()));
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        HANDED_OVER.set(None);
        deserializer.deserialize_newtype_struct(TOKEN, NodeVisitor)
    }
}

/// Builds a node from another format's deserializer, without locations.
struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(HANDED_OVER.take().unwrap_or_default())
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Node, E> {
        Ok(Value::Bool(flag).into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Node, E> {
        Ok(Value::Int(number).into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Node, E> {
        Ok(i64::try_from(number).map_or(Value::Uint(number), Value::Int).into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Node, E> {
        Ok(Value::Float(number).into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        Ok(Value::String(text.to_owned()).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Value::Seq(items).into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Map::new();
        while let Some((key, node)) = entries.next_entry::<String, Node>()? {
            map.insert(key, node);
        }
        Ok(Value::Map(map).into())
    }
}
