use otelcol_testkit::ami::Transcript;
use proptest::prelude::*;

use super::*;

type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// What a reader makes of a stream that comes in these pieces: messages as their headers, drops as their reason.
fn read(limits: FrameLimits, pieces: &[&[u8]]) -> (Vec<Headers>, Vec<Excess>) {
    let mut reader = FrameReader::new(limits);
    let (mut frames, mut dropped) = (Vec::new(), Vec::new());
    for piece in pieces {
        reader.extend(piece);
        while let Some(item) = reader.next() {
            match item {
                Item::Frame(frame) => {
                    frames.push(frame.fields().map(|(key, value)| (key.to_vec(), value.to_vec())).collect());
                }
                Item::Dropped(excess) => dropped.push(excess),
            }
        }
    }
    (frames, dropped)
}

fn headers(fields: &[(&str, &str)]) -> Headers {
    fields.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

#[test]
fn every_transcript_with_its_own_reads_and_byte_by_byte() {
    let mut messages = 0;
    for transcript in [Transcript::all("asterisk22"), Transcript::all("asterisk16")].concat() {
        let expected: Vec<Headers> = transcript
            .messages()
            .iter()
            .map(|message| {
                message.fields().into_iter().map(|(key, value)| (key.into_bytes(), value)).collect()
            })
            .collect();
        let bytes = transcript.bytes();
        if bytes.is_empty() {
            continue;
        }
        let banner = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;

        let mut reader = FrameReader::new(FrameLimits::default());
        let mut greeted = false;
        let mut found = Vec::new();
        for chunk in transcript.reads() {
            reader.extend(&chunk.bytes);
            if !greeted {
                let line = reader.banner(128).unwrap().unwrap();
                assert!(line.starts_with(b"Asterisk Call Manager/"), "{}", transcript.name);
                greeted = true;
            }
            while let Some(Item::Frame(frame)) = reader.next() {
                found.push(
                    frame.fields().map(|(key, value)| (key.to_vec(), value.to_vec())).collect::<Vec<_>>(),
                );
            }
        }
        assert!(found == expected, "{}", transcript.name);
        assert_eq!(reader.take_malformed(), 0, "{}", transcript.name);

        // The long one takes seconds byte by byte, and shows no more.
        let size = if bytes.len() > 1_000_000 { 61 } else { 1 };
        let single: Vec<&[u8]> = bytes[banner..].chunks(size).collect();
        assert!(read(FrameLimits::default(), &single).0 == expected, "{}, byte by byte", transcript.name);
        messages += expected.len();
    }
    assert!(messages > 25_000, "{messages} messages");
}

#[test]
fn values_keep_what_is_in_them() {
    let stream = b"\r\nEvent: VarSet\r\nVariable: a: b\r\nValue: x\nEvent: Hangup\n\nCause: 16\r\nEmpty: \r\nTight:v\r\n\
        CallerIDName: \xff\xfe Z\xc3\xbcrich\r\nno colon\r\n: no key\r\nOutput: 1\r\nOutput: 2\r\n\r\n";
    let mut reader = FrameReader::new(FrameLimits::default());
    reader.extend(stream);
    let Some(Item::Frame(frame)) = reader.next() else { panic!("no frame") };
    assert_eq!(frame.kind(), EventKind::VarSet);
    assert_eq!(frame.get("variable"), Some(&b"a: b"[..]));
    assert_eq!(frame.get("Value"), Some(&b"x\nEvent: Hangup\n\nCause: 16"[..]));
    assert_eq!(frame.get("Empty"), Some(&b""[..]));
    assert_eq!(frame.get("Tight"), Some(&b"v"[..]));
    assert_eq!(frame.get("CallerIDName"), Some(&b"\xff\xfe Z\xc3\xbcrich"[..]));
    assert_eq!(frame.get("Cause"), None);
    let outputs: Vec<_> =
        frame.fields().filter(|(key, _)| *key == b"Output").map(|(_, value)| value).collect();
    assert_eq!(outputs, [b"1", b"2"]);
    assert!(reader.next().is_none());
    assert_eq!((reader.take_malformed(), reader.take_malformed(), reader.held()), (2, 0, 0));
}

#[test]
fn timestamps_are_seconds_with_a_fraction() {
    let cases: [(&str, Option<u64>); 7] = [
        ("1795307031.264455", Some(1_795_307_031_264_455_000)),
        ("0.5", Some(500_000_000)),
        ("1795307031", None),
        ("1795307031.", None),
        ("+1.000000", None),
        ("99999999999999999999.000000", None),
        ("18446744074.999999", None),
    ];
    for (text, expected) in cases {
        let mut reader = FrameReader::new(FrameLimits::default());
        reader.extend(format!("Event: Hangup\r\nTimestamp: {text}\r\n\r\n").as_bytes());
        let Some(Item::Frame(frame)) = reader.next() else { panic!("no frame") };
        assert_eq!(frame.timestamp(), expected, "{text}");
    }
}

#[test]
fn each_limit_drops_one_message_and_the_next_one_is_whole() {
    let limits = FrameLimits { line_bytes: 20, headers: 3, event_bytes: 50 };
    let good = "Event: Hangup\r\nCause: 16\r\n\r\n";
    let cases = [
        (format!("Event: X\r\nLong: {}\r\nA: b\r\n\r\n", "y".repeat(15)), Excess::LineTooLong),
        (format!("{}\r\n\r\n", "y".repeat(300)), Excess::LineTooLong),
        ("Event: X\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n".to_owned(), Excess::TooManyHeaders),
        (format!("Event: {0}\r\nA: {0}\r\nB: {0}\r\n\r\n", "z".repeat(13)), Excess::EventTooLarge),
    ];
    for (bad, excess) in cases {
        let stream = format!("{good}{bad}{good}");
        let expected = headers(&[("Event", "Hangup"), ("Cause", "16")]);
        let whole = read(limits, &[stream.as_bytes()]);
        assert_eq!(whole, (vec![expected.clone(), expected.clone()], vec![excess]), "{bad}");
        let single: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(read(limits, &single), whole, "{bad}, byte by byte");
    }
    // Just at the limits.
    let (frames, dropped) =
        read(limits, &[format!("Event: {}\r\nA: 1\r\nB: 2\r\n\r\n", "y".repeat(13)).as_bytes()]);
    assert_eq!((frames.len(), dropped.len()), (1, 0));
}

#[test]
fn what_never_ends_is_said_and_not_held() {
    let limits = FrameLimits { line_bytes: 100, headers: 3, event_bytes: 1000 };
    let mut reader = FrameReader::new(limits);
    let mut dropped = Vec::new();
    for _ in 0..200 {
        reader.extend(&[b'x'; 100]);
        while let Some(item) = reader.next() {
            let Item::Dropped(excess) = item else { panic!("a frame of nothing") };
            dropped.push(excess);
        }
        assert!(reader.held() <= 201, "{} bytes held", reader.held());
    }
    assert_eq!(dropped, [Excess::LineTooLong, Excess::Endless]);
}

#[test]
fn names_are_told_apart() {
    for kind in EventKind::ALL {
        let expected = if *kind == EventKind::Other { EventKind::Other } else { *kind };
        assert_eq!(EventKind::of(kind.name().as_bytes()), expected);
        assert_eq!(EventKind::ALL[*kind as usize], *kind);
    }
    assert_eq!(EventKind::of(b""), EventKind::Other);
    assert_eq!(EventKind::of(b"hangup"), EventKind::Other);
    assert_eq!(EventKind::of(b"AOC-D"), EventKind::AocD);
}

#[test]
fn a_banner_is_a_line_of_its_own() {
    let mut reader = FrameReader::new(FrameLimits::default());
    reader.extend(b"Asterisk Call Man");
    assert!(reader.banner(64).is_none());
    reader.extend(b"ager/1.3\r\nResponse: Success\r\n\r\n");
    assert_eq!(reader.banner(64), Some(Ok(b"Asterisk Call Manager/1.3".to_vec())));
    let Some(Item::Frame(frame)) = reader.next() else { panic!("no frame") };
    assert_eq!((frame.event(), frame.get("Response")), (None, Some(&b"Success"[..])));

    let mut reader = FrameReader::new(FrameLimits::default());
    reader.extend(&[b'x'; 65]);
    assert_eq!(reader.banner(64), Some(Err(Excess::LineTooLong)));
}

/// The messages of a stream, line by line, whatever their size.
fn plain(bytes: &[u8]) -> Vec<Headers> {
    let ends = bytes.windows(2).enumerate().filter(|(_, pair)| *pair == b"\r\n").map(|(at, _)| at);
    let (mut frames, mut frame, mut start) = (Vec::new(), Headers::new(), 0);
    for end in ends {
        let line = &bytes[start..end];
        start = end + 2;
        let colon = line.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0);
        if line.is_empty() && !frame.is_empty() {
            frames.push(std::mem::take(&mut frame));
        } else if let Some(colon) = colon {
            let value = &line[colon + 1..];
            frame.push((line[..colon].to_vec(), value.strip_prefix(b" ").unwrap_or(value).to_vec()));
        }
    }
    frames
}

proptest! {
    /// Wherever the reads fall, the messages are those of the plain parser, and as many are dropped.
    #[test]
    fn pieces_do_not_matter(
        stream in prop::collection::vec(
            prop::sample::select(vec![&b"\r\n"[..], b"\r", b"\n", b":", b" ", b"Event", b"ab", b"0123456789", b"\xff"]), 0..200),
        cuts in prop::collection::vec(1_usize..12, 0..200),
    ) {
        let bytes = stream.concat();
        prop_assert_eq!(read(FrameLimits::default(), &[&bytes]), (plain(&bytes), Vec::new()));
        let limits = FrameLimits { line_bytes: 30, headers: 4, event_bytes: 60 };
        let whole = read(limits, &[&bytes]);
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        let cut = read(limits, &pieces);
        prop_assert_eq!(&cut.0, &whole.0);
        prop_assert_eq!(cut.1.len(), whole.1.len());
    }
}
