use std::collections::HashMap;

use http::HeaderValue;
use otelcol_confmap::Resolver;
use otelcol_net::Code;
use otelcol_pipeline::status::Board;
use otelcol_pipeline::{ComponentConfig, ConfigIssue, Kind};

use super::*;

fn config(yaml: &str) -> Config {
    let resolved = Resolver::new(vec![format!("yaml:{yaml}")], Vec::new()).resolve().unwrap();
    resolved.root.decode("headers_setter").unwrap()
}

fn setter(yaml: &str) -> Arc<dyn ClientAuth> {
    let context = Context::detached(Kind::Extension, "headers_setter");
    create(context, config(yaml)).unwrap().client_auth().unwrap()
}

fn apply(setter: &dyn ClientAuth, client: Option<&Client>) -> Result<Vec<(String, String)>, Status> {
    let there = [("x-there", "old"), ("x-other", "kept")];
    let mut headers: HeaderMap =
        there.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
    setter.apply(&mut headers, client)?;
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    let mut pairs: Vec<_> = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    pairs.sort();
    Ok(pairs)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn each_action_does_what_it_says() {
    let other = ("x-other", "kept");
    for (action, key, expected) in [
        ("insert", "X-There", vec![other, ("x-there", "old")]),
        ("insert", "X-New", vec![("x-new", "v"), other, ("x-there", "old")]),
        ("update", "X-There", vec![other, ("x-there", "v")]),
        ("update", "X-New", vec![other, ("x-there", "old")]),
        ("upsert", "X-There", vec![other, ("x-there", "v")]),
        ("upsert", "X-New", vec![("x-new", "v"), other, ("x-there", "old")]),
        ("''", "X-New", vec![("x-new", "v"), other, ("x-there", "old")]),
        ("delete", "X-There", vec![other]),
        ("delete", "X-New", vec![other, ("x-there", "old")]),
    ] {
        let setter = setter(&format!("headers: [{{action: {action}, key: {key}, value: v}}]"));
        assert_eq!(apply(&*setter, None).unwrap(), pairs(&expected), "{action} {key}");
    }
}

#[test]
fn values_come_from_who_sent_the_data() {
    let setter = setter(
        "headers: [{key: X-Scope-OrgID, from_context: Tenant, default_value: anonymous},
                   {key: X-User, from_attribute: username, default_value: nobody},
                   {action: delete, key: x-there}, {action: delete, key: x-other}]",
    );
    let tenants = |names: &[&str]| {
        let mut client = Client::default();
        names.iter().for_each(|name| client.metadata.append("tenant", *name));
        client
    };
    let nobody = [("x-scope-orgid", "anonymous"), ("x-user", "nobody")];
    assert_eq!(apply(&*setter, None).unwrap(), pairs(&nobody));
    assert_eq!(apply(&*setter, Some(&tenants(&[]))).unwrap(), pairs(&nobody));
    let mut one = tenants(&["dialer"]);
    one.auth.insert("username".to_owned(), "alice".to_owned());
    assert_eq!(
        apply(&*setter, Some(&one)).unwrap(),
        pairs(&[("x-scope-orgid", "dialer"), ("x-user", "alice")])
    );
    let refused = apply(&*setter, Some(&tenants(&["a", "b"]))).unwrap_err();
    assert_eq!(refused.code, Code::Unauthenticated);
    assert_eq!(refused.message, "2 source keys found in the context, can't determine which one to use");
    let split = apply(&*setter, Some(&tenants(&["a\r\nx: y"]))).unwrap_err();
    assert_eq!(split.message, "invalid value of header \"x-scope-orgid\": expected visible characters");
}

#[tokio::test]
async fn another_authenticator_comes_first_and_a_file_can_hold_the_value() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("value");
    std::fs::write(&path, "from the file\n").unwrap();
    let context = || Context::detached(Kind::Extension, "x");
    let first = create(context(), config("headers: [{key: x-new, value: first}]")).unwrap();
    let yaml = format!(
        "{{additional_auth: headers_setter/first, headers: [{{action: insert, key: x-new, value: second}}, {{key: x-there, value_file: {}}}]}}",
        path.display()
    );
    let second = create(context(), config(&yaml)).unwrap();
    let early = Arc::clone(&second).client_auth().unwrap();
    assert_eq!(apply(&*early, None).unwrap_err().code, Code::Unavailable);
    let missing = second.start(&Host::default()).await.unwrap_err().to_string();
    assert!(missing.contains("\"headers_setter/first\": authenticator not found"), "{missing}");
    let extensions = HashMap::from([("headers_setter/first".parse().unwrap(), first)]);
    second.start(&Host::with_extensions(extensions, Board::default())).await.unwrap();
    let expected = [("x-new", "first"), ("x-other", "kept"), ("x-there", "from the file")];
    assert_eq!(apply(&*early, None).unwrap(), pairs(&expected));
    assert!(!early.requires_tls());
    std::fs::write(&path, "two\nlines").unwrap();
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(apply(&*early, None).unwrap(), pairs(&expected), "what can not be sent is not taken");
}

#[tokio::test]
async fn authenticators_that_ask_each_other_in_a_circle_do_not_start() {
    for (yaml, way) in [
        ("headers_setter/a: headers_setter/a", "headers_setter/a -> headers_setter/a"),
        (
            "{headers_setter/a: headers_setter/b, headers_setter/b: headers_setter/c, headers_setter/c: headers_setter/b}",
            "headers_setter/b -> headers_setter/c -> headers_setter/b",
        ),
    ] {
        let asks = otelcol_confmap::Node::from_yaml(yaml, "asks").unwrap();
        let asks: HashMap<String, String> = asks.decode("asks").unwrap();
        let extensions: HashMap<_, _> = asks
            .iter()
            .map(|(name, other)| {
                let yaml = format!("{{additional_auth: {other}, headers: [{{key: a, value: b}}]}}");
                let context = Context::detached(Kind::Extension, name);
                (name.parse().unwrap(), create(context, config(&yaml)).unwrap())
            })
            .collect();
        let host = Host::with_extensions(extensions.clone(), Board::default());
        let error = extensions[&"headers_setter/a".parse().unwrap()].start(&host).await.unwrap_err();
        assert_eq!(error.to_string(), format!("authenticators ask each other in a circle: {way}"));
    }
}

#[test]
fn settings_that_can_not_be_are_told_and_secrets_never() {
    for (yaml, key, text) in [
        ("{}", "", "missing headers configuration"),
        ("headers: [{value: a}]", "headers", "missing header name"),
        ("headers: [{key: 'x y', value: a}]", "headers", "invalid header name"),
        (
            "headers: [{key: a}]",
            "headers",
            "missing header source, must be 'from_context', 'from_attribute', 'value' or 'value_file'",
        ),
        (
            "headers: [{key: a, value: b, from_context: c}]",
            "headers",
            "invalid header source, must be one of 'from_context', 'from_attribute', 'value' and 'value_file'",
        ),
    ] {
        assert_eq!(config(yaml).validate(), [ConfigIssue::new(key, text)], "{yaml}");
    }
    let secrets = config("headers: [{key: a, value: s3cret, default_value: s3cret}]");
    assert!(!format!("{secrets:?}").contains("s3cret"));
}
