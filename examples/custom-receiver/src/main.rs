//! The `otelcol-asterisk` command.

fn main() {}
