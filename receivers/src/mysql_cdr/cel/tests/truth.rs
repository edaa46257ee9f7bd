//! The traces of the captured tables against what a script of its own counts, and against what `ami` told of the same calls.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use otelcol_pdata::model::as_string;
use otelcol_pdata::model::trace::Span as OtlpSpan;

use super::{Captured, spans_of};
use crate::call_trace::tree::{by_trace, trees};

pub(super) fn attribute(span: &OtlpSpan, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|kv| kv.key == key)?;
    found.value.as_ref().map(as_string)
}

/// `calls` are those of the table that have no end.
fn check(name: &str, spans: &[OtlpSpan]) {
    let expected: serde_json::Value =
        serde_json::from_str(include_str!("../../testdata/cel_expected.json")).unwrap();
    let expected = &expected[name];
    let number = |key: &str| expected[key].as_u64().unwrap();
    let count = |name: &str| spans.iter().filter(|span| span.name == name).count() as u64;
    let open_calls = number("calls") - number("ended");
    // The one call without an end in the scenarios is two ends of a Local channel.
    let found = [
        ("ended", count("asterisk.call")),
        ("legs", count("asterisk.leg") + 2 * open_calls),
        ("dials", count("asterisk.dial")),
        ("rings", count("asterisk.queue.ring")),
        ("waits", count("asterisk.queue.wait")),
        ("talks", count("asterisk.bridge")),
        ("conferences", count("asterisk.conference")),
        ("parks", count("asterisk.park")),
        (
            "answers",
            spans.iter().flat_map(|span| &span.events).filter(|event| event.name == "answer").count() as u64,
        ),
        (
            "answered",
            spans
                .iter()
                .filter(|span| attribute(span, "asterisk.disposition").as_deref() == Some("ANSWERED"))
                .count() as u64,
        ),
    ];
    for (key, found) in found {
        assert_eq!(found, number(key), "{name}: {key}");
    }
    let mut causes: BTreeMap<String, u64> = BTreeMap::new();
    for leg in spans.iter().filter(|span| span.name == "asterisk.leg") {
        *causes.entry(attribute(leg, "asterisk.hangup_cause_code").unwrap()).or_default() += 1;
    }
    let expected: BTreeMap<String, u64> = serde_json::from_value(expected["causes"].clone()).unwrap();
    assert_eq!(causes, expected, "{name}");
}

#[test]
fn spans_are_as_many_as_a_script_counts() {
    check("scenarios_cel", &spans_of(&Captured::scenarios().read(true)));
    check("load_cel", &spans_of(&Captured::load().read(true)));
}

/// Into a column of numbers Asterisk writes its own (`enum ast_cel_event_type` of cel.h), the same since version 12.
#[test]
fn numbers_say_what_names_do() {
    const FROM_1: [&str; 17] = [
        "CHAN_START",
        "CHAN_END",
        "HANGUP",
        "ANSWER",
        "APP_START",
        "APP_END",
        "BRIDGE_ENTER",
        "BRIDGE_EXIT",
        "PARK_START",
        "PARK_END",
        "BLINDTRANSFER",
        "ATTENDEDTRANSFER",
        "USER_DEFINED",
        "LINKEDID_END",
        "PICKUP",
        "FORWARD",
        "LOCAL_OPTIMIZE",
    ];
    let mut captured = Captured::scenarios();
    let named = spans_of(&captured.read(true));
    let place = captured.columns.iter().position(|column| column == "eventtype").unwrap();
    for name in captured.rows.iter_mut().filter_map(|row| row.get_mut(place)) {
        let number = match name.as_str() {
            "MYCEL" => 13,
            "STREAM_BEGIN" => 19,
            "STREAM_END" => 20,
            "DTMF" => 21,
            name => 1 + FROM_1.iter().position(|known| *known == name).unwrap(),
        };
        *name = number.to_string();
    }
    assert_eq!(spans_of(&captured.read(true)), named);
}

