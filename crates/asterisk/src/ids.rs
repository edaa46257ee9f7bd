//! Trace and span ids of calls, derived from what Asterisk says of them.
//!
//! They are hashes and not random numbers, so that whoever knows a call arrives at the same trace: the spans that the AMI
//! receiver makes, its log records, CDR and CEL rows from a database, a second collector, the same events replayed.
//!
//! ```text
//! trace id = first 16 bytes of SHA-256("asterisk.call" LF system LF linkedid)
//! span id  = first  8 bytes of SHA-256(trace id, name of the span LF key)
//! ```
//!
//! `system` keeps two servers apart, which do produce the same `<epoch>.<number>`; `key` is what tells spans of one name
//! apart within the trace, the channel's Uniqueid for the most part. Neither holds a line feed, because AMI ends a value
//! with it. MySQL arrives at the same id with `LEFT(SHA2(CONCAT_WS('\n', 'asterisk.call', system, linkedid), 256), 32)`.
//!
//! SHA-256 spreads the input evenly over all bits, so the low 56 bits are as good as random, which W3C Trace Context
//! level 2 wants of a trace id with the random flag (<https://www.w3.org/TR/trace-context-2/#random-trace-id-flag>):
//! samplers may rely on them.

use sha2::{Digest, Sha256};

/// What the hash of a trace id begins with, and the name of the root span.
pub const CALL: &str = "asterisk.call";

/// The id of the trace of a call.
///
/// `system` is the name of the Asterisk system, `linkedid` the Linkedid of its channels (the Uniqueid of the first one).
///
/// ```
/// use otelcol_asterisk::ids::{call_trace_id, hex};
///
/// assert_eq!(hex(&call_trace_id("pbx1", "1795307629.128")), "a9a172ae2605e03ec10fc34e0d7d9923");
/// ```
#[must_use]
pub fn call_trace_id(system: &str, linkedid: &str) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in [CALL, "\n", system, "\n", linkedid] {
        hash.update(part);
    }
    first(&hash.finalize().into())
}

/// The id of a span of the trace `trace`: of the `name` and the `key` that no other span of that name in the trace has.
///
/// ```
/// use otelcol_asterisk::ids::{call_root_span_id, call_trace_id, hex, span_id};
///
/// let trace = call_trace_id("pbx1", "1795307629.128");
/// assert_eq!(hex(&span_id(&trace, "asterisk.dial", "1795307629.129")), "de39bfacb23545c2");
/// assert_eq!(call_root_span_id(&trace), span_id(&trace, "asterisk.call", ""));
/// ```
#[must_use]
pub fn span_id(trace: &[u8; 16], name: &str, key: &str) -> [u8; 8] {
    let mut hash = Sha256::new();
    hash.update(trace);
    for part in [name, "\n", key] {
        hash.update(part);
    }
    first(&hash.finalize().into())
}

/// The id of the root span of a call, to which whoever knows only the call can attach or link: its key is empty.
#[must_use]
pub fn call_root_span_id(trace: &[u8; 16]) -> [u8; 8] {
    span_id(trace, CALL, "")
}

/// An id in lower case hexadecimal digits, as tracing back ends show it.
#[must_use]
pub fn hex(id: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    id.iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// The first `N` bytes, never all zero: W3C Trace Context calls that invalid.
fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    let mut id = [0; N];
    id.copy_from_slice(&hash[..N]);
    if id.iter().all(|byte| *byte == 0) {
        id[N - 1] = 1;
    }
    id
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn known_ids() {
        for (system, linkedid, expected) in VECTORS {
            assert_eq!(hex(&call_trace_id(system, linkedid)), *expected, "{system:?} {linkedid:?}");
        }
        let trace = call_trace_id("pbx1", "1795307629.128");
        assert_eq!(hex(&call_root_span_id(&trace)), "81a46c7563551f3e");
    }

    /// From `printf 'asterisk.call\n%s\n%s' SYSTEM LINKEDID | sha256sum | cut -c1-32`.
    const VECTORS: &[(&str, &str, &str)] = &[
        ("pbx1", "1795307629.128", "a9a172ae2605e03ec10fc34e0d7d9923"),
        ("pbx2", "1795307629.128", "01bb0eab32feb929ef5d9a225a4bbca5"),
        ("", "1795307629.128", "8f67bdf21a1a69b423cdc5b21f1bf117"),
        ("dialer02", "dialer02-1795307629.128", "6c6a695f22de91769f4f8a8ae93c3956"),
        ("münchen", "1795307629.0", "8dc963e8e0744fb5f042adce77a45c40"),
    ];

    #[test]
    fn the_parts_can_not_run_into_each_other() {
        assert_ne!(call_trace_id("pbx1", "2.3"), call_trace_id("pbx", "12.3"));
        assert_ne!(call_trace_id("", "pbx1"), call_trace_id("pbx1", ""));
    }

    #[test]
    fn an_id_is_never_zero() {
        assert_eq!(first::<8>(&[0; 32]), [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(first::<2>(&[7; 32]), [7, 7]);
    }

    /// A sampler that keeps one in four by the low 56 bits keeps a quarter of the calls, however regular their Linkedids.
    #[test]
    fn low_bits_are_spread_evenly() {
        let mut quarters = [0_u32; 4];
        let mut seen = HashSet::new();
        for n in 0..40_000 {
            let id = call_trace_id("pbx1", &format!("1795307629.{n}"));
            quarters[usize::from(id[9] >> 6)] += 1;
            assert!(seen.insert(id));
        }
        // Of 40,000 even draws a quarter is 10,000 with a standard deviation of 87.
        assert!(quarters.iter().all(|count| (9_600..=10_400).contains(count)), "{quarters:?}");
    }
}
