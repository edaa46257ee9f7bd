use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use otelcol_confmap::GoDuration;
use otelcol_pipeline::storage::{Storage, StorageClient, StorageOp};
use otelcol_pipeline::{Component, ComponentConfig, ComponentId, Context, Extension, Host, Kind};
use otelcol_testkit::LogCapture;
use proptest::prelude::*;

use super::format::{Content, Contents, ReadError, read, size, write};
use super::{Config, FileStorage, file_name};

fn config(directory: &Path) -> Config {
    Config { directory: directory.to_owned(), timeout: GoDuration::from_millis(50), ..Config::default() }
}

fn storage(config: Config) -> (Arc<FileStorage>, Context) {
    let context = Context::detached(Kind::Extension, "file_storage");
    (Arc::new(FileStorage::new(&context, config)), context)
}

fn statsd() -> ComponentId {
    ComponentId::new("statsd")
}

async fn open(storage: &FileStorage) -> Arc<dyn StorageClient> {
    storage.open(Kind::Receiver, &statsd(), "").await.unwrap()
}

fn set(key: &str, value: &[u8]) -> StorageOp {
    StorageOp::Set(key.to_owned(), value.to_vec())
}

const FILE: &str = "receiver_statsd_.kv";

#[test]
fn names_are_contribs() {
    let id = ComponentId::with_name("mysql-cdr", "a/ü~b c");
    assert_eq!(file_name(Kind::Receiver, &id, ""), "receiver_mysql-cdr_a~002F~00FC~007Eb~0020c.kv");
    assert_eq!(file_name(Kind::Exporter, &ComponentId::new("otlp"), "traces"), "exporter_otlp__traces.kv");
    let long = ComponentId::with_name("otlp", "x".repeat(300));
    assert_eq!(file_name(Kind::Exporter, &long, "").len(), 64 + 3);
}

#[tokio::test]
async fn values_outlive_the_process() {
    let directory = tempfile::tempdir().unwrap();
    for fsync in [false, true] {
        let (first, _) = storage(Config { fsync, ..config(directory.path()) });
        let client = open(&first).await;
        client.write(vec![set("a", b"1"), set("b", b"2")]).await.unwrap();
        client.write(vec![set("a", b"3"), StorageOp::Delete("b".to_owned())]).await.unwrap();
        drop((client, first));
        let (second, _) = storage(config(directory.path()));
        let client = open(&second).await;
        assert_eq!(client.get("a").await.unwrap(), Some(b"3".to_vec()));
        assert_eq!(client.get("b").await.unwrap(), None);
    }
}

#[tokio::test]
async fn components_have_files_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let (storage, _) = storage(config(directory.path()));
    let statsd = open(&storage).await;
    statsd.write(vec![set("a", b"1")]).await.unwrap();
    let other = storage.open(Kind::Receiver, &self::statsd(), "series").await.unwrap();
    assert_eq!(other.get("a").await.unwrap(), None);
    // The next instance of a component sees what the one before has written, also while that is still there.
    let again = open(&storage).await;
    assert_eq!(again.get("a").await.unwrap(), Some(b"1".to_vec()));
    again.write(vec![set("a", b"2")]).await.unwrap();
    assert_eq!(statsd.get("a").await.unwrap(), Some(b"2".to_vec()));
}

#[tokio::test]
async fn two_processes_do_not_share_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let (first, _) = storage(config(directory.path()));
    let held = open(&first).await;
    let (second, _) = storage(config(directory.path()));
    let path = directory.path().join(FILE);
    let error = second.open(Kind::Receiver, &statsd(), "").await.map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), format!("open {}: timeout: another process has it open", path.display()));
    drop(held);
    open(&second).await;
}

/// A process that dies while it writes leaves any part of the temporary file: the old values stay.
#[tokio::test]
async fn a_write_that_is_cut_anywhere_leaves_the_old_values() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let old = encode(&contents(&[("a", b"old")]));
    let new = encode(&contents(&[("a", b"new"), ("b", b"more")]));
    for length in 0..=new.len() {
        fs::write(&path, &old).unwrap();
        fs::write(directory.path().join(format!("{FILE}.tmp")), &new[..length]).unwrap();
        let (storage, _) = storage(config(directory.path()));
        let client = open(&storage).await;
        assert_eq!(client.get("a").await.unwrap(), Some(b"old".to_vec()), "cut at {length}");
        client.write(vec![set("a", b"newer")]).await.unwrap();
        drop((client, storage));
        assert_eq!(fs::read(&path).unwrap(), encode(&contents(&[("a", b"newer")])));
    }
}

