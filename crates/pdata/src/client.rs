//! Who sent a batch, for components that route or authenticate by it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

/// The client behind a batch, after otelcol's `client.Info`. It travels with the batch through pipelines and is not
/// part of the telemetry.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// Where its connection comes from; None for a unix socket.
    pub address: Option<SocketAddr>,
    /// Headers of its request where the receiver has `include_metadata`.
    pub metadata: Metadata,
    /// What its authenticator found out about it (`username`, ...).
    pub auth: BTreeMap<String, String>,
}

impl fmt::Debug for Client {
    /// Without values: they may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.address)
            .field("metadata", &self.metadata)
            .field("auth", &self.auth.keys())
            .finish()
    }
}

/// Headers by their names in lower case.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata(BTreeMap<String, Vec<String>>);

impl Metadata {
    /// The values of a header, in the order they came; the name in any case.
    pub fn get(&self, name: &str) -> &[String] {
        let values = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => self.0.get(&name.to_ascii_lowercase()),
            false => self.0.get(name),
        };
        values.map_or(&[], Vec::as_slice)
    }

    /// Adds a value to a header.
    pub fn append(&mut self, name: &str, value: impl Into<String>) {
        self.0.entry(name.to_ascii_lowercase()).or_default().push(value.into());
    }

    /// All headers with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// Whether there is no header.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Only the named headers; those that are not there stay so.
    #[must_use]
    pub fn only(&self, names: &[String]) -> Self {
        let kept = names.iter().map(|name| name.to_ascii_lowercase());
        Self(kept.filter_map(|name| Some((name.clone(), self.0.get(&name)?.clone()))).collect())
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_values_are_not_printed() {
        let mut metadata = Metadata::default();
        metadata.append("X-Tenant", "a");
        metadata.append("x-tenant", "b");
        metadata.append("Authorization", "Bearer secret");
        assert_eq!(metadata.get("X-TENANT"), ["a", "b"]);
        assert_eq!(metadata.get("missing"), [""; 0]);
        assert_eq!(metadata.only(&["X-Tenant".to_owned()]).get("authorization"), [""; 0]);
        let auth = BTreeMap::from([("username".to_owned(), "secret".to_owned())]);
        let client = Client { address: None, metadata, auth };
        assert_eq!(
            format!("{client:?}"),
            r#"Client { address: None, metadata: {"authorization", "x-tenant"}, auth: ["username"] }"#
        );
    }
}
