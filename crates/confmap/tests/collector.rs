//! Compares with what the OpenTelemetry Collector made of the same input: the tables in testdata/,
//! which `testdata/oracle` printed. Each deliberate difference is listed here, with its reason.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
use std::collections::BTreeMap;

use otelcol_confmap::{GoDuration, Node, Resolver, Value};
use serde::Deserialize;
use serde_json::{Value as Json, json};

fn rows(table: &str) -> Vec<Json> {
    let path = format!("{}/testdata/{table}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn describe(node: &Node) -> Json {
    match &node.value {
        Value::Null => json!({"null": true}),
        Value::Bool(flag) => json!({"bool": flag}),
        Value::Int(number) => json!({"int": number.to_string()}),
        Value::Uint(number) => json!({"int": number.to_string()}),
        Value::Float(number) => json!({"float": number.to_string()}),
        Value::String(text) => json!({"string": text}),
        Value::Seq(items) => json!({"list": items.iter().map(describe).collect::<Vec<_>>()}),
        Value::Map(map) => {
            let entries = map.iter().map(|(key, node)| (key.to_owned(), describe(node)));
            json!({"map": entries.collect::<serde_json::Map<_, _>>()})
        }
    }
}

/// Compares floats as numbers: Go and Rust print them differently.
fn normal(mut value: Json) -> Json {
    if let Some(float) = value.get("float").and_then(Json::as_str) {
        let number: f64 = float.parse().unwrap();
        value = json!({"float": format!("{number:?}")});
    }
    for entries in ["list", "map"] {
        match value.get_mut(entries) {
            Some(Json::Array(items)) => items.iter_mut().for_each(|item| *item = normal(item.take())),
            Some(Json::Object(map)) => map.values_mut().for_each(|item| *item = normal(item.take())),
            _ => {}
        }
    }
    value
}

#[test]
fn scalars() {
    let differences = BTreeMap::from([
        // Keys with dates are unheard of, and Go's time.Time fits no setting: a date is text.
        ("2001-01-01", "text"),
        ("2001-1-1", "text"),
        ("2001-12-14T21:59:43.10Z", "text"),
        ("2001-12-14 21:59:43.10", "text"),
        ("2001-12-14t21:59:43.10-05:00", "text"),
        ("!!timestamp 2001-01-01", "text"),
    ]);
    for row in rows("scalars") {
        let text = row["in"].as_str().unwrap();
        let ours = Node::from_yaml(&format!("v: {text}"), "f").map(|node| describe(node.get("v").unwrap()));
        match differences.get(text) {
            Some(&"text") => assert!(ours.unwrap().get("string").is_some(), "{text}"),
            _ if row.get("error").is_some() => assert!(ours.is_err(), "{text}: {ours:?}"),
            _ => assert_eq!(ours.map(normal), Ok(normal(row["out"].clone())), "{text}"),
        }
    }
}

#[test]
fn expansion() {
    let rows = rows("expansion");
    let environment = rows.last().unwrap()["environment"].as_object().unwrap().clone();
    for row in rows.split_last().unwrap().1 {
        let text = row["in"].as_str().unwrap();
        let environment = environment.clone();
        let ours = Resolver::new(vec![format!("yaml:v: {text}")], Vec::new())
            .environment(move |name| environment.get(name)?.as_str().map(str::to_owned))
            .resolve();
        let error = row.get("error").and_then(Json::as_str);
        match text {
            // A date stays text.
            "${DATE}" => assert_eq!(ours.unwrap().root.get("v").unwrap().as_str(), Some("2001-01-01")),
            // A number above the range of i64 is a number.
            "${BIG}" | "'<${env:BIG}>'" => assert!(ours.is_ok() && error.is_some()),
            _ if error.is_some() => {
                let errors = ours.expect_err(text);
                if !error.unwrap().contains("yaml") {
                    assert!(errors[0].message.starts_with(error.unwrap()), "{text}: {errors:?}");
                }
            }
            _ => {
                let root = ours.unwrap_or_else(|errors| panic!("{text}: {errors:?}")).root;
                let node = root.get("v").unwrap();
                assert_eq!(normal(describe(node)), normal(row["out"].clone()), "{text}");
                assert_eq!(node.as_str(), row.get("text").and_then(Json::as_str), "{text}");
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct Section {
    x: i64,
    y: String,
}

impl Default for Section {
    fn default() -> Self {
        Self { x: 7, y: "seven".into() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct Target {
    i: i64,
    u: u16,
    f: f64,
    s: String,
    b: bool,
    d: GoDuration,
    l: Vec<String>,
    li: Vec<i64>,
    ls: Vec<Section>,
    m: BTreeMap<String, String>,
    t: Section,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            i: 7,
            u: 7,
            f: 7.0,
            s: "seven".into(),
            b: true,
            d: GoDuration::from_secs(7),
            l: vec!["seven".into()],
            li: vec![7],
            ls: vec![Section::default()],
            m: BTreeMap::new(),
            t: Section::default(),
        }
    }
}

impl Target {
    fn field(&self, name: &str) -> Json {
        let sections =
            |list: &[Section]| list.iter().map(|s| json!({"X": s.x, "Y": s.y})).collect::<Vec<_>>();
        match name {
            "i" => json!(self.i),
            "u" => json!(self.u),
            "f" => json!(self.f),
            "s" => json!(self.s),
            "b" => json!(self.b),
            "d" => json!(self.d),
            "l" => json!(self.l),
            "li" => json!(self.li),
            "ls" => json!(sections(&self.ls)),
            "m" => json!(self.m),
            _ => sections(std::slice::from_ref(&self.t))[0].clone(),
        }
    }
}

#[test]
fn types() {
    for row in rows("types") {
        let (field, text) = (row["field"].as_str().unwrap(), row["in"].as_str().unwrap());
        let node = Node::from_yaml(&format!("{field}: {text}"), "f").unwrap();
        let ours = node.decode::<Target>("");
        let case = format!("{field}: {text} -> {ours:?}, expected {row}");
        match (field, text) {
            // An empty value leaves the default, which newer collectors do for lists and sections only.
            (_, "" | "~") => assert_eq!(ours.unwrap().field(field), Target::default().field(field), "{case}"),
            (_, "{x: }") if row.get("error").is_none() => {
                let ours = ours.unwrap().field(field);
                let section = if field == "ls" { &ours[0] } else { &ours };
                assert!(field == "m" || section["X"] == 7, "{case}");
            }
            // Out of range, Go wraps or goes on with nonsense.
            ("u", "70000")
            | ("i", "9223372036854775808")
            | ("u", "9223372036854775808")
            | ("d", "9223372036854775808") => assert!(ours.is_err(), "{case}"),
            // A negative duration means nothing for any setting.
            ("d", "-1s" | "-5" | "-1.5") => assert!(ours.is_err(), "{case}"),
            // A date is text.
            (_, "2001-01-01") => {}
            // A list entry starts from its defaults: in Go it starts from whatever was there before.
            ("ls", _) if row.get("error").is_none() => assert!(ours.is_ok(), "{case}"),
            // What the newest refuses is taken as 0.96 took it: decode's own tests.
            _ if row.get("error").is_some() => {}
            _ => assert_eq!(
                ours.map(|ours| as_floats(ours.field(field))),
                Ok(as_floats(row["out"].clone())),
                "{field}: {text}"
            ),
        }
    }
}

/// Go prints 5.0 as 5.
fn as_floats(value: Json) -> Json {
    value.as_f64().map_or(value, |number| json!(number))
}

#[test]
fn invalid_types_are_refused_in_the_collectors_words() {
    for (field, text) in
        [("i", "[]"), ("f", "[a]"), ("s", "[a]"), ("b", "{}"), ("t", "5"), ("t", "[]"), ("t", "x")]
    {
        let rows = rows("types");
        let row = rows.iter().find(|row| row["field"] == field && row["in"] == text).unwrap();
        let expected = row["error"].as_str().unwrap().replace("[]interface {}", "slice");
        let expected = expected.replace("map[string]interface {}", "map");
        let node = Node::from_yaml(&format!("{field}: {text}"), "f").unwrap();
        let errors = node.decode::<Target>("").unwrap_err();
        assert_eq!(format!("'{}' {}", errors[0].path, errors[0].message), expected);
    }
}

#[test]
fn durations() {
    for row in rows("durations") {
        let nanos = row.get("nanos").map(|nanos| nanos.as_str().unwrap().parse::<i64>().unwrap());
        if let Some(text) = row.get("in").and_then(Json::as_str) {
            let ours = text.parse::<GoDuration>();
            match nanos {
                Some(nanos @ 0..) => assert_eq!(ours.unwrap().get().as_nanos(), nanos as u128, "{text}"),
                Some(_) => assert!(ours.is_err(), "{text}"),
                None if text.starts_with('-') => assert!(ours.is_err(), "{text}"),
                None => assert_eq!(ours.unwrap_err().to_string(), error_text(&row), "{text}"),
            }
        }
        if let Some(nanos @ 0..) = nanos {
            let ours = GoDuration::from(std::time::Duration::from_nanos(nanos as u64));
            assert_eq!(ours.to_string(), row["printed"].as_str().unwrap());
        }
    }
}

/// Go escapes bytes above ASCII in its quotes; the text is the same otherwise.
fn error_text(row: &Json) -> String {
    row["error"].as_str().unwrap().replace("\\xd9\\xa1", "\u{661}")
}
