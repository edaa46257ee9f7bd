//! The `otelcol-asterisk` command.

mod cli;
mod components;

use std::process::ExitCode;

use otelcol_pipeline::telemetry::LogControl;
use otelcol_pipeline::{BuildInfo, Collector, Memory, Settings, Shared};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Few threads: the machine carries live calls.
const MAX_WORKERS: usize = 4;

fn main() -> ExitCode {
    match run(cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::print_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(command: cli::Command) -> anyhow::Result<()> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    let build = BuildInfo::default();
    match command {
        cli::Command::Components => {
            cli::print(&components::listing(&build));
            Ok(())
        }
        cli::Command::Validate(sources) => {
            let collector = Collector::new(settings(sources, build, None));
            Ok(runtime.block_on(collector.validate())?)
        }
        cli::Command::PrintConfig(sources, mode) => {
            let collector = Collector::new(settings(sources, build, None));
            cli::print(&runtime.block_on(collector.print_config(mode == cli::Mode::Unredacted))?);
            Ok(())
        }
        cli::Command::Run(sources) => {
            let logs = LogControl::install()?;
            let collector = Collector::new(settings(sources, build, Some(logs)));
            Ok(runtime.block_on(collector.run())?)
        }
    }
}

fn settings(sources: cli::Sources, build: BuildInfo, logs: Option<LogControl>) -> Settings {
    let shared =
        Shared { memory: Memory::from_fn(allocated), build, gates: sources.gates, ..Shared::default() };
    Settings { factories: components::factories(), config: sources.config, set: sources.set, shared, logs }
}

/// Bytes that the allocator has handed out.
fn allocated() -> u64 {
    // The figures stand still until the epoch is advanced.
    let _ = tikv_jemalloc_ctl::epoch::advance();
    tikv_jemalloc_ctl::stats::allocated::read().map_or(0, |bytes| bytes as u64)
}
