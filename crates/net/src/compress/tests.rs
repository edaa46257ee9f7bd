use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const PACKED: [Compression; 7] = [
    Compression::Gzip,
    Compression::Zstd,
    Compression::Snappy,
    Compression::SnappyFramed,
    Compression::Deflate,
    Compression::Zlib,
    Compression::Lz4,
];

fn sample(size: usize) -> Vec<u8> {
    (0..size).map(|i| ((i / 7) ^ (i % 13)) as u8).collect()
}

#[test]
fn names_are_otelcols() {
    for (name, kind) in [
        ("", Compression::None),
        ("none", Compression::None),
        ("gzip", Compression::Gzip),
        ("zstd", Compression::Zstd),
        ("snappy", Compression::Snappy),
        ("x-snappy-framed", Compression::SnappyFramed),
        ("deflate", Compression::Deflate),
        ("zlib", Compression::Zlib),
        ("lz4", Compression::Lz4),
    ] {
        assert_eq!(Compression::from_name(name), Ok(kind));
    }
    assert_eq!(
        Compression::from_name("brotli").unwrap_err().to_string(),
        "unsupported compression type \"brotli\", expected one of none, gzip, zstd, snappy, x-snappy-framed, deflate, zlib, lz4"
    );
}

#[test]
fn levels_are_checked_as_otelcol_does() {
    for (kind, level, fits) in [
        (Compression::Gzip, -2, true),
        (Compression::Gzip, -3, false),
        (Compression::Zlib, -1, true),
        (Compression::Gzip, 9, true),
        (Compression::Gzip, 10, false),
        (Compression::Zstd, 19, true),
        (Compression::Snappy, 0, true),
        (Compression::Snappy, 1, false),
    ] {
        assert_eq!(kind.check_level(level).is_ok(), fits, "{kind} {level}");
    }
    assert_eq!(
        Compression::Lz4.check_level(3).unwrap_err(),
        "unsupported parameters {Level:3} for compression type \"lz4\""
    );
}

#[test]
fn what_is_packed_is_unpacked() {
    for kind in PACKED {
        for size in [0, 1, 1000, 1_000_000] {
            let whole = sample(size);
            let pieces: Vec<Bytes> = whole.chunks(333_333).map(Bytes::copy_from_slice).collect();
            let packed = compress(kind, 0, &pieces).unwrap();
            assert_eq!(decompress(kind, &packed, size).unwrap(), whole, "{kind}, {size} bytes");
        }
    }
}

#[test]
fn one_byte_above_the_limit_is_too_large() {
    for kind in PACKED {
        let packed = compress(kind, 0, &[Bytes::from(sample(10_001))]).unwrap();
        assert_eq!(decompress(kind, &packed, 10_001).map(|b| b.len()), Ok(10_001), "{kind}");
        let refused = decompress(kind, &packed, 10_000);
        assert_eq!(refused, Err(DecompressError::TooLarge { limit: 10_000 }), "{kind}");
    }
    let refused = decompress(Compression::None, &[0; 11], 10);
    assert_eq!(refused, Err(DecompressError::TooLarge { limit: 10 }));
}

#[test]
fn every_level_of_gzip_and_zstd_gives_the_same_content() {
    let whole = Bytes::from(sample(50_000));
    for (kind, levels) in [(Compression::Gzip, -1..=9), (Compression::Zstd, -1..=22)] {
        for level in levels {
            let packed = compress(kind, level, std::slice::from_ref(&whole)).unwrap();
            assert_eq!(decompress(kind, &packed, 50_000).unwrap(), whole, "{kind} {level}");
        }
    }
}

#[test]
fn snappy_is_taken_in_both_formats() {
    let whole = Bytes::from(sample(5000));
    for kind in [Compression::Snappy, Compression::SnappyFramed] {
        let packed = compress(kind, 0, std::slice::from_ref(&whole)).unwrap();
        assert_eq!(decompress(Compression::Snappy, &packed, 5000).unwrap(), whole);
    }
}

