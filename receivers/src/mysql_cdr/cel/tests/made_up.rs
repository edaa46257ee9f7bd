//! What the captures do not have.

use std::borrow::Cow;

use otelcol_asterisk::ids::hex;
use otelcol_asterisk::redaction::{Numbers, Settings as Redaction};
use otelcol_pdata::model::trace::Span as OtlpSpan;

use super::truth::attribute;
use super::{NOW, columns, decoder, layout, spans_of, spans_with, table, writer, written};
use crate::call_trace::tree::trees;
use crate::mysql_cdr::book::Book;
use crate::mysql_cdr::cel::TracesConfig;
use crate::mysql_cdr::read::by_id::ById;
use crate::mysql_cdr::record;
use crate::mysql_cdr::row::{Keep, TableRow};
use crate::mysql_cdr::table::{Now, Oddities, Reader};

const COLUMNS: [&str; 12] = [
    "id",
    "eventtype",
    "eventtime",
    "userdeftype",
    "cid_num",
    "channame",
    "appname",
    "appdata",
    "uniqueid",
    "linkedid",
    "peer",
    "extra",
];

/// Makes rows, a second apart.
struct Rows {
    keys: bool,
    rows: Vec<TableRow>,
}

impl Rows {
    fn new(keys: bool) -> Self {
        Self { keys, rows: Vec::new() }
    }

