use otelcol_pdata::Client;
use otelcol_pdata::model::common::any_value::Value;
use otelcol_pdata::model::common::{AnyValue, KeyValue};
use otelcol_pdata::model::{as_string, attr, bool, double, int, key_value, string};

use super::{ActionConfig, Actions};
use crate::testing::config;

#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
struct Settings {
    actions: Vec<ActionConfig>,
}

impl otelcol_pipeline::ComponentConfig for Settings {}

fn actions(yaml: &str) -> Result<Actions, Vec<String>> {
    let settings: Settings = config(&format!("actions: [{yaml}]")).unwrap();
    Actions::new(&settings.actions)
}

fn run(yaml: &str, mut attributes: Vec<KeyValue>) -> (bool, Vec<KeyValue>) {
    let changed = actions(yaml).unwrap().apply(&mut attributes, None);
    (changed, attributes)
}

fn error(yaml: &str) -> String {
    let errors = actions(yaml).unwrap_err();
    assert_eq!(errors.len(), 1);
    errors[0].clone()
}

#[test]
fn insert_only_where_absent() {
    let yaml = "{key: a, value: new, action: insert}";
    assert_eq!(run(yaml, vec![string("a", "old")]), (false, vec![string("a", "old")]));
    assert_eq!(run(yaml, vec![int("b", 1)]), (true, vec![int("b", 1), string("a", "new")]));
}

#[test]
fn update_only_where_present() {
    let yaml = "{key: a, value: new, action: update}";
    assert_eq!(run(yaml, vec![int("a", 3), int("b", 1)]), (true, vec![string("a", "new"), int("b", 1)]));
    assert_eq!(run(yaml, vec![int("b", 1)]), (false, vec![int("b", 1)]));
}

#[test]
fn upsert_always_and_in_any_case() {
    let yaml = "{key: a, value: new, action: UPSERT}";
    assert_eq!(run(yaml, vec![int("a", 3)]), (true, vec![string("a", "new")]));
    assert_eq!(run(yaml, vec![]), (true, vec![string("a", "new")]));
    assert_eq!(run(yaml, vec![string("a", "new")]), (false, vec![string("a", "new")]));
}

