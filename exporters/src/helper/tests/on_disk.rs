//! A queue with `storage`: what it accepted outlives the exporter until the backend has it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use otelcol_pipeline::status::Board;
use otelcol_pipeline::storage::{
    Appended, LogRecord, OpenedLog, Storage, StorageClient, StorageError, StorageLog,
};
use otelcol_pipeline::{ComponentId, ErrorKind};
use otelcol_testkit::{Answer, samples};

use super::super::OnStorageError;
use super::*;

/// A disk for tests: what is on it stays when an exporter goes.
#[derive(Default)]
struct Disk {
    records: Mutex<BTreeMap<u64, (Vec<u8>, usize)>>,
    next: AtomicU64,
    is_full: AtomicBool,
    longest: Option<u64>,
    delay: Duration,
    opened_as: Mutex<Vec<String>>,
}

impl Disk {
    fn records(&self) -> MutexGuard<'_, BTreeMap<u64, (Vec<u8>, usize)>> {
        self.records.lock().unwrap()
    }

    fn items(&self) -> usize {
        self.records().values().map(|(_, items)| items).sum()
    }
}

struct DiskStorage(Arc<Disk>);

struct DiskLog(Arc<Disk>);

#[async_trait]
impl Storage for DiskStorage {
    async fn open(&self, _: Kind, _: &ComponentId, _: &str) -> Result<Arc<dyn StorageClient>, StorageError> {
        Err(StorageError("no keys here".to_owned()))
    }

    async fn open_log(&self, kind: Kind, id: &ComponentId, name: &str) -> Result<OpenedLog, StorageError> {
        self.0.opened_as.lock().unwrap().push(format!("{kind} {id} {name}"));
        let record = |(id, (payload, items)): (&u64, &(Vec<u8>, usize))| LogRecord {
            id: *id,
            items: *items,
            len: payload.len(),
        };
        let records = self.0.records().iter().map(record).collect();
        Ok(OpenedLog { log: Arc::new(DiskLog(Arc::clone(&self.0))), records })
    }
}

#[async_trait]
impl StorageLog for DiskLog {
    async fn append(&self, payload: Vec<Bytes>, items: usize) -> Result<Appended, StorageError> {
        tokio::time::sleep(self.0.delay).await;
        if self.0.is_full.load(Ordering::Relaxed) {
            return Err(StorageError("write disk: no space left on device".to_owned()));
        }
        let id = self.0.next.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.records().insert(id, (payload.concat(), items));
        Ok(Appended::new(Arc::new(DiskLog(Arc::clone(&self.0))), id))
    }

    async fn read(&self, id: u64) -> Result<Bytes, StorageError> {
        let found = self.0.records().get(&id).map(|(payload, _)| Bytes::from(payload.clone()));
        found.ok_or_else(|| StorageError(format!("read disk: there is no record {id}")))
    }

    fn remove(&self, id: u64) {
        self.0.records().remove(&id);
    }

    fn disk_bytes(&self) -> u64 {
        self.0.records().values().map(|(payload, _)| payload.len() as u64).sum()
    }

    fn longest(&self) -> u64 {
        self.0.longest.unwrap_or(u64::MAX)
    }

    async fn close(&self) {}
}

/// A batch as the queue writes it.
fn record(spans: usize) -> Vec<u8> {
    super::super::stored::encode(&samples::spans(spans)).concat()
}

async fn start(disk: &Arc<Disk>, config: QueueConfig) -> Setup {
    start_in(Shared::default(), disk, config).await
}

async fn start_in(shared: Shared, disk: &Arc<Disk>, config: QueueConfig) -> Setup {
    let storage: Arc<dyn Storage> = Arc::new(DiskStorage(Arc::clone(disk)));
    let host = Host::new(HashMap::from([("disk/a".parse().unwrap(), storage)]), Board::default());
    let config = QueueConfig { storage: Some("disk/a".to_owned()), ..config };
    Setup::start_in(shared, &host, queue(config), Sent::default()).await
}

