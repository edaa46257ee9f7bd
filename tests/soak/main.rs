//! The soak: the program under full load and faults for a long time, which must hold no more memory and no more
//! descriptors at the end than after a warm-up, and account for each item.
//!
//! `soak SECONDS PROGRAM`; with `leak` for PROGRAM, a collector that leaks on purpose, which must be found out.

mod backends;
mod leak;
mod load;
mod program;

use std::process::ExitCode;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use backends::Backends;
use load::Load;
use program::{Program, Reading};

/// The allocator of the program, for the collector that leaks.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Allocated bytes at the end may differ by this part from those after the warm-up.
const TOLERANCE: f64 = 0.02;
/// Or by so many bytes, as two percent of the 2 MiB that an idle collector holds are less than one buffer.
const NOISE: f64 = 128.0 * 1024.0;

/// What went wrong, for people.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["leaking-collector", config] => leak::run(config),
        [seconds, program] => seconds.parse().map_err(Failure::from).and_then(|n| soak(n, program)),
        _ => Err("usage: soak SECONDS (PROGRAM|leak)".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(&format!("FAILED: {why}"));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn soak(seconds: u64, program: &str) -> Result<(), Failure> {
    let backends = Backends::start().await;
    let mut program = Program::start(program, &backends).await?;
    let load = Load::new(program.otlp);
    let warm_up = Duration::from_secs((seconds / 5).clamp(15, 300));
    say(&format!("warm-up of {warm_up:?}"));
    round(&load, &backends, &mut program, warm_up).await?;
    let before = settle(&backends, &program, &load).await?;
    say(&format!("after the warm-up: {before}"));
    round(&load, &backends, &mut program, Duration::from_secs(seconds)).await?;
    let after = settle(&backends, &program, &load).await?;
    say(&format!("at the end: {after}"));
    compare(&before, &after)?;
    program.stop().await
}

/// Load and faults for some time.
async fn round(
    load: &Load,
    backends: &Backends,
    program: &mut Program,
    length: Duration,
) -> Result<(), Failure> {
    let end = Instant::now() + length;
    let faults = async {
        let mut number = 0;
        while Instant::now() < end {
            backends.fault(number).await;
            number += 1;
            program.check(number)?;
        }
        Ok::<(), Failure>(())
    };
    let (sent, faults) = tokio::join!(load.run(end), faults);
    backends.heal();
    faults?;
    say(&format!("{sent}"));
    Ok(())
}

/// Waits until everything is delivered and all connections to backends are gone, checks the books and reads.
async fn settle(backends: &Backends, program: &Program, load: &Load) -> Result<Reading, Failure> {
    program.wait_until_empty().await?;
    program.check_books(load.accepted()).await?;
    backends.disconnect().await;
    let reading = program.read().await?;
    backends.heal();
    Ok(reading)
}

fn compare(before: &Reading, after: &Reading) -> Result<(), Failure> {
    let change = after.allocated / before.allocated - 1.0;
    say(&format!("allocated bytes changed by {:+.2} %", change * 100.0));
    if change.abs() > TOLERANCE && (after.allocated - before.allocated).abs() > NOISE {
        let percent = TOLERANCE * 100.0;
        return Err(format!(
            "allocated bytes went from {} to {}, expected a change of at most {percent} %",
            before.allocated, after.allocated
        )
        .into());
    }
    if before.descriptors != after.descriptors {
        let (before, after) = (before.descriptors, after.descriptors);
        return Err(format!("open descriptors went from {before} to {after}, expected no change").into());
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a report for people")]
fn say(text: &str) {
    eprintln!("soak: {text}");
}

/// A pause between two looks at something that takes its time.
async fn pause() {
    sleep(Duration::from_millis(200)).await;
}
