//! A batch as a record of the queue's log: what is known of its client, then its OTLP bytes as they are.
//!
//! ```text
//! 4   length of what follows, little-endian; 0: nothing is known
//!     JSON: {"headers": {"x-tenant": ["a"]}, "auth": {"username": "b"}}
//!     an export request
//! ```
//!
//! Both say whose data it is, which must not change on its way. Credentials as they came (`raw`) stay in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use otelcol_pdata::{Batch, Client, Metadata, Signal};
use serde::{Deserialize, Serialize};

/// What basicauth calls the credentials themselves.
const CREDENTIALS: &str = "raw";

/// What is kept of a client.
#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Known {
    headers: BTreeMap<String, Vec<String>>,
    auth: BTreeMap<String, String>,
}

impl Known {
    fn of(client: &Client) -> Self {
        let headers = client.metadata.iter().map(|(name, values)| (name.to_owned(), values.to_vec()));
        let mut auth = client.auth.clone();
        auth.remove(CREDENTIALS);
        Self { headers: headers.collect(), auth }
    }
}

/// The parts of a record.
pub(super) fn encode(batch: &Batch) -> Vec<Bytes> {
    let known = batch.client().map(|client| Known::of(client)).filter(|known| *known != Known::default());
    // Strings and lists of them are JSON in any case.
    let known = known.and_then(|known| serde_json::to_vec(&known).ok()).unwrap_or_default();
    let mut prefix = u32::try_from(known.len()).unwrap_or(0).to_le_bytes().to_vec();
    prefix.extend_from_slice(&known);
    let mut record = vec![Bytes::from(prefix)];
    record.extend(batch.wire_chunks());
    record
}

/// The batch of a record.
pub(super) fn decode(signal: Signal, record: &Bytes) -> Result<Batch, String> {
    let Some((length, _)) = record.split_first_chunk() else {
        return Err("the record is cut short".to_owned());
    };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let start = length.saturating_add(4);
    if start > record.len() {
        return Err(format!(
            "expected {length} bytes of its client, found a record of {} bytes",
            record.len()
        ));
    }
    let client = if length == 0 { None } else { Some(client(&record[4..start])?) };
    let batch = Batch::from_wire(signal, record.slice(start..)).map_err(|why| why.to_string())?;
    Ok(batch.with_client(client))
}

fn client(known: &[u8]) -> Result<Arc<Client>, String> {
    let Known { headers, auth } =
        serde_json::from_slice(known).map_err(|why| format!("the client of the record: {why}"))?;
    let mut metadata = Metadata::default();
    for (name, values) in headers {
        values.into_iter().for_each(|value| metadata.append(&name, value));
    }
    Ok(Arc::new(Client { metadata, auth, ..Client::default() }))
}

#[cfg(test)]
mod tests {
    use otelcol_testkit::samples;

    use super::*;

    fn through(batch: &Batch) -> Batch {
        decode(batch.signal(), &Bytes::from(encode(batch).concat())).unwrap()
    }

    #[test]
    fn a_batch_comes_back_with_whose_it_is() {
        let batch = samples::spans(3);
        assert_eq!(through(&batch).to_wire(), batch.to_wire());
        assert_eq!(through(&batch).client(), None);
        let auth = [("username", "a"), (CREDENTIALS, "YTpi")];
        let auth = auth.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mut client = Client { auth, ..Client::default() };
        ["b", "a"].into_iter().for_each(|tenant| client.metadata.append("x-tenant", tenant));
        let back = through(&batch.clone().with_client(Some(Arc::new(client.clone()))));
        assert_eq!(back.to_wire(), batch.to_wire());
        client.auth.remove(CREDENTIALS);
        assert_eq!(back.client(), Some(&Arc::new(client)));
    }

    #[test]
    fn other_bytes_are_refused() {
        for record in [&b""[..], b"\0\0\0", b"\xff\xff\xff\xff", b"\x02\0\0\0[1", b"\0\0\0\0\xff"] {
            assert!(decode(Signal::Traces, &Bytes::from_static(record)).is_err(), "{record:?}");
        }
    }
}
