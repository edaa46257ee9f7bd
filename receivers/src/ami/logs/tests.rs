use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use otelcol_asterisk::ids::{call_root_span_id, call_trace_id, hex};
use otelcol_asterisk::redaction::{Numbers, Settings};
use otelcol_pdata::model::as_string;
use otelcol_pdata::model::logs::LogRecord;
use otelcol_testkit::ami::{Message, Transcript};

use super::*;
use crate::ami::book::BookConfig;
use crate::ami::signal::Nanos;
use crate::ami::testing::{play, play_events};

const VERSIONS: [&str; 2] = ["asterisk16", "asterisk22"];

fn logs(config: &LogsConfig, redaction: &Settings) -> Logs {
    let mut logs = Logs::new(config, Redactor::new(redaction), "1.2.3");
    logs.set_system("pbx1");
    logs
}

fn book() -> Book {
    Book::new(BookConfig::default())
}

fn hear(logs: &mut Logs, book: &mut Book, signal: &Signal<'_, '_>, now: Nanos) {
    book.apply(signal, now);
    logs.observe(signal, book, At::received(now));
}

fn taken(logs: &mut Logs) -> Vec<LogRecord> {
    let resource =
        Resource { attributes: vec![otelcol_pdata::model::string("host.name", "h")], ..Resource::default() };
    let Some(batch) = logs.take(&resource).unwrap() else { return Vec::new() };
    let mut blocks = batch.into_logs().unwrap();
    assert_eq!(blocks.len(), 1);
    assert_eq!(blocks[0].resource, Some(resource));
    let scopes = std::mem::take(&mut blocks[0].scope_logs);
    assert_eq!(scopes.len(), 1);
    let scope = scopes[0].scope.as_ref().unwrap();
    assert_eq!((scope.name.as_str(), scope.version.as_str()), (SCOPE, "1.2.3"));
    scopes.into_iter().flat_map(|scope| scope.log_records).collect()
}

fn records_of(transcript: &Transcript, config: &LogsConfig, redaction: &Settings) -> Vec<LogRecord> {
    let (mut logs, mut book) = (logs(config, redaction), book());
    play(transcript, |signal, now| hear(&mut logs, &mut book, &signal, now));
    taken(&mut logs)
}

/// The records of messages that are given as text, their lines ended by `\n`.
fn records(config: &LogsConfig, redaction: &Settings, messages: &[&str]) -> Vec<LogRecord> {
    let messages: Vec<Message> = messages
        .iter()
        .map(|text| Message { bytes: text.trim_end().replace('\n', "\r\n").into_bytes(), at: 7_000_000_000 })
        .collect();
    let (mut logs, mut book) = (logs(config, redaction), book());
    play_events(&messages, |signal, now| hear(&mut logs, &mut book, &signal, now));
    taken(&mut logs)
}

fn plain(messages: &[&str]) -> Vec<LogRecord> {
    records(&LogsConfig::default(), &Settings::default(), messages)
}

fn body(record: &LogRecord) -> String {
    as_string(record.body.as_ref().unwrap())
}

fn attributes(record: &LogRecord) -> BTreeMap<String, String> {
    let all: BTreeMap<String, String> = record
        .attributes
        .iter()
        .map(|pair| (pair.key.clone(), as_string(pair.value.as_ref().unwrap())))
        .collect();
    assert_eq!(all.len(), record.attributes.len(), "attributes occur once: {:?}", record.attributes);
    all
}

/// Seconds since the first record, severity, text, the trace's last digits.
fn line(record: &LogRecord, start: u64) -> String {
    let micros = record.time_unix_nano.saturating_sub(start) / 1000;
    let trace = hex(&record.trace_id);
    let trace = trace.get(24..).unwrap_or("-");
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    format!("{seconds:3}.{micros:06} {:5} {:8} {}\n", record.severity_text, trace, body(record))
}