/// A disk that loses the end of a file without saying so: never garbage, but a clear word and an empty start.
#[tokio::test]
async fn a_file_that_is_cut_anywhere_is_moved_aside() {
    let good = encode(&contents(&[("a", b"1"), ("b", b"22")]));
    for length in 0..good.len() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), &good[..length]).unwrap();
        let (logs, _capturing) = LogCapture::start();
        let (storage, context) = storage(config(directory.path()));
        let client = open(&storage).await;
        assert_eq!(client.get("a").await.unwrap(), None, "cut at {length}");
        let labels = [("extension", "file_storage")];
        assert_eq!(context.telemetry.value("otelcol_file_storage_corrupt_files", &labels), Some(1.0));
        let told = logs.lines("ERROR");
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("storage file is corrupt: moved it aside and began an empty one"),
            "{}",
            told[0]
        );
        let backups: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "backup"))
            .collect();
        assert_eq!(backups.len(), 1);
        assert_eq!(fs::read(&backups[0]).unwrap(), good[..length]);
    }
}

#[tokio::test]
async fn a_corrupt_file_is_an_error_where_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    fs::write(&path, b"x").unwrap();
    let (storage, _) = storage(Config { recreate: false, ..config(directory.path()) });
    let error = storage.open(Kind::Receiver, &statsd(), "").await.map(|_| ()).unwrap_err();
    let expected =
        "file is corrupt: expected a header of 48 bytes, found 1 bytes: remove it, or set recreate to true";
    assert_eq!(error.to_string(), format!("open {}: {expected}", path.display()));
    assert_eq!(fs::read(&path).unwrap(), b"x");
}

#[tokio::test]
async fn a_full_storage_keeps_the_old_values() {
    let directory = tempfile::tempdir().unwrap();
    let (storage, _) = storage(Config { max_size: Some(100), ..config(directory.path()) });
    let client = open(&storage).await;
    client.write(vec![set("a", &[1; 40])]).await.unwrap();
    let error = client.write(vec![set("a", &[2; 44])]).await.unwrap_err();
    let path = directory.path().join(FILE);
    let expected = format!("write {}: storage is full: 101 bytes, max_size is 100", path.display());
    assert_eq!(error.to_string(), expected);
    assert_eq!(client.get("a").await.unwrap(), Some(vec![1; 40]));
    assert_eq!(fs::read(&path).unwrap(), encode(&contents(&[("a", &[1; 40])])));
}

#[tokio::test]
async fn a_directory_that_is_gone_is_named_and_keeps_the_old_values() {
    let directory = tempfile::tempdir().unwrap();
    let (storage, _) = storage(config(directory.path()));
    let client = open(&storage).await;
    client.write(vec![set("a", b"1")]).await.unwrap();
    let path = directory.path().join(FILE);
    drop(directory);
    let error = client.write(vec![set("a", b"2")]).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("write {}: ", path.display())), "{error}");
    assert_eq!(client.get("a").await.unwrap(), Some(b"1".to_vec()));
}

#[tokio::test]
async fn the_directory_is_made_where_asked_for() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let wanted = directory.path().join("a/b");
    let (storage, _) = storage(Config {
        create_directory: true,
        directory_permissions: "0700".to_owned(),
        ..config(&wanted)
    });
    storage.start(&Host::default()).await.unwrap();
    assert_eq!(fs::metadata(&wanted).unwrap().permissions().mode() & 0o777, 0o700);
    let offered = storage.storage().unwrap();
    offered.open(Kind::Receiver, &statsd(), "").await.unwrap().write(vec![set("a", b"1")]).await.unwrap();
    assert_eq!(fs::metadata(wanted.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn wrong_settings_are_named_in_contribs_words() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("x");
    let messages = |config: Config| -> Vec<String> {
        config.validate().into_iter().map(|issue| issue.message).collect()
    };
    assert_eq!(messages(config(directory.path())), [""; 0]);
    let expected = format!(
        "directory must exist: stat {}: no such file or directory. You can enable the create_directory option to automatically create it",
        missing.display()
    );
    assert_eq!(messages(config(&missing)), [expected]);
    let with = |permissions: &str| {
        messages(Config {
            create_directory: true,
            directory_permissions: permissions.to_owned(),
            ..config(&missing)
        })
    };
    assert_eq!(with("0750"), [""; 0]);
    assert_eq!(with("0778"), ["directory_permissions value must be a valid octal representation"]);
    assert_eq!(with("07777"), ["directory_permissions contain invalid bits for file access"]);
    fs::write(&missing, "").unwrap();
    assert_eq!(messages(config(&missing)), [format!("{} is not a directory", missing.display())]);
}

/// A value that another has changed since is not handed on as if it were good, neither to who asks nor into the next file.
#[tokio::test]
async fn a_value_that_was_changed_beneath_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    let (storage, _) = storage(config(directory.path()));
    let client = open(&storage).await;
    client.write(vec![set("a", b"1"), set("b", b"22")]).await.unwrap();
    let path = directory.path().join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (read, written) =
        (client.get("b").await.unwrap_err(), client.write(vec![set("a", b"3")]).await.unwrap_err());
    let why = "a value is not what was written";
    assert_eq!(read.to_string(), format!("read \"b\" in {}: {why}", path.display()));
    assert_eq!(written.to_string(), format!("write {}: {why}", path.display()));
    assert_eq!(client.get("a").await.unwrap(), Some(b"1".to_vec()));
    client.write(vec![set("b", b"4")]).await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), encode(&contents(&[("a", b"1"), ("b", b"4")])));
}

