//! What must hold for the traces of every transcript, whole, cut and out of order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use otelcol_asterisk::ids::{call_trace_id, hex};
use otelcol_confmap::GoDuration;
use otelcol_pdata::Batch;
use otelcol_pdata::model::trace::status::StatusCode;
use otelcol_pdata::model::trace::{ResourceSpans, ScopeSpans, Span as OtlpSpan};
use otelcol_testkit::ami::{Message, Transcript, World};
use proptest::prelude::*;

use super::{Desk, TracesConfig, by_trace, spans_of};
use crate::ami::book::BookConfig;
use otelcol_asterisk::redaction::Redactor;

/// Every span has its parent in its trace and lies within it, ends after it started, and has an id of its own; every trace
/// has one root, which comes first. The flags say so much of spans and links: sampled (1), an id whose low 56 bits are random (2; W3C
/// Trace Context level 2), and that it is known (256) that the parent is of the same process.
fn check(spans: &[OtlpSpan]) {
    for (id, trace) in by_trace(spans) {
        let name = hex(&id);
        let by_id: BTreeMap<&[u8], &OtlpSpan> = trace.iter().map(|span| (&*span.span_id, *span)).collect();
        assert_eq!(by_id.len(), trace.len(), "{name}: two spans of one id");
        assert!(trace[0].parent_span_id.is_empty(), "{name}: the root comes first");
        for span in &trace {
            let (from, to) = (span.start_time_unix_nano, span.end_time_unix_nano);
            assert!(from <= to, "{name} {}: ends before it starts", span.name);
            assert!(span.links.iter().map(|link| link.flags).chain([span.flags]).all(|flags| flags == 0x103));
            if span.parent_span_id.is_empty() {
                assert_eq!(span.span_id, trace[0].span_id, "{name}: one root");
                continue;
            }
            let parent = by_id.get(&*span.parent_span_id).expect("a parent in the same trace");
            assert!(
                parent.start_time_unix_nano <= from && to <= parent.end_time_unix_nano,
                "{name} {}: {from}..{to} not within {} {}..{}",
                span.name,
                parent.name,
                parent.start_time_unix_nano,
                parent.end_time_unix_nano
            );
        }
    }
}

fn count(spans: &[OtlpSpan], names: &[&str]) -> usize {
    spans.iter().filter(|span| names.contains(&span.name.as_str())).count()
}

/// Against what `testdata/traces.py` counts in the transcripts' bytes.
#[test]
fn as_many_spans_as_things_happened() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ami/testdata/traces/expected.tsv");
    let table = std::fs::read_to_string(&path).unwrap();
    for line in table.lines().skip(1) {
        let mut cells = line.split('\t');
        let (folder, name) = (cells.next().unwrap(), cells.next().unwrap());
        let expected: Vec<usize> = cells.map(|cell| cell.parse().unwrap()).collect();
        let spans = spans_of(&Transcript::load(folder, name), TracesConfig::default());
        check(&spans);
        let roots: Vec<&OtlpSpan> = spans.iter().filter(|span| span.parent_span_id.is_empty()).collect();
        let failed = |span: &&OtlpSpan| {
            span.name == "asterisk.leg"
                && span.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32)
        };
        let unfinished = |span: &OtlpSpan| span.attributes.iter().any(|kv| kv.key == "asterisk.unfinished");
        let found = vec![
            roots.len(),
            count(&spans, &["asterisk.leg"]),
            count(&spans, &["asterisk.dial"]),
            count(&spans, &["asterisk.queue.wait"]),
            count(&spans, &["asterisk.queue.ring"]),
            count(&spans, &["asterisk.conference"]),
            count(&spans, &["asterisk.park"]),
            count(&spans, &["asterisk.agi"]),
            count(&spans, &["asterisk.hold"]),
            spans.iter().filter(failed).count(),
            roots.iter().filter(|root| !unfinished(root)).count(),
        ];
        assert_eq!(found, expected, "{folder} {name}");
        assert_eq!(by_trace(&spans).len(), roots.len(), "{folder} {name}");
    }
}

#[test]
fn a_replay_gives_the_same_bytes() {
    for name in
        ["load_200_calls", "class_ALL", "dialer_agent_session_three_customers", "transfer_attended_ami"]
    {
        let transcript = &Transcript::load("asterisk22", name);
        let bytes = || {
            let spans = spans_of(transcript, TracesConfig::default());
            let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
            Batch::from_traces(vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }]).to_wire()
        };
        assert_eq!(bytes(), bytes(), "{}", transcript.name);
    }
}

