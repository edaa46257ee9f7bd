use crate::merge::merge_maps;
use crate::node::KEY_DELIMITER;
use crate::{ConfigError, Map, Node, Value};

/// Splits keys such as `receivers::otlp::protocols` into nested mappings, as otelcol does for
/// every mapping that is not inside a list.
///
/// # Errors
/// A key that would lie more than `max_depth` levels below `node`.
pub(crate) fn unflatten(node: &mut Node, max_depth: usize) -> Result<(), ConfigError> {
    let Value::Map(map) = &mut node.value else { return Ok(()) };
    let mut nested = Map::new();
    for (key, key_location, mut child) in std::mem::take(map).into_entries() {
        let (first, rest) = match key.split_once(KEY_DELIMITER) {
            Some((first, rest)) => (first.to_owned(), Some(rest)),
            None => (key.clone(), None),
        };
        let levels = 1 + rest.map_or(0, |rest| rest.split(KEY_DELIMITER).count());
        let Some(depth_left) = max_depth.checked_sub(levels) else {
            return Err(ConfigError::new("", key_location, "expected fewer levels of nested keys"));
        };
        unflatten(&mut child, depth_left)?;
        for part in rest.iter().flat_map(|rest| rest.rsplit(KEY_DELIMITER)) {
            let mut parent = Map::new();
            parent.insert_at(part.to_owned(), key_location.clone(), child);
            child = Node::new(Value::Map(parent), key_location.clone());
        }
        let mut entry = Map::new();
        entry.insert_at(first, key_location, child);
        merge_maps(&mut nested, entry);
    }
    *map = nested;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(yaml: &str) -> Result<Node, ConfigError> {
        let mut node = Node::from_yaml(yaml, "f").unwrap();
        unflatten(&mut node, 100)?;
        Ok(node)
    }

    #[test]
    fn keys_with_the_delimiter_nest() {
        let node = split("a::b: 1\na:\n  c::d: 2\n  b: 3\nl: [{x::y: 1}]").unwrap();
        let expected = Node::from_yaml("a: {b: 3, c: {d: 2}}\nl: [{x::y: 1}]", "").unwrap();
        assert_eq!(node, expected);
        let line = node.get("a").unwrap().as_map().unwrap().key_location("c").unwrap().line();
        assert_eq!(line, 3);
    }

    #[test]
    fn keys_cannot_nest_without_end() {
        let deep = |levels: usize| format!("{}x: 1", "a::".repeat(levels - 1));
        assert!(split(&deep(100)).is_ok());
        let error = split(&deep(101)).unwrap_err();
        assert_eq!(error.to_string(), "expected fewer levels of nested keys (f:1)");
        assert!(split(&format!("{}x:\n  {}y: 1", "a::".repeat(50), "b::".repeat(50))).is_err());
    }
}
