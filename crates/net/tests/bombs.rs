//! A gibibyte of zeros in each encoding is refused at the limit, without memory beyond it. Alone in its process,
//! so that the process's peak is the decoder's.

#![allow(clippy::unwrap_used, reason = "a test")]

use bytes::Bytes;
use otelcol_net::{Compression, DecompressError, compress, decompress};

const MIB: usize = 1024 * 1024;
const LIMIT: usize = 4 * MIB;

/// Peak of the resident memory in KiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// 1 GiB where the format lets streams follow one another, else as much as is above any limit here.
fn bomb(kind: Compression) -> Vec<u8> {
    let zeros = Bytes::from(vec![0; MIB]);
    let eight = compress(kind, 0, &vec![zeros; 8]).unwrap();
    match kind {
        Compression::Deflate | Compression::Zlib | Compression::Snappy => eight.to_vec(),
        _ => eight.repeat(128),
    }
}

#[test]
fn no_bomb_takes_more_than_the_limit_and_a_decoders_window() {
    let kinds: Vec<Compression> =
        Compression::ALL.into_iter().filter(|kind| *kind != Compression::None).collect();
    let bombs: Vec<(Compression, Vec<u8>)> = kinds.iter().map(|kind| (*kind, bomb(*kind))).collect();
    // Forget the peak of making the bombs (proc(5), clear_refs).
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = peak();
    for (kind, bomb) in &bombs {
        assert_eq!(decompress(*kind, bomb, LIMIT), Err(DecompressError::TooLarge { limit: LIMIT }), "{kind}");
    }
    let grown = peak() - before;
    assert!(grown < 13 * 1024, "the peak grew by {grown} KiB, expected at most 4 MiB and 8 MiB of window");
}
