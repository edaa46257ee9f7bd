//! Settings, limits, redaction, late events, and the end.

use otelcol_asterisk::ids::{call_trace_id, hex};
use otelcol_asterisk::redaction::{Numbers, Redactor, Settings};
use otelcol_confmap::GoDuration;
use otelcol_pdata::model::trace::Span as OtlpSpan;
use otelcol_pdata::model::{as_string, attr};
use otelcol_testkit::ami::{Message, Transcript};

use super::super::Tracer;
use super::super::TracesLimits;
use super::{Desk, TracesConfig, by_trace, spans_of};
use crate::ami::book::BookConfig;
use crate::ami::signal::{At, Signal};
use crate::ami::testing::with_frame;
use crate::ami::wire::EventKind;
use otelcol_pipeline::{Context, Kind};

fn transcript(name: &str) -> Transcript {
    Transcript::load("asterisk22", name)
}

fn named<'a>(spans: &'a [OtlpSpan], name: &str) -> Vec<&'a OtlpSpan> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn value(span: &OtlpSpan, key: &str) -> String {
    attr(&span.attributes, key).map(as_string).unwrap_or_default()
}

fn events_of(spans: &[OtlpSpan], name: &str) -> Vec<String> {
    let events = spans.iter().flat_map(|span| &span.events).filter(|event| event.name == name);
    events
        .map(|event| {
            let texts = event.attributes.iter().map(|kv| {
                let key = kv.key.trim_start_matches("asterisk.");
                format!("{key}={}", kv.value.as_ref().map(as_string).unwrap_or_default())
            });
            texts.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

#[test]
fn dialplan_steps_are_events_if_asked_for() {
    let spans = spans_of(&transcript("dial_answered"), TracesConfig::default());
    assert!(events_of(&spans, "dialplan").is_empty());
    let spans =
        spans_of(&transcript("dial_answered"), TracesConfig { dialplan: true, ..TracesConfig::default() });
    assert_eq!(
        events_of(&spans, "dialplan"),
        [
            "context=otel exten=101 application=Dial application_data=PJSIP/1001,10 priority=1",
            "context=otel exten=101 application=AppDial application_data=(Outgoing Line) priority=1",
            "context=otel application=AppDial application_data=(Outgoing Line) priority=1",
        ]
    );
}

#[test]
fn agi_and_dtmf_can_be_left_out() {
    let with = spans_of(&transcript("agi_and_dialplan_steps"), TracesConfig::default());
    assert_eq!(named(&with, "asterisk.agi").len(), 2);
    let without = spans_of(
        &transcript("agi_and_dialplan_steps"),
        TracesConfig { agi: false, ..TracesConfig::default() },
    );
    assert_eq!(named(&without, "asterisk.agi").len(), 0);
    let with = spans_of(&transcript("transfer_attended_ami"), TracesConfig::default());
    assert_eq!(events_of(&with, "dtmf").len(), 5);
    let without = spans_of(
        &transcript("transfer_attended_ami"),
        TracesConfig { dtmf: false, ..TracesConfig::default() },
    );
    assert_eq!(events_of(&without, "dtmf").len(), 0);
}

#[test]
fn variables_become_attributes_agent_and_campaign() {
    let config = TracesConfig {
        variables: vec!["CONFBRIDGE_RESULT".to_owned(), "CAMPAIGN".to_owned()],
        campaign_variables: vec!["CAMPAIGN".to_owned()],
        ..TracesConfig::default()
    };
    let context = Context::detached(Kind::Receiver, "ami");
    assert!(Tracer::new(&context, config.clone(), Redactor::default()).wants(EventKind::VarSet));
    let spans = spans_of(&transcript("dialer_agent_session_three_customers"), config);
    let talks = named(&spans, "asterisk.agent.talk");
    assert_eq!(talks.len(), 3);
    for talk in talks {
        assert_eq!(value(talk, "asterisk.campaign"), "SALES");
        assert_eq!(value(talk, "asterisk.agent"), "8001");
    }
    let legs = named(&spans, "asterisk.leg");
    let set = |key| legs.iter().filter(|leg| !value(leg, key).is_empty()).count();
    assert_eq!(set("asterisk.variable.CAMPAIGN"), 6);
    assert_eq!(set("asterisk.variable.CONFBRIDGE_RESULT"), 4);
}

#[test]
fn a_talk_links_to_the_root_of_the_agents_session() {
    let spans = spans_of(&transcript("dialer_agent_session_three_customers"), TracesConfig::default());
    let sessions = named(&spans, "asterisk.agent.session");
    assert_eq!(sessions.len(), 1);
    assert_eq!(hex(&sessions[0].trace_id), hex(&call_trace_id("pbx", "1795311791.6")));
    for talk in named(&spans, "asterisk.agent.talk") {
        assert_eq!(talk.links.len(), 1);
        assert_eq!(talk.links[0].trace_id, sessions[0].trace_id);
        assert_eq!(talk.links[0].span_id, sessions[0].span_id);
        assert_ne!(talk.trace_id, sessions[0].trace_id);
    }
}

#[test]
fn numbers_and_names_are_redacted_everywhere() {
    let settings = Settings { numbers: Numbers::Last4, ..Settings::default() };
    let names = ["dialer_agent_session_three_customers", "originate_local_into_conference_dialer_style"];
    for name in names {
        let mut desk = Desk::with(TracesConfig::default(), BookConfig::default(), Redactor::new(&settings));
        desk.play(&transcript(name));
        let spans = desk.finish();
        let all = format!("{spans:?}");
        for number in ["3005551200", "5551212", "V1122000000000012345", "cust0"] {
            assert!(!all.contains(number), "{name}: {number}");
        }
        assert!(all.contains("***12"), "{name}");
    }
}

#[test]
fn late_events_belong_to_their_call_until_the_wait_is_over() {
    let mut events = transcript("queue_connect_complete_by_caller").events();
    let complete = events.iter().position(|event| event.event() == "AgentComplete").unwrap();
    let late = events.remove(complete);
    let last = events.iter().rposition(|event| event.event() == "Hangup").unwrap();
    let ended = events[last].at;
    let talk_time = |after: u64| {
        let mut desk = Desk::new(TracesConfig::default());
        desk.events(&events[..=last]);
        desk.tick(ended + after);
        desk.events(&[Message { at: ended + after, ..late.clone() }]);
        let spans = desk.finish();
        assert_eq!(by_trace(&spans).len(), 1);
        value(named(&spans, "asterisk.queue.wait")[0], "asterisk.queue.talk_time_ms")
    };
    assert_eq!(talk_time(0), "2000");
    assert_eq!(talk_time(1_400_000_000), "2000");
    assert_eq!(talk_time(2_000_000_000), "");
}

/// Ticks come every half second: the last one within the wait finishes the trace.
#[test]
fn a_trace_is_there_within_the_wait() {
    let events = transcript("dial_answered").events();
    let last = events.iter().rposition(|event| event.event() == "Hangup").unwrap();
    for phase in [0, 100_000_000, 499_000_000] {
        let mut desk = Desk::new(TracesConfig::default());
        desk.events(&events[..=last]);
        let mut tick = events[last].at + phase;
        while desk.spans.is_empty() {
            desk.tick(tick);
            tick += 500_000_000;
        }
        assert!(desk.now - events[last].at <= 2_000_000_000);
        assert!(desk.now - events[last].at >= 1_500_000_000);
    }
}

/// By the clock of this host: Asterisk's may be another.
#[test]
fn the_wait_is_one_of_this_host() {
    let events = transcript("timestampevents_dial_answered").events();
    let mut desk = Desk::new(TracesConfig::default());
    for event in &events {
        with_frame(event, |frame| {
            let at = At { happened: frame.timestamp().unwrap_or(event.at), received: 1_000 };
            desk.hear_at(&Signal::Event(frame), at);
        });
    }
    assert!(desk.spans.is_empty());
    desk.hear_at(&Signal::Tick, At { happened: u64::MAX, received: 1_000 });
    assert!(desk.spans.is_empty());
    desk.hear_at(&Signal::Tick, At { happened: 1, received: 1_500_001_000 });
    assert_eq!(named(&desk.spans, "asterisk.call")[0].start_time_unix_nano, 1_795_307_022_687_152_000);
}

#[test]
fn at_shutdown_open_spans_are_sent_and_marked() {
    let events = transcript("queue_connect_complete_by_caller").events();
    let bridged = events.iter().rposition(|event| event.event() == "BridgeEnter").unwrap();
    let mut desk = Desk::new(TracesConfig::default());
    desk.events(&events[..=bridged]);
    let spans = desk.finish();
    let unfinished: Vec<&str> = spans
        .iter()
        .filter(|span| value(span, "asterisk.unfinished") == "true")
        .map(|span| span.name.as_str())
        .collect();
    assert_eq!(unfinished, ["asterisk.call", "asterisk.leg", "asterisk.leg", "asterisk.bridge"]);
    let end = events[bridged].at;
    assert!(spans.iter().all(|span| span.end_time_unix_nano <= end));
}

fn cut_counter(desk: &Desk, reason: &str) -> f64 {
    desk.counter("otelcol_ami_traces_cut", &[("receiver", "ami"), ("reason", reason)])
}

#[test]
fn open_calls_are_bounded_and_what_is_beyond_is_counted() {
    let limits = TracesLimits { open_calls: 3, ..TracesLimits::default() };
    let mut desk = Desk::new(TracesConfig { limits, ..TracesConfig::default() });
    for event in transcript("load_200_calls").events() {
        desk.events(&[event]);
        assert!(desk.tracer.open() <= 3);
    }
    desk.wait();
    let traces = by_trace(&desk.spans).len();
    assert!((4..200).contains(&traces), "{traces}");
    assert_eq!(cut_counter(&desk, "open_calls") + traces as f64, 200.0);
    assert_eq!(desk.counter("otelcol_ami_traces", &[("receiver", "ami")]), traces as f64);
}

#[test]
fn a_call_that_lasts_too_long_is_sent_as_it_is() {
    let limits = TracesLimits { call_age: GoDuration::from_secs(1), ..TracesLimits::default() };
    let mut desk = Desk::new(TracesConfig { limits, ..TracesConfig::default() });
    let events = transcript("queue_connect_complete_by_caller").events();
    let end = events.len() - events.iter().rev().take_while(|event| event.event() != "BridgeEnter").count();
    desk.events(&events[..end]);
    desk.tick(desk.now);
    assert_eq!((cut_counter(&desk, "age"), desk.tracer.open()), (0.0, 1));
    desk.tick(desk.now + 1_000_000_000);
    assert_eq!((cut_counter(&desk, "age"), desk.tracer.open()), (1.0, 0));
    desk.events(&events[end..]);
    let spans = desk.finish();
    let roots = named(&spans, "asterisk.call");
    assert_eq!(roots.len(), 1);
    assert_eq!(
        (value(roots[0], "asterisk.cut"), value(roots[0], "asterisk.unfinished")),
        ("age".to_owned(), "true".to_owned())
    );
    assert_eq!(roots[0].name, "asterisk.call");
}

#[test]
fn an_agents_session_may_last() {
    let limits = TracesLimits { call_age: GoDuration::from_secs(4), ..TracesLimits::default() };
    let mut desk =
        Desk::with(TracesConfig { limits, ..TracesConfig::default() }, super::dialer(), Redactor::default());
    for event in transcript("dialer_agent_session_three_customers").events() {
        let at = event.at;
        desk.events(&[event]);
        desk.tick(at);
    }
    assert_eq!(cut_counter(&desk, "age"), 0.0);
    assert_eq!(by_trace(&desk.finish()).len(), 4);
}

#[test]
fn spans_and_events_are_bounded() {
    let limits = TracesLimits { spans_per_call: 3, events_per_span: 1, ..TracesLimits::default() };
    let mut desk = Desk::new(TracesConfig { limits, ..TracesConfig::default() });
    desk.play(&transcript("transfer_attended_ami"));
    desk.wait();
    assert_eq!(desk.spans.len(), 3);
    let dropped: f64 = cut_counter(&desk, "spans");
    // The root, four legs, two dials, three bridges, a hold; the first dial is told to have ended, and then opened anew.
    assert_eq!(dropped, 12.0 - 3.0);
    assert_eq!(value(&desk.spans[0], "asterisk.cut"), "spans");
    assert!(desk.spans.iter().all(|span| span.events.len() <= 1));
    assert_eq!(desk.spans[1].dropped_events_count, 4);
}

#[test]
fn long_values_are_cut_at_a_character() {
    let limits = TracesLimits { value_bytes: 3, ..TracesLimits::default() };
    let spans =
        spans_of(&transcript("odd_callerid_utf8_colons"), TracesConfig { limits, ..TracesConfig::default() });
    let name = value(named(&spans, "asterisk.call")[0], "asterisk.caller_name");
    assert!(!name.is_empty() && name.len() <= 3, "{name:?}");
}

#[test]
fn settings_that_can_not_be_used() {
    assert!(TracesConfig::default().issues().is_empty());
    let config: TracesConfig = serde_json::from_str(
        r#"{"limits": {"open_calls": 0, "spans_per_call": 0, "value_bytes": 0, "call_age": "0s"}}"#,
    )
    .unwrap();
    let paths: Vec<String> = config.issues().into_iter().map(|(path, _)| path).collect();
    assert_eq!(
        paths,
        ["limits::open_calls", "limits::spans_per_call", "limits::value_bytes", "limits::call_age"]
    );
}
