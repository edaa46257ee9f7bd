use proptest::prelude::*;

use super::*;
use crate::provider::YamlProvider;

struct Files;

impl Provider for Files {
    fn retrieve(&self, uri: &str) -> Result<Vec<u8>, String> {
        match uri {
            "file:token" => Ok(b"s3cret\n".to_vec()),
            "file:tls.yaml" => Ok(b"insecure: true\nca: ${env:HOST}.pem\n".to_vec()),
            "file:loop.yaml" => Ok(b"again: ${file:loop.yaml}\n".to_vec()),
            "file:binary" => Ok(vec![0xff]),
            _ => Err(format!("unable to read the file {uri}: not found")),
        }
    }
}

fn sources() -> Sources {
    let providers: HashMap<String, Box<dyn Provider>> = HashMap::from([
        ("file".to_owned(), Box::new(Files) as Box<dyn Provider>),
        ("yaml".to_owned(), Box::new(YamlProvider)),
    ]);
    let environment = |name: &str| {
        Some(match name {
            "HOST" => "pbx1".to_owned(),
            "PORT" => "8125".to_owned(),
            "OCTAL" => "0123".to_owned(),
            "NAME_OF_HOST" => "HOST".to_owned(),
            "NESTED" => "${env:HOST}".to_owned(),
            "LIST" => "[a, b]".to_owned(),
            "MAP" => "{port: 8125, host: \"${env:HOST}\"}".to_owned(),
            "DOLLARS" => "a$$b".to_owned(),
            "QUOTED" => "\"10\"".to_owned(),
            "COMMENT" => "text # no comment".to_owned(),
            "INVALID" => "[::]:4317".to_owned(),
            "EMPTY" => String::new(),
            "CYCLE" => "${env:CYCLE}".to_owned(),
            "GROWING" => "x${env:GROWING}${env:GROWING}".to_owned(),
            "TREE" => "- ${env:TREE}\n- ${env:TREE}".to_owned(),
            _ => return None,
        })
    };
    Sources { providers, environment: Box::new(environment) }
}

fn run(yaml: &str) -> (Node, Expansion) {
    let mut root = Node::from_yaml(yaml, "c.yaml").unwrap();
    let expansion = expand(&mut root, &sources());
    (root, expansion)
}

/// The value of `v: <text>`, written as YAML, and its text for string fields.
fn value(text: &str) -> (String, Option<String>) {
    let (root, expansion) = run(&format!("v: {text}"));
    assert_eq!(expansion.errors, []);
    let node = root.get("v").unwrap();
    (node.to_yaml().trim_end().to_owned(), node.as_str().map(str::to_owned))
}

fn text(text: &str) -> String {
    value(text).1.unwrap()
}

