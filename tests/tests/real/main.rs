//! The collector against programs of others. Under CI a program that is missing is a failure; elsewhere it is a skip that
//! is printed.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod go_collector;
mod jaeger;
mod loki;
mod metrics;
mod mimir;
mod prometheus;
mod python_sdk;
mod server;

use std::path::PathBuf;
use std::process::Command;

/// A file of `tests/real`.
pub(crate) fn script(path: &str) -> PathBuf {
    otelcol_tests::root().join("tests/real").join(path)
}

/// What a set-up script says. None: it failed here and may, so the test is skipped.
#[expect(clippy::print_stdout, reason = "a skip is to be seen")]
pub(crate) fn run_or_skip(mut script: Command) -> Option<String> {
    let output = script.output().unwrap();
    if output.status.success() {
        return Some(String::from_utf8(output.stdout).unwrap());
    }
    let why = format!("{script:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    assert!(std::env::var_os("CI").is_none(), "{why}");
    println!("skipped: {why}");
    None
}

/// Runs a set-up script of `tests/real`. False: it failed here and may, so the test is skipped.
pub(crate) fn set_up(path: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(script(path));
    command.args(arguments);
    run_or_skip(command).is_some()
}

/// A folder of this workspace's target folder, for what set-up scripts build.
pub(crate) fn cache(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| otelcol_tests::root().join("target"), PathBuf::from);
    target.join("real").join(name)
}
