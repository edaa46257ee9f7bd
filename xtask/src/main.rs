//! Chores of the repository: `cargo xtask --help`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Chores of the repository")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Runs each fuzz target; see fuzz/README.md for what it needs.
    Fuzz {
        /// Seconds for each target.
        #[arg(default_value_t = 60)]
        seconds: u32,
    },
    /// Runs the program under load and faults and looks for leaks; then does the same with a leak, which must be found.
    Soak {
        /// Seconds under load, after a warm-up.
        #[arg(default_value_t = 1800)]
        seconds: u32,
    },
    /// Measures this collector and the Go collector under the same load; see benches/README.md.
    Bench {
        /// What to measure: statsd, statsd-rate, otlp, scrape, idle; all of them by default.
        what: Vec<String>,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().chore {
        Chore::Fuzz { seconds } => fuzz(seconds),
        Chore::Soak { seconds } => soak(seconds),
        Chore::Bench { what } => run(Command::new("benches/compare.sh").args(what)),
    }
}

fn soak(seconds: u32) -> anyhow::Result<()> {
    let packages = ["-p", "otelcol-collector-bin", "-p", "otelcol-tests"];
    let bins = ["--bin", "otelcol-asterisk", "--bin", "soak"];
    run(Command::new("cargo").args(["build", "--release", "--locked"]).args(packages).args(bins))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let (soak, program) = (target.join("release/soak"), target.join("release/otelcol-asterisk"));
    run(Command::new(&soak).arg(seconds.to_string()).arg(program))?;
    let leaking = Command::new(&soak).args(["45", "leak"]).current_dir(root()).status()?;
    ensure!(!leaking.success(), "the soak did not find a leak that was put in on purpose");
    say("soak: passed, and found the leak that was put in on purpose");
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a report for people")]
fn say(text: &str) {
    eprintln!("{text}");
}

fn fuzz(seconds: u32) -> anyhow::Result<()> {
    for target in fuzz_targets()? {
        let (corpus, seeds) = (format!("fuzz/corpus/{target}"), format!("fuzz/seeds/{target}"));
        std::fs::create_dir_all(root().join(&corpus))?;
        let limit = format!("-max_total_time={seconds}");
        run(Command::new("cargo")
            // libFuzzer's instrumentation needs unstable compiler flags.
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["fuzz", "run", &target, &corpus, &seeds, "--", &limit]))?;
    }
    Ok(())
}

fn fuzz_targets() -> anyhow::Result<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let files = std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut targets = Vec::new();
    for file in files {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            targets.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    targets.sort();
    ensure!(!targets.is_empty(), "no fuzz targets in {}", folder.display());
    Ok(targets)
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let text = format!("{command:?}");
    let status = command.current_dir(root()).status().with_context(|| format!("running {text}"))?;
    ensure!(status.success(), "{text} ended with {status}");
    Ok(())
}