    /// `channel` is its number; further columns by name.
    fn add(&mut self, kind: &str, channel: u32, linkedid: &str, more: &[(&str, &str)]) -> &mut Self {
        let n = self.rows.len();
        let columns = if self.keys { &COLUMNS[..] } else { &COLUMNS[1..] };
        let own = [
            ("id", (n + 1).to_string()),
            ("eventtype", kind.to_owned()),
            ("eventtime", format!("2026-11-22 00:{:02}:{:02}", 10 + n / 60, n % 60)),
            ("channame", format!("PJSIP/phone{channel}-0000000{channel}")),
            ("uniqueid", format!("17953060{channel:02}.{channel}")),
            ("linkedid", linkedid.to_owned()),
        ];
        let value = |name: &str| {
            let more = more.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            more.or_else(|| own.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone()))
        };
        self.rows.push(decoder(columns).decode(|place| value(columns[place]).map(Cow::Owned), 0));
        self
    }

    fn call(&mut self, channel: u32) -> &mut Self {
        let linkedid = format!("17953060{channel:02}.{channel}");
        self.add("CHAN_START", channel, &linkedid, &[("cid_num", "4930123456")])
            .add("ANSWER", channel, &linkedid, &[])
            .add("HANGUP", channel, &linkedid, &[("extra", r#"{"hangupcause":16}"#)])
            .add("CHAN_END", channel, &linkedid, &[])
    }
}

/// Phone 1 calls 2, which calls 4 through its second line 3 and brings 1 and 4 together: 4 goes over to the first call.
pub(super) fn transfer(keys: bool) -> Vec<TableRow> {
    const FIRST: &str = "1795306001.1";
    const SECOND: &str = "1795306003.3";
    let in_bridge = |id: &str| format!(r#"{{"bridge_id":"{id}","bridge_technology":"simple_bridge"}}"#);
    let (one, two) = (in_bridge("one"), in_bridge("two"));
    let dial = |to: &'static str| [("appname", "Dial"), ("appdata", to)];
    let dialled = ("appname", "AppDial");
    let mut rows = Rows::new(keys);
    rows.add("CHAN_START", 1, FIRST, &[])
        .add("APP_START", 1, FIRST, &dial("PJSIP/phone2,30"))
        .add("CHAN_START", 2, FIRST, &[])
        .add("ANSWER", 2, FIRST, &[dialled])
        .add("ANSWER", 1, FIRST, &[])
        .add("BRIDGE_ENTER", 2, FIRST, &[("extra", &one)])
        .add("BRIDGE_ENTER", 1, FIRST, &[("extra", &one), ("peer", "PJSIP/phone2-00000002")])
        .add("CHAN_START", 3, SECOND, &[])
        .add("APP_START", 3, SECOND, &dial("PJSIP/phone4&PJSIP/phone5,30"))
        .add("CHAN_START", 4, SECOND, &[])
        .add("ANSWER", 4, SECOND, &[dialled])
        .add("ANSWER", 3, SECOND, &[])
        .add("BRIDGE_ENTER", 4, SECOND, &[("extra", &two)])
        .add("BRIDGE_ENTER", 3, SECOND, &[("extra", &two)])
        .add(
            "ATTENDEDTRANSFER",
            2,
            FIRST,
            &[(
                "extra",
                r#"{"bridge1_id":"one","channel2_name":"PJSIP/phone3-00000003","bridge2_id":"two",
                "transferee_channel_name":"PJSIP/phone1-00000001","transferee_channel_uniqueid":"1795306001.1",
                "transfer_target_channel_name":"PJSIP/phone4-00000004","transfer_target_channel_uniqueid":"1795306004.4"}"#,
            )],
        )
        .add("BRIDGE_EXIT", 2, FIRST, &[("extra", &one)])
        .add("BRIDGE_EXIT", 4, SECOND, &[("extra", &two)])
        .add("BRIDGE_ENTER", 4, FIRST, &[("extra", &one)])
        .add("BRIDGE_EXIT", 3, SECOND, &[("extra", &two)])
        .add("HANGUP", 2, FIRST, &[("extra", r#"{"hangupcause":16}"#)])
        .add("CHAN_END", 2, FIRST, &[])
        .add("HANGUP", 3, SECOND, &[("extra", r#"{"hangupcause":16}"#)])
        .add("CHAN_END", 3, SECOND, &[])
        .add("LINKEDID_END", 3, SECOND, &[]);
    // The second call is sent long before the first one ends.
    for _ in 0..30 {
        rows.add(
            "DTMF",
            1,
            FIRST,
            &[("userdeftype", "Received"), ("extra", r#"{"digit":"5","duration_ms":80}"#)],
        );
    }
    rows.add(
        "HANGUP",
        4,
        FIRST,
        &[("extra", r#"{"hangupcause":16,"hangupsource":"PJSIP/phone4-00000004"}"#)],
    )
    .add("CHAN_END", 4, FIRST, &[])
    .add("HANGUP", 1, FIRST, &[("extra", r#"{"hangupcause":16}"#)])
    .add("CHAN_END", 1, FIRST, &[])
    .add("LINKEDID_END", 1, FIRST, &[]);
    rows.rows
}

fn legs_of<'s>(spans: &'s [OtlpSpan], channel: &str) -> Vec<&'s OtlpSpan> {
    let legs = spans.iter().filter(|span| span.name == "asterisk.leg");
    legs.filter(|leg| attribute(leg, "asterisk.channel").as_deref() == Some(channel)).collect()
}

#[test]
fn a_channel_that_goes_over_to_another_call_is_in_both_and_they_link() {
    let spans = spans_of(&transfer(true));
    let legs = legs_of(&spans, "PJSIP/phone4-00000004");
    let [joined, left] = legs.as_slice() else { panic!("{legs:#?}") };
    for (leg, other) in [(left, joined), (joined, left)] {
        assert_eq!(leg.links.len(), 1);
        assert_eq!((&leg.links[0].trace_id, &leg.links[0].span_id), (&other.trace_id, &other.span_id));
    }
    assert_eq!(left.end_time_unix_nano, joined.start_time_unix_nano);
    let tree = trees(&spans);
    for line in [
        "joined_into=1795306001.1",
        "joined_from=1795306003.3",
        "dial.dialstring=phone4",
        "transfer.target=PJSIP/phone4-00000004, transfer.transferee=PJSIP/phone1-00000001, \
         transfer.transferer=PJSIP/phone2-00000002, transfer.type=attended",
    ] {
        assert!(tree.contains(line), "{line} is not in\n{tree}");
    }
    assert_eq!(tree.matches("transfer transfer.target").count(), 2);
    assert_eq!(tree.matches("asterisk.bridge ").count(), 3, "{tree}");
}

#[test]
fn what_else_happens_on_a_channel() {
    let mut rows = Rows::new(true);
    let first = "1795306001.1";
    rows.add("CHAN_START", 1, first, &[])
        .add("APP_START", 1, first, &[("appname", "Dial"), ("appdata", "PJSIP/phone2")])
        .add("CHAN_START", 2, first, &[])
        .add("FORWARD", 1, first, &[("extra", r#"{"forward":"Local/300@otel"}"#)])
        .add(
            "PICKUP",
            2,
            first,
            &[
                ("appname", "AppDial"),
                (
                    "extra",
                    r#"{"pickup_channel":"PJSIP/phone3-00000003","pickup_channel_uniqueid":"1795306003.3"}"#,
                ),
            ],
        )
        .add("MARK", 1, first, &[("userdeftype", "MARK"), ("extra", r#"{"extra":"step 3"}"#)])
        .add("LOCAL_OPTIMIZE", 1, first, &[("extra", "no json")])
        .add("HANGUP", 2, first, &[("extra", r#"{"hangupcause":17}"#)])
        .add("HANGUP", 1, first, &[("extra", r#"{"hangupcause":17,"dialstatus":"BUSY"}"#)])
        .add("LINKEDID_END", 1, first, &[]);
    let tree = trees(&spans_of(&rows.rows));
    for line in [
        "asterisk.call 0.000..8.000 ERROR \"busy\"",
        "disposition=BUSY",
        "dial.forward=Local/300@otel",
        "* 4.000 pickup channel=PJSIP/phone3-00000003",
        "* 5.000 user_event user_event.data=step 3, user_event.type=MARK",
    ] {
        assert!(tree.contains(line), "{line} is not in\n{tree}");
    }
}

/// The spans and the odd rows of a table that is read to its end, after which time passes.
fn read(rows: &[TableRow], config: &TracesConfig) -> (Vec<OtlpSpan>, (u64, u64), Oddities) {
    let mut table = table(config, Reader::Id(ById::default()));
    let mut writer = writer(config, &Redaction::default());
    let (mut spans, mut cut) = (Vec::new(), (0, 0));
    for row in rows {
        table.replicated(row, NOW);
        table.settle(NOW, 0, Some(row.time));
        let Book::Cel(events) = &mut table.book else { unreachable!() };
        spans.extend(written(&mut writer, events, config));
        let (open_calls, age) = events.take_cut();
        cut = (cut.0 + open_calls, cut.1 + age);
    }
    table.settle(NOW, u64::MAX, None);
    let Book::Cel(events) = &mut table.book else { unreachable!() };
    spans.extend(written(&mut writer, events, config));
    (spans, cut, table.oddities)
}

fn limited(change: impl FnOnce(&mut TracesConfig)) -> TracesConfig {
    let mut config = TracesConfig::default();
    change(&mut config);
    config
}

#[test]
fn limits_cut_and_count() {
    let mut rows = Rows::new(true);
    rows.add("CHAN_START", 1, "1795306001.1", &[]).call(2).add("HANGUP", 1, "1795306001.1", &[]);
    let (spans, cut, odd) = read(&rows.rows, &limited(|config| config.limits.open_calls = 1));
    assert_eq!((spans.len(), cut, odd), (2, (1, 0), Oddities::default()));

    let call_age = otelcol_confmap::GoDuration::from_secs(3);
    let (spans, cut, odd) = read(&rows.rows, &limited(|config| config.limits.call_age = call_age));
    let tree = trees(&spans);
    assert_eq!((spans.len(), cut), (4, (0, 1)), "{tree}");
    assert_eq!((tree.matches(" cut=age").count(), tree.matches("unfinished=true").count()), (1, 2), "{tree}");
    assert_eq!(odd.late, 1, "its hangup comes behind its age");

    let (spans, ..) = read(&transfer(true), &limited(|config| config.limits.spans_per_call = 3));
    assert_eq!((spans.len(), trees(&spans).matches(" cut=spans").count()), (6, 2));
}

#[test]
fn a_row_behind_its_trace_is_late_and_one_that_is_read_again_is_not() {
    let mut rows = Rows::new(true);
    rows.call(1);
    // So much later that the first call has settled.
    for _ in 0..70 {
        rows.add("DTMF", 2, "1795306002.2", &[]);
    }
    let first = rows.rows[0].clone();
    rows.add("CHAN_END", 1, "1795306001.1", &[]);
    let (spans, _, odd) = read(&rows.rows, &TracesConfig::default());
    assert_eq!((spans.len(), odd.late), (2, 1));
    let mut again = rows.rows.clone();
    again.pop();
    again.push(TableRow { identity: 1, ..first });
    assert_eq!(read(&again, &TracesConfig::default()).2.late, 0);
}

#[test]
fn a_call_whose_beginning_was_not_read_says_so() {
    let mut rows = Rows::new(true);
    rows.call(1).add("LINKEDID_END", 2, "1795306002.2", &[]);
    let tree = trees(&spans_of(&rows.rows[1..]));
    assert_eq!(tree.matches("found=true").count(), 2, "{tree}");
    assert_eq!(tree.matches("trace ").count(), 1, "an end alone is no call: {tree}");
}

#[test]
fn numbers_are_redacted() {
    let mut rows = Rows::new(true);
    rows.call(1);
    let redaction = Redaction { numbers: Numbers::Last4, ..Redaction::default() };
    let tree = trees(&spans_with(&rows.rows, &TracesConfig::default(), &redaction));
    assert!(tree.contains("caller_id=***3456") && !tree.contains("4930123456"), "{tree}");
}

#[test]
fn the_id_is_that_of_ami() {
    let mut rows = Rows::new(true);
    rows.call(1);
    let spans = spans_of(&rows.rows);
    let root = spans.iter().find(|span| span.parent_span_id.is_empty()).unwrap();
    // printf 'asterisk.call\npbx\n1795306001.1' | sha256sum | cut -c1-32
    assert_eq!(hex(&root.trace_id), "9ce0d41792dc384cef4c7ec464babb9b");
}

#[test]
fn a_table_that_cannot_be_read_says_why() {
    assert_eq!(
        layout(&columns(&["eventtype", "eventtime", "uniqueid", "linkid"])).unwrap_err(),
        "table `a`.`cel` has no column for the call: expected linkedid, or its name under traces::columns::linkedid; it has \
         eventtype, eventtime, uniqueid, linkid"
    );
    let lean = decoder(&["eventtype", "eventtime", "uniqueid", "linkedid"]);
    assert_eq!((lean.keep, lean.layout.columns.len()), (Keep::Cel, 4));
}

/// Times of an Asterisk whose clock is wrong, by more than zones can differ and by less.
const TO_COME: [&str; 2] = ["2031-01-01 00:00:00", "2026-11-22 21:00:00"];

/// Events of it, for a moment, beside another call.
fn of_a_time_to_come(time: &str) -> Rows {
    let mut rows = Rows::new(true);
    rows.add("CHAN_START", 1, "1795306001.1", &[]);
    rows.add("CHAN_START", 9, "1795306009.9", &[("eventtime", time)]);
    rows.add("CHAN_END", 9, "1795306009.9", &[("eventtime", time)]);
    rows.add("CHAN_END", 1, "1795306001.1", &[]);
    rows
}

#[test]
fn an_event_of_a_time_to_come_cuts_no_other_call() {
    for time in TO_COME {
        let (spans, cut, odd) = read(&of_a_time_to_come(time).rows, &TracesConfig::default());
        assert_eq!((spans.len(), cut, odd), (4, (0, 0), Oddities::default()), "{time} {}", trees(&spans));
    }
}

#[test]
fn behind_an_event_of_a_time_to_come_nothing_is_too_old_after_a_restart() {
    let config = TracesConfig::default();
    // 00:10:00, when the first row is written.
    let now = Now { wall_ms: 1_795_306_200_000, ..NOW };
    for time in TO_COME {
        let mut rows = of_a_time_to_come(time);
        let mut before = table(&config, Reader::Id(ById::default()));
        before.chunk(&rows.rows, now);
        before.settle(now, u64::MAX, None);
        let Book::Cel(events) = &mut before.book else { unreachable!() };
        assert_eq!(written(&mut writer(&config, &Redaction::default()), events, &config).len(), 4);
        let record = record::write(&before).unwrap();
        let mut table = record::read(&record, before.settings.clone(), now).unwrap();
        rows.call(2);
        let later = &rows.rows[4..];
        assert_eq!(table.chunk(later, now), vec![true; later.len()], "{time}");
        assert_eq!(table.oddities, Oddities::default());
    }
}

/// As behind a restart, where it is the last of the table.
#[test]
fn an_event_of_a_time_to_come_that_is_read_first_ends_no_other_call() {
    let mut rows = Rows::new(true);
    rows.add("CHAN_START", 9, "1795306009.9", &[("eventtime", TO_COME[0])]);
    rows.add("CHAN_START", 1, "1795306001.1", &[]);
    rows.add("CHAN_END", 1, "1795306001.1", &[]);
    rows.add("CHAN_END", 9, "1795306009.9", &[("eventtime", TO_COME[0])]);
    let mut table = table(&TracesConfig::default(), Reader::Id(ById::default()));
    table.chunk(&rows.rows[..1], NOW);
    table.chunk(&rows.rows[1..], NOW);
    assert_eq!(table.book.waiting(), 2);
}
