//! The traces of the captured tables. `UPDATE_GOLDEN=1` writes them anew.

use std::path::Path;

use super::{Captured, spans_of};
use crate::call_trace::tree::trees;

fn check(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/mysql_cdr/testdata/traces")
        .join(name)
        .with_extension("txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == found, "{} differs:\n{found}", path.display());
}

#[test]
fn scenarios() {
    check("scenarios_cel", &trees(&spans_of(&Captured::scenarios().read(true))));
}

/// The load's two hundred calls without attributes, which would be too long to be read.
#[test]
fn load() {
    let trees = trees(&spans_of(&Captured::load().read(true)));
    let is_span = |line: &&str| {
        line.is_empty() || line.starts_with("trace") || line.trim_start().starts_with("asterisk.")
    };
    check("load_cel", &trees.lines().filter(is_span).map(|line| format!("{line}\n")).collect::<String>());
}

/// The same rows make the same traces, in whatever order they come and whether they have keys or not.
#[test]
fn the_order_of_rows_does_not_matter() {
    let mut rows = Captured::scenarios().read(true);
    let expected = trees(&spans_of(&rows));
    rows.reverse();
    assert_eq!(trees(&spans_of(&rows)), expected);
    assert_eq!(trees(&spans_of(&Captured::scenarios().read(false))), expected);
}
