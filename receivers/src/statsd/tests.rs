//! The receiver as a whole: sockets in, batches out.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use otelcol_confmap::GoDuration;
use otelcol_pdata::Batch;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::number_data_point::Value::{AsDouble, AsInt};
use otelcol_pipeline::storage::{Storage, StorageClient, StorageError, StorageOp};
use otelcol_pipeline::{Clock, ConsumeError, Consumer, Shared as Collector};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::*;

/// Takes batches, or answers with the errors it was given.
#[derive(Default)]
struct Sink {
    batches: Mutex<Vec<Batch>>,
    answers: Mutex<Vec<ConsumeError>>,
    is_stuck: AtomicBool,
}

#[async_trait]
impl Consumer for Sink {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        if self.is_stuck.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
        if let Some(error) = self.answers.lock().unwrap().pop() {
            return Err(error);
        }
        self.batches.lock().unwrap().push(batch);
        Ok(())
    }
}

impl Sink {
    /// What each batch since the last call has: numbers, and counts of histograms, by name.
    fn drain(&self) -> Vec<BTreeMap<String, f64>> {
        let batches = std::mem::take(&mut *self.batches.lock().unwrap());
        batches
            .into_iter()
            .map(|batch| {
                let mut found = BTreeMap::new();
                let resources = batch.into_metrics().unwrap().into_iter();
                for metric in resources.flat_map(|one| one.scope_metrics).flat_map(|one| one.metrics) {
                    let value = match metric.data.unwrap() {
                        Data::Gauge(gauge) => gauge.data_points[0].value.unwrap(),
                        Data::Sum(sum) => sum.data_points[0].value.unwrap(),
                        Data::Histogram(histogram) => AsInt(histogram.data_points[0].count as i64),
                        other => panic!("{other:?}"),
                    };
                    let value = match value {
                        AsDouble(value) => value,
                        AsInt(value) => value as f64,
                    };
                    found.insert(metric.name, value);
                }
                found
            })
            .collect()
    }
}

fn expected(pairs: &[(&str, f64)]) -> BTreeMap<String, f64> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

/// A collector with one receiver and a sink behind it.
struct Rig {
    collector: Collector,
    sink: Arc<Sink>,
    host: Host,
}

impl Rig {
    fn new() -> Self {
        Self { collector: Collector::default(), sink: Arc::default(), host: Host::default() }
    }

    fn make(&self, config: Config) -> Statsd {
        let context = Context::new(&self.collector, Kind::Receiver, ComponentId::new("statsd"), "");
        let sink: Arc<dyn Consumer> = Arc::clone(&self.sink) as _;
        Statsd::new(context, config, &Outputs::to(&sink)).unwrap()
    }

    async fn start(&self, config: Config) -> Statsd {
        let receiver = self.make(config);
        receiver.start(&self.host).await.unwrap();
        receiver
    }

