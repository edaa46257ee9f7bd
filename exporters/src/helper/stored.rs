//! A batch as a record of the queue's log: the headers that travel with it, then its OTLP bytes as they are.
//!
//! ```text
//! 4   length of the headers, little-endian; 0: none
//!     headers, as JSON: {"x-tenant": ["a"]}
//!     an export request
//! ```
//!
//! Of the client only the headers are kept, as in otelcol: what an authenticator said may not hold any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use otelcol_pdata::{Batch, Client, Metadata, Signal};

/// The parts of a record.
pub(super) fn encode(batch: &Batch) -> Vec<Bytes> {
    let metadata = batch.client().map(|client| &client.metadata).filter(|metadata| !metadata.is_empty());
    let headers = metadata.map(|metadata| metadata.iter().collect::<BTreeMap<_, _>>());
    // Strings and lists of them are JSON in any case.
    let headers = headers.and_then(|headers| serde_json::to_vec(&headers).ok()).unwrap_or_default();
    let mut prefix = u32::try_from(headers.len()).unwrap_or(0).to_le_bytes().to_vec();
    prefix.extend_from_slice(&headers);
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
        return Err(format!("expected {length} bytes of headers, found a record of {} bytes", record.len()));
    }
    let client = if length == 0 { None } else { Some(client(&record[4..start])?) };
    let batch = Batch::from_wire(signal, record.slice(start..)).map_err(|why| why.to_string())?;
    Ok(batch.with_client(client))
}

fn client(headers: &[u8]) -> Result<Arc<Client>, String> {
    let headers: BTreeMap<String, Vec<String>> =
        serde_json::from_slice(headers).map_err(|why| format!("the headers of the record: {why}"))?;
    let mut metadata = Metadata::default();
    for (name, values) in headers {
        values.into_iter().for_each(|value| metadata.append(&name, value));
    }
    Ok(Arc::new(Client { metadata, ..Client::default() }))
}

#[cfg(test)]
mod tests {
    use otelcol_testkit::samples;

    use super::*;

    fn through(batch: &Batch) -> Batch {
        decode(batch.signal(), &Bytes::from(encode(batch).concat())).unwrap()
    }

    #[test]
    fn a_batch_comes_back_with_its_headers() {
        let batch = samples::spans(3);
        assert_eq!(through(&batch).to_wire(), batch.to_wire());
        assert_eq!(through(&batch).client(), None);
        let mut client =
            Client { auth: BTreeMap::from([("username".to_owned(), "a".to_owned())]), ..Client::default() };
        ["b", "a"].into_iter().for_each(|tenant| client.metadata.append("x-tenant", tenant));
        let back = through(&batch.clone().with_client(Some(Arc::new(client.clone()))));
        assert_eq!(back.to_wire(), batch.to_wire());
        client.auth.clear();
        assert_eq!(back.client(), Some(&Arc::new(client)));
    }

    #[test]
    fn other_bytes_are_refused() {
        for record in [&b""[..], b"\0\0\0", b"\xff\xff\xff\xff", b"\x02\0\0\0[]", b"\0\0\0\0\xff"] {
            assert!(decode(Signal::Traces, &Bytes::from_static(record)).is_err(), "{record:?}");
        }
    }
}