fn golden(path: &Path, found: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, found).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert!(expected == found, "{} differs; UPDATE_GOLDEN=1 writes it anew. Found:\n{found}", path.display());
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ami/testdata/logs")
}

#[test]
fn lines_of_each_transcript() {
    for version in VERSIONS {
        for transcript in Transcript::all(version) {
            let records = records_of(&transcript, &LogsConfig::default(), &Settings::default());
            let start = records.first().map_or(0, |record| record.time_unix_nano);
            let mut text: String = records.iter().map(|record| line(record, start)).collect();
            if records.len() > 1000 {
                text = counts(&records);
            }
            if text.is_empty() {
                continue;
            }
            golden(&folder().join(version).join(format!("{}.txt", transcript.name)), &text);
        }
    }
}

fn counts(records: &[LogRecord]) -> String {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for record in records {
        *counts.entry((record.severity_text.clone(), record.event_name.clone())).or_default() += 1;
    }
    let mut text = String::new();
    for ((severity, event), count) in counts {
        writeln!(text, "{severity:5} {event} {count}").unwrap();
    }
    text
}

#[test]
fn all_of_each_event_once() {
    let everything = LogsConfig { exclude_events: Some(Vec::new()), ..LogsConfig::default() };
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for transcript in VERSIONS.iter().flat_map(|version| Transcript::all(version)) {
        for record in records_of(&transcript, &everything, &Settings::default()) {
            let mut text = format!("{} {}\n", record.severity_text, body(&record));
            for (key, value) in attributes(&record) {
                writeln!(text, "    {key} = {value:?}").unwrap();
            }
            // The one that says most of all.
            let known = seen.entry(record.event_name.clone()).or_default();
            if text.lines().count() > known.lines().count() {
                *known = text;
            }
        }
    }
    let text: String = seen.iter().map(|(name, record)| format!("{name}\n{record}")).collect();
    golden(&folder().join("events.txt"), &text);
}

const HANGUP: &str = "Event: Hangup
Privilege: call,all
Channel: PJSIP/4930123456-00000001
CallerIDNum: +4930123456
CallerIDName: Max Muster
ConnectedLineNum: <unknown>
AccountCode:
Exten: 004930987654
Uniqueid: 1795307462.123
Linkedid: 1795307462.122
Cause: 16
Cause-txt: Normal Clearing
";

#[test]
fn an_event_is_a_record_of_its_call() {
    let records = plain(&[HANGUP, &HANGUP.replace("Event: Hangup", "Event: Hangup\nTimestamp: 5.250000")]);
    let record = &records[0];
    let trace = call_trace_id("pbx1", "1795307462.122");
    assert_eq!(record.trace_id, trace);
    assert_eq!(record.span_id, call_root_span_id(&trace));
    assert_eq!(record.flags, 3);
    assert_eq!((record.time_unix_nano, record.observed_time_unix_nano), (7_000_000_000, 7_000_000_000));
    // `play_events` says the Timestamp as the time of receipt too.
    assert_eq!(records[1].time_unix_nano, 5_250_000_000);
    assert_eq!(record.event_name, "asterisk.hangup");
    assert_eq!((record.severity_number, record.severity_text.as_str()), (9, "INFO"));
    assert_eq!(
        body(record),
        "Hangup channel=PJSIP/4930123456-00000001 hangup_cause_code=16 hangup_cause=\"Normal Clearing\""
    );
    let expected = [
        ("asterisk.caller_id", "+4930123456"),
        ("asterisk.caller_name", "Max Muster"),
        ("asterisk.channel", "PJSIP/4930123456-00000001"),
        ("asterisk.event", "Hangup"),
        ("asterisk.exten", "004930987654"),
        ("asterisk.hangup_cause", "Normal Clearing"),
        ("asterisk.hangup_cause_code", "16"),
        ("asterisk.linkedid", "1795307462.122"),
        ("asterisk.uniqueid", "1795307462.123"),
    ];
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    assert_eq!(attributes(record), expected);
    let cause = record.attributes.iter().find(|pair| pair.key == "asterisk.hangup_cause_code").unwrap();
    assert_eq!(otelcol_pdata::model::int("asterisk.hangup_cause_code", 16), *cause, "a number is a number");
}

