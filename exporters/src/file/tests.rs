//! The file against that of the Go collector, and what happens at its limits.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use otelcol_confmap::Node;
use otelcol_pdata::json;
use otelcol_pipeline::{ComponentConfig, ErrorKind, Kind, Shared};
use otelcol_testkit::{ManualClock, samples};

use super::*;

fn inputs() -> [Batch; 3] {
    let read = |signal, text: &str| json::from_json(signal, text.as_bytes()).unwrap();
    [
        read(Signal::Traces, include_str!("../debug/testdata/traces.json")),
        read(Signal::Metrics, include_str!("../debug/testdata/metrics.json")),
        read(Signal::Logs, include_str!("../debug/testdata/logs.json")),
    ]
}

fn to(path: &Path) -> Config {
    Config { path: path.to_str().unwrap().to_owned(), ..Config::default() }
}

async fn start(config: &Config, signal: Signal) -> Arc<dyn ConsumerComponent> {
    start_at(config, signal, &ManualClock::at(1_735_689_600)).await
}

async fn start_at(config: &Config, signal: Signal, clock: &ManualClock) -> Arc<dyn ConsumerComponent> {
    let shared = Shared { clock: clock.clock(), ..Shared::default() };
    let context = Context::new(&shared, Kind::Exporter, "file".parse().unwrap(), "");
    let exporter = create(context, config.clone(), signal).ok().unwrap();
    exporter.start(&Host::default()).await.unwrap();
    exporter
}

/// Writes with an exporter for each signal, all of them open at the same time.
async fn write(config: &Config, batches: impl IntoIterator<Item = Batch>) {
    let mut exporters = Vec::new();
    for signal in Signal::ALL {
        exporters.push(start(config, signal).await);
    }
    for batch in batches {
        let at = Signal::ALL.iter().position(|signal| *signal == batch.signal()).unwrap();
        exporters[at].consume(batch).await.unwrap();
    }
    for exporter in exporters {
        exporter.shutdown(Instant::now()).await.unwrap();
    }
}

#[tokio::test]
async fn lines_are_those_of_otelcol() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.jsonl");
    write(&to(&path), inputs()).await;
    let (written, expected) = (fs::read_to_string(&path).unwrap(), include_str!("testdata/file.jsonl"));
    for (ours, theirs) in written.lines().zip(expected.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(written.len(), expected.len());
}

/// The messages of a file, each after its length.
fn messages(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (message, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        messages.push(message);
        bytes = rest;
    }
    messages
}

/// The messages of a file as JSON: in protobuf, the order of fields and empty messages may differ.
fn as_json(messages: &[&[u8]]) -> Vec<String> {
    let read = |(message, signal): (&&[u8], Signal)| {
        let batch = Batch::from_wire(signal, Bytes::copy_from_slice(message)).unwrap();
        String::from_utf8(json::to_json(&batch).unwrap()).unwrap()
    };
    messages.iter().zip(Signal::ALL).map(read).collect()
}

#[tokio::test]
async fn protobuf_is_that_of_otelcol() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pb");
    write(&Config { format: Format::Proto, ..to(&path) }, inputs()).await;
    let written = fs::read(&path).unwrap();
    let theirs = as_json(&messages(include_bytes!("testdata/file.pb")));
    assert_eq!(theirs, include_str!("testdata/file.jsonl").lines().collect::<Vec<_>>());
    assert_eq!(as_json(&messages(&written)), theirs);
}

#[tokio::test]
async fn compressed_messages_stand_after_their_lengths() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.zst");
    write(&Config { compression: Compression::Zstd, ..to(&path) }, inputs()).await;
    let written = fs::read(&path).unwrap();
    let lines: Vec<String> = messages(&written)
        .into_iter()
        .map(|message| String::from_utf8(zstd::decode_all(message).unwrap()).unwrap())
        .collect();
    assert_eq!(lines, include_str!("testdata/file.jsonl").lines().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_file_is_emptied_unless_it_is_appended_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.jsonl");
    let lines = || fs::read_to_string(&path).unwrap().lines().count();
    write(&to(&path), [samples::spans(1), samples::records(1)]).await;
    assert_eq!(lines(), 2);
    write(&to(&path), [samples::spans(1)]).await;
    assert_eq!(lines(), 1);
    write(&Config { append: true, ..to(&path) }, [samples::spans(1)]).await;
    assert_eq!(lines(), 2);
}

#[tokio::test]
async fn a_batch_is_in_the_file_when_it_was_taken() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.jsonl");
    let exporter = start(&to(&path), Signal::Traces).await;
    exporter.consume(samples::spans(3)).await.unwrap();
    assert_eq!(fs::read(&path).unwrap().iter().filter(|byte| **byte == b'\n').count(), 1);
}