/// Every span ends, within its parent, which is in the same trace; ids are unique within it.
#[test]
fn traces_are_whole() {
    for captured in [Captured::scenarios(), Captured::load()] {
        for trace in by_trace(&spans_of(&captured.read(true))).into_values() {
            let ids: BTreeSet<&[u8]> = trace.iter().map(|span| span.span_id.as_slice()).collect();
            assert_eq!(ids.len(), trace.len());
            assert_eq!(trace.iter().filter(|span| span.parent_span_id.is_empty()).count(), 1);
            for span in &trace {
                assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
                let Some(parent) = trace.iter().find(|parent| parent.span_id == span.parent_span_id) else {
                    assert_eq!(span.name, "asterisk.call");
                    continue;
                };
                assert!(parent.start_time_unix_nano <= span.start_time_unix_nano);
                assert!(parent.end_time_unix_nano >= span.end_time_unix_nano, "{span:?}");
            }
        }
    }
}

/// What both receivers know of a call: per span its name, whose it is, and how it went.
type Told = BTreeSet<String>;

/// The traces of a golden file.
fn told(text: &str) -> BTreeMap<String, Told> {
    const SHARED: [&str; 7] = [
        "asterisk.leg",
        "asterisk.dial",
        "asterisk.queue.wait",
        "asterisk.queue.ring",
        "asterisk.bridge",
        "asterisk.conference",
        "asterisk.park",
    ];
    const KEYS: [&str; 14] = [
        "uniqueid=",
        "bridge.id=",
        "disposition=",
        "hangup_cause_code=",
        "hangup_cause=",
        "dial.destination=",
        "dial.status=",
        "dial.originated=",
        "queue.name=",
        "queue.outcome=",
        "conference.name=",
        "park.lot=",
        "park.outcome=",
        "account_code=",
    ];
    let mut traces = BTreeMap::new();
    for block in text.split("trace ").skip(1) {
        let (id, rest) = block.split_once('\n').unwrap();
        let mut spans: Vec<String> = Vec::new();
        for line in rest.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let word = line.split(' ').next().unwrap();
            if word.starts_with("asterisk.") {
                spans.push(word.to_owned());
            } else if KEYS.iter().any(|key| word.starts_with(key)) {
                spans.last_mut().unwrap().push_str(&format!(" {line}"));
            }
        }
        let is_shared = |span: &String| {
            SHARED.iter().any(|name| span.split(' ').next() == Some(*name))
                || span.starts_with("asterisk.call ")
        };
        traces.insert(id.to_owned(), spans.into_iter().filter(is_shared).collect());
    }
    traces
}

/// The captured AMI transcripts and tables are of the same run of Asterisk, so many calls are in both. Ids of traces are
/// equal (both call the system `pbx` here), spans are the same, and so is what they say.
#[test]
fn it_is_what_ami_tells() {
    let cel = told(&trees(&spans_of(&Captured::scenarios().read(true))));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ami/testdata/traces/asterisk22");
    let (mut compared, mut differences) = (0, Vec::new());
    for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        let name = file.file_stem().unwrap().to_string_lossy();
        // Transcripts of a part of the events, or of a part of the calls' time.
        if ["class_", "action_", "eventfilter_"].iter().any(|part| name.starts_with(part)) {
            continue;
        }
        for (id, ami) in told(&std::fs::read_to_string(&file).unwrap()) {
            let Some(cel) = cel.get(&id) else { continue };
            compared += 1;
            differences.extend(ami.difference(cel).map(|span| format!("{name}: only ami: {span}")));
            differences.extend(cel.difference(&ami).map(|span| format!("{name}: only cel: {span}")));
        }
    }
    differences.sort();
    assert_eq!(differences, DIFFERENCES);
    assert_eq!(compared, 58);
}

/// AMI does not tell the end of a dial that nobody answered and that no channel made, names agents' sessions by the rooms
/// that the settings tell it, and hears nothing of a queue that lets nobody in.
const DIFFERENCES: [&str; 4] = [
    "originate_async_busy_and_noanswer: only ami: asterisk.dial dial.destination=PJSIP/1003-0000004d dial.originated=true \
     uniqueid=1795307357.93",
    "originate_async_busy_and_noanswer: only cel: asterisk.dial dial.destination=PJSIP/1003-0000004d dial.originated=true \
     dial.status=NOANSWER uniqueid=1795307357.93",
    "originate_local_into_conference_dialer_style: only cel: asterisk.call disposition=ANSWERED \
     hangup_cause=Normal Clearing hangup_cause_code=16 uniqueid=1795307339.85",
    "queue_joinempty_refused: only cel: asterisk.queue.wait queue.name=strictq queue.outcome=exited \
     uniqueid=1795307285.53",
];
