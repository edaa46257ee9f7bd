//! Gauges on disk: the storage's key, and the format of its value.

use serde::{Deserialize, Serialize};

use super::aggregator::KeptGauge;
use super::moment::Moment;

/// The key under which gauges are kept.
pub(super) const KEY: &str = "gauges";

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    gauges: Vec<KeptGauge>,
}

/// Writes gauges as JSON, with their times as times of day: a steady one means nothing to the next process.
///
/// # Errors
/// None that is known: numbers are finite and keys are text.
pub(super) fn write(mut gauges: Vec<KeptGauge>, now: Moment) -> Result<Vec<u8>, String> {
    gauges.iter_mut().for_each(|gauge| gauge.updated = now.wall_of(gauge.updated));
    serde_json::to_vec(&File { version: VERSION, gauges }).map_err(|error| error.to_string())
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// What is wrong with the bytes.
pub(super) fn read(bytes: &[u8], now: Moment) -> Result<Vec<KeptGauge>, String> {
    let mut file: File = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if file.version != VERSION {
        return Err(format!("expected version {VERSION}, found {}", file.version));
    }
    file.gauges.iter_mut().for_each(|gauge| gauge.updated = now.steady_of(gauge.updated));
    Ok(file.gauges)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::statsd::series::Origin;

    const NOW: Moment = Moment { wall: 1_800_000_000_000, steady: 1_700_000_000_000 };

    fn gauge(updated: u64) -> KeptGauge {
        KeptGauge {
            origin: Arc::new(Origin { name: "zoë:x".to_owned(), tags: "#a:b".to_owned() }),
            client: Some("192.0.2.7".parse().unwrap()),
            value: -2.5,
            updated,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let gauges = vec![gauge(NOW.steady), KeptGauge { client: None, ..gauge(NOW.steady - 77) }];
        assert_eq!(read(&write(gauges.clone(), NOW).unwrap(), NOW), Ok(gauges));
    }

    #[test]
    fn an_age_goes_on_while_no_process_runs() {
        let written = write(vec![gauge(NOW.steady - 77)], NOW).unwrap();
        let updated = |now: Moment| read(&written, now).unwrap()[0].updated;
        // The next process counts from elsewhere: 23 later, 100 ago.
        let next = Moment { wall: NOW.wall + 23, steady: 5_000_000_000 };
        assert_eq!(updated(next), next.steady - 100);
        // With a time of day that was set back the gauge is new, not of the future.
        assert_eq!(updated(Moment { wall: 1_000, ..next }), next.steady);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let found = read(br#"{"version":2,"gauges":[]}"#, NOW);
        assert_eq!(found, Err("expected version 1, found 2".to_owned()));
        assert!(read(b"{", NOW).unwrap_err().contains("EOF"));
    }
}
