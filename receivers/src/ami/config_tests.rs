use otelcol_confmap::Node;

use super::*;
use crate::ami::factory;

fn decode(yaml: &str) -> Config {
    Node::from_yaml(yaml, "test.yaml").unwrap().decode("receivers::ami").unwrap()
}

/// Every error of the settings, as the host prints them, without the place.
fn errors(yaml: &str) -> Vec<String> {
    let node = Node::from_yaml(yaml, "test.yaml").unwrap();
    match factory().prepare(&node, "receivers::ami") {
        Ok(_) => Vec::new(),
        Err(errors) => errors.into_iter().map(|error| format!("{}: {}", error.path, error.message)).collect(),
    }
}

#[test]
fn a_name_and_a_secret_are_enough() {
    let config = decode("{username: otel, password: s3cret}");
    assert_eq!(config.validate(), []);
    assert_eq!((config.endpoint.as_str(), config.auth), ("localhost:5038", Auth::Auto));
    assert!(config.tls.is_none() && config.events.is_empty());
    assert_eq!(config.collection_interval, GoDuration::from_secs(15));
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn every_key_has_its_name() {
    let config = decode(
        "{endpoint: '[::1]:5039', username: otel, password: x, auth: md5, tls: {insecure_skip_verify: true}, events: 'call,agent',
          timeouts: {connect: 1s, login: 2s, action: 3s}, keepalive: {interval: 4s, timeout: 5s},
          reconnect: {initial_interval: 6s, max_interval: 7s, multiplier: 2, randomization_factor: 0, refused_interval: 8m},
          resync_interval: 0s, collection_interval: 9s, system_name: pbx1, resource_attributes: {site: north},
          redaction: {numbers: last4}, metrics: {asterisk.calls.total: {enabled: false}}, count_by: channel,
          logs: {include_events: [Hangup]}, dialer: {agent_sessions: [{context: agents, conference: '8600...'}]},
          buckets: {call_duration_ms: [1, 2]}, state: {channels: 10, call_age: 1h, queues: 11, peers: 12, names: 13},
          limits: {line_bytes: 14, headers: 15, event_bytes: 16, queue_bytes: 17}}",
    );
    assert_eq!(config.validate(), []);
    assert_eq!((config.auth, config.events.join("+")), (Auth::Md5, "call+agent".to_owned()));
    assert!(config.tls.as_ref().is_some_and(|tls| tls.insecure_skip_verify));
    let durations = [
        config.timeouts.connect,
        config.timeouts.login,
        config.timeouts.action,
        config.keepalive.interval,
        config.keepalive.timeout,
        config.reconnect.initial_interval,
        config.reconnect.max_interval,
    ];
    assert_eq!(durations, [1, 2, 3, 4, 5, 6, 7].map(GoDuration::from_secs));
    assert_eq!(config.reconnect.refused_interval, GoDuration::from_secs(480));
    assert_eq!((config.reconnect.multiplier, config.reconnect.randomization_factor), (2.0, 0.0));
    assert_eq!(
        (config.resync_interval, config.collection_interval),
        (GoDuration::from_secs(0), GoDuration::from_secs(9))
    );
    assert_eq!((config.system_name.as_str(), config.resource_attributes["site"].as_str()), ("pbx1", "north"));
    assert_eq!(config.metrics["asterisk.calls.total"].enabled, Some(false));
    assert_eq!(config.count_by, CountBy::Channel);
    assert_eq!(config.dialer.agent_sessions[0].conference, "8600...");
    assert_eq!(config.buckets.call_duration_ms, [1.0, 2.0]);
    let state = &config.state;
    assert_eq!((state.channels, state.queues, state.peers, state.names), (10, 11, 12, 13));
    let limits = &config.limits;
    assert_eq!((limits.line_bytes, limits.headers, limits.event_bytes, limits.queue_bytes), (14, 15, 16, 17));
}

#[test]
fn tls_with_nothing_behind_it_is_on() {
    assert!(decode("{username: otel, tls: }").tls.is_some());
}

#[test]
fn all_errors_come_at_once() {
    let found = errors(
        "{endpoint: pbx, password: \"a\\nb\", events: [call, calls], keepalive: {interval: 0s},
          reconnect: {multiplier: 0.5, randomization_factor: 2}, limits: {event_bytes: 0},
          redaction: {numbers: hash}, metrics: {asterisk.call.total: {enabled: true}},
          dialer: {agent_sessions: [{}, {context: '('}]}, buckets: {rtcp_ms: [2, 1]}, state: {peers: 0}}",
    );
    let starts = [
        "receivers::ami::username: must be specified: the name of a section of manager.conf",
        "receivers::ami::password: a line break or NUL can not be sent to Asterisk",
        "receivers::ami::endpoint: invalid endpoint \"pbx\": missing port",
        "receivers::ami::events: unknown class \"calls\", expected some of system, call,",
        "receivers::ami::keepalive::interval: requires positive value",
        "receivers::ami::reconnect::multiplier: expected a number from 1 to 100, found 0.5",
        "receivers::ami::reconnect::randomization_factor: expected a number from 0 to 1, found 2",
        "receivers::ami::limits::event_bytes: expected a number from 1 to 67108864, found 0",
        "receivers::ami::redaction::salt: a hash needs a secret salt",
        "receivers::ami::metrics::asterisk.call.total: no metric of this receiver",
        "receivers::ami::dialer::agent_sessions::0: expected a regular expression",
        "receivers::ami::dialer::agent_sessions::1::context: \"(\" is no regular expression",
        "receivers::ami::buckets::rtcp_ms: expected ascending finite numbers, found [2.0, 1.0]",
        "receivers::ami::state::peers: expected at least 1, found 0",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (found, start) in found.iter().zip(starts) {
        assert!(found.starts_with(start), "{found}\n{start}");
    }
}
