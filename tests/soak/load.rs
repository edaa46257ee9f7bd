//! 20,000 spans, 20,000 points and 5,000 log records a second.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use otelcol_net::GrpcClient;
use otelcol_net::config::{ClientTls, GrpcClientConfig};
use otelcol_pdata::{Batch, Signal};
use otelcol_testkit::samples;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Twenty requests a second of each signal.
const EVERY: Duration = Duration::from_millis(50);
const ITEMS: [usize; 3] = [1000, 1000, 250];

/// One sender for each signal.
pub(crate) struct Load {
    lanes: [Lane; 3],
}

struct Lane {
    client: GrpcClient,
    path: &'static str,
    body: Vec<Bytes>,
    items: u64,
    accepted: AtomicU64,
    refused: AtomicU64,
}

/// What a round has sent.
pub(crate) struct Sent([(Signal, u64, u64); 3]);

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("items accepted and refused so far:")?;
        self.0.iter().try_for_each(|(signal, accepted, refused)| write!(f, " {signal} {accepted}/{refused}"))
    }
}

impl Load {
    #[expect(clippy::expect_used, reason = "a soak without a client is over")]
    pub(crate) fn new(port: u16) -> Self {
        let [spans, points, records] = ITEMS;
        let batches = [samples::spans(spans), samples::points(points), samples::records(records)];
        let lane = |batch: Batch| {
            let tls = ClientTls { insecure: true, ..ClientTls::default() };
            let endpoint = format!("127.0.0.1:{port}");
            let config = GrpcClientConfig { endpoint, tls, ..GrpcClientConfig::default() };
            Lane {
                client: GrpcClient::new(&config).expect("a client"),
                path: otelcol_testkit::grpc_path(batch.signal()),
                body: vec![batch.to_wire()],
                items: batch.items() as u64,
                accepted: AtomicU64::new(0),
                refused: AtomicU64::new(0),
            }
        };
        Self { lanes: batches.map(lane) }
    }

    pub(crate) async fn run(&self, end: Instant) -> Sent {
        let [spans, points, records] = &self.lanes;
        tokio::join!(spans.run(end), points.run(end), records.run(end));
        let of = |signal, lane: &Lane| {
            (signal, lane.accepted.load(Ordering::Relaxed), lane.refused.load(Ordering::Relaxed))
        };
        Sent([of(Signal::Traces, spans), of(Signal::Metrics, points), of(Signal::Logs, records)])
    }

    /// Items accepted since the start: spans, points, log records.
    pub(crate) fn accepted(&self) -> [u64; 3] {
        [0, 1, 2].map(|n: usize| self.lanes[n].accepted.load(Ordering::Relaxed))
    }
}

impl Lane {
    async fn run(&self, end: Instant) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while Instant::now() < end {
            ticks.tick().await;
            let answer = self.client.call(self.path, self.body.clone(), Duration::from_secs(30)).await;
            let count = if answer.is_ok() { &self.accepted } else { &self.refused };
            count.fetch_add(self.items, Ordering::Relaxed);
        }
    }
}
