//! Sinks, fakes and clocks for tests.