    fn own(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels = [&[("receiver", "statsd")], labels].concat();
        self.collector.telemetry.value(name, &labels).unwrap()
    }
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn on(transport: &str) -> Config {
    Config { endpoint: "127.0.0.1:0".to_owned(), transport: transport.to_owned(), ..Config::default() }
}

/// Loopback delivers within the sender's own system call.
fn send(receiver: &Statsd, lines: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(lines.as_bytes(), receiver.local_addr().unwrap()).unwrap();
}

#[tokio::test]
async fn the_last_interval_is_flushed_at_shutdown() {
    let rig = Rig::new();
    let receiver = rig.start(on("udp")).await;
    for _ in 0..300 {
        send(&receiver, "calls:1|c\ncalls:1|c");
    }
    send(&receiver, "up:+2|g\nwrong");
    receiver.shutdown(deadline()).await.unwrap();
    assert_eq!(rig.sink.drain(), [expected(&[("calls", 600.0), ("up", 2.0)])]);
    let udp = ("transport", "udp");
    assert_eq!(rig.own("otelcol_receiver_accepted_metric_points", &[udp]), 2.0);
    assert_eq!(rig.own("otelcol_receiver_statsd_refused_lines", &[("reason", "no_type")]), 1.0);
    assert_eq!(rig.own("otelcol_receiver_statsd_kernel_drops", &[]), 0.0);
}

#[tokio::test]
async fn nothing_heard_is_nothing_sent() {
    let rig = Rig::new();
    let receiver = rig.start(on("udp")).await;
    receiver.shutdown(deadline()).await.unwrap();
    assert_eq!(rig.sink.drain(), []);
}

fn gather(receiver: &Statsd, lines: &str) {
    let shared = &receiver.running.get().unwrap().shared;
    let mut aggregator = shared.aggregator.lock().unwrap_or_else(PoisonError::into_inner);
    aggregator.lines(lines.as_bytes(), None, 0);
}

#[tokio::test(start_paused = true)]
async fn flushes_at_each_interval() {
    let rig = Rig::new();
    let receiver = rig.start(Config { aggregation_interval: GoDuration::from_secs(10), ..on("tcp") }).await;
    gather(&receiver, "up:+1|g\ncalls:1|c");
    tokio::time::sleep(Duration::from_millis(9_900)).await;
    assert_eq!(rig.sink.drain(), []);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(rig.sink.drain(), [expected(&[("up", 1.0), ("calls", 1.0)])]);
    // A quiet night: the gauge goes on.
    tokio::time::sleep(Duration::from_secs(12 * 3600)).await;
    let batches = rig.sink.drain();
    assert_eq!(batches.len(), 12 * 360);
    assert!(batches.iter().all(|batch| *batch == expected(&[("up", 1.0)])));
    receiver.shutdown(deadline()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_flush_goes_with_the_next() {
    let rig = Rig::new();
    let receiver = rig.start(Config { aggregation_interval: GoDuration::from_secs(10), ..on("tcp") }).await;
    rig.sink.answers.lock().unwrap().push(ConsumeError::refused("memory limit", None));
    gather(&receiver, "calls:1|c\nup:+1|g");
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(rig.sink.drain(), []);
    gather(&receiver, "calls:2|c\nup:+1|g");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(rig.sink.drain(), [expected(&[("calls", 3.0), ("up", 2.0)])]);
    receiver.shutdown(deadline()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_can_never_be_taken_is_dropped_and_counted() {
    let rig = Rig::new();
    let receiver = rig.start(Config { aggregation_interval: GoDuration::from_secs(10), ..on("tcp") }).await;
    rig.sink.answers.lock().unwrap().push(ConsumeError::permanent("bad"));
    gather(&receiver, "calls:1|c");
    tokio::time::sleep(Duration::from_secs(11)).await;
    gather(&receiver, "calls:2|c");
    receiver.shutdown(deadline()).await.unwrap();
    assert_eq!(rig.sink.drain(), [expected(&[("calls", 2.0)])]);
    assert_eq!(rig.own("otelcol_receiver_statsd_dropped_points", &[("reason", "permanent")]), 1.0);
}

#[tokio::test(start_paused = true)]
async fn the_last_flush_is_offered_again_until_the_deadline() {
    let rig = Rig::new();
    let receiver = rig.start(on("tcp")).await;
    gather(&receiver, "calls:1|c");
    *rig.sink.answers.lock().unwrap() = vec![ConsumeError::refused("full", None); 3];
    receiver.shutdown(deadline()).await.unwrap();
    assert_eq!(rig.sink.drain(), [expected(&[("calls", 1.0)])]);

    let receiver = rig.start(on("tcp")).await;
    gather(&receiver, "calls:1|c");
    *rig.sink.answers.lock().unwrap() = vec![ConsumeError::refused("full", None); 100];
    let error = receiver.shutdown(deadline()).await.unwrap_err();
    assert_eq!(error.to_string(), "1 points of the last statsd interval were not accepted: full");
    assert_eq!(rig.own("otelcol_receiver_statsd_dropped_points", &[("reason", "shutdown")]), 1.0);
}

#[tokio::test(start_paused = true)]
async fn what_a_pipeline_that_is_stuck_does_not_take_goes_to_the_next_instance_or_is_counted() {
    for (has_heir, took) in [(true, 5), (false, 20)] {
        let rig = Rig::new();
        let receiver =
            rig.start(Config { aggregation_interval: GoDuration::from_secs(10), ..on("tcp") }).await;
        gather(&receiver, "calls:1|c");
        rig.sink.is_stuck.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(11)).await;
        gather(&receiver, "calls:2|c");
        rig.collector.shelf.expect_heirs(has_heir.then(|| "receiver statsd".to_owned()));
        let begun = Instant::now();
        let stopped = receiver.shutdown(begun + Duration::from_secs(20)).await;
        assert_eq!((stopped.is_ok(), begun.elapsed()), (has_heir, Duration::from_secs(took)), "{stopped:?}");
        rig.sink.is_stuck.store(false, Ordering::Relaxed);
        rig.start(on("tcp")).await.shutdown(deadline()).await.unwrap();
        if has_heir {
            assert_eq!(rig.sink.drain(), [expected(&[("calls", 3.0)])]);
        } else {
            assert_eq!(rig.own("otelcol_receiver_statsd_dropped_points", &[("reason", "shutdown")]), 1.0);
        }
    }
}

#[tokio::test]
async fn a_reload_keeps_socket_and_gauges() {
    let rig = Rig::new();
    let first = rig.start(on("udp")).await;
    let address = first.local_addr();
    send(&first, "up:+2|g\ncalls:1|c");
    first.shutdown(deadline()).await.unwrap();
    rig.sink.drain();
    send(&first, "up:+1|g"); // between the two, into the socket that is held

    let second = rig.start(Config { aggregation_interval: GoDuration::from_secs(5), ..on("udp") }).await;
    assert_eq!(second.local_addr(), address);
    second.shutdown(deadline()).await.unwrap();
    assert_eq!(rig.sink.drain(), [expected(&[("up", 3.0)])]);

    // Another buffer is another socket; the gauges go on all the same.
    let third = rig.start(Config { socket_buffer_size: 100_000, ..on("udp") }).await;
    third.shutdown(deadline()).await.unwrap();
    assert_eq!(rig.sink.drain(), [expected(&[("up", 3.0)])]);
}

/// Keeps values in memory.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

#[async_trait]
impl Storage for Shelf {
    async fn open(
        &self,
        _kind: Kind,
        _id: &ComponentId,
        _name: &str,
    ) -> Result<Arc<dyn StorageClient>, StorageError> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl StorageClient for Shelf {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    async fn write(&self, ops: Vec<StorageOp>) -> Result<(), StorageError> {
        for op in ops {
            match op {
                StorageOp::Set(key, value) => self.0.lock().unwrap().insert(key, value),
                StorageOp::Delete(key) => self.0.lock().unwrap().remove(&key),
            };
        }
        Ok(())
    }
}

#[tokio::test]
async fn gauges_outlive_the_process_where_storage_is_set() {
    let shelf = Shelf::default();
    let rig = || {
        let mut rig = Rig::new();
        let storages = [(ComponentId::new("file_storage"), Arc::new(shelf.clone()) as Arc<dyn Storage>)];
        rig.host = Host::new(storages.into(), rig.collector.board.clone());
        rig
    };
    let config = Config { storage: Some("file_storage".to_owned()), ..on("udp") };
    let before = rig();
    let receiver = before.start(config.clone()).await;
    send(&receiver, "up:+2|g|#site:a\nlevel:4.25|g\ncalls:1|c");
    receiver.shutdown(deadline()).await.unwrap();

    let after = rig();
    let receiver = after.start(config.clone()).await;
    send(&receiver, "up:-1|g|#site:a");
    receiver.shutdown(deadline()).await.unwrap();
    assert_eq!(after.sink.drain(), [expected(&[("up", 1.0), ("level", 4.25)])]);

    // What cannot be read does not keep the receiver from starting.
    shelf.0.lock().unwrap().insert("gauges".to_owned(), b"{".to_vec());
    let anew = rig();
    let receiver = anew.start(config).await;
    receiver.shutdown(deadline()).await.unwrap();
    assert_eq!(anew.sink.drain(), []);
}

#[tokio::test]
async fn a_storage_that_is_not_there_is_an_error() {
    let rig = Rig::new();
    let receiver = rig.make(Config { storage: Some("file_storage".to_owned()), ..on("udp") });
    let error = receiver.start(&rig.host).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "storage extension \"file_storage\" not found: list it under service::extensions"
    );
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let rig = Rig::new();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let endpoint = taken.local_addr().unwrap().to_string();
    let receiver = rig.make(Config { endpoint: endpoint.clone(), ..on("udp") });
    let error = receiver.start(&rig.host).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("starting to listen udp socket on {endpoint}: Address already in use (os error 98)")
    );
    receiver.shutdown(deadline()).await.unwrap();
}

#[tokio::test]
async fn a_unix_socket_with_its_mode_that_goes_away() {
    let rig = Rig::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("statsd.sock");
    drop(UnixDatagram::bind(&path).unwrap()); // left by an earlier process
    let endpoint = path.to_string_lossy().into_owned();
    let receiver = rig.start(Config { endpoint, ..on("unixgram") }).await;
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o622);
    let sender = UnixDatagram::unbound().unwrap();
    sender.send_to(b"calls:1|c\nup:+1|g", &path).unwrap();
    let long = format!("calls:2|c\n{}", "x".repeat(70_000));
    sender.send_to(long.as_bytes(), &path).unwrap();
    receiver.shutdown(deadline()).await.unwrap();
    assert_eq!(rig.sink.drain(), [expected(&[("calls", 3.0), ("up", 1.0)])]);
    assert_eq!(rig.own("otelcol_receiver_statsd_refused_lines", &[("reason", "truncated")]), 1.0);
    drop(rig);
    drop(receiver);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let rig = Rig::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    std::fs::write(&path, "data").unwrap();
    let receiver = rig.make(Config { endpoint: path.to_string_lossy().into_owned(), ..on("unixgram") });
    assert!(receiver.start(&rig.host).await.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
}

/// Waits until so many lines are through, of whatever outcome.
async fn lines_through(rig: &Rig, lines: f64) {
    let received =
        |success| rig.own("otelcol_receiver_received_statsd_metrics", &[("parse_success", success)]);
    while received("true") + received("false") < lines {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn lines_over_tcp() {
    let rig = Rig::new();
    let receiver = rig.start(on("tcp")).await;
    let mut one = TcpStream::connect(receiver.local_addr().unwrap()).await.unwrap();
    let mut two = TcpStream::connect(receiver.local_addr().unwrap()).await.unwrap();
    one.write_all(b"calls:1|c\r\ncalls:2|c\nup:").await.unwrap();
    two.write_all(b"calls:4|c\n").await.unwrap();
    one.write_all(b"+1|g").await.unwrap();
    one.shutdown().await.unwrap(); // its last line has no newline
    lines_through(&rig, 4.0).await;
    two.write_all(b"half of a li").await.unwrap();
    receiver.shutdown(deadline()).await.unwrap();
    assert_eq!(rig.sink.drain(), [expected(&[("calls", 7.0), ("up", 1.0)])]);
}

#[tokio::test]
async fn more_connections_than_allowed_are_closed_and_counted() {
    let rig = Rig::new();
    let mut config = on("tcp");
    config.limits.connections = 1;
    let receiver = rig.start(config).await;
    let mut one = TcpStream::connect(receiver.local_addr().unwrap()).await.unwrap();
    one.write_all(b"calls:1|c\n").await.unwrap();
    lines_through(&rig, 1.0).await;
    let _two = TcpStream::connect(receiver.local_addr().unwrap()).await.unwrap();
    while rig.own("otelcol_receiver_statsd_refused_connections", &[]) < 1.0 {
        tokio::task::yield_now().await;
    }
    receiver.shutdown(deadline()).await.unwrap();
}

/// The state that `stream::read` works on, without sockets.
async fn read_in_pieces(pieces: &[&[u8]], line_bytes: usize) -> (Interval, f64) {
    let rig = Rig::new();
    let mut config = on("tcp");
    config.limits.line_bytes = line_bytes;
    let receiver = rig.start(config).await;
    let shared = &receiver.running.get().unwrap().shared;
    let mut stream = stream_of(pieces);
    stream::read(&mut stream, "192.0.2.1:9".parse().unwrap(), shared).await;
    let interval = shared.aggregator.lock().unwrap().take(Moment::at(1));
    (interval, rig.own("otelcol_receiver_received_statsd_metrics", &[("parse_success", "false")]))
}

/// A stream whose reads end where the pieces end.
fn stream_of<'a>(pieces: &[&'a [u8]]) -> impl tokio::io::AsyncRead + Unpin + use<'a> {
    struct Pieces<'a>(VecDeque<&'a [u8]>);
    impl tokio::io::AsyncRead for Pieces<'_> {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _context: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            if let Some(piece) = self.0.pop_front() {
                buffer.put_slice(piece);
            }
            std::task::Poll::Ready(Ok(()))
        }
    }
    // An empty read would be the end of the stream.
    Pieces(pieces.iter().copied().filter(|piece| !piece.is_empty()).collect())
}

