//! The text against that of the Go collector.

use otelcol_confmap::Node;
use otelcol_pdata::json;
use otelcol_pipeline::{ComponentConfig, Kind};
use otelcol_testkit::{LogCapture, samples};

use super::*;

fn inputs() -> [Batch; 3] {
    let read = |signal, text: &str| json::from_json(signal, text.as_bytes()).unwrap();
    [
        read(Signal::Traces, include_str!("testdata/traces.json")),
        read(Signal::Metrics, include_str!("testdata/metrics.json")),
        read(Signal::Logs, include_str!("testdata/logs.json")),
    ]
}

async fn run(config: &Config, batches: impl IntoIterator<Item = Batch>) {
    for batch in batches {
        let context = Context::detached(Kind::Exporter, "debug/one");
        let exporter = create(context, config.clone(), batch.signal()).ok().unwrap();
        exporter.start(&Host::default()).await.unwrap();
        exporter.consume(batch).await.unwrap();
    }
}

#[tokio::test]
async fn files_are_those_of_otelcol() {
    for (verbosity, expected) in [
        (Verbosity::Basic, include_str!("testdata/basic.txt")),
        (Verbosity::Normal, include_str!("testdata/normal.txt")),
        (Verbosity::Detailed, include_str!("testdata/detailed.txt")),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.txt");
        let config = Config {
            verbosity: Some(verbosity),
            use_internal_logger: false,
            output_paths: Some(vec![path.to_str().unwrap().to_owned()]),
            ..Config::default()
        };
        run(&config, inputs()).await;
        let written = std::fs::read_to_string(&path).unwrap();
        for (n, (ours, theirs)) in written.lines().zip(expected.lines()).enumerate() {
            assert_eq!(ours, theirs, "{verbosity:?} line {}", n + 1);
        }
        assert_eq!(written.len(), expected.len());
    }
}

#[tokio::test]
async fn the_log_gets_a_summary_and_the_text() {
    let (log, _guard) = LogCapture::start();
    run(&Config { verbosity: Some(Verbosity::Normal), ..Config::default() }, [samples::spans(1)]).await;
    assert_eq!(
        log.lines("INFO"),
        [
            "Traces component=debug/one otelcol.component.kind=exporter otelcol.signal=traces resource spans=1 spans=1",
            "ResourceTraces #0 service.name=asterisk\nScopeTraces #0 testkit@1\nspan 0 01010101010101010101010101010101 0000000000000001 n=0\n component=debug/one otelcol.component.kind=exporter otelcol.signal=traces",
        ]
    );
}

#[tokio::test]
async fn a_file_that_can_not_be_opened_stops_the_start() {
    let config = Config {
        use_internal_logger: false,
        output_paths: Some(vec!["/does/not/exist/out.txt".to_owned()]),
        ..Config::default()
    };
    let exporter = create(Context::detached(Kind::Exporter, "debug"), config, Signal::Logs).ok().unwrap();
    let error = exporter.start(&Host::default()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "can not open /does/not/exist/out.txt: No such file or directory (os error 2)"
    );
}

#[test]
fn settings_are_those_of_otelcol() {
    let read = |yaml: &str| {
        Node::from_yaml(yaml, "test.yaml").unwrap().decode::<Config>("exporters::debug").unwrap()
    };
    assert!(read("verbosity: detailed").sending_queue.is_none());
    assert!(read("sending_queue:").sending_queue.unwrap().enabled);
    let both = read("output_paths: [stdout]").validate();
    assert_eq!(both[0].message, "output_paths is not supported when use_internal_logger is true");
    assert_eq!(read("").verbosity(), Verbosity::Basic);
    assert_eq!(read("verbosity: normal").verbosity(), Verbosity::Normal);
    assert_eq!(read("loglevel: debug").verbosity(), Verbosity::Detailed);
    assert_eq!(read("loglevel: info").verbosity(), Verbosity::Basic);
    assert_eq!(
        read("{loglevel: info, verbosity: basic}").validate()[0].message,
        "'loglevel' and 'verbosity' are incompatible. Use only 'verbosity' instead"
    );
    let none = read("{use_internal_logger: false, output_paths: []}").validate();
    assert_eq!(none[0].message, "output_paths must not be empty when use_internal_logger is false");
}
