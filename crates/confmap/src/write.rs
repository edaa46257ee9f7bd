use std::cmp::Ordering;
use std::fmt::Write;

use crate::scalar::resolve_plain;
use crate::{Node, Value};

/// Mappings below a key are indented to the next multiple of this.
const INDENT: usize = 4;
/// The content of a list entry stands behind `- `, that of a long key behind `: `.
const DASH: usize = 2;
/// A longer key, in bytes as written, gets a line of its own behind `? `, as yaml.v3 has it; YAML (7.4.2) allows no more than 1024
/// characters before a colon in the same line.
const LONGEST_KEY: usize = 128;

impl Node {
    /// The value as YAML with sorted keys, as otelcol's `print-config` has it. Secrets are shown, unless it is
    /// [`redacted`](Self::redacted).
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        if is_block(&self.value) {
            write_block(&mut out, &self.value, 0);
        } else {
            write_inline(&mut out, &self.value);
            out.push('\n');
        }
        out
    }
}

/// A list or mapping that takes lines of its own.
fn is_block(value: &Value) -> bool {
    match value {
        Value::Map(map) => !map.is_empty(),
        Value::Seq(items) => !items.is_empty(),
        _ => false,
    }
}

/// Writes the entries at `column`, where the first one starts already.
fn write_block(out: &mut String, block: &Value, column: usize) {
    let indent = " ".repeat(column);
    match block {
        Value::Map(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|(a, _), (b, _)| compare_keys(a, b));
            for (index, (key, child)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push_str(&indent);
                }
                let start = out.len();
                write_text(out, key);
                if out.len() - start > LONGEST_KEY {
                    out.insert_str(start, "? ");
                    out.push('\n');
                    out.push_str(&indent);
                    write_entry(out, ": ", &child.value, column);
                } else if is_block(&child.value) {
                    let column = (column / INDENT + 1) * INDENT;
                    out.push_str(":\n");
                    out.push_str(&" ".repeat(column));
                    write_block(out, &child.value, column);
                } else {
                    write_entry(out, ": ", &child.value, column);
                }
            }
        }
        Value::Seq(items) => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(&indent);
                }
                write_entry(out, "- ", &item.value, column);
            }
        }
        scalar => write_inline(out, scalar),
    }
}

/// What stands behind an indicator at `column`, to the end of its last line.
fn write_entry(out: &mut String, indicator: &str, value: &Value, column: usize) {
    out.push_str(indicator);
    if is_block(value) {
        write_block(out, value, column + DASH);
    } else {
        write_inline(out, value);
        out.push('\n');
    }
}

/// The order of yaml.v3: numbers in keys by their value (`a2` before `a10`), signs before letters.
fn compare_keys(a: &str, b: &str) -> Ordering {
    let common = a.chars().zip(b.chars()).take_while(|(left, right)| left == right);
    let common: usize = common.map(|(left, _)| left.len_utf8()).sum();
    let (Some(left), Some(right)) = (a[common..].chars().next(), b[common..].chars().next()) else {
        return a.len().cmp(&b.len());
    };
    let before = a[..common].trim_end_matches(|c: char| c.is_ascii_digit()).len();
    match (left.is_alphabetic(), right.is_alphabetic()) {
        (true, true) => left.cmp(&right),
        (false, false) => {
            let by_number = number_at(&a[before..]).cmp(&number_at(&b[before..]));
            by_number.then(left.cmp(&right))
        }
        // `1a` comes before `12`.
        (left_is_letter, _) if before < common => right_first(!left_is_letter),
        (left_is_letter, _) => right_first(left_is_letter),
    }
}

fn right_first(is: bool) -> Ordering {
    if is { Ordering::Greater } else { Ordering::Less }
}

/// What orders the digits at the start of `text`: their value, then how many there are.
fn number_at(text: &str) -> (usize, &str, usize) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let value = text[..end].trim_start_matches('0');
    (value.len(), value, end)
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
    fn a_long_key_has_a_line_of_its_own() {
        let (most, long) = ("k".repeat(128), "\u{19}".repeat(128));
        let yaml = format!("a: [{{\"{long}\": {{\"{long}\": [1, {{b: 2}}], c: 3}}}}]\n{most}: 4");
        let expected = "\
a:
    - ? \"<long>\"
      : ? \"<long>\"
        : - 1
          - b: 2
        c: 3
<most>: 4
";
        let expected = expected.replace("<long>", &"\\U00000019".repeat(128)).replace("<most>", &most);
        let yaml = yaml.replace('\u{19}', "\\x19");
        let written = Node::from_yaml(&yaml, "").unwrap().to_yaml();
        assert_eq!(written, expected);
        assert_eq!(Node::from_yaml(&written, "").unwrap().to_yaml(), written);
    }

    #[test]
    fn sorted_with_four_spaces() {
        let yaml = "z: {b: 1, a: [x, {k: v, l: [[1, 2], {m: {n: 1}}]}, []]}\na: 'true'\nm: {}\nn:\nf: 1.0\nt: \"a: b\\n\"\ne: ':8888'";
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
        - k: v
          l:
            - - 1
              - 2
            - m:
                n: 1
        - []
    b: 1
";
        assert_eq!(Node::from_yaml(yaml, "").unwrap().to_yaml(), expected);
    }

    #[test]
    fn keys_in_the_order_of_the_collector() {
        // As yaml.v3 prints them.
        let expected = [
            "/", "1", "1a", "1b", "9", "10", "12", "a", "a/b", "a_b", "a2", "a2b", "a02", "a10", "ab", "b",
            "nop", "nop/2", "nop/10", "nop/x",
        ];
        let mut keys = expected;
        keys.reverse();
        keys.sort_by(|a, b| compare_keys(a, b));
        assert_eq!(keys, expected);
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
        fn keys_have_a_total_order(a in "[01a_é/]{0,4}", b in "[01a_é/]{0,4}", c in "[01a_é/]{0,4}") {
            prop_assert_eq!(compare_keys(&a, &b), compare_keys(&b, &a).reverse());
            prop_assert_eq!(compare_keys(&a, &b) == Ordering::Equal, a == b);
            let mut keys = [&a, &b, &c];
            keys.sort_by(|a, b| compare_keys(a, b));
            prop_assert!(compare_keys(keys[0], keys[2]) != Ordering::Greater);
        }

        #[test]
        fn what_is_written_reads_back(node in tree()) {
            let written = node.to_yaml();
            let read = Node::from_yaml(&written, "");
            prop_assert_eq!(read.as_ref(), Ok(&node), "{}", written);
        }
    }
}
