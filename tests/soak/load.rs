//! 20,000 spans, 20,000 points and 5,000 log records a second, or a part of that.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use otelcol_net::GrpcClient;
use otelcol_net::config::{ClientTls, GrpcClientConfig};
use otelcol_pdata::{Batch, Signal};
use otelcol_testkit::samples;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::Failure;

/// Twenty requests a second of each signal.
const EVERY: Duration = Duration::from_millis(50);
const A_SECOND: [usize; 3] = [20_000, 20_000, 5_000];
/// Less than this part of the rate that was asked for is no soak at that rate.
const ENOUGH: f64 = 0.95;

/// One sender for each signal.
pub(crate) struct Load {
    lanes: [Lane; 3],
}

struct Lane {
    client: GrpcClient,
    signal: Signal,
    body: Vec<Bytes>,
    items: u64,
    accepted: AtomicU64,
}

/// What was sent in a round.
pub(crate) struct Sent([Count; 3]);

struct Count {
    signal: Signal,
    /// Items a second: asked for, sent, and taken by the program.
    wanted: f64,
    offered: f64,
    accepted: f64,
}

impl Sent {
    /// # Errors
    /// The senders were too slow.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.0.iter().find(|count| count.offered < count.wanted * ENOUGH) {
            None => Ok(()),
            Some(Count { signal, wanted, offered, .. }) => {
                Err(format!("expected {wanted:.0} {signal} a second to be sent, found {offered:.0}").into())
            }
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("items sent and accepted a second:")?;
        self.0.iter().try_for_each(|Count { signal, offered, accepted, .. }| {
            write!(f, " {signal} {offered:.0}/{accepted:.0}")
        })
    }
}

impl Load {
    /// `percent` of the whole load.
    #[expect(clippy::expect_used, reason = "a soak without a client is over")]
    pub(crate) fn new(port: u16, percent: usize) -> Self {
        let requests = 1000 / EVERY.as_millis() as usize;
        let [spans, points, records] = A_SECOND.map(|items| items * percent / 100 / requests);
        let batches = [samples::spans(spans), samples::points(points), samples::records(records)];
        let lane = |batch: Batch| {
            let tls = ClientTls { insecure: true, ..ClientTls::default() };
            let endpoint = format!("127.0.0.1:{port}");
            let config = GrpcClientConfig { endpoint, tls, ..GrpcClientConfig::default() };
            Lane {
                client: GrpcClient::new(&config).expect("a client"),
                signal: batch.signal(),
                body: vec![batch.to_wire()],
                items: batch.items() as u64,
                accepted: AtomicU64::new(0),
            }
        };
        Self { lanes: batches.map(lane) }
    }

    pub(crate) async fn run(&self, end: Instant) -> Sent {
        let [spans, points, records] = &self.lanes;
        let (spans, points, records) = tokio::join!(spans.run(end), points.run(end), records.run(end));
        Sent([spans, points, records])
    }

    /// Items accepted since the start: spans, points, log records.
    pub(crate) fn accepted(&self) -> [u64; 3] {
        [0, 1, 2].map(|n: usize| self.lanes[n].accepted.load(Ordering::Relaxed))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a soak fit 52 bits")]
fn rate(items: u64, time: Duration) -> f64 {
    items as f64 / time.as_secs_f64()
}

impl Lane {
    async fn run(&self, end: Instant) -> Count {
        let (begun, before) = (Instant::now(), self.accepted.load(Ordering::Relaxed));
        let path = otelcol_testkit::grpc_path(self.signal);
        let mut offered = 0;
        let mut ticks = interval(EVERY);
        // What one slow answer costs is made good.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while Instant::now() < end {
            ticks.tick().await;
            offered += self.items;
            if self.client.call(path, self.body.clone(), Duration::from_secs(30)).await.is_ok() {
                self.accepted.fetch_add(self.items, Ordering::Relaxed);
            }
        }
        let (time, accepted) = (begun.elapsed(), self.accepted.load(Ordering::Relaxed) - before);
        Count {
            signal: self.signal,
            wanted: rate(self.items, EVERY),
            offered: rate(offered, time),
            accepted: rate(accepted, time),
        }
    }
}
