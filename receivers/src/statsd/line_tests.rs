use proptest::prelude::*;

use super::*;

fn line(text: &str) -> Result<Line<'_>, Reason> {
    Line::parse(text.as_bytes())
}

fn tags(text: &str) -> Vec<(String, String)> {
    parse_tags(line(text).unwrap().tags, true, 100).unwrap()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_parts_of_a_line() {
    let parsed = line("asterisk.channels.count:+1|g").unwrap();
    assert_eq!(
        parsed,
        Line { name: b"asterisk.channels.count", value: b"+1", kind: Kind::Gauge, rate: 1.0, tags: b"" }
    );
    assert!(parsed.is_relative());
    assert_eq!(parsed.number(), Ok(1.0));

    let parsed = line("calls:20|c|@0.25|#queue:sales,site:a:b|c:83c0a99").unwrap();
    assert_eq!((parsed.kind, parsed.rate, parsed.number()), (Kind::Counter, 0.25, Ok(20.0)));
    assert_eq!(parsed.tags, b"#queue:sales,site:a:b|c:83c0a99");
}

#[test]
fn every_type() {
    for (word, kind) in [
        ("c", Kind::Counter),
        ("g", Kind::Gauge),
        ("ms", Kind::Timing),
        ("h", Kind::Histogram),
        ("d", Kind::Distribution),
        ("s", Kind::Set),
        ("m", Kind::Meter),
    ] {
        assert_eq!(line(&format!("a:1|{word}")).unwrap().kind, kind);
    }
}

#[test]
fn names_hold_what_the_dialplan_puts_there() {
    for name in ["app.name with space", "app.name:colon", "app.utf8.zoë", "app/slash.trunk-a@x", ":", "a::b"]
    {
        let text = format!("{name}:7|g");
        let parsed = line(&text).unwrap();
        assert_eq!((parsed.name, parsed.value), (name.as_bytes(), &b"7"[..]));
    }
    assert_eq!(Line::parse(b"caf\xe9:7|g").unwrap().name, b"caf\xe9");
    assert_eq!(text(b"caf\xe9"), "caf\u{fffd}");
}

#[test]
fn what_is_wrong_has_a_name() {
    for (text, reason) in [
        ("", Reason::NoType),
        ("a:1", Reason::NoType),
        ("a|c", Reason::NoValue),
        (":1|c", Reason::EmptyName),
        ("a:|c", Reason::EmptyValue),
        ("a:1|", Reason::UnknownType),
        ("a:1|x", Reason::UnknownType),
        ("a:1|C", Reason::UnknownType),
        ("a:1|c|@", Reason::BadSampleRate),
        ("a:1|c|@x", Reason::BadSampleRate),
        ("a:1|c|@1e-300", Reason::BadSampleRate),
        ("a:1|c|T", Reason::BadTimestamp),
        ("a:1|c|T-1", Reason::BadTimestamp),
        ("a:1|ms|T1656581400", Reason::BadTimestamp),
        ("a:1|c|e:unknown", Reason::UnknownPart),
        ("a:1|c| ", Reason::UnknownPart),
    ] {
        assert_eq!(line(text), Err(reason), "{text:?}");
    }
    for (text, reason) in [
        ("a:x|c", Reason::BadValue),
        ("a:+|g", Reason::BadValue),
        ("a:--1|g", Reason::BadValue),
        ("a:+-1|g", Reason::BadValue),
        ("a: 1|g", Reason::BadValue),
        ("a:1 |g", Reason::BadValue),
        ("a:0x10|g", Reason::BadValue),
        ("a:1e999|g", Reason::NotFinite),
        ("a:-inf|g", Reason::NotFinite),
        ("a:NaN|g", Reason::NotFinite),
    ] {
        assert_eq!(line(text).unwrap().number(), Err(reason), "{text:?}");
    }
}

#[test]
fn a_rate_outside_of_zero_to_one_says_nothing() {
    for (text, rate) in [("0.5", 0.5), ("1.00", 1.0), ("0", 1.0), ("-2", 1.0), ("3", 1.0), ("nan", 1.0)] {
        assert_eq!(line(&format!("a:1|c|@{text}")).unwrap().rate, rate, "{text}");
    }
}

#[test]
fn tags_in_every_order_and_number() {
    assert_eq!(tags("a:1|c|#k:v"), pairs(&[("k", "v")]));
    assert_eq!(tags("a:1|c|#k:v,,k2:v:2,"), pairs(&[("k", "v"), ("k2", "v:2")]));
    assert_eq!(tags("a:1|c|#"), []);
    assert_eq!(tags("a:1|c|#only"), pairs(&[("only", "")]));
    assert_eq!(tags("a:1|c||#k:v|"), pairs(&[("k", "v")]));
    assert_eq!(tags("a:1|c|c:id|T1|@0.5|#k:v"), pairs(&[("container.id", "id"), ("k", "v")]));
    assert_eq!(tags("a:1|c|c:"), []);
    // Of a rate or timestamp at the end nothing is in what tells series apart.
    assert_eq!(line("a:1|c|#k:v|T5|@0.5").unwrap().tags, b"#k:v");
}

#[test]
fn wrong_tags() {
    let wrong = |text: &str, simple| parse_tags(line(text).unwrap().tags, simple, 2).unwrap_err();
    assert_eq!(wrong("a:1|c|#k", false), Reason::BadTag);
    assert_eq!(wrong("a:1|c|#k:", false), Reason::BadTag);
    assert_eq!(wrong("a:1|c|#:v", true), Reason::BadTag);
    assert_eq!(wrong("a:1|c|#a:1,b:2,c:3", true), Reason::TooManyTags);
}

/// Name, value, type, rate and tags.
type Slow = (Vec<u8>, f64, Kind, f64, Vec<(String, String)>);

/// The grammar read slowly: split everything into strings, look at each.
fn slow(line: &[u8]) -> Result<Slow, Reason> {
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b'|').collect();
    if parts.len() < 2 {
        return Err(Reason::NoType);
    }
    let pieces: Vec<&[u8]> = parts[0].split(|byte| *byte == b':').collect();
    let (value, name) = pieces.split_last().unwrap();
    if name.is_empty() {
        return Err(Reason::NoValue);
    }
    let name = name.join(&b':');
    if name.is_empty() {
        return Err(Reason::EmptyName);
    }
    if value.is_empty() {
        return Err(Reason::EmptyValue);
    }
    let all = [
        Kind::Counter,
        Kind::Gauge,
        Kind::Timing,
        Kind::Histogram,
        Kind::Distribution,
        Kind::Set,
        Kind::Meter,
    ];
    let words = ["c", "g", "ms", "h", "d", "s", "m"];
    let at = words.iter().position(|word| word.as_bytes() == parts[1]).ok_or(Reason::UnknownType)?;
    let mut rate = 1.0;
    let mut tags = Vec::new();
    for part in &parts[2..] {
        let part = String::from_utf8_lossy(part).into_owned();
        if let Some(number) = part.strip_prefix('@') {
            let number: f64 = number.parse().map_err(|_| Reason::BadSampleRate)?;
            if number > 0.0 && number < 1e-6 {
                return Err(Reason::BadSampleRate);
            }
            rate = if number > 0.0 && number < 1.0 { number } else { 1.0 };
        } else if let Some(list) = part.strip_prefix('#') {
            for tag in list.split(',').filter(|tag| !tag.is_empty()) {
                let (key, value) = tag.split_once(':').unwrap_or((tag, ""));
                tags.push((key.to_owned(), value.to_owned()));
            }
        } else if let Some(id) = part.strip_prefix("c:") {
            if !id.is_empty() {
                tags.push(("container.id".to_owned(), id.to_owned()));
            }
        } else if let Some(seconds) = part.strip_prefix('T') {
            let number = seconds.parse::<u64>();
            if !matches!(all[at], Kind::Counter | Kind::Gauge) || number.is_err() {
                return Err(Reason::BadTimestamp);
            }
        } else if !part.is_empty() {
            return Err(Reason::UnknownPart);
        }
    }
    if tags.iter().any(|(key, _)| key.is_empty()) {
        return Err(Reason::BadTag);
    }
    let number: f64 =
        std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or(Reason::BadValue)?;
    Ok((name, number, all[at], rate, tags))
}

