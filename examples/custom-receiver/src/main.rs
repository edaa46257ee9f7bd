//! A collector with a receiver of its own: `cargo run -p custom-receiver -- --config examples/custom-receiver/config.yaml`.

mod spool;

use anyhow::Context;
use otelcol_pipeline::telemetry::LogControl;
use otelcol_pipeline::{BuildInfo, Collector, Factories, Settings, Shared};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let flag = arguments.next();
    let config = arguments.next().filter(|_| flag.as_deref() == Some("--config"));
    let config = config.context("usage: custom-receiver --config FILE")?;
    let factories = Factories {
        receivers: vec![spool::factory()],
        processors: otelcol_processors::factories(),
        exporters: otelcol_exporters::factories(),
        ..Factories::default()
    };
    let build = BuildInfo {
        command: "custom-receiver",
        description: "A collector with a receiver of its own",
        version: env!("CARGO_PKG_VERSION"),
    };
    let shared = Shared { build, ..Shared::default() };
    let logs = Some(LogControl::install()?);
    let settings = Settings { factories, config: vec![config], shared, logs, ..Settings::default() };
    Ok(Collector::new(settings).run().await?)
}