/// Only two events tell a hangup cause by it.
#[test]
fn a_cause_is_what_its_event_means_by_it() {
    for (message, name) in [
        ("Event: HangupRequest\nCause: 16", "asterisk.hangup_cause_code"),
        ("Event: SoftHangupRequest\nCause: 32", "asterisk.soft_hangup_flags"),
        ("Event: Registry\nCause: 403", "asterisk.cause"),
    ] {
        let mut keys: Vec<String> = attributes(&plain(&[message])[0]).into_keys().collect();
        keys.retain(|key| key != "asterisk.event");
        assert_eq!(keys, [name], "{message}");
    }
    let without = LogsConfig { exclude_fields: Some(vec!["Cause".to_owned()]), ..LogsConfig::default() };
    let record = &records(&without, &Settings::default(), &["Event: SoftHangupRequest\nCause: 32"])[0];
    assert_eq!((body(record), record.attributes.len()), ("SoftHangupRequest".to_owned(), 1));
}

#[test]
fn numbers_and_names_are_redacted_in_text_and_attributes() {
    let redaction = Settings { numbers: Numbers::Last4, ..Settings::default() };
    let record = &records(&LogsConfig::default(), &redaction, &[HANGUP])[0];
    assert_eq!(
        body(record),
        "Hangup channel=PJSIP/***3456-00000001 hangup_cause_code=16 hangup_cause=\"Normal Clearing\""
    );
    let attributes = attributes(record);
    assert_eq!(attributes["asterisk.caller_id"], "***3456");
    assert_eq!(attributes["asterisk.exten"], "***7654");
    assert_eq!(attributes["asterisk.channel"], "PJSIP/***3456-00000001");
    assert_eq!(attributes["asterisk.linkedid"], "1795307462.122");
    assert!(!attributes.contains_key("asterisk.caller_name"));
}

/// No redacted record of any transcript holds a number of five digits, but in ids and addresses.
#[test]
fn no_number_of_a_transcript_is_left() {
    let redaction = Settings { numbers: Numbers::Drop, ..Settings::default() };
    let everything = LogsConfig { exclude_events: Some(Vec::new()), ..LogsConfig::default() };
    let numbers = ["5551212", "3005551", "15551230000", "V1122"];
    let mut looked_at = 0;
    for transcript in VERSIONS.iter().flat_map(|version| Transcript::all(version)) {
        for record in records_of(&transcript, &everything, &redaction) {
            let text = format!("{} {:?}", body(&record), attributes(&record));
            for number in numbers {
                assert!(!text.contains(number), "{}: {number} in {text}", transcript.name);
            }
            looked_at += 1;
        }
    }
    assert!(looked_at > 20_000, "{looked_at}");
}

#[test]
fn what_proves_a_password_never_leaves() {
    let failed = "Event: ChallengeResponseFailed\nService: PJSIP\nAccountID: 1009\nChallenge: 57e8\nResponse: 80a5\n\
                  ExpectedResponse: 80a6\n";
    let wrong = "Event: InvalidPassword\nService: AMI\nReceivedChallenge: 76ee\nReceivedHash: befc\n";
    let keys: Vec<Vec<String>> =
        plain(&[failed, wrong]).iter().map(|record| attributes(record).into_keys().collect()).collect();
    assert_eq!(keys[0], ["asterisk.account_id", "asterisk.event", "asterisk.service"]);
    assert_eq!(keys[1], ["asterisk.event", "asterisk.service"]);
}

