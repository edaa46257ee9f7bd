//! The program from outside: flags, exit codes, signals.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_otelcol-asterisk"))
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

const NOTHING: &str = "yaml:{receivers: {otlp: {protocols: {grpc: {endpoint: '127.0.0.1:0'}}}}, exporters: {nop: }, \
    service: {pipelines: {logs: {receivers: [otlp], exporters: [nop]}}, telemetry: {metrics: {level: none}}}}";

#[test]
fn it_says_its_version_and_components() {
    let version = run(&["--version"]);
    assert_eq!(text(&version.stdout), format!("otelcol-asterisk version {}\n", env!("CARGO_PKG_VERSION")));
    let listing = run(&["components"]);
    assert!(listing.status.success());
    for name in ["statsd", "hostmetrics", "otlp", "batch", "prometheus", "loki", "forward", "health_check"] {
        assert!(text(&listing.stdout).contains(&format!("    - name: {name}\n")), "{name}");
    }
}

#[test]
fn without_a_configuration_it_says_what_it_needs() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("Error: at least one config flag must be provided\n"));
}

#[test]
fn validate_is_silent_on_a_good_file_and_tells_all_of_a_bad_one() {
    let good = run(&["validate", "--config", NOTHING]);
    assert_eq!((good.status.code(), text(&good.stdout), text(&good.stderr)), (Some(0), "", ""));
    let bad = run(&[
        "validate",
        "--config",
        NOTHING,
        "--set",
        "receivers.otlp.protocls.grpc=",
        "--set",
        "exporters.nop.x=1",
    ]);
    assert_eq!(bad.status.code(), Some(1));
    let told = text(&bad.stderr);
    assert!(told.starts_with("Error: invalid configuration:\n\n"), "{told}");
    assert!(
        told.contains("receivers::otlp: has invalid keys: protocls, did you mean \"protocols\"?"),
        "{told}"
    );
    assert!(told.contains("exporters::nop: has invalid keys: x"), "{told}");
}

#[test]
fn unknown_feature_gates_are_refused() {
    let output = run(&["--config", NOTHING, "--feature-gates", "-no.such.gate"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("Error: no such feature gate \"no.such.gate\""));
}

#[test]
fn a_start_that_fails_is_told_once() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let endpoint = format!("receivers::otlp::protocols::grpc::endpoint={address}");
    let output = run(&["--config", NOTHING, "--set", &endpoint]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr).lines().find(|line| line.starts_with("Error: ")).unwrap();
    assert!(told.contains(&format!("listen tcp {address}")), "{told}");
    assert_eq!(told.matches("cannot start pipelines: ").count(), 1, "{told}");
}

fn start() -> (Child, impl Iterator<Item = String>) {
    let mut child = program().args(["--config", NOTHING]).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    (child, lines)
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn signals_end_it_with_exit_code_0_and_sighup_does_not() {
    for name in ["TERM", "INT"] {
        let (mut child, mut lines) = start();
        assert!(lines.any(|line| line.contains("Everything is ready.")));
        signal(&child, "HUP");
        assert!(lines.any(|line| line.contains("the new configuration is in use")));
        signal(&child, name);
        assert!(lines.any(|line| line.contains("Shutdown complete.")));
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}
