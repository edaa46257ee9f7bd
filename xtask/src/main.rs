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
        /// How much of 20,000 spans, 20,000 points and 5,000 log records a second.
        #[arg(long, default_value_t = 100)]
        percent: u32,
        /// The debug build instead of the release build, which takes less time to build and less load.
        #[arg(long)]
        debug: bool,
    },
    /// Builds the program as one static file, which needs no C library, and prints where it is.
    Dist {
        /// The debug build instead of the release build.
        #[arg(long)]
        debug: bool,
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
        Chore::Soak { seconds, percent, debug } => soak(seconds, percent, debug),
        Chore::Dist { debug } => dist(debug),
        Chore::Bench { what } => run(Command::new("benches/compare.sh").args(what)),
    }
}

/// Seconds in which a leak must be found.
const LEAKING: u32 = 20;

fn soak(seconds: u32, percent: u32, debug: bool) -> anyhow::Result<()> {
    let profile = if debug { "debug" } else { "release" };
    // All packages, as elsewhere: a choice of them would be other features, and a build of its own.
    let mut build = Command::new("cargo");
    build.args(["build", "--workspace", "--locked", "--bin", "otelcol-asterisk", "--bin", "soak"]);
    run(build.args((!debug).then_some("--release")))?;
    let bin = |name| target_dir().join(profile).join(name);
    for (seconds, program) in [(seconds, bin("otelcol-asterisk")), (LEAKING, PathBuf::from("leak"))] {
        let (seconds, percent) = (seconds.to_string(), percent.to_string());
        run(Command::new(bin("soak")).arg(seconds).arg(program).arg(percent))?;
    }
    Ok(())
}

/// The C library goes into the file: one that was built here does not run where that library is older. With glibc 2.34 and
/// newer it finds names by itself, in `/etc/hosts` and by DNS.
#[expect(clippy::print_stdout, reason = "the answer")]
fn dist(debug: bool) -> anyhow::Result<()> {
    let version = Command::new("rustc").arg("-vV").output().context("running rustc -vV")?;
    let version = String::from_utf8(version.stdout)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let flags = format!("target.{host}.rustflags=['-C', 'target-feature=+crt-static']");
    let mut build = Command::new("cargo");
    // A target that is named keeps the flags from macros, which can not be static.
    build.args(["build", "--locked", "--bin", "otelcol-asterisk", "--target", host, "--config", &flags]);
    run(build.args((!debug).then_some("--release")))?;
    let program =
        target_dir().join(host).join(if debug { "debug" } else { "release" }).join("otelcol-asterisk");
    let headers = Command::new("readelf").arg("-lW").arg(&program).output().context("running readelf")?;
    let headers = String::from_utf8(headers.stdout)?;
    ensure!(
        headers.contains("LOAD") && !headers.contains("INTERP"),
        "{} asks for a dynamic linker, expected a static file: is RUSTFLAGS set?",
        program.display()
    );
    println!("{}", program.display());
    Ok(())
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

fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
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
