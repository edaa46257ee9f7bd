//! A stream of AMI: the first byte of the input says how it is cut into reads, the second how small the limits are. Wherever it
//! is cut, the messages are those that a plain parser finds, and no more is held than the limits allow.

#![no_main]

use libfuzzer_sys::fuzz_target;
use otelcol_receivers::ami::wire::{Excess, FrameLimits, FrameReader, Item};

type Headers = Vec<(Vec<u8>, Vec<u8>)>;

fn read(limits: FrameLimits, pieces: &[&[u8]]) -> (Vec<Headers>, usize) {
    let mut reader = FrameReader::new(limits);
    let (mut frames, mut dropped) = (Vec::new(), 0);
    for piece in pieces {
        reader.extend(piece);
        while let Some(item) = reader.next() {
            match item {
                Item::Frame(frame) => {
                    let _ = (frame.kind(), frame.timestamp(), frame.get("ActionID"));
                    frames.push(frame.fields().map(|(key, value)| (key.to_vec(), value.to_vec())).collect());
                }
                // How often this is said depends on the reads.
                Item::Dropped(Excess::Endless) => {}
                Item::Dropped(_) => dropped += 1,
            }
        }
        assert!(reader.held() <= limits.event_bytes + limits.line_bytes + 4, "{} bytes held", reader.held());
    }
    (frames, dropped)
}

fn split<'a>(mut bytes: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    while let Some(at) = bytes.windows(separator.len()).position(|window| window == separator) {
        parts.push(&bytes[..at]);
        bytes = &bytes[at + separator.len()..];
    }
    parts.push(bytes);
    parts
}

/// One line after the other, in its own words.
fn plain(bytes: &[u8]) -> Vec<Headers> {
    let mut lines = split(bytes, b"\r\n");
    lines.pop(); // its end has not come
    let (mut frames, mut frame) = (Vec::new(), Headers::new());
    for line in lines {
        if line.is_empty() {
            if !frame.is_empty() {
                frames.push(std::mem::take(&mut frame));
            }
        } else if let Some(colon) = line.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0) {
            let value = &line[colon + 1..];
            frame.push((line[..colon].to_vec(), value.strip_prefix(b" ").unwrap_or(value).to_vec()));
        }
    }
    frames
}

fuzz_target!(|input: &[u8]| {
    let [cut, small, bytes @ ..] = input else { return };
    let pieces: Vec<&[u8]> = bytes.chunks(usize::from(*cut).max(1)).collect();
    let large = FrameLimits { line_bytes: 1 << 20, headers: 1 << 20, event_bytes: 1 << 20 };
    assert_eq!(read(large, &[bytes]), (plain(bytes), 0));
    assert_eq!(read(large, &pieces), (plain(bytes), 0));

    let small = usize::from(*small).max(1);
    let limits = FrameLimits { line_bytes: small, headers: small.div_ceil(8), event_bytes: small * 3 };
    assert_eq!(read(limits, &pieces), read(limits, &[bytes]));
});
