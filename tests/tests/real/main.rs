//! The collector against programs of others. Under CI a program that is missing is a failure; elsewhere it is a skip that
//! is printed.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod python_sdk;

use std::path::PathBuf;
use std::process::Command;

/// Runs a set-up script of `tests/real`. False: it failed here and may, so the test is skipped.
#[expect(clippy::print_stdout, reason = "a skip is to be seen")]
pub(crate) fn set_up(script: &str, arguments: &[&str]) -> bool {
    let script = otelcol_tests::root().join("tests/real").join(script);
    let output = Command::new(&script).args(arguments).output().unwrap();
    if output.status.success() {
        return true;
    }
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(std::env::var_os("CI").is_none(), "{} failed: {why}", script.display());
    println!("skipped: {} failed: {why}", script.display());
    false
}

/// A folder of this workspace's target folder, for what set-up scripts build.
pub(crate) fn cache(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| otelcol_tests::root().join("target"), PathBuf::from);
    target.join("real").join(name)
}
