//! The table of components.

use std::fmt::Write;

use otelcol_pipeline::{BuildInfo, Factories, Factory};

/// All components of this collector.
pub(crate) fn factories() -> Factories {
    Factories {
        receivers: otelcol_receivers::factories(),
        processors: otelcol_processors::factories(),
        exporters: otelcol_exporters::factories(),
        connectors: otelcol_connectors::factories(),
        extensions: otelcol_extensions::factories(),
    }
}

/// The answer to `components`, in otelcol's form.
pub(crate) fn listing(build: &BuildInfo) -> String {
    let all = factories();
    let mut out = format!(
        "buildinfo:\n    command: {}\n    description: {}\n    version: {}\n",
        build.command, build.description, build.version
    );
    section(&mut out, "receivers", &all.receivers);
    section(&mut out, "processors", &all.processors);
    section(&mut out, "exporters", &all.exporters);
    section(&mut out, "connectors", &all.connectors);
    section(&mut out, "extensions", &all.extensions);
    out
}

fn section<S: std::fmt::Debug + 'static, M>(out: &mut String, name: &str, factories: &[Factory<S, M>]) {
    let _ = writeln!(out, "{name}:");
    for factory in factories {
        let _ = writeln!(out, "    - name: {}", factory.component_type);
        if !factory.aliases.is_empty() {
            let _ = writeln!(out, "      aliases: [{}]", factory.aliases.join(", "));
        }
        if !factory.signals.is_empty() {
            let signals: Vec<String> =
                factory.signals.iter().map(|signal| format!("{signal:?}").to_lowercase()).collect();
            let _ = writeln!(out, "      signals: [{}]", signals.join(", "));
        }
    }
}