fn contents(list: &[(&str, &[u8])]) -> Contents {
    list.iter().map(|(key, value)| ((*key).to_owned(), Content::New(value.to_vec()))).collect()
}

fn encode(contents: &Contents) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    write(contents, None, &mut file).unwrap();
    file.into_inner()
}

fn index_of(file: &[u8]) -> Result<super::format::Index, ReadError> {
    read(&mut &*file, file.len() as u64)
}

proptest! {
    /// Through a second file, which has some values from the first.
    #[test]
    fn what_is_written_is_read(list in proptest::collection::btree_map(".{0,8}", (proptest::collection::vec(any::<u8>(), 0..50), any::<bool>()), 0..8)) {
        let all: Contents = list.iter().map(|(key, (value, _))| (key.clone(), Content::New(value.clone()))).collect();
        let file = encode(&all);
        prop_assert_eq!(file.len() as u64, size(&all));
        let mut old = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut old, &file).unwrap();
        let index = index_of(&file).unwrap();
        let again: Contents = list.iter().map(|(key, (value, kept))| {
            (key.clone(), if *kept { Content::Old(index[key]) } else { Content::New(value.clone()) })
        }).collect();
        let mut second = Cursor::new(Vec::new());
        prop_assert_eq!(&write(&again, Some(&old), &mut second).unwrap(), &index);
        prop_assert_eq!(second.into_inner(), file);
        let read: BTreeMap<&String, Vec<u8>> = index.iter().map(|(key, stored)| (key, stored.read(&old).unwrap())).collect();
        prop_assert_eq!(read, list.iter().map(|(key, (value, _))| (key, value.clone())).collect());
    }

    #[test]
    fn one_wrong_byte_is_seen(at in 0..200_usize, change in 1..=255_u8) {
        let mut file = encode(&contents(&[("position", &[7; 100]), ("k", b"v")]));
        let at = at % file.len();
        file[at] ^= change;
        prop_assert!(matches!(index_of(&file), Err(ReadError::Corrupt(_))));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(matches!(index_of(&bytes), Err(ReadError::Corrupt(_))));
    }
}

#[tokio::test]
async fn a_queue_that_nobody_uses_any_more_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (storage, context) = storage(config(directory.path()));
    let unused = || {
        context.telemetry.value("otelcol_file_storage_unused_queue_bytes", &[("extension", "file_storage")])
    };
    let open =
        async || storage.open_log(Kind::Exporter, &ComponentId::new("otlp"), "traces").await.unwrap().log;
    let log = open().await;
    let appended = log.append(vec![Bytes::from_static(b"spans")], 1).await.unwrap();
    appended.keep();
    let (logs, _capturing) = LogCapture::start();
    storage.ready().await;
    assert_eq!((unused(), logs.lines("WARN")), (Some(0.0), Vec::new()));

    log.close().await;
    storage.ready().await;
    // Headers of the segment and of the record before five bytes.
    assert_eq!(unused(), Some(16.0 + 36.0 + 5.0));
    let told = logs.lines("WARN").concat();
    assert!(told.contains("a queue on disk holds data that no exporter sends"), "{told}");
    assert!(told.contains("exporter_otlp__traces.queue"), "{told}");

    // Looking at it keeps nobody out.
    let log = open().await;
    storage.ready().await;
    assert_eq!(unused(), Some(0.0));
    drop(log);
}
