//! The collector against programs of others. Under CI a program that is missing is a failure; elsewhere it is a skip that
//! is printed.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod go_collector;
mod python_sdk;
mod remote_write;

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

/// A server that a script of `tests/real` started; it ends with this.
pub(crate) struct Server {
    pid: String,
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
}

impl Server {
    /// Runs `script DIR`, which prints process id and port. None: it failed here and may, so the test is skipped.
    #[expect(clippy::print_stdout, reason = "a skip is to be seen")]
    pub(crate) fn start(script: &str, dir: &std::path::Path) -> Option<Self> {
        let path = otelcol_tests::root().join("tests/real").join(script);
        let output = Command::new(&path).arg(dir).output().unwrap();
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(std::env::var_os("CI").is_none(), "{} failed: {why}", path.display());
            println!("skipped: {} failed: {why}", path.display());
            return None;
        }
        let text = String::from_utf8(output.stdout).unwrap();
        let (pid, port) = text.trim().split_once(' ').unwrap();
        Some(Self { pid: pid.to_owned(), port: port.parse().unwrap() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is gone already, or goes now.
        let _ = Command::new("kill").args(["-9", &self.pid]).status();
    }
}

/// A folder of this workspace's target folder, for what set-up scripts build.
pub(crate) fn cache(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| otelcol_tests::root().join("target"), PathBuf::from);
    target.join("real").join(name)
}
