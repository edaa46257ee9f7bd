use proptest::prelude::*;

use super::*;

fn bytes(rope: &mut Rope) -> Vec<u8> {
    rope.copy_to_bytes(rope.remaining()).to_vec()
}

#[test]
fn a_message_has_flag_and_length_before_it() {
    let mut rope =
        Rope::framed([Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"c")], true).unwrap();
    assert_eq!(rope.remaining(), 8);
    assert_eq!(bytes(&mut rope), b"\x01\0\0\0\x03abc");
    assert_eq!(bytes(&mut Rope::framed([], false).unwrap()), [0; 5]);
}

#[test]
fn a_large_single_frame_is_shared_and_a_small_one_is_not() {
    for (size, shared) in [(WORTH_SHARING, true), (WORTH_SHARING - 1, false)] {
        let mut incoming = Incoming::default();
        let mut frame = vec![0; 1];
        frame.extend((size as u32).to_be_bytes());
        frame.resize(PREFIX + size, 7);
        let frame = Bytes::from(frame);
        incoming.push(frame.clone());
        assert_eq!(incoming.prefix().unwrap(), Some((false, size)));
        assert!(incoming.is_complete(size).unwrap());
        let message = incoming.into_message();
        assert_eq!(message, frame[PREFIX..]);
        assert_eq!(std::ptr::eq(message.as_ptr(), frame[PREFIX..].as_ptr()), shared, "{size}");
    }
}

#[test]
fn flags_that_mean_nothing_and_second_messages_are_refused() {
    let mut incoming = Incoming::default();
    incoming.push(Bytes::from_static(b"\x02\0\0\0\0"));
    assert_eq!(incoming.prefix().unwrap_err().message, "grpc: received unexpected payload format 2");
    let mut incoming = Incoming::default();
    incoming.push(Bytes::from_static(b"\0\0\0\0\x01ab"));
    let (_, length) = incoming.prefix().unwrap().unwrap();
    assert_eq!(
        incoming.is_complete(length).unwrap_err().message,
        "a unary call has one message, received more"
    );
}

#[test]
fn timeouts_read_and_write() {
    for (text, timeout) in [
        ("5S", Duration::from_secs(5)),
        ("250m", Duration::from_millis(250)),
        ("1500u", Duration::from_micros(1500)),
        ("7n", Duration::from_nanos(7)),
    ] {
        assert_eq!(parse_timeout(text), Some(timeout));
        assert_eq!(format_timeout(timeout), text);
    }
    assert_eq!(parse_timeout("2H"), Some(Duration::from_secs(7200)));
    assert_eq!(parse_timeout("3M"), Some(Duration::from_secs(180)));
    assert_eq!(format_timeout(Duration::new(5, 1)), "5000000u");
    assert_eq!(format_timeout(Duration::MAX), "99999999H");
    for bad in ["", "S", "5", "123456789S", "-1S", "5s", "5 S", "+5S", "ü"] {
        assert_eq!(parse_timeout(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn a_message_survives_any_cutting(
        message in proptest::collection::vec(any::<u8>(), 0..300),
        cuts in proptest::collection::vec(1usize..50, 1..40),
        compressed in any::<bool>(),
    ) {
        let mut rope = Rope::framed(message.chunks(37).map(Bytes::copy_from_slice), compressed).unwrap();
        let mut incoming = Incoming::default();
        let mut cuts = cuts.iter().cycle();
        while rope.has_remaining() {
            let n = rope.remaining().min(*cuts.next().unwrap());
            incoming.push(rope.copy_to_bytes(n));
            let _ = incoming.prefix().unwrap();
        }
        prop_assert_eq!(incoming.prefix().unwrap(), Some((compressed, message.len())));
        prop_assert!(incoming.is_complete(message.len()).unwrap());
        prop_assert_eq!(incoming.into_message(), message);
    }

    #[test]
    fn a_rope_advances_like_its_bytes(
        message in proptest::collection::vec(any::<u8>(), 0..300),
        steps in proptest::collection::vec(0usize..60, 0..10),
    ) {
        let mut rope = Rope::framed(message.chunks(23).map(Bytes::copy_from_slice), false).unwrap();
        let mut reference = vec![0, 0, 0, (message.len() >> 8) as u8, message.len() as u8];
        reference.extend(&message);
        for step in steps {
            let step = step.min(reference.len());
            rope.advance(step);
            reference.drain(..step);
            let mut slices = [IoSlice::new(&[]); 64];
            let n = rope.chunks_vectored(&mut slices);
            let seen: Vec<u8> = slices[..n].iter().flat_map(|s| s.iter().copied()).collect();
            prop_assert_eq!(&seen, &reference);
        }
    }
}
