//! What is said of a configuration that is wrong: the text of each error is held by a file in testdata/errors.

use std::fs;
use std::path::Path;

use otelcol_confmap::Node;

use super::CollectorConfig;
use crate::service::test_factories;

fn errors_of(yaml: &str) -> String {
    let root = match Node::from_yaml(yaml, "config.yaml") {
        Ok(root) => root,
        Err(errors) => return errors.iter().map(|error| format!("{error}\n")).collect(),
    };
    match CollectorConfig::read(&root, &test_factories()) {
        Ok(_) => "no error\n".to_owned(),
        Err(errors) => errors.iter().map(|error| format!("{error}\n")).collect(),
    }
}

#[test]
fn each_error_has_its_text_path_and_line() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/errors");
    let mut names: Vec<String> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".yaml"));
    names.sort();
    assert!(names.len() >= 15, "{names:?}");
    let all: String = names
        .iter()
        .map(|name| format!("== {name}\n{}", errors_of(&fs::read_to_string(dir.join(name)).unwrap())))
        .collect();
    insta::with_settings!({snapshot_path => "../../testdata/errors", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("texts", all);
    });
}

/// Every key of the section that otelcol has and that means something here, or has nothing to change here.
#[test]
fn the_telemetry_section_of_otelcol_is_read() {
    let yaml = "
logs:
  level: warn
  encoding: json
  development: false
  disable_caller: true
  disable_stacktrace: true
  sampling: {enabled: true, tick: 10s, initial: 10, thereafter: 100}
  output_paths: [stderr]
  error_output_paths: [stderr]
  initial_fields: {site: b2}
metrics:
  level: detailed
  readers: [{pull: {exporter: {prometheus: {host: 0.0.0.0, port: 8888}}}}]
traces: {level: none, propagators: [tracecontext, b3]}
resource: {service.name: collector, service.version: null}
";
    let node = Node::from_yaml(yaml, "config.yaml").unwrap();
    let mut errors = Vec::new();
    let read = super::telemetry::read(Some(&node), &mut errors);
    assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(read.logs.sampling.initial, 10);
    assert_eq!(read.traces.propagators, ["tracecontext", "b3"]);
    assert_eq!(read.metrics.endpoints()[0].0, "0.0.0.0:8888");
}