#[rustfmt::skip]
const PIECES: &[&[u8]] = &[
    b"a", b"zo\xc3\xab", b"\xff", b" ", b":", b"|", b"1", b"+", b"-", b"0.5", b"1e3", b"123456789012345678", b"@", b"#",
    b"#k:v", b",", b"c:", b"T", b"T9", b"a:1|c|", b"a:-2|ms|", b"|g|", b"|s", b"|h", b"|d", b"|m", b"|#x:y,z:", b"|@0.1",
    b"|@2", b"",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn reads_what_the_slow_reader_reads(
        line in proptest::collection::vec(
            proptest::sample::select(PIECES),
            0..12,
        )
    ) {
        let line = line.concat();
        let fast = Line::parse(&line).and_then(|parsed| {
            let tags = parse_tags(parsed.tags, true, usize::MAX)?;
            let number = parse_number(parsed.value).ok_or(Reason::BadValue)?;
            Ok((parsed.name.to_vec(), number, parsed.kind, parsed.rate, tags))
        });
        match (&fast, &slow(&line)) {
            (Ok(fast), Ok(slow)) => {
                prop_assert_eq!(fast.1.to_bits(), slow.1.to_bits());
                prop_assert_eq!((&fast.0, fast.2, fast.3, &fast.4), (&slow.0, slow.2, slow.3, &slow.4));
            }
            (fast, slow) => prop_assert_eq!(fast.as_ref().err(), slow.as_ref().err()),
        }
    }

    #[test]
    fn no_bytes_make_it_panic(line in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(parsed) = Line::parse(&line) {
            let _ = parsed.number();
            let _ = parse_tags(parsed.tags, false, 4);
        }
    }
}
