use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Node {
    Node::from_yaml(text, "f").unwrap()
}

fn error(bytes: &[u8]) -> String {
    let errors = compose(bytes, &Origin::Lines("f".into())).unwrap_err();
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn line(node: &Node) -> u32 {
    node.location.as_ref().unwrap().line()
}

#[test]
fn nothing_is_null() {
    for text in ["", "\n", "# comment\n", "---\n", "~", "--- ~\n...\n"] {
        assert!(read(text).is_null(), "{text:?}");
    }
}

#[test]
fn lines() {
    let node = read(
        "a:\n  - x\n\n  - b: |\n      text\n    c:\nd:\n\n# comment\ne: [1,\n  2]\n\"f\": 'two\n  lines'\n",
    );
    let items = node.get("a").unwrap().as_seq().unwrap();
    assert_eq!((line(&items[0]), line(&items[1])), (2, 4));
    assert_eq!(line(items[1].get("b").unwrap()), 5, "a block is where its text starts");
    assert_eq!(line(items[1].get("c").unwrap()), 6, "nothing is where its key is");
    assert_eq!(line(node.get("d").unwrap()), 7);
    let list = node.get("e").unwrap();
    assert_eq!((line(list), line(&list.as_seq().unwrap()[1])), (10, 11));
    assert_eq!(line(node.get("f").unwrap()), 12);
    assert_eq!(node.get("f").unwrap().as_str(), Some("two lines"));
}

#[test]
fn only_the_first_document() {
    assert_eq!(read("a: 1\n---\nb: 2\n"), read("a: 1"));
    assert_eq!(read("a: 1\n...\n"), read("a: 1"));
}

#[test]
fn aliases_and_merge_keys() {
    let text = "
base: &base {x: 1, y: 1}
more: &more {y: 2, z: 2}
one: {<<: *base, x: 0}
two: {<<: [*more, *base]}
same: *base
quoted: {'<<': 1}
&key k: v
second: {*key : w}
";
    let node = read(text);
    assert_eq!(node.get("one"), Some(&read("{x: 0, y: 1}")));
    assert_eq!(node.get("two"), Some(&read("{y: 2, z: 2, x: 1}")));
    assert_eq!(node.get("same"), node.get("base"));
    assert_eq!(node.get("quoted").unwrap().as_map().unwrap().get("<<").unwrap().value, Value::Int(1));
    assert_eq!(node.get("second"), Some(&read("k: w")));
    assert_eq!(line(node.get("same").unwrap()), 2, "an alias is where its value is");
}

#[test]
fn errors() {
    assert_eq!(error(b"a: 1\nb: \xff\n"), "yaml: expected UTF-8, got another byte at 8 (f:1)");
    assert_eq!(error(b"a: &x [*x]"), "a::0: yaml: anchor value contains itself (f:1)");
    assert_eq!(error(b"a: *x"), "a: yaml: while parsing node, found unknown anchor (f:1)");
    assert_eq!(error(b"a:\n  ? [x]\n  : 1"), "a: yaml: invalid map key: expected text (f:2)");
    assert_eq!(error(b"a:\n  <<: 1"), "a: map merge requires map or sequence of maps as the value (f:2)");
    assert_eq!(error(b"[a]: x\n"), "yaml: invalid map key: expected text (f:1)");
    assert_eq!(error(b"[::]:4317").lines().count(), 1);
}

#[test]
fn limits() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(Node::from_yaml(&deep(MAX_DEPTH), "f").is_ok());
    assert!(
        error(deep(MAX_DEPTH + 2).as_bytes()).ends_with("yaml: expected at most 100 levels, got more (f:1)")
    );
    assert!(error(&vec![b' '; MAX_DOCUMENT_BYTES + 1]).contains("got a larger document"));
    let bomb: String = (1..40).map(|i| format!("a{i}: &a{i} [*a{p}, *a{p}]\n", p = i - 1)).collect();
    let message = error(format!("a0: &a0 [x]\n{bomb}").as_bytes());
    assert!(message.contains("document contains too many values or excessive aliasing"), "{message}");
    let long = "x".repeat(1 << 20);
    let text = format!("a: &a {long}\nb: [{}]", "*a, ".repeat(100));
    assert!(error(text.as_bytes()).contains("excessive aliasing"));
    let twice = "k: 1\n".repeat(1000);
    assert_eq!(error(twice.as_bytes()).lines().count(), MAX_ERRORS + 1);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "([-a:{}\\[\\],#&*!|>'\"%@`?~<. \\n\\t]|\\PC){0,40}") {
        let _ = Node::from_yaml(&text, "f");
    }
}
