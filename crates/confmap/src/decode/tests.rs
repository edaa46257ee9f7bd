use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::present;
use crate::{GoDuration, Node, Opaque, Value};

#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(default)]
struct Receiver {
    endpoint: String,
    aggregation_interval: GoDuration,
    enable_metric_type: bool,
    workers: u16,
    ratio: f64,
    offset: i64,
    names: Vec<String>,
    numbers: Vec<u32>,
    mode: Mode,
    tls: Option<Tls>,
    #[serde(deserialize_with = "present")]
    grpc: Option<Tls>,
    mappings: Vec<Mapping>,
    labels: BTreeMap<String, String>,
    password: Opaque,
    #[serde(rename = "limit_mib", alias = "limit")]
    limit: Option<u64>,
}

impl Default for Receiver {
    fn default() -> Self {
        Self {
            endpoint: "localhost:8125".into(),
            aggregation_interval: GoDuration::from_secs(60),
            enable_metric_type: true,
            workers: 4,
            ratio: 0.5,
            offset: -7,
            names: vec!["default".into()],
            numbers: vec![1],
            mode: Mode::Fast,
            tls: None,
            grpc: None,
            mappings: Vec::new(),
            labels: BTreeMap::new(),
            password: Opaque::default(),
            limit: None,
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Fast,
    VerySlow,
    Custom {
        step: u8,
    },
    Level(i8),
}

#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Tls {
    insecure: bool,
    ca_file: String,
}

#[derive(Debug, Clone, Deserialize, PartialEq)]
struct Mapping {
    statsd_type: String,
    #[serde(default)]
    observer_type: String,
}

fn yaml(text: &str) -> Node {
    Node::from_yaml(text, "c.yaml").unwrap()
}

fn read(text: &str) -> Receiver {
    yaml(text).decode("receivers::statsd").unwrap()
}

fn errors(text: &str) -> String {
    let errors = yaml(text).decode::<Receiver>("receivers::statsd").unwrap_err();
    errors.iter().map(|error| format!("{error}\n")).collect()
}

/// A `${...}` that gave `text`, read as YAML.
fn expanded(field: &str, text: &str) -> Node {
    let mut value = yaml(text);
    value.text = Some(text.into());
    Value::Map([(field.to_owned(), value)].into_iter().collect()).into()
}

#[test]
fn values_of_their_own_type() {
    let receiver = read(
        "endpoint: 0.0.0.0:8125\naggregation_interval: 1m30s\nenable_metric_type: false\nworkers: 8\n\
         ratio: 0.25\noffset: -3\nnames: [a, b]\nnumbers: [1, 2]\nmode: very_slow\ntls: {insecure: true}\n\
         grpc: {ca_file: x}\nmappings: [{statsd_type: timer, observer_type: summary}]\nlabels: {a: b}\n\
         password: hunter2\nlimit_mib: 5",
    );
    let expected = Receiver {
        endpoint: "0.0.0.0:8125".into(),
        aggregation_interval: GoDuration::from_secs(90),
        enable_metric_type: false,
        workers: 8,
        ratio: 0.25,
        offset: -3,
        names: vec!["a".into(), "b".into()],
        numbers: vec![1, 2],
        mode: Mode::VerySlow,
        tls: Some(Tls { insecure: true, ca_file: String::new() }),
        grpc: Some(Tls { insecure: false, ca_file: "x".into() }),
        mappings: vec![Mapping { statsd_type: "timer".into(), observer_type: "summary".into() }],
        labels: [("a".to_owned(), "b".to_owned())].into(),
        password: "hunter2".into(),
        limit: Some(5),
    };
    assert_eq!(receiver, expected);
    assert_eq!(read("limit: 6").limit, Some(6), "an alias");
}

#[test]
fn nothing_written_keeps_the_default() {
    assert_eq!(read(""), Receiver::default());
    assert_eq!(read("{}"), Receiver::default());
    let every_field = "endpoint:\naggregation_interval:\nenable_metric_type:\nworkers:\nratio:\noffset:\n\
                       names:\nnumbers:\nmode:\ntls:\nmappings:\nlabels:\npassword:\nlimit_mib:\n";
    assert_eq!(read(every_field), Receiver::default());
}

#[test]
fn a_named_section_is_present() {
    assert_eq!(read("grpc:").grpc, Some(Tls::default()));
    assert_eq!(read("grpc: {}").grpc, Some(Tls::default()));
    assert_eq!(read("endpoint: x").grpc, None);
}

#[test]
fn nothing_in_a_list_or_map_is_the_zero_value() {
    let receiver = read("names: [a, ~]\nlabels: {k: }\nnumbers: [~]");
    assert_eq!(receiver.names, ["a", ""]);
    assert_eq!(receiver.labels["k"], "");
    assert_eq!(receiver.numbers, [0]);
}

#[test]
fn weak_typing() {
    let receiver = read(
        "endpoint: 8125\nworkers: '0x10'\nratio: '1.5'\noffset: 2.9\nenable_metric_type: 'false'\n\
         names: a,b\nnumbers: 1,2\nlabels: {t: true, f: false, n: 1.5, i: -1}\nmappings: {statsd_type: set}\n\
         aggregation_interval: 1500\npassword: 31337",
    );
    assert_eq!(receiver.endpoint, "8125");
    assert_eq!(receiver.workers, 16);
    assert_eq!(receiver.ratio, 1.5);
    assert_eq!(receiver.offset, 2);
    assert!(!receiver.enable_metric_type);
    assert_eq!(receiver.names, ["a", "b"]);
    assert_eq!(receiver.numbers, [1, 2]);
    let label = |key: &str| receiver.labels[key].as_str();
    assert_eq!((label("t"), label("f"), label("n"), label("i")), ("1", "0", "1.5", "-1"));
    assert_eq!(receiver.mappings[0].statsd_type, "set");
    assert_eq!(receiver.aggregation_interval.to_string(), "1.5µs");
    assert_eq!(receiver.password.expose(), "31337");
    assert_eq!(read("names: ''").names, Vec::<String>::new());
    assert_eq!(read("names: 5").names, ["5"]);
    assert_eq!(read("numbers: 5").numbers, [5]);
    assert_eq!(read("mappings: {}\nlabels: []").mappings, []);
}

#[test]
fn an_expanded_value_has_two_faces() {
    let decode = |field, text| expanded(field, text).decode::<Receiver>("r").unwrap();
    assert_eq!(decode("endpoint", "0123").endpoint, "0123");
    assert_eq!(decode("password", "1e3").password.expose(), "1e3");
    assert_eq!(decode("workers", "0123").workers, 83);
    assert_eq!(decode("names", "0123").names, ["0123"]);
    assert_eq!(decode("names", "[a, b]").names, ["a", "b"]);
    assert_eq!(decode("endpoint", "[a, b]").endpoint, "[a, b]");
    assert_eq!(decode("labels", "{a: 1}").labels["a"], "1");
    assert_eq!(decode("endpoint", "").endpoint, "localhost:8125", "empty is nothing");
}

#[test]
fn all_errors_at_once_in_document_order() {
    let text = "endpiont: x
workers: 70000
ratio: fast
aggregation_interval: 10 seconds
offset: [1]
numbers: [1, x, 2, -3]
mode: slow
tls:
  insecure: maybe
  cafile: x
mappings:
  - observer_type: summary
  - statsd_type: timer
    observer: gauge
labels: foo
Endpoint: y
limit_mib: -1
";
    insta::assert_snapshot!(errors(text), @r#"
    receivers::statsd: has invalid keys: endpiont, did you mean "endpoint"? (c.yaml:1)
    receivers::statsd::workers: cannot parse value as 'uint16': 70000 overflows uint16 (c.yaml:2)
    receivers::statsd::ratio: expected type 'float64', got unconvertible type 'string' (c.yaml:3)
    receivers::statsd::aggregation_interval: time: unknown unit " seconds" in duration "10 seconds" (c.yaml:4)
    receivers::statsd::offset: expected type 'int', got unconvertible type 'slice' (c.yaml:5)
    receivers::statsd::numbers::1: expected type 'uint32', got unconvertible type 'string' (c.yaml:6)
    receivers::statsd::numbers::3: cannot parse value as 'uint32': -3 overflows uint32 (c.yaml:6)
    receivers::statsd::mode: expected one of "fast", "very_slow", "custom", "level", got "slow", did you mean "very_slow"? (c.yaml:7)
    receivers::statsd::tls::insecure: expected type 'bool', got unconvertible type 'string' (c.yaml:9)
    receivers::statsd::tls: has invalid keys: cafile, did you mean "ca_file"? (c.yaml:10)
    receivers::statsd::mappings::0: missing required key "statsd_type" (c.yaml:12)
    receivers::statsd::mappings::1: has invalid keys: observer, did you mean "observer_type"? (c.yaml:14)
    receivers::statsd::labels: expected type 'map', got unconvertible type 'string' (c.yaml:15)
    receivers::statsd: has invalid keys: Endpoint, did you mean "endpoint"? (c.yaml:16)
    receivers::statsd::limit_mib: cannot parse value as 'uint': -1 overflows uint (c.yaml:17)
    "#);
}

#[test]
fn a_wrong_required_key_is_one_error() {
    insta::assert_snapshot!(errors("mappings:\n  - statsd_type: [x]\n    foo: 1\n  - statsd_type:\n"), @r#"
    receivers::statsd::mappings::0::statsd_type: expected type 'string', got unconvertible type 'slice' (c.yaml:2)
    receivers::statsd::mappings::0: has invalid keys: foo (c.yaml:3)
    receivers::statsd::mappings::1: missing required key "statsd_type" (c.yaml:4)
    "#);
}

#[test]
fn a_wrong_section_is_named_at_its_key() {
    let errors = yaml("- 1\n").decode::<Receiver>("receivers::statsd").unwrap_err();
    insta::assert_snapshot!(errors[0], @r#"receivers::statsd: expected a map or struct, got "slice" (c.yaml:1)"#);
    insta::assert_snapshot!(super::super::Node::from_yaml("tls:\n\n  - 1\n", "c.yaml").unwrap()
        .decode::<Receiver>("").unwrap_err()[0], @r#"tls: expected a map or struct, got "slice" (c.yaml:1)"#);
}

#[test]
fn secrets_are_not_in_errors() {
    let text = errors("password: [hunter2, {hunter2: hunter2}]\n");
    assert_eq!(
        text,
        "receivers::statsd::password: expected type 'string', got unconvertible type 'slice' (c.yaml:1)\n"
    );
}

#[test]
fn enums() {
    assert_eq!(read("mode: {custom: {step: 3}}").mode, Mode::Custom { step: 3 });
    assert_eq!(read("mode: {level: -3}").mode, Mode::Level(-3));
    assert_eq!(
        errors("mode: {custom: {step: 300, stop: 1}}"),
        "receivers::statsd::mode::custom::step: cannot parse value as 'uint8': 300 overflows uint8 (c.yaml:1)\n\
         receivers::statsd::mode::custom: has invalid keys: stop, did you mean \"step\"? (c.yaml:1)\n"
    );
    assert_eq!(
        errors("mode: {a: 1, b: 2}"),
        "receivers::statsd::mode: expected type 'string', got unconvertible type 'map' (c.yaml:1)\n"
    );
}

#[test]
fn a_struct_without_fields_takes_no_key() {
    #[derive(Debug, Deserialize)]
    struct Nop;
    #[derive(Debug, Deserialize)]
    struct Empty {}
    assert!(yaml("").decode::<Nop>("x").is_ok());
    assert!(yaml("{}").decode::<Nop>("x").is_ok());
    assert!(yaml("").decode::<Empty>("x").is_ok());
    for errors in
        [yaml("a: 1").decode::<Nop>("x").unwrap_err(), yaml("a: 1").decode::<Empty>("x").unwrap_err()]
    {
        assert_eq!(errors[0].to_string(), "x: has invalid keys: a (c.yaml:1)");
    }
}

#[test]
fn nodes_keep_their_lines() {
    #[derive(Deserialize)]
    struct Root {
        receivers: HashMap<String, Node>,
        service: Node,
        none: Option<Node>,
    }
    let root: Root =
        yaml("receivers:\n  statsd:\n    endpoint: x\n  otlp:\nservice:\n  - 1\n").decode("").unwrap();
    let statsd = &root.receivers["statsd"];
    assert_eq!(statsd.get("endpoint").unwrap().location.as_ref().unwrap().to_string(), "c.yaml:3");
    assert!(root.receivers["otlp"].is_null());
    assert_eq!(root.service.as_seq().unwrap()[0].value, Value::Int(1));
    assert_eq!(root.none, None);
    let again: Receiver = statsd.decode("receivers::statsd").unwrap();
    assert_eq!(again.endpoint, "x");
}

#[test]
fn foreign_formats_make_nodes() {
    let node: Node =
        serde_json::from_str(r#"{"a": [1, -1, 1.5, "x", true, null, 18446744073709551615]}"#).unwrap();
    assert_eq!(node, yaml("a: [1, -1, 1.5, x, true, null, 18446744073709551615]"));
    let json: serde_json::Value = yaml("a: [1, {b: x}, ~, 1.5]").decode("").unwrap();
    assert_eq!(json, serde_json::json!({"a": [1, {"b": "x"}, null, 1.5]}));
}

#[test]
fn keys_are_converted_like_values() {
    let map: BTreeMap<u16, u8> = yaml("1: 2\n0x10: 3").decode("").unwrap();
    assert_eq!(map, [(1, 2), (16, 3)].into());
    let errors = yaml("x: 2\n").decode::<BTreeMap<u16, u8>>("m").unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "m::x: expected type 'uint16', got unconvertible type 'string' (c.yaml:1)"
    );
}

#[test]
fn many_errors_end() {
    let text: String = (0..2000).map(|i| format!("k{i}: x\n")).collect();
    let errors = yaml(&text).decode::<HashMap<String, u8>>("m").unwrap_err();
    assert_eq!(errors.len(), super::MAX_PASSES);
}