#[test]
fn values_have_the_type_of_the_configuration() {
    let yaml = "{key: i, value: 7, action: upsert}, {key: d, value: 1.5, action: upsert}, {key: b, value: true, action: upsert}, {key: s, value: '7', action: upsert}, {key: l, value: [1, x], action: upsert}, {key: m, value: {k: v}, action: upsert}";
    let (_, attributes) = run(yaml, vec![]);
    assert_eq!(attributes[..4], [int("i", 7), double("d", 1.5), bool("b", true), string("s", "7")]);
    assert_eq!(as_string(attr(&attributes, "l").unwrap()), r#"[1,"x"]"#);
    assert_eq!(as_string(attr(&attributes, "m").unwrap()), r#"{"k":"v"}"#);
}

#[test]
fn values_are_copied_from_other_attributes() {
    let yaml = "{key: a, from_attribute: b, action: upsert}";
    assert_eq!(run(yaml, vec![int("b", 1)]), (true, vec![int("b", 1), int("a", 1)]));
    assert_eq!(run(yaml, vec![int("a", 1)]), (false, vec![int("a", 1)]));
    let with_default = "{key: a, from_attribute: b, default_value: 9, action: insert}";
    assert_eq!(run(with_default, vec![]), (true, vec![int("a", 9)]));
    assert_eq!(run(with_default, vec![int("b", 2)]), (true, vec![int("b", 2), int("a", 2)]));
}

#[test]
fn delete_by_name_and_by_pattern() {
    let attributes = || vec![int("a", 1), int("sip.from", 2), int("sip.to", 3)];
    assert_eq!(run("{key: a, action: delete}", attributes()).1, vec![int("sip.from", 2), int("sip.to", 3)]);
    assert_eq!(run("{pattern: '^sip[.]', action: delete}", attributes()), (true, vec![int("a", 1)]));
    assert_eq!(run("{key: z, action: delete}", attributes()), (false, attributes()));
    assert_eq!(run("{key: a, pattern: from, action: delete}", attributes()).1, vec![int("sip.to", 3)]);
}

/// The digests come from `printf ... | sha256sum`.
#[test]
fn hash_is_contribs() {
    let hashed = |attribute: KeyValue| {
        let (changed, attributes) = run("{key: a, action: hash}", vec![attribute]);
        assert!(changed);
        as_string(attr(&attributes, "a").unwrap())
    };
    assert_eq!(
        hashed(string("a", "1001")),
        "fe675fe7aaee830b6fed09b64e034f84dcbdaeb429d9cccd4ebb90e15af8dd71"
    );
    assert_eq!(hashed(int("a", 1)), "7c9fa136d4413fa6173637e883b6998d32e1d675f88cddff9dcbcf331820f4b8");
    assert_eq!(hashed(bool("a", true)), "4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a");
    assert_eq!(hashed(double("a", 1.5)), "e163f8cb0f7067a7fc78ca859a77f849aea3214f38fb75b884e4a16be725c905");
    assert_eq!(hashed(key_value("a", Value::BytesValue(vec![1]))), "");
    let (_, by_pattern) = run("{pattern: '^a', action: hash}", vec![string("ab", "x"), string("b", "x")]);
    assert_eq!(as_string(&by_pattern[0].value.clone().unwrap()).len(), 64);
    assert_eq!(by_pattern[1], string("b", "x"));
}

#[test]
fn extract_makes_attributes_of_named_groups() {
    let yaml = r"{key: channel, pattern: '^(?P<tech>\w+)/(?P<peer>[^-]+)-(?P<id>.*)$', action: extract}";
    let (changed, attributes) =
        run(yaml, vec![string("channel", "PJSIP/1001-0000002a"), string("peer", "old")]);
    assert!(changed);
    assert_eq!(
        attributes,
        vec![
            string("channel", "PJSIP/1001-0000002a"),
            string("peer", "1001"),
            string("tech", "PJSIP"),
            string("id", "0000002a")
        ]
    );
    assert!(!run(yaml, vec![string("channel", "none")]).0);
    assert!(!run(yaml, vec![int("channel", 1)]).0);
    let optional = "{key: k, pattern: '^a(?P<x>b)?', action: extract}";
    assert_eq!(run(optional, vec![string("k", "a")]).1[1], string("x", ""));
}

#[test]
fn convert_changes_the_type_where_it_can() {
    let to = |target: &str, attribute: KeyValue| {
        let (_, mut attributes) =
            run(&format!("{{key: a, converted_type: {target}, action: convert}}"), vec![attribute]);
        attributes.remove(0)
    };
    assert_eq!(to("int", string("a", "-12")), int("a", -12));
    assert_eq!(to("int", string("a", "12.5")), string("a", "12.5"));
    assert_eq!(to("int", double("a", -2.9)), int("a", -2));
    assert_eq!(to("int", bool("a", true)), int("a", 1));
    assert_eq!(to("double", string("a", "1e3")), double("a", 1000.0));
    assert_eq!(to("double", int("a", 2)), double("a", 2.0));
    assert_eq!(to("double", bool("a", false)), double("a", 0.0));
    assert_eq!(to("string", int("a", 2)), string("a", "2"));
    assert_eq!(to("string", double("a", 1e21)), string("a", "1e+21"));
    let empty =
        KeyValue { key: "a".to_owned(), value: Some(AnyValue { value: None }), ..KeyValue::default() };
    assert_eq!(to("int", empty.clone()), empty);
}

#[test]
fn actions_run_in_their_order() {
    let yaml = "{key: b, from_attribute: a, action: insert}, {key: a, action: delete}";
    assert_eq!(run(yaml, vec![int("a", 1)]), (true, vec![int("b", 1)]));
}

#[test]
fn wrong_actions_are_refused_in_contribs_words() {
    let table = [
        (
            "{action: insert, value: 1}",
            "error creating AttrProc due to missing required field \"key\" at the 0-th action",
        ),
        (
            "{action: hash}",
            "error creating AttrProc due to missing required field (at least one of \"key\" and \"pattern\" have to be used) at the 0-th action",
        ),
        (
            "{key: a, action: insert}",
            "error with key \"a\" (0-th action): error creating AttrProc. Either field \"value\", \"from_attribute\", \"from_context\", or \"default_value\" must be specified",
        ),
        (
            "{key: a, value: 1, from_attribute: b, action: update}",
            "error with key \"a\" (0-th action): error creating AttrProc due to multiple value sources being set",
        ),
        (
            "{key: a, value: 1, pattern: b, action: upsert}",
            "error with key \"a\" (0-th action): error creating AttrProc. Action \"upsert\" does not use the \"pattern\" field. This must not be specified",
        ),
        (
            "{key: a, value: 1, converted_type: int, action: upsert}",
            "error with key \"a\" (0-th action): error creating AttrProc. Action \"upsert\" does not use the \"converted_type\" field. This must not be specified",
        ),
        (
            "{key: a, value: 1, action: delete}",
            "error with key \"a\" (0-th action): error creating AttrProc. Action \"delete\" does not use \"value\" or \"from_attribute\" field. These must not be specified",
        ),
        (
            "{pattern: '(', action: delete}",
            "error with key \"\" (0-th action): error creating AttrProc. Field \"pattern\" has invalid pattern: \"(\"",
        ),
        (
            "{key: a, value: 1, action: extract}",
            "error with key \"a\" (0-th action): error creating AttrProc. Action \"extract\" does not use a value source field. These must not be specified",
        ),
        (
            "{key: a, action: extract}",
            "error with key \"a\" (0-th action): error creating AttrProc due to missing required field \"pattern\" for action \"extract\"",
        ),
        (
            "{key: a, pattern: b, action: extract}",
            "error with key \"a\" (0-th action): error creating AttrProc. Field \"pattern\" contains no named matcher groups",
        ),
        (
            "{key: a, pattern: '(?P<x>b)(c)', action: extract}",
            "error with key \"a\" (0-th action): error creating AttrProc. Field \"pattern\" contains at least one unnamed matcher group",
        ),
        (
            "{key: a, pattern: b, action: convert}",
            "error with key \"a\" (0-th action): error creating AttrProc. Action \"convert\" does not use value sources or \"pattern\" field. These must not be specified",
        ),
        (
            "{key: a, action: convert}",
            "error with key \"a\" (0-th action): error creating AttrProc due to missing required field \"converted_type\" for action \"convert\"",
        ),
        (
            "{key: a, converted_type: float, action: convert}",
            "error with key \"a\" (0-th action): error creating AttrProc due to invalid value \"float\" in field \"converted_type\" for action \"convert\"",
        ),
        (
            "{key: a, action: rename}",
            "error with key \"a\" (0-th action): error creating AttrProc due to unsupported action \"rename\"",
        ),
    ];
    for (yaml, expected) in table {
        assert_eq!(error(yaml), expected, "{yaml}");
    }
}

#[test]
fn all_wrong_actions_are_named_at_once() {
    let errors = actions("{key: a, action: rename}, {key: b, value: 1, action: insert}, {action: update}")
        .unwrap_err();
    assert_eq!(errors.len(), 2);
    assert!(errors[1].ends_with("at the 2-th action"));
}

#[test]
fn values_come_from_the_sender_too() {
    let mut client = Client { address: "192.0.2.7:4711".parse().ok(), ..Client::default() };
    client.metadata.append("X-Tenant", "a");
    client.metadata.append("x-tenant", "b");
    client.auth.insert("username".to_owned(), "alice".to_owned());
    for (from, expected) in [
        ("metadata.x-tenant", "a;b"),
        ("X-TENANT", "a;b"),
        ("auth.username", "alice"),
        ("client.address", "192.0.2.7"),
        ("metadata.none", "default"),
        ("auth.none", "default"),
    ] {
        let yaml = format!("{{action: insert, key: k, from_context: {from}, default_value: default}}");
        let mut attributes = Vec::new();
        assert!(actions(&yaml).unwrap().apply(&mut attributes, Some(&client)));
        assert_eq!(attributes, [otelcol_pdata::model::string("k", expected)], "{from}");
    }
    let mut attributes = Vec::new();
    let plain = actions("{action: upsert, key: k, from_context: metadata.x-tenant}").unwrap();
    assert!(!plain.apply(&mut attributes, None));
    assert!(attributes.is_empty());
    let both = actions("{action: upsert, key: k, from_context: a, value: b}").unwrap_err();
    assert!(both[0].contains("multiple value sources being set"), "{both:?}");
}
