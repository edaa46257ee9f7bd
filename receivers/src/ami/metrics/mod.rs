//! From the book to OTLP metrics.
