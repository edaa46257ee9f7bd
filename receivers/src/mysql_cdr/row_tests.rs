use super::*;
use crate::mysql_cdr::config::Columns;
use crate::mysql_cdr::schema::tests::columns;

pub(crate) fn decoder(names: &[&str], zone: Zone) -> Decoder {
    let shape = Columns::default();
    let layout =
        Layout::new("`a`.`cdr`".to_owned(), &columns(names), &[], &shape.shape(), true, 4096).unwrap();
    Decoder { layout, zone, seed: 7, keep: Keep::Cdr { values: false }, value_bytes: 4096 }
}

fn read(decoder: &Decoder, values: &[Option<&'static str>]) -> TableRow {
    decoder.decode(|place| values[place].map(Cow::Borrowed), 1_795_307_999)
}

/// The call detail record of a row.
pub(crate) fn cdr(row: TableRow) -> CdrRow {
    match row.body {
        Body::Cdr(cdr) => cdr,
        Body::Cel(event) => panic!("{event:?}"),
    }
}

fn decode(decoder: &Decoder, values: &[Option<&'static str>]) -> CdrRow {
    cdr(read(decoder, values))
}

#[test]
fn dispositions() {
    for (text, expected) in [
        ("ANSWERED", Disposition::Answered),
        ("NO ANSWER", Disposition::NoAnswer),
        ("no_answer", Disposition::NoAnswer),
        ("Busy", Disposition::Busy),
        ("16", Disposition::Congestion),
        ("FAILED ", Disposition::Failed),
        ("", Disposition::Other),
        ("ANSWERED2", Disposition::Other),
    ] {
        assert_eq!(Disposition::parse(text), expected, "{text:?}");
    }
}

#[test]
fn channels() {
    assert_eq!(peer("PJSIP/carrier-0000001a"), ("PJSIP", "carrier"));
    assert_eq!(peer("SIP/my-trunk-000b"), ("SIP", "my-trunk"));
    assert_eq!(peer("DAHDI/i1/5551234-1"), ("DAHDI", "i1"));
    assert_eq!(peer("IAX2/box-17"), ("IAX2", "box"));
    assert_eq!(peer("Local/5551234@out-00000001;2"), ("Local", ""));
    assert_eq!(peer("PJSIP/long-name"), ("PJSIP", "long-name"));
    assert_eq!(peer(""), ("", ""));
}

#[test]
fn a_row_with_all_columns() {
    let decoder = decoder(
        &[
            "start",
            "answer",
            "end",
            "duration",
            "billsec",
            "disposition",
            "uniqueid",
            "linkedid",
            "sequence",
            "dstchannel",
            "id",
        ],
        Zone::named("Europe/Berlin").unwrap(),
    );
    let row = read(
        &decoder,
        &[
            Some("2026-11-22 01:26:35"),
            Some("2026-11-22 01:26:38"),
            Some("2026-11-22 01:26:47"),
            Some("12"),
            Some("9"),
            Some("ANSWERED"),
            Some("1795307195.0"),
            Some("pbx-1795307190.7"),
            Some("3"),
            Some("PJSIP/1001-00000001"),
            Some("42"),
        ],
    );
    assert_eq!(row.id, Some(42));
    assert_eq!((row.time, row.written, row.written_utc), (1_795_310_795, 1_795_310_807, 1_795_307_207));
    let row = cdr(row);
    assert_eq!(
        (row.leg.start, row.leg.end(), row.leg.answer_time),
        (1_795_307_195, 1_795_307_207, Some(3000))
    );
    assert_eq!((row.leg.duration(), row.leg.billsec()), (12_000, 9000));
    assert_eq!(row.call, XxHash64::oneshot(7, b"pbx-1795307190.7"));
    assert_eq!(row.leg.trunk, "1001");
}

#[test]
fn nulls_and_zero_dates_cost_no_row() {
    let decoder = decoder(&["start", "answer", "end", "disposition", "uniqueid"], Zone::utc());
    let row = read(&decoder, &[Some("0000-00-00 00:00:00"), None, None, None, Some("1795307195.0")]);
    assert!(!row.has_time);
    let row = cdr(row);
    assert_eq!((row.leg.start, row.leg.duration()), (1_795_307_195, 0));
    assert_eq!(row.leg.disposition, Disposition::Other);
    let nameless = read(&decoder, &[None, None, None, None, None]);
    let identity = nameless.identity;
    let nameless = cdr(nameless);
    assert_eq!((nameless.call, nameless.leg.start), (identity, 1_795_307_999));
    let computed = decode(
        &decoder,
        &[
            Some("2026-11-22 00:00:00"),
            Some("2026-11-22 00:00:04"),
            Some("2026-11-22 00:00:10"),
            Some("ANSWERED"),
            Some("x"),
        ],
    );
    assert_eq!(
        (computed.leg.duration(), computed.leg.billsec(), computed.leg.answer_time),
        (10_000, 6000, Some(4000))
    );
}

#[test]
fn of_two_rows_the_better_then_the_longer_stands() {
    let decoder = decoder(&["start", "duration", "billsec", "disposition", "uniqueid"], Zone::utc());
    let leg = |duration, disposition| {
        decode(
            &decoder,
            &[Some("2026-11-22 00:00:00"), Some(duration), Some("0"), Some(disposition), Some("x")],
        )
        .leg
    };
    assert!(leg("1", "ANSWERED") < leg("9", "BUSY"));
    assert!(leg("1", "FAILED") < leg("9", "NO ANSWER"));
    assert!(leg("9", "BUSY") < leg("1", "BUSY"));
    assert!(leg("1.5", "BUSY") < leg("1", "BUSY"));
}
