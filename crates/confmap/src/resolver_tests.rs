use std::io::Write;

use super::*;

fn resolver(uris: &[&str], sets: &[&str]) -> Resolver {
    let owned = |values: &[&str]| values.iter().map(ToString::to_string).collect();
    Resolver::new(owned(uris), owned(sets)).environment(|name| match name {
        "CONFIG" => Some("exporters: {debug: {verbosity: basic}}".to_owned()),
        "PORT" => Some("8125".to_owned()),
        _ => None,
    })
}

fn resolve(uris: &[&str], sets: &[&str]) -> String {
    resolver(uris, sets).resolve().unwrap().root.to_yaml()
}

fn errors(uris: &[&str], sets: &[&str]) -> Vec<String> {
    resolver(uris, sets).resolve().unwrap_err().iter().map(ToString::to_string).collect()
}

fn file(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

#[test]
fn the_later_source_wins_and_set_is_last() {
    let below = file("a: {x: 1, list: [1, 2]}\nb: 1\n");
    let above = file("a: {list: [3]}\nb: ${env:PORT}\n");
    let (below, above) = (below.path().to_str().unwrap(), above.path().to_str().unwrap());
    let file_uri = format!("file:{above}");
    let yaml = resolve(&[below, &file_uri, "yaml:a::y: 5"], &["a.y=6", "c::d = [x]", "e.f="]);
    let expected =
        "a:\n    list:\n        - 3\n    x: 1\n    y: 6\nb: 8125\nc:\n    d:\n        - x\ne:\n    f: null\n";
    assert_eq!(yaml, expected);
}

#[test]
fn sources_by_scheme() {
    assert_eq!(resolve(&["env:CONFIG"], &[]), "exporters:\n    debug:\n        verbosity: basic\n");
    assert_eq!(resolve(&["yaml:"], &[]), "{}\n");
    struct Http;
    impl Provider for Http {
        fn retrieve(&self, uri: &str) -> Result<Vec<u8>, String> {
            Ok(format!("from: {uri:?}").into_bytes())
        }
    }
    let uri = "http://me:S3CRET@h/c?token=S3CRET";
    let resolved = resolver(&[uri], &[]).provider("http", Box::new(Http)).resolve().unwrap();
    let from = resolved.root.get("from").unwrap();
    assert_eq!(from.as_str(), Some(uri));
    assert_eq!(from.location.as_ref().unwrap().to_string(), "http://[REDACTED]@h/c:1");
    // Messages with the source in them: of a scheme that is not there, and of what is no source.
    for uri in [uri, "s3:me:S3CRET@h", "!!:S3CRET@h", "yaml:a: ${env:S3CRET@$h}", "yaml:a: ${XY:-//S3CRET@h}"]
    {
        let errors = resolver(&[uri], &[]).resolve().unwrap_err();
        assert!(!format!("{errors:?}").contains("S3CRET"), "{errors:?}");
    }
}

#[test]
fn every_bad_source_is_named() {
    let list = file("- 1\n");
    let broken = file("a: 1\nb: [\n");
    let twice = file("a:\n  k: 1\n  k: 2\nb: !!int x\na: 2\n");
    let name = |file: &tempfile::NamedTempFile| file.path().to_str().unwrap().to_owned();
    let uris = [
        "/no/such/file.yaml",
        "c:/no/such/drive",
        "htps://h/c",
        "1x:y",
        "env:0",
        &name(&list),
        &name(&broken),
        &name(&twice),
    ];
    let text = errors(&uris, &["novalue"]).join("\n");
    let text =
        text.replace(&name(&list), "list").replace(&name(&broken), "broken").replace(&name(&twice), "twice");
    insta::assert_snapshot!(text);
}

#[test]
fn no_source_at_all() {
    assert_eq!(errors(&[], &[]), ["at least one config flag must be provided"]);
}

#[test]
fn errors_of_references_come_after_those_of_sources() {
    assert_eq!(
        errors(&["yaml:a: ${env:0}"], &["b=${x:y}"]),
        [
            "a: environment variable \"0\" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$ (yaml:1)",
            "b: invalid uri: \"x:y\" (--set b:1)",
        ]
    );
}

#[test]
fn warnings_are_returned() {
    let resolved = resolver(&["yaml:a: ${env:UNSET}"], &[]).resolve().unwrap();
    assert_eq!(
        resolved.warnings[0].to_string(),
        "a: configuration references unset environment variable \"UNSET\" (yaml:1)"
    );
}

#[test]
fn the_guide_loads_with_its_lines() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/guide.yaml");
    let root = resolver(&[path], &[]).resolve().unwrap().root;
    let text = std::fs::read_to_string(path).unwrap();
    let mut scalars = 0;
    check_lines(&root, &text.lines().collect::<Vec<_>>(), &mut scalars);
    // Counted with another YAML reader.
    assert_eq!(scalars, 61);
}

/// Each key and each value must be found in the very line that it claims.
fn check_lines(node: &Node, lines: &[&str], scalars: &mut usize) {
    let line_of = |location: Option<&crate::Location>| lines[location.unwrap().line() as usize - 1];
    match &node.value {
        Value::Map(map) => {
            for (key, child) in map.iter() {
                let line = line_of(map.key_location(key));
                assert!(
                    line.trim_start().trim_start_matches("- ").starts_with(&format!("{key}:")),
                    "{key}: {line}"
                );
                check_lines(child, lines, scalars);
            }
        }
        Value::Seq(items) => items.iter().for_each(|item| check_lines(item, lines, scalars)),
        scalar => {
            *scalars += 1;
            let text = match scalar {
                Value::String(text) => text.clone(),
                other => Node::from(other.clone()).to_yaml().trim_end().to_owned(),
            };
            let line = line_of(node.location.as_ref());
            assert!(line.contains(&text), "{text}: {line}");
        }
    }
}