#[test]
fn a_snappy_length_that_its_bytes_can_not_hold_is_refused_before_memory_is_spent() {
    // 4 MiB, then one literal byte.
    let bomb = [0x80, 0x80, 0x80, 0x02, 0x00, b'x'];
    let refused = decompress(Compression::Snappy, &bomb, 4 << 20).unwrap_err();
    assert_eq!(refused.to_string(), "invalid snappy data: 6 bytes can not hold the 4194304 they claim");
}

#[test]
fn a_zstd_window_above_eight_mebibytes_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&vec![7; 100_000]).unwrap();
    let packed = encoder.finish().unwrap();
    assert!(matches!(decompress(Compression::Zstd, &packed, 200_000), Err(DecompressError::Corrupt { .. })));
}

#[test]
fn frames_one_after_another_are_one_body_and_what_is_no_frame_is_corrupt() {
    for kind in [Compression::Gzip, Compression::Zstd, Compression::SnappyFramed, Compression::Lz4] {
        let mut packed = compress(kind, 0, &[Bytes::from_static(b"one ")]).unwrap().to_vec();
        packed.extend(compress(kind, 0, &[Bytes::from_static(b"two")]).unwrap());
        assert_eq!(decompress(kind, &packed, 100).unwrap(), "one two", "{kind}");
        assert_eq!(decompress(kind, &packed, 5), Err(DecompressError::TooLarge { limit: 5 }), "{kind}");
        packed.extend(b"junk behind");
        let junk = decompress(kind, &packed, 100);
        assert!(matches!(junk, Err(DecompressError::Corrupt { .. })), "{kind}: {junk:?}");
    }
}

#[test]
fn what_is_cut_short_is_corrupt() {
    // The other two have no mark at their end.
    for kind in [Compression::Gzip, Compression::Zlib, Compression::Zstd, Compression::Lz4] {
        let packed = compress(kind, 0, &[Bytes::from(sample(500))]).unwrap();
        for kept in 1..packed.len() {
            let cut = decompress(kind, &packed[..kept], 1000);
            assert!(matches!(cut, Err(DecompressError::Corrupt { .. })), "{kind}, {kept} bytes: {cut:?}");
        }
    }
    for kind in [Compression::Snappy, Compression::SnappyFramed] {
        let packed = compress(kind, 0, &[Bytes::from(sample(500))]).unwrap();
        let cut = decompress(kind, &packed[..packed.len() - 5], 1000);
        assert!(matches!(cut, Err(DecompressError::Corrupt { .. })), "{kind}: {cut:?}");
    }
}

#[test]
fn the_output_does_not_pin_much_more_than_it_holds() {
    for kind in PACKED {
        let packed = compress(kind, 0, &[Bytes::from(sample(100_001))]).unwrap();
        let plain = decompress(kind, &packed, 4 << 20).unwrap();
        let capacity = plain.try_into_mut().unwrap().capacity();
        assert!(capacity <= 126_000, "{kind} keeps {capacity} bytes for 100001");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_unpacked_within_the_limit_or_refused(
        data in proptest::collection::vec(any::<u8>(), 0..400),
        max in 0usize..2000,
    ) {
        for kind in Compression::ALL {
            if let Ok(plain) = decompress(kind, &data, max) {
                prop_assert!(plain.len() <= max);
            }
        }
    }

    /// Damage behind a valid start gets further into the decoders than noise does.
    #[test]
    fn damaged_bodies_are_unpacked_within_the_limit_or_refused(
        data in proptest::collection::vec(any::<u8>(), 1..2000),
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        for kind in PACKED {
            let mut packed = compress(kind, 0, &[Bytes::from(data.clone())]).unwrap().to_vec();
            let at = at.index(packed.len());
            packed[at] = to;
            if let Ok(plain) = decompress(kind, &packed, 2000) {
                prop_assert!(plain.len() <= 2000);
            }
        }
    }
}
