//! The soak: the program under full load and faults for a long time, which must hold no more memory and no more
//! descriptors at the end than after a warm-up, and account for each item.
//!
//! `soak SECONDS PROGRAM [PERCENT]`, with PERCENT of the whole load. With `leak` for PROGRAM it runs a collector that leaks on
//! purpose, and fails if that is not found out.

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

/// At the end of each round, without faults and changes: all that runs is in use again.
const CALM: Duration = Duration::from_secs(10);

/// More than what a cycle of faults takes beyond its time.
const SLACK: Duration = Duration::from_secs(3);

/// The longest time for which backends are away.
const A_MINUTE: Duration = Duration::from_secs(60);

/// What went wrong, for people.
type Failure = Box<dyn std::error::Error>;

/// The program holds more, or less, than before.
#[derive(Debug)]
struct Grown(String);

impl std::fmt::Display for Grown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Grown {}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["leaking-collector", config] => leak::run(config),
        [seconds, program] => begin(seconds, program, "100"),
        [seconds, program, percent] => begin(seconds, program, percent),
        _ => Err("usage: soak SECONDS (PROGRAM|leak) [PERCENT]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(&format!("FAILED: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn begin(seconds: &str, program: &str, percent: &str) -> Result<(), Failure> {
    let result = soak(seconds.parse()?, program, percent.parse()?);
    if program != "leak" {
        return result;
    }
    match result {
        Ok(()) => Err("the leak that was put in on purpose was not found".into()),
        Err(why) if why.is::<Grown>() => {
            say(&format!("found the leak that was put in on purpose: {why}"));
            Ok(())
        }
        other => other,
    }
}

#[tokio::main]
async fn soak(seconds: u64, program: &str, percent: usize) -> Result<(), Failure> {
    let backends = Backends::start().await;
    let mut program = Program::start(program, &backends).await?;
    let load = Load::new(program.otlp, percent);
    // The same in both rounds, so that what it makes grow has grown in the first.
    let long = Duration::from_secs(seconds / 15).min(A_MINUTE);
    // Each fault once.
    let warm_up = backends::cycle(long) + CALM + SLACK;
    say(&format!("warm-up of {warm_up:?}, backends are away for up to {long:?}"));
    round(&load, &backends, &mut program, warm_up, long).await?;
    let before = settle(&backends, &program, &load).await?;
    say(&format!("after the warm-up: {before}"));
    round(&load, &backends, &mut program, Duration::from_secs(seconds), long).await?;
    let after = settle(&backends, &program, &load).await?;
    say(&format!("at the end: {after}"));
    compare(&before, &after)?;
    program.stop().await
}

/// Load, scrapes and faults for some time.
async fn round(
    load: &Load,
    backends: &Backends,
    program: &mut Program,
    length: Duration,
    long: Duration,
) -> Result<(), Failure> {
    let end = Instant::now() + length;
    let scrapes = program.scrapes();
    let faults = async {
        let mut number = 0;
        // Whole cycles, as what a fault makes grow depends on which it was: both readings come after the same one.
        while Instant::now() + backends::cycle(long) + CALM <= end {
            for _ in 0..backends::FAULTS {
                backends.fault(number, long).await;
                number += 1;
                program.check(number)?;
            }
        }
        Ok::<usize, Failure>(number)
    };
    let work = async { tokio::join!(load.run(end), faults) };
    let (sent, faults) = tokio::select! {
        done = work => done,
        why = scrapes => return Err(why),
    };
    backends.heal();
    say(&format!("{sent}; {} faults", faults?));
    program.refusals().await?.iter().for_each(|line| say(line));
    sent.check()
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
    if change.abs() > TOLERANCE {
        let percent = TOLERANCE * 100.0;
        return Err(Box::new(Grown(format!(
            "allocated bytes went from {} to {}, expected a change of at most {percent} %",
            before.allocated, after.allocated
        ))));
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
