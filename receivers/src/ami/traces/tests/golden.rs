//! The traces of every transcript in which somebody calls. `UPDATE_GOLDEN=1` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

use otelcol_testkit::ami::Transcript;

use super::tree::trees;
use super::{TracesConfig, spans_of};

/// Too long to be read.
const UNREAD: &[&str] = &["load_200_calls"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ami/testdata/traces")
}

fn check(asterisk: &str) {
    let folder = folder().join(asterisk);
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    let mut expected_files = Vec::new();
    for transcript in Transcript::all(asterisk) {
        let spans = spans_of(&transcript, TracesConfig::default());
        if spans.is_empty() || UNREAD.contains(&transcript.name.as_str()) {
            continue;
        }
        let found = trees(&spans);
        let path = folder.join(&transcript.name).with_extension("txt");
        if update {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &found).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != found {
            wrong.push(format!("{}:\n{found}", path.display()));
        }
        expected_files.push(path);
    }
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    expected_files.sort();
    assert_eq!(files, expected_files, "files without a transcript, or transcripts without a file");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn asterisk_22() {
    check("asterisk22");
}

#[test]
fn asterisk_16() {
    check("asterisk16");
}