/// The events of a transcript without those that nobody looks at, which are most of them.
fn telling(transcript: &Transcript) -> Vec<Message> {
    let mut events = transcript.events();
    events.retain(|event| {
        !matches!(
            event.event().as_str(),
            "VarSet" | "CEL" | "TestEvent" | "DeviceStateChange" | "ExtensionStatus"
        )
    });
    events
}

/// Linkedids of the channels that begin in these events.
fn begun(events: &[Message]) -> BTreeSet<String> {
    let began = events.iter().filter(|event| event.event() == "Newchannel");
    began.map(|event| event.get("Linkedid")).collect()
}

/// Plays events with a gap: the connection is lost at `cut`, `gap` events pass unheard, and the client comes back to a server
/// that lists what is then. The spans, and the Linkedids of all calls that could be known.
fn cut(idle: &World, events: &[Message], cut: usize, gap: usize) -> (Vec<OtlpSpan>, BTreeSet<String>) {
    let resume = (cut + gap).min(events.len());
    let mut world = idle.clone();
    let mut desk = Desk::with(TracesConfig::default(), BookConfig::default(), Redactor::default());
    desk.events(&events[..cut]);
    desk.down();
    for event in &events[..resume] {
        world.apply(event);
    }
    let at = events[resume.saturating_sub(1)].at;
    desk.resync(&world, at);
    desk.events(&events[resume..]);
    for event in &events[resume..] {
        world.apply(event);
    }
    let mut known = begun(&events[..cut]);
    let later = &events[resume..];
    known.extend(begun(later));
    // A channel that is up when the client comes back hangs up later, or is still there at the end.
    let heard = later.iter().filter(|event| event.event() == "Hangup").map(|event| event.get("Uniqueid"));
    let alive: BTreeSet<String> = heard.chain(world.channels()).collect();
    let missed = events[cut..resume].iter().filter(|event| event.event() == "Newchannel");
    known.extend(
        missed.filter(|event| alive.contains(&event.get("Uniqueid"))).map(|event| event.get("Linkedid")),
    );
    (desk.finish(), known)
}

#[test]
fn after_a_cut_each_call_has_one_trace() {
    for asterisk in ["asterisk22", "asterisk16"] {
        let idle = World::new(asterisk);
        for transcript in Transcript::all(asterisk) {
            let events = telling(&transcript);
            if begun(&events).is_empty() || transcript.name == "load_200_calls" {
                continue;
            }
            for (at, gap) in (1..events.len()).step_by(5).zip([0, 3, 20].into_iter().cycle()) {
                let (spans, known) = cut(&idle, &events, at, gap);
                check(&spans);
                let expected: BTreeSet<Vec<u8>> =
                    known.iter().map(|linkedid| call_trace_id("pbx", linkedid).to_vec()).collect();
                let found: BTreeSet<Vec<u8>> = by_trace(&spans).into_keys().collect();
                let show = |ids: &BTreeSet<Vec<u8>>| ids.iter().map(|id| hex(id)).collect::<Vec<_>>();
                assert_eq!(
                    show(&found),
                    show(&expected),
                    "{asterisk} {} cut at {at}, {gap} unheard, calls {known:?}",
                    transcript.name
                );
            }
        }
    }
}

/// Two hundred calls, cut in the middle of them.
#[test]
fn after_a_cut_two_hundred_calls_have_two_hundred_traces() {
    let events = telling(&Transcript::load("asterisk22", "load_200_calls"));
    let idle = World::new("asterisk22");
    let (spans, known) = cut(&idle, &events, events.len() / 2, 0);
    check(&spans);
    assert_eq!((by_trace(&spans).len(), known.len()), (200, 200));
    let (spans, known) = cut(&idle, &events, events.len() / 2, 100);
    check(&spans);
    assert_eq!(by_trace(&spans).len(), known.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Events that come in another order, twice or not at all make no trace that is not sound.
    #[test]
    fn any_order_gives_sound_traces(
        name in prop::sample::select(&[
            "transfer_attended_ami", "queue_exit_timeout_ringnoanswer", "park_and_timeout", "agi_and_dialplan_steps",
            "dial_fork_two_phones", "dialer_agent_session_three_customers", "queue_agent_blind_transfers_caller",
        ][..]),
        swaps in prop::collection::vec((any::<prop::sample::Index>(), 1..40_usize), 0..60),
        drops in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut events = telling(&Transcript::load("asterisk22", name));
        for (index, distance) in swaps {
            let index = index.index(events.len());
            let other = (index + distance).min(events.len() - 1);
            events.swap(index, other);
        }
        for index in drops {
            events.remove(index.index(events.len()));
        }
        // Times jump by seconds here, and a call that was finished is not taken up again.
        let mut desk = Desk::new(TracesConfig { late_event_wait: GoDuration::from_secs(3600), ..TracesConfig::default() });
        desk.events(&events);
        check(&desk.finish());
    }
}
