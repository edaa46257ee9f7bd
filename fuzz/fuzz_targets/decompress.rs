//! Bodies in every encoding: what unpacks is never larger than the limit, and what was packed unpacks to itself. The first
//! byte chooses the encoding, the rest is the body.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use otelcol_net::{Compression, compress, decompress};

const LIMIT: usize = 64 * 1024;

fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else { return };
    let kind = Compression::ALL[usize::from(*choice) % Compression::ALL.len()];
    if let Ok(plain) = decompress(kind, body, LIMIT) {
        assert!(plain.len() <= LIMIT, "{kind:?} gave {} bytes", plain.len());
    }
    let packed = compress(kind, 1, &[Bytes::copy_from_slice(body)]).expect("a body packs");
    let again = decompress(kind, &packed, body.len()).expect("what was packed unpacks");
    assert_eq!(again, body, "{kind:?}");
});
