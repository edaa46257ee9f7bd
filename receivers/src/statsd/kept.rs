//! Gauges on disk: the storage's key, and the format of its value.

use serde::{Deserialize, Serialize};

use super::aggregator::KeptGauge;

/// The key under which gauges are kept.
pub(super) const KEY: &str = "gauges";

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    gauges: Vec<KeptGauge>,
}

/// Writes gauges as JSON.
///
/// # Errors
/// None that is known: numbers are finite and keys are text.
pub(super) fn write(gauges: Vec<KeptGauge>) -> Result<Vec<u8>, String> {
    serde_json::to_vec(&File { version: VERSION, gauges }).map_err(|error| error.to_string())
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// What is wrong with the bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<KeptGauge>, String> {
    let file: File = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if file.version == VERSION {
        Ok(file.gauges)
    } else {
        Err(format!("expected version {VERSION}, found {}", file.version))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::statsd::series::Origin;

    #[test]
    fn what_is_written_is_read() {
        let gauge = KeptGauge {
            origin: Arc::new(Origin { name: "zoë:x".to_owned(), tags: "#a:b".to_owned() }),
            client: Some("192.0.2.7".parse().unwrap()),
            value: -2.5,
            updated: u64::MAX,
        };
        let local = KeptGauge { client: None, ..gauge.clone() };
        let gauges = vec![gauge, local];
        assert_eq!(read(&write(gauges.clone()).unwrap()), Ok(gauges));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        assert_eq!(read(br#"{"version":2,"gauges":[]}"#), Err("expected version 1, found 2".to_owned()));
        assert!(read(b"{").unwrap_err().contains("EOF"));
    }
}