#[test]
fn severities() {
    let cases = [
        ("Event: Hangup\nCause: 17", "INFO"),
        ("Event: Hangup\nCause: 34", "WARN"),
        ("Event: Hangup\nCause: 127", "INFO"),
        ("Event: Hangup\nCause: abc", "INFO"),
        ("Event: DialEnd\nDialStatus: CHANUNAVAIL", "WARN"),
        ("Event: DialEnd\nDialStatus: BUSY", "INFO"),
        ("Event: OriginateResponse\nResponse: Failure", "WARN"),
        ("Event: PeerStatus\nPeerStatus: Unreachable", "WARN"),
        ("Event: ContactStatus\nContactStatus: Reachable", "INFO"),
        ("Event: Registry\nStatus: Rejected", "WARN"),
        ("Event: InvalidPassword\nSeverity: Error", "WARN"),
        ("Event: SuccessfulAuth", "INFO"),
        ("Event: Shutdown", "WARN"),
        ("Event: Alarm\nAlarm: Red Alarm", "ERROR"),
        ("Event: QueueCallerAbandon", "WARN"),
        ("Event: NeverHeardOf", "INFO"),
    ];
    for (message, severity) in cases {
        assert_eq!(plain(&[message])[0].severity_text, severity, "{message}");
    }
    let named = LogsConfig { include_events: vec!["VarSet".to_owned()], ..LogsConfig::default() };
    assert_eq!(records(&named, &Settings::default(), &["Event: VarSet"])[0].severity_text, "DEBUG");
}

#[test]
fn events_and_fields_are_chosen() {
    let messages = [
        "Event: VarSet\nVariable: A\nValue: b",
        HANGUP,
        "Event: UserEvent\nUserEvent: X\nFoo: bar",
        "Response: Success",
    ];
    let names = |config: &LogsConfig| -> Vec<String> {
        records(config, &Settings::default(), &messages).into_iter().map(|record| record.event_name).collect()
    };
    assert_eq!(names(&LogsConfig::default()), ["asterisk.hangup", "asterisk.user_event"]);
    let own = |name: &str| vec![name.to_owned()];
    assert_eq!(
        names(&LogsConfig { include_events: own("*event"), ..LogsConfig::default() }),
        ["asterisk.user_event"]
    );
    assert_eq!(
        names(&LogsConfig { exclude_events: Some(own("userevent")), ..LogsConfig::default() }),
        ["asterisk.var_set", "asterisk.hangup"]
    );
    let few =
        LogsConfig { include_fields: vec!["Cause".to_owned(), "F*".to_owned()], ..LogsConfig::default() };
    let found = records(&few, &Settings::default(), &messages);
    assert_eq!(body(&found[0]), "Hangup hangup_cause_code=16");
    assert_eq!(
        attributes(&found[0]).into_keys().collect::<Vec<_>>(),
        ["asterisk.event", "asterisk.hangup_cause_code"]
    );
    assert_eq!(attributes(&found[1]).into_keys().collect::<Vec<_>>(), ["asterisk.event", "asterisk.foo"]);
}

#[test]
fn fields_that_come_twice_and_variables_keep_names_of_their_own() {
    let record = &plain(&[
        "Event: Newchannel\nOutput: a\nOutput: b\nOutput: c\nChanVariable: CAMPAIGN=sales\n\
                           ChanVariable: agentName=Max=1\nDestChanVariable: empty=\nChanVariable(SIP/1-1): x=y",
    ])[0];
    let expected = [
        ("asterisk.chan_variable.agent_name", "Max=1"),
        ("asterisk.chan_variable.campaign", "sales"),
        ("asterisk.chan_variable.x", "y"),
        ("asterisk.event", "Newchannel"),
        ("asterisk.output", "a"),
        ("asterisk.output.2", "b"),
        ("asterisk.output.3", "c"),
    ];
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    assert_eq!(attributes(record), expected);
}

