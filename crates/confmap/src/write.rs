use std::fmt::Write;

use crate::scalar::resolve_plain;
use crate::{Node, Value};

const INDENT: &str = "    ";

impl Node {
    /// The value as YAML with sorted keys, as otelcol's `print-config` has it. Secrets are shown:
    /// which values are secret is known only after decoding.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        match &self.value {
            Value::Map(map) if !map.is_empty() => write_block(&mut out, self, 0),
            Value::Seq(items) if !items.is_empty() => write_block(&mut out, self, 0),
            value => {
                write_inline(&mut out, value);
                out.push('\n');
            }
        }
        out
    }
}

/// A list or mapping that is not empty, each entry on lines of its own.
fn write_block(out: &mut String, node: &Node, depth: usize) {
    match &node.value {
        Value::Map(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            for (key, child) in entries {
                out.push_str(&INDENT.repeat(depth));
                write_text(out, key);
                out.push(':');
                write_child(out, child, depth);
            }
        }
        Value::Seq(items) => {
            for item in items {
                out.push_str(&INDENT.repeat(depth));
                out.push('-');
                write_child(out, item, depth);
            }
        }
        value => write_inline(out, value),
    }
}

fn write_child(out: &mut String, child: &Node, depth: usize) {
    let is_block = match &child.value {
        Value::Map(map) => !map.is_empty(),
        Value::Seq(items) => !items.is_empty(),
        _ => false,
    };
    if is_block {
        out.push('\n');
        write_block(out, child, depth + 1);
    } else {
        out.push(' ');
        write_inline(out, &child.value);
        out.push('\n');
    }
}

fn write_inline(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Uint(number) => out.push_str(&number.to_string()),
        Value::Float(number) => write_float(out, *number),
        Value::String(text) => write_text(out, text),
        Value::Seq(_) => out.push_str("[]"),
        Value::Map(_) => out.push_str("{}"),
    }
}

fn write_float(out: &mut String, number: f64) {
    if number.is_nan() {
        out.push_str(".nan");
    } else if number.is_infinite() {
        out.push_str(if number > 0.0 { ".inf" } else { "-.inf" });
    } else {
        // Debug keeps the point or the exponent, so that a float is read as a float again.
        out.push_str(&format!("{number:?}"));
    }
}

fn write_text(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => write_escape(out, c.into()),
        }
    }
    out.push('"');
}

fn write_escape(out: &mut String, code: u32) {
    // Writing to a string does not fail.
    let _ = write!(out, "\\U{code:08x}");
}

/// Whether the text means itself without quotes; in doubt it gets quotes.
fn is_plain(text: &str) -> bool {
    let is_start = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '$');
    let is_inner = |c: char| c.is_ascii_alphanumeric() || "_-./:+=@$ ".contains(c);
    text.starts_with(is_start)
        && text.chars().all(is_inner)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && matches!(resolve_plain(text), Value::String(_))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Map;

    #[test]
    fn sorted_with_four_spaces() {
        let yaml = "z: {b: 1, a: [x, {k: v}, []]}\na: 'true'\nm: {}\nn:\nf: 1.0\nt: \"a: b\\n\"\ne: ':8888'";
        let expected = "\
a: \"true\"
e: \":8888\"
f: 1.0
m: {}
n: null
t: \"a: b\\n\"
z:
    a:
        - x
        -
            k: v
        - []
    b: 1
";
        assert_eq!(Node::from_yaml(yaml, "").unwrap().to_yaml(), expected);
    }

    fn scalar() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (i64::MAX as u64 + 1..).prop_map(Value::Uint),
            any::<f64>().prop_filter("not equal to itself", |f| !f.is_nan()).prop_map(Value::Float),
            any::<String>().prop_map(Value::String),
            "[-a-z0-9.:/# '\"$_~]{0,6}".prop_map(Value::String),
        ]
    }

    fn tree() -> impl Strategy<Value = Node> {
        scalar().prop_map(Node::from).prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| Value::Seq(items).into()),
                prop::collection::vec((".{0,8}", inner), 0..4)
                    .prop_map(|entries| Value::Map(entries.into_iter().collect::<Map>()).into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(node in tree()) {
            let written = node.to_yaml();
            let read = Node::from_yaml(&written, "");
            prop_assert_eq!(read.as_ref(), Ok(&node), "{}", written);
        }
    }
}
