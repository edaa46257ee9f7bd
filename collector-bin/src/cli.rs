//! The command line, with otelcol's flags and subcommands.

use std::io::Write;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use otelcol_pipeline::FeatureGates;

/// What the user asks for.
pub(crate) enum Command {
    Run(Sources),
    Validate(Sources),
    PrintConfig(Sources, Mode),
    Components,
}

/// What `print-config` does with secrets.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    Redacted,
    Unredacted,
}

/// Where the configuration comes from.
pub(crate) struct Sources {
    pub(crate) config: Vec<String>,
    pub(crate) set: Vec<String>,
    pub(crate) gates: FeatureGates,
}

#[derive(Parser)]
#[command(
    name = "otelcol-asterisk",
    about,
    disable_version_flag = true,
    args_conflicts_with_subcommands = false
)]
struct Cli {
    #[command(flatten)]
    sources: SourceArgs,
    /// Prints the version.
    #[arg(short, long)]
    version: bool,
    #[command(subcommand)]
    command: Option<Sub>,
}

#[derive(Args)]
struct SourceArgs {
    /// Location of a configuration file: a path or a file:, env:, yaml:, http: or https: URI. Can be repeated; later ones win.
    #[arg(long, global = true, value_name = "URI")]
    config: Vec<String>,
    /// A setting that wins over the configuration files, such as processors.batch.timeout=2s. Can be repeated.
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Comma-separated feature gates. A leading - disables a gate, + or nothing enables it.
    #[arg(long, global = true, value_name = "GATES", allow_hyphen_values = true)]
    feature_gates: Vec<String>,
}

#[derive(Subcommand)]
enum Sub {
    /// Validates the configuration without running the collector.
    Validate,
    /// Prints the configuration: sources merged, references expanded, without secrets.
    #[command(alias = "print-initial-config")]
    PrintConfig {
        /// Whether secrets are shown.
        #[arg(long, value_enum, default_value_t = Mode::Redacted)]
        mode: Mode,
    },
    /// Lists the components of this collector.
    Components,
}

/// Reads the command line; prints usage, version or errors itself and ends the process then.
pub(crate) fn parse() -> Command {
    let cli = Cli::parse();
    if cli.version {
        print(&format!("otelcol-asterisk version {}\n", env!("CARGO_PKG_VERSION")));
        std::process::exit(0);
    }
    if matches!(cli.command, Some(Sub::Components)) {
        return Command::Components;
    }
    let mut gates = FeatureGates::default();
    for flag in &cli.sources.feature_gates {
        if let Err(error) = gates.apply(flag) {
            print_error(&anyhow::Error::from(error));
            std::process::exit(1);
        }
    }
    if cli.sources.config.is_empty() {
        let usage = Cli::command().render_usage();
        print_error(&anyhow::anyhow!("at least one config flag must be provided\n\n{usage}"));
        std::process::exit(1);
    }
    let sources = Sources { config: cli.sources.config, set: cli.sources.set, gates };
    match cli.command {
        Some(Sub::Validate) => Command::Validate(sources),
        Some(Sub::PrintConfig { mode }) => Command::PrintConfig(sources, mode),
        _ => Command::Run(sources),
    }
}

pub(crate) fn print(text: &str) {
    // A reader that went away (`| head`) is no error of ours.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

pub(crate) fn print_error(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "Error: {error:#}");
}