fn error(text: &str) -> String {
    let (_, expansion) = run(&format!("v: {text}"));
    expansion.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn variables_in_text() {
    assert_eq!(text("${env:HOST}"), "pbx1");
    assert_eq!(text("${HOST}"), "pbx1");
    assert_eq!(text("http://${env:HOST}:${PORT}/x"), "http://pbx1:8125/x");
    assert_eq!(text("${env:${NAME_OF_HOST}}"), "pbx1");
    assert_eq!(text("${NESTED}"), "pbx1");
    assert_eq!(text("'<${NESTED}>'"), "<pbx1>");
    assert_eq!(text("no } reference ${ here"), "no } reference ${ here");
}

#[test]
fn defaults() {
    assert_eq!(value("${env:NONE:-8125}"), ("8125".into(), Some("8125".into())));
    assert_eq!(value("'${env:NONE:-}'"), ("\"\"".into(), Some(String::new())));
    assert_eq!(text("a${env:NONE:-b}c"), "abc");
    assert_eq!(text("${env:HOST:-other}"), "pbx1");
    assert_eq!(text("${env:NONE:-${HOST}}"), "pbx1");
    assert_eq!(text("${env:NONE:-a:-b}"), "a:-b");
    assert_eq!(value("${env:EMPTY:-default}"), ("null".into(), Some(String::new())), "set is set");
}

#[test]
fn escapes() {
    assert_eq!(text("a$$b"), "a$b");
    assert_eq!(text("$$$$"), "$$");
    assert_eq!(text("$${HOST}"), "${HOST}");
    assert_eq!(text("$$${HOST}"), "$pbx1");
    assert_eq!(text("$$$${HOST}"), "$${HOST}");
    assert_eq!(text("${HOST} $${HOST}"), "pbx1 ${HOST}");
    assert_eq!(text("$HOST"), "$HOST", "not a reference in any release since 0.104");
    assert_eq!(text("${DOLLARS}"), "a$b");
}

#[test]
fn whole_values_have_a_type_and_a_text() {
    assert_eq!(value("${PORT}"), ("8125".into(), Some("8125".into())));
    assert_eq!(value("${OCTAL}"), ("83".into(), Some("0123".into())));
    assert_eq!(value("'x${PORT}'"), ("x8125".into(), Some("x8125".into())));
    assert_eq!(value("${LIST}"), ("- a\n- b".into(), Some("[a, b]".into())));
    let (map, whole) = value("${MAP}");
    assert_eq!(map, "host: pbx1\nport: 8125");
    assert_eq!(whole.unwrap(), "{port: 8125, host: \"pbx1\"}");
    assert_eq!(value("${yaml:1.50}"), ("1.5".into(), Some("1.50".into())));
    assert_eq!(value("${EMPTY}"), ("null".into(), Some(String::new())));
}

#[test]
fn text_stays_as_it_was_given() {
    assert_eq!(text("${QUOTED}"), "\"10\"");
    assert_eq!(text("${COMMENT}"), "text # no comment");
    assert_eq!(text("${INVALID}"), "[::]:4317");
    assert_eq!(text("${file:token}"), "s3cret\n");
}

#[test]
fn sections_from_files_are_located_at_their_use() {
    let (root, expansion) = run("a: 1\ntls: ${file:tls.yaml}\nlist:\n  - ${file:tls.yaml}\n");
    assert_eq!(expansion.errors, []);
    let tls = root.get("tls").unwrap();
    assert_eq!(tls.to_yaml(), "ca: pbx1.pem\ninsecure: true\n");
    let place = tls.get("ca").unwrap().location.as_ref().unwrap().to_string();
    assert_eq!(place, "c.yaml:2");
    assert_eq!(root.get("list").unwrap().as_seq().unwrap()[0], *tls);
}

#[test]
fn unset_variables_are_warned_of_once_per_use() {
    let (root, expansion) = run("a: ${NONE}\nb: x${env:NONE}y\nc: ${env:NONE:-z}\nd: ${EMPTY}");
    assert_eq!(
        root,
        Node::from_yaml("{a: , b: xy, c: z, d: }", "")
            .map(|mut node| {
                if let Value::Map(map) = &mut node.value {
                    for key in ["a", "d"] {
                        map.get_mut(key).unwrap().text = Some("".into());
                    }
                }
                node
            })
            .unwrap()
    );
    let warnings: Vec<String> = expansion.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "a: configuration references unset environment variable \"NONE\" (c.yaml:1)",
            "b: configuration references unset environment variable \"NONE\" (c.yaml:2)",
        ]
    );
}

#[test]
fn errors_say_where_and_what() {
    let yaml = "receivers:
  a: ${env:1BAD}
  b: ${}
  c: ${HOST:-x}
  d: ${fil:x}
  e: ${file:missing}
  f: ${1:x}
  g: ${env:$HOST}
  h:
    - ok
    - ${env:CYCLE}
  i: ${file:binary}
  j: ${file:loop.yaml}
";
    let (_, expansion) = run(yaml);
    let errors: String = expansion.errors.iter().map(|error| format!("{error}\n")).collect();
    insta::assert_snapshot!(errors);
}

#[test]
fn growth_is_bounded() {
    assert_eq!(error("${GROWING}"), "v: too many recursive expansions (c.yaml:1)");
    assert_eq!(error("${TREE}"), "v: too many recursive expansions (c.yaml:1)");
}

/// A slow and plain reading of the rule: `$` escapes by pairs, the innermost `${...}` first.
fn first_reference(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    for (close, _) in text.match_indices('}') {
        let open =
            (from..close).rev().find(|&at| text.is_char_boundary(at) && text[at..=close].starts_with("${"));
        if let Some(open) = open {
            let mut dollars = 0;
            while open > from + dollars && text.as_bytes()[open - dollars - 1] == b'$' {
                dollars += 1;
            }
            if dollars % 2 == 0 {
                return Some((open, close + 1));
            }
        }
        from = close + 1;
    }
    None
}

proptest! {
    #[test]
    fn references_are_found_where_the_rule_says(text in "[${}a:é-]{0,24}") {
        prop_assert_eq!(find_reference(&text), first_reference(&text));
    }

    #[test]
    fn expansion_ends(parts in prop::collection::vec(prop::sample::select(vec![
        "${HOST}", "${env:", "}", "$", "${", "${CYCLE}", "${MAP}", "${LIST}", "${NONE}", "${env:NONE:-", "x", "${yaml:",
        "[", "]", ",", "${file:tls.yaml}", "${NESTED}",
    ]), 0..12)) {
        let mut root = Node::from(Value::String(parts.concat()));
        let expansion = expand(&mut root, &sources());
        prop_assert!(expansion.errors.len() <= 100);
    }

    #[test]
    fn text_without_dollars_is_left_alone(text in "[^$]{0,40}") {
        let mut root = Node::from(Value::String(text.clone()));
        prop_assert!(expand(&mut root, &sources()).errors.is_empty());
        prop_assert_eq!(root.value, Value::String(text));
    }
}