#[tokio::test(start_paused = true)]
async fn what_is_delivered_leaves_the_disk() {
    for batch in [None, Some(batch(10, 10))] {
        let disk = Arc::new(Disk::default());
        let setup = start(&disk, QueueConfig { batch, ..QueueConfig::default() }).await;
        assert_eq!(*disk.opened_as.lock().unwrap(), ["exporter test/one traces"]);
        setup.sink.answer(Answer::Block);
        for _ in 0..3 {
            setup.exporter.consume(samples::spans(9)).await.unwrap();
        }
        assert_eq!((disk.items(), disk.records().len()), (27, 3));
        assert_eq!(setup.queue("disk_bytes"), (3 * record(9).len()) as f64);
        setup.sink.answer(Answer::Accept);
        setup.sink.wait_for_items(27).await;
        setup.shutdown(Duration::from_secs(1)).await.unwrap();
        assert_eq!((disk.items(), setup.queue("size"), setup.queue("disk_bytes")), (0, 0.0, 0.0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_backend_leaves_is_sent_after_the_next_start() {
    for batch in [None, Some(batch(10, 10))] {
        let disk = Arc::new(Disk::default());
        let config = QueueConfig { batch, num_consumers: 2, ..QueueConfig::default() };
        let setup = start(&disk, config.clone()).await;
        setup.sink.answer(Answer::Fail(unavailable()));
        for _ in 0..6 {
            setup.exporter.consume(samples::spans(7)).await.unwrap();
        }
        setup.sink.wait_for_attempts(1).await;
        let begun = Instant::now();
        setup.shutdown(Duration::from_secs(60)).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!((disk.items(), setup.dropped("shutdown")), (42, 0.0));
        assert_eq!(setup.value("otelcol_exporter_send_failed_spans", &[]), 0.0);

        let setup = start(&disk, config).await;
        setup.sink.wait_for_items(42).await;
        assert_eq!(setup.sink.items(), 42);
        setup.shutdown(Duration::from_secs(1)).await.unwrap();
        assert_eq!(disk.items(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_at_the_deadline_stays_on_disk() {
    let disk = Arc::new(Disk::default());
    let setup = start(&disk, QueueConfig { num_consumers: 2, ..QueueConfig::default() }).await;
    setup.sink.answer(Answer::Block);
    for _ in 0..5 {
        setup.exporter.consume(samples::spans(2)).await.unwrap();
    }
    setup.shutdown(Duration::from_secs(7)).await.unwrap();
    assert_eq!((disk.items(), setup.dropped("shutdown")), (10, 0.0));
}

#[tokio::test(start_paused = true)]
async fn a_part_that_was_not_sent_keeps_the_whole_on_disk() {
    let disk = Arc::new(Disk::default());
    let config = QueueConfig { num_consumers: 1, batch: Some(batch(10, 10)), ..QueueConfig::default() };
    let setup = start(&disk, config).await;
    // 25 become 10, 10 and 5: the first is taken, the second is under way when the exporter stops.
    setup.sink.answer_next([Answer::Accept]);
    setup.sink.answer(Answer::Block);
    setup.exporter.consume(samples::spans(25)).await.unwrap();
    setup.sink.wait_for_items(10).await;
    setup.shutdown(Duration::from_secs(1)).await.unwrap();
    assert_eq!(disk.items(), 25);
}

#[tokio::test(start_paused = true)]
async fn what_the_backend_refuses_for_good_leaves_the_disk_and_is_counted() {
    let disk = Arc::new(Disk::default());
    let setup = start(&disk, QueueConfig::default()).await;
    setup.sink.answer(Answer::Fail(ConsumeError::permanent("bad data")));
    setup.exporter.consume(samples::spans(3)).await.unwrap();
    setup.sink.wait_for_attempts(1).await;
    setup.shutdown(Duration::from_secs(1)).await.unwrap();
    assert_eq!((disk.items(), setup.dropped("permanent_error")), (0, 3.0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_over_a_batch_takes_it_off_the_disk() {
    struct Panics;

    #[async_trait]
    impl Sender for Panics {
        async fn send(&self, _: &Batch, _: &mut Progress) -> Result<Sent, ConsumeError> {
            panic!("unlucky");
        }
    }

    let disk = Arc::new(Disk::default());
    let storage: Arc<dyn Storage> = Arc::new(DiskStorage(Arc::clone(&disk)));
    let host = Host::new(HashMap::from([("disk/a".parse().unwrap(), storage)]), Board::default());
    let context = Context::detached(Kind::Exporter, "test/one");
    let config = QueueConfig { storage: Some("disk/a".to_owned()), ..QueueConfig::default() };
    let exporter = Exporter::new(context.clone(), Signal::Traces, Panics, queue(config));
    exporter.start(&host).await.unwrap();
    exporter.consume(samples::spans(3)).await.unwrap();
    exporter.shutdown(Instant::now() + Duration::from_secs(1)).await.unwrap();
    let setup =
        Setup { sink: Sink::new(), exporter, context, hurried: Arc::default(), shared: Shared::default() };
    assert_eq!((disk.items(), setup.dropped("panic")), (0, 3.0));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_or_falls_back_to_memory() {
    let disk = Arc::new(Disk::default());
    disk.is_full.store(true, Ordering::Relaxed);
    let setup = start(&disk, QueueConfig::default()).await;
    let error = setup.exporter.consume(samples::spans(3)).await.unwrap_err();
    assert_eq!((error.kind(), error.after()), (ErrorKind::Refused, Some(Duration::from_secs(1))));
    assert_eq!(error.to_string(), "sending queue: write disk: no space left on device");
    assert_eq!(setup.value("otelcol_exporter_enqueue_failed_spans", &[]), 3.0);
    assert_eq!(setup.queue("size"), 0.0);

    let longest = Some(record(3).len() as u64);
    let small = Arc::new(Disk { is_full: true.into(), longest, ..Disk::default() });
    let setup = start(&small, QueueConfig::default()).await;
    let errors = [3, 4].map(|spans| setup.exporter.consume(samples::spans(spans)));
    let [fits, never] = futures_util::future::join_all(errors).await.try_into().unwrap();
    assert_eq!(fits.unwrap_err().kind(), ErrorKind::Refused);
    let never = never.unwrap_err();
    assert!(
        never.is_permanent() && never.to_string().contains("a batch of 330 bytes can never fit"),
        "{never}"
    );

    let config = QueueConfig { on_storage_error: OnStorageError::Memory, ..QueueConfig::default() };
    let setup = start(&disk, config).await;
    setup.exporter.consume(samples::spans(3)).await.unwrap();
    setup.sink.wait_for_items(3).await;
    assert_eq!(setup.value("otelcol_exporter_queue_not_stored_items", &[]), 3.0);
    // Lost at a stop, and counted, as nothing keeps it.
    setup.sink.answer(Answer::Fail(unavailable()));
    setup.exporter.consume(samples::spans(4)).await.unwrap();
    let error = setup.shutdown(Duration::from_secs(1)).await.unwrap_err();
    assert!(error.starts_with("4 spans were not delivered at shutdown"), "{error}");
    assert_eq!(setup.dropped("shutdown"), 4.0);
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_takes_nothing_is_told_beside_its_backend() {
    let disk = Arc::new(Disk::default());
    let setup = start(&disk, QueueConfig { num_consumers: 1, ..QueueConfig::default() }).await;
    let full = "sending queue: write disk: no space left on device";
    disk.is_full.store(true, Ordering::Relaxed);
    setup.exporter.consume(samples::spans(1)).await.unwrap_err();
    assert_eq!(setup.status(), Status::Recoverable(full.to_owned()));
    disk.is_full.store(false, Ordering::Relaxed);
    setup.sink.answer(Answer::Fail(unavailable()));
    setup.exporter.consume(samples::spans(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let away = unavailable().to_string();
    assert_eq!(setup.status(), Status::Recoverable(away.clone()));
    disk.is_full.store(true, Ordering::Relaxed);
    setup.exporter.consume(samples::spans(1)).await.unwrap_err();
    assert_eq!(setup.status(), Status::Recoverable(format!("{away}; {full}")));
    disk.is_full.store(false, Ordering::Relaxed);
    setup.sink.answer(Answer::Accept);
    setup.sink.wait_for_items(1).await;
    setup.exporter.consume(samples::spans(1)).await.unwrap();
    assert_eq!(setup.status(), Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_into_memory_is_read_when_it_is_its_turn() {
    let disk = Arc::new(Disk::default());
    let setup = start(&disk, QueueConfig { num_consumers: 1, ..QueueConfig::default() }).await;
    setup.sink.answer(Answer::Block);
    let batch = samples::spans(1000);
    let (one, limit) = (batch.pinned_bytes(), 2 << 20);
    let number = limit / one + 5;
    for _ in 0..number {
        setup.exporter.consume(batch.clone()).await.unwrap();
    }
    let pinned = setup.queue("pinned_bytes");
    assert!(pinned <= limit as f64 && pinned > (limit - one) as f64, "{pinned}");
    setup.sink.answer(Answer::Accept);
    setup.sink.wait_for_items(number * 1000).await;
    assert_eq!(Batch::merge(setup.sink.take()).to_wire(), Batch::merge(vec![batch; number]).to_wire());
    setup.shutdown(Duration::from_secs(1)).await.unwrap();
    assert_eq!(disk.items(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_disk_slows_its_clients_only_and_each_gets_its_answer() {
    let disk = Arc::new(Disk { delay: Duration::from_secs(2), ..Disk::default() });
    let setup = start(&disk, QueueConfig::default()).await;
    let begun = Instant::now();
    let offers = (0..50).map(|_| setup.exporter.consume(samples::spans(2)));
    let answers = futures_util::future::join_all(offers).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    // A client that goes away while the disk is at it has told nobody: nothing is sent.
    let gone = tokio::time::timeout(Duration::from_secs(1), setup.exporter.consume(samples::spans(2)));
    assert!(gone.await.is_err());
    setup.sink.wait_for_items(100).await;
    setup.shutdown(Duration::from_secs(5)).await.unwrap();
    assert_eq!((setup.sink.items(), disk.items(), setup.queue("size")), (100, 0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_back_is_counted() {
    let disk = Arc::new(Disk::default());
    for (id, payload) in [(1, b"not OTLP".to_vec()), (2, record(2))] {
        disk.records().insert(id, (payload, 2));
    }
    let setup = start(&disk, QueueConfig::default()).await;
    setup.sink.wait_for_items(2).await;
    setup.shutdown(Duration::from_secs(1)).await.unwrap();
    assert_eq!((setup.dropped("storage_unreadable"), disk.items()), (2.0, 0));
}

#[tokio::test(start_paused = true)]
async fn more_than_the_queue_size_can_be_restored_and_counts_against_it() {
    let disk = Arc::new(Disk::default());
    for id in 1..=5 {
        disk.records().insert(id, (record(2), 2));
    }
    let config = QueueConfig { queue_size: 3, num_consumers: 1, ..QueueConfig::default() };
    let setup = start(&disk, config).await;
    setup.sink.answer(Answer::Block);
    setup.sink.wait_for_attempts(1).await;
    assert_eq!(setup.queue("size"), 3.0);
    let full = setup.exporter.consume(samples::spans(1)).await.unwrap_err();
    assert_eq!(full.to_string(), "sending queue is full");
    setup.sink.answer(Answer::Accept);
    setup.sink.wait_for_items(10).await;
}

#[tokio::test(start_paused = true)]
async fn a_successor_goes_on_with_what_is_on_disk_soon_whatever_its_backend_does() {
    for (answer, took) in [(Answer::Fail(unavailable()), 0), (Answer::Block, 5)] {
        let disk = Arc::new(Disk::default());
        let old = start(&disk, QueueConfig::default()).await;
        old.sink.answer(answer);
        for _ in 0..5 {
            old.exporter.consume(samples::spans(2)).await.unwrap();
        }
        old.sink.wait_for_attempts(1).await;
        assert_eq!(old.exchange().await, Duration::from_secs(took));
        assert_eq!((disk.items(), old.left()), (10, 0));
        let new = start_in(old.shared.clone(), &disk, QueueConfig::default()).await;
        new.sink.wait_for_items(10).await;
        new.shutdown(Duration::from_secs(1)).await.unwrap();
        assert_eq!((disk.items(), new.sink.items(), new.dropped("shutdown")), (0, 10, 0.0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_waited_in_memory_is_stored_by_a_successor_that_can() {
    for (is_full, stored) in [(false, 10), (true, 0)] {
        let disk = Arc::new(Disk::default());
        disk.is_full.store(is_full, Ordering::Relaxed);
        let old = Setup::start(queue(QueueConfig::default())).await;
        old.sink.answer(Answer::Fail(unavailable()));
        for _ in 0..5 {
            old.exporter.consume(samples::spans(2)).await.unwrap();
        }
        old.exchange().await;
        let new = start_in(old.shared.clone(), &disk, QueueConfig::default()).await;
        assert_eq!(disk.items(), stored);
        assert_eq!(new.value("otelcol_exporter_queue_not_stored_items", &[]), (10 - stored) as f64);
        new.sink.wait_for_items(10).await;
        new.shutdown(Duration::from_secs(1)).await.unwrap();
        assert_eq!((disk.items(), new.sink.items(), new.dropped("shutdown")), (0, 10, 0.0));
    }
}

#[tokio::test(start_paused = true)]
async fn of_what_is_on_disk_in_part_each_part_goes_where_it_is_kept() {
    let disk = Arc::new(Disk::default());
    let config = QueueConfig {
        num_consumers: 1,
        on_storage_error: OnStorageError::Memory,
        batch: Some(batch(1000, 0)),
        ..QueueConfig::default()
    };
    let old = start(&disk, config.clone()).await;
    old.sink.answer(Answer::Fail(unavailable()));
    old.exporter.consume(samples::spans(3)).await.unwrap();
    disk.is_full.store(true, Ordering::Relaxed);
    old.exporter.consume(samples::spans(4)).await.unwrap();
    // One batch of both.
    old.sink.wait_for_attempts(1).await;
    old.exchange().await;
    assert_eq!((disk.items(), old.dropped("shutdown")), (3, 0.0));
    let new = start_in(old.shared.clone(), &disk, config).await;
    new.sink.wait_for_items(10).await;
    new.shutdown(Duration::from_secs(1)).await.unwrap();
    // What is on disk is sent from there, too: at least once.
    assert_eq!((disk.items(), new.sink.items()), (0, 3 + 7));
}
