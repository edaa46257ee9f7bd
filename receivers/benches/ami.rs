//! What events of Asterisk cost: parsing them, keeping the book and making metrics and traces; and what open calls hold.
//!
//! `cargo bench -p otelcol-receivers --no-default-features --features ami --bench ami`. The stream is that of 200 real calls, with the
//! classes of events that the receiver asks for by default, again and again with other ids. It is read on one thread; the
//! traces are carried out by another one, whose CPU counts.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{ConsumeError, Consumer, Context, Kind, Outputs};
use otelcol_receivers::ami::Replay;
use otelcol_receivers::ami::config::Config;
use otelcol_testkit::ami::{Message, Transcript};

const ROUNDS: usize = 100;
const OPEN_CALLS: usize = 20_000;
/// As much as is read from a socket at a time.
const READ: usize = 64 * 1024;
const SECOND: u64 = 1_000_000_000;
/// What metrics and traces ask for by default.
const CLASSES: [&str; 7] = ["system", "call", "agent", "reporting", "security", "dtmf", "agi"];

/// What is made of the events.
const SIGNALS: [(&str, &[Signal]); 3] = [
    ("metrics", &[Signal::Metrics]),
    ("metrics and traces", &[Signal::Metrics, Signal::Traces]),
    ("metrics, traces and log records", &[Signal::Metrics, Signal::Traces, Signal::Logs]),
];

#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl Consumer for Nowhere {
    async fn consume(&self, _: Batch) -> Result<(), ConsumeError> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _inside = runtime.enter();
    let events = Transcript::load("asterisk22", "load_200_calls").events();
    let asked: Vec<Message> = events
        .into_iter()
        .filter(|event| CLASSES.contains(&event.get("Privilege").split(',').next().unwrap_or_default()))
        .collect();
    for (what, signals) in SIGNALS {
        let mut replay = runtime.block_on(replay(signals));
        let rounds: Vec<Vec<u8>> = (0..ROUNDS).map(|round| stream(&asked, round)).collect();
        let bytes: usize = rounds.iter().map(Vec::len).sum();
        let (begin, cpu_before) = (Instant::now(), cpu()?);
        let mut heard = 0;
        for (round, stream) in rounds.iter().enumerate() {
            for (read, part) in stream.chunks(READ).enumerate() {
                heard += replay.hear(part, (1_800_000_000 + round as u64) * SECOND + read as u64);
            }
        }
        let (took, cpu) = (begin.elapsed().as_secs_f64(), (cpu()? - cpu_before).as_secs_f64());
        println!(
            "{what}: {heard} events of {} bytes, {:.0} events/s, {:.0} ns CPU/event",
            bytes / heard.max(1),
            heard as f64 / took,
            cpu * 1e9 / heard as f64
        );
    }
    for (what, signals) in &SIGNALS[..2] {
        println!(
            "{OPEN_CALLS} open calls, {what}: {:.1} MiB",
            runtime.block_on(open_calls(signals))? as f64 / 1_048_576.0
        );
    }
    Ok(())
}

async fn replay(signals: &[Signal]) -> Replay {
    let consumer: Arc<dyn Consumer> = Arc::new(Nowhere);
    let config = Config { username: "bench".to_owned(), ..Config::default() };
    Replay::new(Context::detached(Kind::Receiver, "ami"), config, &Outputs::to(&consumer), signals).await
}

/// The stream with other ids: whole seconds are added to them.
fn stream(events: &[Message], round: usize) -> Vec<u8> {
    let mut stream = Vec::new();
    for event in events {
        let from = stream.len();
        stream.extend_from_slice(&event.wire());
        shift(&mut stream[from..], round as u64 * 1000);
    }
    stream
}

/// Adds seconds to what looks like an id: ten digits from 17 on and a dot.
fn shift(bytes: &mut [u8], seconds: u64) {
    let mut at = 0;
    while at + 11 <= bytes.len() {
        let (digits, behind) = (&bytes[at..at + 10], bytes[at + 10]);
        let id = behind == b'.' && digits.starts_with(b"17") && digits.iter().all(u8::is_ascii_digit);
        if id {
            let number: u64 =
                std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0);
            bytes[at..at + 10].copy_from_slice(format!("{:010}", number + seconds).as_bytes());
            at += 11;
        } else {
            at += 1;
        }
    }
}

/// Bytes that calls hold while they are up: two channels in a bridge.
async fn open_calls(signals: &[Signal]) -> Result<usize, Box<dyn std::error::Error>> {
    let events = Transcript::load("asterisk22", "dial_answered").events();
    let asked =
        |event: &&Message| CLASSES.contains(&event.get("Privilege").split(',').next().unwrap_or_default());
    let open: Vec<Message> =
        events.iter().take_while(|event| event.event() != "HangupRequest").filter(asked).cloned().collect();
    let bridge =
        open.iter().map(|event| event.get("BridgeUniqueid")).find(|id| !id.is_empty()).unwrap_or_default();
    let mut replay = replay(signals).await;
    let before = resident()?;
    for call in 0..OPEN_CALLS {
        let text = stream(&open, call);
        let other = format!("{call:08}{}", bridge.get(8..).unwrap_or_default());
        let text: Vec<u8> = replace(&text, bridge.as_bytes(), other.as_bytes());
        replay.hear(&text, 1_800_000_000 * SECOND + call as u64);
    }
    let held = resident()? - before;
    let metrics = replay.metrics().ok_or("no metrics")?;
    drop(metrics);
    Ok(held)
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at + from.len() <= out.len() {
        if &out[at..at + from.len()] == from {
            out[at..at + from.len()].copy_from_slice(to);
            at += from.len();
        } else {
            at += 1;
        }
    }
    out
}

/// CPU that all threads of this process used so far.
fn cpu() -> std::io::Result<Duration> {
    let mut nanos = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let stat = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += stat.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}

/// Resident memory of this process in bytes.
fn resident() -> std::io::Result<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    Ok(pages * 4096)
}
