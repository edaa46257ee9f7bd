use crate::{Map, Node, Value};

/// Lays `over` on `base`: mappings merge deeply, everything else (lists, scalars, null) replaces
/// (koanf's `maps.Merge`).
pub(crate) fn merge(base: &mut Node, over: Node) {
    match (&mut base.value, over.value) {
        (Value::Map(below), Value::Map(above)) => merge_maps(below, above),
        (_, value) => *base = Node { value, ..over },
    }
}

pub(crate) fn merge_maps(below: &mut Map, above: Map) {
    for (key, key_location, node) in above.into_entries() {
        match below.get_mut(&key) {
            Some(existing) if existing.as_map().is_some() && node.as_map().is_some() => {
                merge(existing, node);
            }
            _ => {
                below.insert_at(key, key_location, node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn merged(documents: &[&str]) -> Node {
        let mut base = Node::from(Value::Map(Map::new()));
        for (index, document) in documents.iter().enumerate() {
            merge(&mut base, Node::from_yaml(document, &index.to_string()).unwrap());
        }
        base
    }

    #[test]
    fn maps_deep_the_rest_replaced() {
        let node = merged(&["a: {x: 1, y: [1, 2]}\nb: 1\nc: {k: 1}", "a: {y: [3], z: 2}\nb: {k: 1}\nc:"]);
        let expected = "a: {x: 1, y: [3], z: 2}\nb: {k: 1}\nc: null";
        assert_eq!(node, Node::from_yaml(expected, "").unwrap());
    }

    #[test]
    fn the_place_is_that_of_the_winner() {
        let node = merged(&["a:\n  x: 1\n  y: 1\n", "a:\n\n  x: 2\n"]);
        let place = |key| node.get("a").unwrap().get(key).unwrap().location.as_ref().unwrap().to_string();
        assert_eq!((place("x"), place("y")), ("1:3".to_owned(), "0:3".to_owned()));
    }

    fn tree() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Int),
            prop::collection::vec(any::<bool>().prop_map(|b| Value::Bool(b).into()), 0..3)
                .prop_map(Value::Seq),
        ];
        let tree = leaf.prop_map(Node::from).prop_recursive(3, 24, 4, |inner| {
            prop::collection::vec(("[a-d]", inner), 0..4)
                .prop_map(|entries| Value::Map(entries.into_iter().collect()).into())
        });
        prop::collection::vec(("[a-d]", tree), 0..4)
            .prop_map(|entries| Value::Map(entries.into_iter().collect()).into())
    }

    /// The rule, written as a function of the two values of one key.
    fn by_definition(base: &Node, over: &Node) -> Node {
        let (Some(below), Some(above)) = (base.as_map(), over.as_map()) else {
            return over.clone();
        };
        let keys = below.iter().chain(above.iter()).map(|(key, _)| key);
        let value = |key| match (below.get(key), above.get(key)) {
            (Some(b), Some(a)) => by_definition(b, a),
            (b, a) => a.or(b).cloned().unwrap(),
        };
        Value::Map(keys.map(|key| (key.to_owned(), value(key))).collect()).into()
    }

    proptest! {
        #[test]
        fn merging_maps_follows_the_definition(a in tree(), b in tree()) {
            let mut merged = a.clone();
            merge(&mut merged, b.clone());
            prop_assert_eq!(merged, by_definition(&a, &b));
        }

        #[test]
        fn adding_to_what_is_there_is_associative(a in tree(), b in tree(), c in tree()) {
            // A scalar that replaces a mapping forgets it, so that grouping can matter only there.
            let (a, b, c) = (only_maps_and_ints(a), only_maps_and_ints(b), only_maps_and_ints(c));
            let mut left = a.clone();
            merge(&mut left, b.clone());
            merge(&mut left, c.clone());
            let mut tail = b;
            merge(&mut tail, c);
            let mut right = a;
            merge(&mut right, tail);
            prop_assert_eq!(left, right);
        }
    }

    /// Keeps at each path either always a mapping or always a leaf: mappings get keys of their own.
    fn only_maps_and_ints(node: Node) -> Node {
        let Value::Map(map) = node.value else { return node };
        let renamed = map.into_entries().map(|(key, _, value)| match value.as_map() {
            Some(_) => (format!("{key}-map"), only_maps_and_ints(value)),
            None => (key, value),
        });
        Value::Map(renamed.collect()).into()
    }
}
