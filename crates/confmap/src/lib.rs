//! Collector configuration: sources, expansion, merge, typed decoding with path and line in errors.
