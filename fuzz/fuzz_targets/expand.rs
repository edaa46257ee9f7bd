//! YAML, `${}` expansion, decoding and writing: the document and the values of three environment
//! variables `A0`, `A1` and `A2`, separated by NUL.

#![no_main]

use libfuzzer_sys::fuzz_target;
use otelcol_confmap::{Node, Provider, Resolver};

/// A file holds its own name, so that a reference to it can lead to another reference.
struct Echo;

impl Provider for Echo {
    fn retrieve(&self, uri: &str) -> Result<Vec<u8>, String> {
        Ok(uri.strip_prefix("file:").unwrap_or(uri).as_bytes().to_vec())
    }
}

fuzz_target!(|input: &str| {
    let mut parts = input.split('\0').map(str::to_owned);
    let document = parts.next().unwrap_or_default();
    let variables: Vec<String> = parts.take(3).collect();
    let resolved = Resolver::new(vec![format!("yaml:{document}")], Vec::new())
        .provider("file", Box::new(Echo))
        .environment(move |name| {
            let index = name.strip_prefix('A')?.parse::<usize>().ok()?;
            variables.get(index).cloned()
        })
        .resolve();
    let Ok(resolved) = resolved else { return };
    let written = resolved.root.to_yaml();
    let again = match Node::from_yaml(&written, "written") {
        Ok(again) => again,
        Err(errors) => panic!("{errors:?} in {written}"),
    };
    // Not the nodes: these know the text behind a reference, and not-a-number equals nothing.
    assert_eq!(again.to_yaml(), written);
    let _ = resolved.root.decode::<serde_json::Value>("");
});
