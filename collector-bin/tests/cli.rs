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

/// Secrets in each place that can hold one, some of them in forms that YAML and the collector's rules for types allow.
const SECRETS: &str = r#"
receivers:
  ami: {username: me, password: S3CRET1}
  mysql_cdr: {username: me, password: "${env:PRINT_CONFIG_SECRET}"}
  otlp:
    protocols:
      http:
        endpoint: localhost:14318
        response_headers: {x-key: S3CRET3}
        auth: {authenticator: basicauth/server}
exporters:
  otlphttp:
    endpoint: http://me:S3CRET4@localhost:1/a?b=S3CRET5
    headers: [{name: x-key, value: S3CRET6}]
    proxy_url: http://me:S3CRET7@localhost:2
    auth: {authenticator: basicauth/client}
  otlp: {endpoint: localhost:4317, tls: {insecure: true}, headers: {x-key: 53C9, "x-a": ""}, auth: {authenticator: headers_setter}}
  loki: {endpoint: http://localhost:3/loki/api/v1/push, auth: {authenticator: bearertokenauth}}
  prometheusremotewrite: {endpoint: http://localhost:4/push, auth: {authenticator: bearertokenauth/2}}
extensions:
  basicauth/server: {htpasswd: {inline: "me:S3CRET10"}}
  basicauth/client: {client_auth: {username: me, password: S3CRET11}}
  bearertokenauth: {token: S3CRET12}
  bearertokenauth/2: {tokens: "S3CRET13,S3CRET14"}
  headers_setter: {headers: [{key: x-a, value: S3CRET15}, {key: x-b, from_context: x-b, default_value: S3CRET16}]}
service:
  extensions: [basicauth/server, basicauth/client, bearertokenauth, bearertokenauth/2, headers_setter]
  pipelines:
    traces: {receivers: [otlp], exporters: [otlphttp, otlp]}
    logs: {receivers: [ami, mysql_cdr, otlp], exporters: [loki]}
    metrics: {receivers: [otlp], exporters: [prometheusremotewrite]}
"#;

#[test]
fn print_config_shows_what_was_read_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.yaml");
    std::fs::write(&file, SECRETS).unwrap();
    let print = |more: &[&str]| {
        let arguments = [&["print-config", "--config", file.to_str().unwrap()], more].concat();
        let output = program().args(&arguments).env("PRINT_CONFIG_SECRET", "S3CRET2").output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        text(&output.stdout).to_owned()
    };
    let printed = print(&["--set", "receivers.ami.endpoint=pbx:5038"]);
    assert!(!printed.contains("S3CRET") && !printed.contains("53"), "{printed}");
    for shown in [
        "ami:\n        endpoint: pbx:5038\n        password: \"[REDACTED]\"\n        username: me\n",
        "endpoint: \"http://[REDACTED]@localhost:1/a\"\n",
        "- name: x-key\n              value: \"[REDACTED]\"\n",
        "tokens: \"[REDACTED]\"\n",
        "traces:\n            exporters:\n                - otlphttp\n                - otlp\n",
    ] {
        assert!(printed.contains(shown), "{shown}\nis not in\n{printed}");
    }
    let open = print(&["--mode", "unredacted"]);
    let secrets: Vec<String> =
        (1..=16).filter(|n| ![8, 9].contains(n)).map(|n| format!("S3CRET{n}")).collect();
    assert!(secrets.iter().all(|secret| open.contains(secret)) && open.contains("53C9"), "{open}");
    // What is printed is a configuration with the same content.
    let again = dir.path().join("again.yaml");
    std::fs::write(&again, &open).unwrap();
    assert_eq!(
        text(&run(&["print-config", "--mode=unredacted", "--config", again.to_str().unwrap()]).stdout),
        open
    );
}
