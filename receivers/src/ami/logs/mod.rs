//! Events as log records.