fn sums(interval: &Interval) -> BTreeMap<String, f64> {
    let points = interval.points.iter();
    points
        .map(|(identity, taken)| match taken {
            aggregator::Taken::Sum(sum) => (identity.name.clone(), *sum),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn a_stream_cut_anywhere_gives_the_same_lines() {
    let text = b"calls:1|c\r\n\nname with space:2|c|#a:b\nwrong\nzo\xc3\xab:3|c\ncalls:4|c";
    let whole = sums(&read_in_pieces(&[text], 64).await.0);
    assert_eq!(whole, expected(&[("calls", 5.0), ("name with space", 2.0), ("zo\u{eb}", 3.0)]));
    for cut in 0..=text.len() {
        let (interval, failed) = read_in_pieces(&[&text[..cut], &text[cut..]], 64).await;
        assert_eq!((sums(&interval), failed), (whole.clone(), 1.0), "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(sums(&read_in_pieces(&bytes, 64).await.0), whole);
}

#[tokio::test]
async fn a_line_without_an_end_is_dropped_once_and_what_follows_is_read() {
    let long = vec![b'x'; 100];
    let pieces: [&[u8]; 5] = [b"a:1|c\n", &long, &long, b"y:9|c\nb:2|c\nc", b":3|c\n"];
    let (interval, failed) = read_in_pieces(&pieces, 64).await;
    assert_eq!(sums(&interval), expected(&[("a", 1.0), ("b", 2.0), ("c", 3.0)]));
    assert_eq!(failed, 1.0);
}

#[tokio::test]
async fn times_come_from_the_collectors_clock() {
    let mut rig = Rig::new();
    let time = std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    rig.collector.clock = Clock::from_fn(move || time);
    let receiver = rig.start(on("udp")).await;
    send(&receiver, "up:1|g");
    receiver.shutdown(deadline()).await.unwrap();
    let batches = std::mem::take(&mut *rig.sink.batches.lock().unwrap());
    let metrics = batches[0].metrics().unwrap();
    let scope = &metrics[0].scope_metrics[0];
    assert_eq!(
        scope.scope.as_ref().unwrap().name,
        "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/statsdreceiver"
    );
    let Some(Data::Gauge(gauge)) = &scope.metrics[0].data else { panic!("no gauge") };
    assert_eq!(gauge.data_points[0].time_unix_nano, 1_800_000_000_000_000_000);
}
