//! Prometheus exposition formats.
