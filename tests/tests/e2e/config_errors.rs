//! Errors in the settings of real components, and the examples that have none.

use std::fs;

use otelcol_confmap::{Node, Resolver};
use otelcol_pipeline::CollectorConfig;
use otelcol_tests::{factories, root};

#[test]
fn all_errors_of_a_file_are_told_at_once() {
    let folder = root().join("tests/testdata/errors");
    let mut all = String::new();
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    names.sort();
    for path in names {
        let name = path.file_name().unwrap().to_str().unwrap();
        let node = Node::from_yaml(&fs::read_to_string(&path).unwrap(), name).unwrap();
        let errors = CollectorConfig::read(&node, &factories()).err().unwrap_or_default();
        all.push_str(&format!("== {name}\n"));
        all.extend(errors.iter().map(|error| format!("{error}\n")));
    }
    insta::with_settings!({snapshot_path => "../../testdata/errors", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("texts", all);
    });
}

#[test]
fn each_example_is_valid() {
    let mut seen = 0;
    for entry in fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let resolved = Resolver::new(vec![path.display().to_string()], Vec::new()).resolve().unwrap();
        if let Err(errors) = CollectorConfig::read(&resolved.root, &factories()) {
            panic!("{}: {errors:#?}", path.display());
        }
        seen += 1;
    }
    assert!(seen >= 2);
}