#[tokio::test]
async fn a_full_disk_is_retryable() {
    let exporter = start(&to(Path::new("/dev/full")), Signal::Traces).await;
    let error = exporter.consume(samples::spans(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retryable);
    assert_eq!(error.to_string(), "can not write to /dev/full: No space left on device (os error 28)");
}

#[tokio::test]
async fn directories_are_made_on_demand() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/out.jsonl");
    let context = Context::detached(Kind::Exporter, "file");
    let exporter = create(context, to(&path), Signal::Traces).ok().unwrap();
    let error = exporter.start(&Host::default()).await.unwrap_err().to_string();
    assert_eq!(error, format!("can not open {}: No such file or directory (os error 2)", path.display()));
    let config = Config { create_directory: true, directory_permissions: "0700".to_owned(), ..to(&path) };
    write(&config, [samples::spans(1)]).await;
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(dir.path().join("a/b")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn one_file_has_one_set_of_settings() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.jsonl");
    let _first = start(&to(&path), Signal::Traces).await;
    let other = Config { append: true, ..to(&path) };
    let second = create(Context::detached(Kind::Exporter, "file"), other, Signal::Logs).ok().unwrap();
    let error = second.start(&Host::default()).await.unwrap_err().to_string();
    assert!(
        error.ends_with(
            "is written by another file exporter with other settings; give each exporter a path of its own"
        ),
        "{error}"
    );
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn full_files_are_renamed_and_old_ones_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.jsonl");
    let clock = ManualClock::at(1_735_689_600);
    let rotation = Rotation { max_megabytes: 1, max_backups: 2, ..Rotation::default() };
    let exporter = start_at(&Config { rotation: Some(rotation), ..to(&path) }, Signal::Traces, &clock).await;
    // About 0.4 MB each: two of them fit.
    let batch = samples::spans(2000);
    let size = json::to_json(&batch).unwrap().len() + 1;
    assert!(size * 2 < 1024 * 1024 && size * 3 > 1024 * 1024, "{size}");
    fs::write(dir.path().join("other-2020.jsonl"), "not ours").unwrap();
    for _ in 0..9 {
        exporter.consume(batch.clone()).await.unwrap();
        clock.advance(Duration::from_millis(1500));
    }
    // Renamed before the third, fifth, seventh and ninth batch; of the four the last two are kept.
    assert_eq!(
        names(dir.path()),
        [
            "other-2020.jsonl",
            "out-2025-01-01T00-00-09.000-size.jsonl",
            "out-2025-01-01T00-00-12.000-size.jsonl",
            "out.jsonl"
        ]
    );
    assert_eq!(fs::metadata(&path).unwrap().len(), size as u64);
    assert_eq!(
        fs::metadata(dir.path().join("out-2025-01-01T00-00-12.000-size.jsonl")).unwrap().len(),
        2 * size as u64
    );
}

#[test]
fn files_are_removed_by_age_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.jsonl");
    let now = ManualClock::at(1_735_689_600).clock().now();
    for name in ["out-2024-12-29T23-59-59.999.jsonl", "out-2024-12-30T00-00-00.000-size.jsonl", "out.jsonl"] {
        fs::write(dir.path().join(name), name).unwrap();
    }
    rotation::prune(&path, now, &Rotation { max_days: 2, ..Rotation::default() });
    assert_eq!(names(dir.path()), ["out-2024-12-30T00-00-00.000-size.jsonl", "out.jsonl"]);
    for _ in 0..2 {
        rotation::set_aside(&path, now, false).unwrap();
        fs::write(&path, "next").unwrap();
    }
    assert_eq!(
        names(dir.path())[1..3],
        ["out-2025-01-01T00-00-00.000-size.jsonl", "out-2025-01-01T00-00-00.001-size.jsonl"]
    );
}

#[test]
fn settings_that_can_not_be_are_told() {
    let texts = |yaml: &str| -> Vec<String> {
        let config: Config = Node::from_yaml(yaml, "test.yaml").unwrap().decode("exporters::file").unwrap();
        config.validate().into_iter().map(|issue| issue.message).collect()
    };
    assert_eq!(
        texts("{path: x, rotation: {max_megabytes: 5}, format: proto, compression: zstd}"),
        Vec::<String>::new()
    );
    assert_eq!(
        texts("{append: true, rotation: , directory_permissions: '9'}"),
        [
            "path must be non-empty",
            "append and rotation enabled at the same time is not supported",
            "directory_permissions value must be a valid octal representation",
            "directory_permissions requires create_directory to be true",
        ]
    );
}
