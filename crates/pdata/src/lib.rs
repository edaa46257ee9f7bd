//! OTLP batches: wire view and decoded model.