#[test]
fn odd_names_and_values() {
    let record =
        &plain(&["Event: UserEvent\nUserEvent: a \"b\" = c\nWeird Key/\u{fc}: \u{fc}\nChannel: a\tb"])[0];
    assert_eq!(body(record), "UserEvent user_event=\"a \\\"b\\\" = c\" channel=\"a\\tb\"");
    assert_eq!(attributes(record)["asterisk.weird_key_"], "\u{fc}");

    let (mut logs, mut book) = (logs(&LogsConfig::default(), &Settings::default()), book());
    let message = Message { bytes: b"Event: Hangup\r\nChannel: Caf\xe9".to_vec(), at: 1 };
    play_events(&[message], |signal, now| hear(&mut logs, &mut book, &signal, now));
    assert_eq!(body(&taken(&mut logs)[0]), "Hangup channel=Caf\u{fffd}");
}

#[test]
fn names_of_attributes() {
    let names = [
        ("ConnectedLineNum", "asterisk.connected_line_num"),
        ("UniqueID", "asterisk.uniqueid"),
        ("RTCPSent", "asterisk.rtcp_sent"),
        ("AOC-D", "asterisk.aoc_d"),
        ("Qualify2xxOnly", "asterisk.qualify2xx_only"),
        ("AGIExecStart", "asterisk.agi_exec_start"),
        ("__x__", "asterisk.x_"),
        ("", "asterisk."),
    ];
    for (field, name) in names {
        assert_eq!(fields::name(field), name);
    }
    assert_eq!(fields::name(&"x".repeat(5000)).len(), "asterisk.".len() + 128);
}

#[test]
fn nothing_waits_after_it_was_taken_and_memory_is_bounded() {
    let (mut logs, mut book) = (logs(&LogsConfig::default(), &Settings::default()), book());
    assert_eq!(taken(&mut logs), []);
    let flood: Vec<Message> = (0..10_000)
        .map(|number| Message { bytes: format!("Event: UserEvent\r\nKey{number}: x").into_bytes(), at: 1 })
        .collect();
    play_events(&flood, |signal, now| hear(&mut logs, &mut book, &signal, now));
    assert_eq!(logs.waiting(), 10_000);
    assert!(logs.waiting_bytes() < 2_000_000, "{}", logs.waiting_bytes());
    assert_eq!(taken(&mut logs).len(), 10_000);
    assert_eq!((logs.waiting(), logs.waiting_bytes()), (0, 0));
    assert!(logs.writer.fields.remembered() <= 4096);
}

#[test]
fn the_system_keeps_calls_apart() {
    let (mut logs, mut book) = (logs(&LogsConfig::default(), &Settings::default()), book());
    let message = [Message { bytes: HANGUP.replace('\n', "\r\n").trim_end().into(), at: 1 }];
    play_events(&message, |signal, now| hear(&mut logs, &mut book, &signal, now));
    logs.set_system("pbx2");
    play_events(&message, |signal, now| hear(&mut logs, &mut book, &signal, now));
    let records = taken(&mut logs);
    assert_eq!(records[0].trace_id, call_trace_id("pbx1", "1795307462.122"));
    assert_eq!(records[1].trace_id, call_trace_id("pbx2", "1795307462.122"));
}

/// All records that name a channel have its call's ids, CDRs after the channel's end too.
#[test]
fn records_belong_to_the_calls_of_their_channels() {
    for transcript in VERSIONS.iter().flat_map(|version| Transcript::all(version)) {
        // Heard from the middle on.
        if transcript.name.starts_with("class_") {
            continue;
        }
        let mut linkedids: BTreeMap<String, String> = BTreeMap::new();
        for event in transcript.events() {
            if !event.get("Linkedid").is_empty() {
                linkedids.entry(event.get("Uniqueid")).or_insert_with(|| event.get("Linkedid"));
            }
        }
        for record in records_of(&transcript, &LogsConfig::default(), &Settings::default()) {
            let attributes = attributes(&record);
            if let Some(linkedid) = attributes.get("asterisk.uniqueid").and_then(|id| linkedids.get(id))
                && record.event_name == "asterisk.cdr"
            {
                assert_eq!(record.trace_id, call_trace_id("pbx1", linkedid), "{}", transcript.name);
            }
        }
    }
}
