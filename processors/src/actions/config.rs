//! The settings of one action, under contrib's names (`internal/coreinternal/attraction`).

use std::fmt;

use otelcol_pdata::model::common::any_value::Value;
use otelcol_pdata::model::common::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// One action on the attributes of a resource, span, data point or log record.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct ActionConfig {
    /// The attribute to act upon.
    pub key: String,
    /// insert, update, upsert: the value to write; its type is that of the configuration.
    pub value: Option<ConfigValue>,
    /// insert, update, upsert: the value where `from_attribute` or `from_context` gives none.
    pub default_value: Option<ConfigValue>,
    /// extract: named groups become attributes. delete, hash: matched against the keys.
    pub pattern: String,
    /// insert, update, upsert: the attribute to copy the value from.
    pub from_attribute: Option<String>,
    /// insert, update, upsert: what of the batch's sender to write: `metadata.NAME` (a header of its request), `auth.NAME`
    /// (what its authenticator found out) or `client.address`.
    pub from_context: Option<String>,
    /// convert: `string`, `int` or `double`.
    pub converted_type: String,
    /// insert, update, upsert, delete, hash, extract or convert, in any case.
    pub action: String,
}

/// An attribute value as the configuration writes it: any scalar, list or map.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigValue(pub AnyValue);

impl ConfigValue {
    /// A string.
    #[cfg(feature = "resource")]
    pub(crate) fn text(value: String) -> Self {
        Self::some(Value::StringValue(value))
    }

    fn some(value: Value) -> Self {
        Self(AnyValue { value: Some(value) })
    }
}

impl<'de> Deserialize<'de> for ConfigValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = ConfigValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, number, boolean, list or map")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<ConfigValue, E> {
        Ok(ConfigValue::some(Value::BoolValue(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<ConfigValue, E> {
        Ok(ConfigValue::some(Value::IntValue(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<ConfigValue, E> {
        let value = i64::try_from(value).map_err(|_| {
            E::custom(format_args!("expected an integer of at most {}, found {value}", i64::MAX))
        })?;
        self.visit_i64(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<ConfigValue, E> {
        Ok(ConfigValue::some(Value::DoubleValue(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<ConfigValue, E> {
        Ok(ConfigValue::some(Value::StringValue(value.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<ConfigValue, E> {
        Ok(ConfigValue(AnyValue { value: None }))
    }

    fn visit_none<E: Error>(self) -> Result<ConfigValue, E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ConfigValue, A::Error> {
        let mut values = Vec::new();
        while let Some(ConfigValue(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(ConfigValue::some(Value::ArrayValue(ArrayValue { values })))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ConfigValue, A::Error> {
        let mut values = Vec::new();
        while let Some((key, ConfigValue(value))) = map.next_entry::<String, ConfigValue>()? {
            values.push(KeyValue { key, value: Some(value), ..KeyValue::default() });
        }
        Ok(ConfigValue::some(Value::KvlistValue(KeyValueList { values })))
    }
}
