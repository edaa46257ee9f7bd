//! Description and unit of the metrics whose names are known.
//!
//! Units are chosen so that the Prometheus exporter's suffix rules leave the guide's name as it is: an annotation in
//! braces is a valid UCUM unit of dimension one and adds no suffix (`1` would add `_ratio` to a gauge, `ms`
//! would add `_milliseconds`).

use crate::{statsd, without_prefix};

/// What is known of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name without the prefix `asterisk.`; a last segment `*` stands for any.
    pub name: &'static str,
    /// One line that says what is counted or measured.
    pub description: &'static str,
    /// UCUM unit.
    pub unit: &'static str,
}

/// Looks a metric up by its name, with or without the prefix `asterisk.`, with or without ids in it.
///
/// ```
/// use otelcol_asterisk::catalogue::find;
///
/// assert_eq!(find("asterisk.channels.count").unwrap().description, "Current active channel count");
/// assert_eq!(find("PJSIP.contacts.1001;@2a229b47.rtt"), find("asterisk.PJSIP.contacts.rtt"));
/// assert_eq!(find("asterisk.something.else"), None);
/// ```
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    let name = without_prefix(name);
    if let Some(entry) = ENTRIES.iter().find(|entry| entry.name == name) {
        return Some(entry);
    }
    if let Some(split) = statsd::split_ids(name) {
        return ENTRIES.iter().find(|entry| entry.name == split.name);
    }
    let (group, member) = name.rsplit_once('.')?;
    ENTRIES
        .iter()
        .find(|entry| !member.is_empty() && entry.name.strip_suffix(".*").is_some_and(|known| known == group))
}

/// All entries, in the order of the documentation.
#[must_use]
pub fn entries() -> &'static [Entry] {
    ENTRIES
}

const fn entry(name: &'static str, unit: &'static str, description: &'static str) -> Entry {
    Entry { name, description, unit }
}

#[rustfmt::skip]
static ENTRIES: &[Entry] = &[
    // The guide, step 2.
    entry("channels.count", "{channel}", "Current active channel count"),
    entry("channels.by_type.SIP", "{channel}", "Active SIP channels"),
    entry("channels.by_type.PJSIP", "{channel}", "Active PJSIP channels"),
    entry("channels.by_type.Local", "{channel}", "Active Local channels"),
    entry("channels.by_type", "{channel}", "Active channels by channel type"),
    entry("endpoints.count", "{endpoint}", "Registered endpoints"),
    entry("endpoints.state.online", "{endpoint}", "Endpoints in online state"),
    entry("endpoints.state.offline", "{endpoint}", "Endpoints in offline state"),
    entry("bridges.count", "{bridge}", "Active bridges"),
    entry("bridges.channels", "{channel}", "Channels in bridges"),
    // res_chan_stats.
    entry("channels.calltime", "{millisecond}", "Life of a channel from its creation to its end, in milliseconds"),
    entry("stasis.message", "{message}", "Messages on Asterisk's internal bus, by type"),
    // res_endpoint_stats.
    entry("endpoints.state.*", "{endpoint}", "Endpoints in this state"),
    entry("endpoints.channels", "{channel}", "Active channels of an endpoint"),
    // res_pjsip.
    entry("PJSIP.contacts.rtt", "{millisecond}", "Round trip of a qualify request to a contact, in milliseconds"),
    entry("PJSIP.contacts.unreachable", "{request}", "Qualify requests to a contact that had no answer"),
    entry("PJSIP.contacts.states.*", "{contact}", "Contacts in this state"),
    // res_pjsip_outbound_registration.
    entry("PJSIP.registrations.count", "{registration}", "Outbound registrations configured"),
    entry("PJSIP.registrations.state.*", "{registration}", "Outbound registrations in this state"),
    // The guide, step 4.
    entry("calls.total", "{call}", "Total calls"),
    entry("calls.active", "{call}", "Active calls"),
    entry("calls.by_disposition", "{call}", "Calls by disposition"),
    entry("sip.registrations", "{registration}", "SIP registration events"),
    entry("queue.callers", "{caller}", "Callers waiting in queue"),
    entry("call.duration_ms", "{millisecond}", "Call duration in milliseconds"),
    // Asterisk Manager Interface: calls.
    entry("calls.by_context", "{call}", "Calls by the context in which they began"),
    entry("call.time_to_ringing_ms", "{millisecond}", "From the beginning of a call until it first rang, in milliseconds"),
    entry("call.time_to_answer_ms", "{millisecond}", "From the beginning of a call until it was answered, in milliseconds"),
    entry("dials", "{dial}", "Dials that ended, by result and technology of the dialled channel"),
    entry("hangups", "{channel}", "Channels that were hung up, by cause"),
    entry("conferences.count", "{conference}", "Conferences with participants"),
    entry("conferences.participants", "{participant}", "Participants of conferences"),
    entry("agent.sessions", "{session}", "Agents' sessions with a dialer"),
    entry("agent.sessions.started", "{session}", "Agents' sessions with a dialer that began"),
    // Queues and agents.
    entry("queue.longest_wait", "{second}", "How long the first caller waits, in seconds"),
    entry("queue.joined", "{caller}", "Callers who joined the queue"),
    entry("queue.answered", "{caller}", "Callers whom an agent answered"),
    entry("queue.abandoned", "{caller}", "Callers who hung up while they waited"),
    entry("queue.timed_out", "{caller}", "Callers whom the queue's time limit let go, or whom a manager sent elsewhere"),
    entry("queue.completed", "{call}", "Conversations out of the queue that ended, by who ended them"),
    entry("queue.ring_no_answer", "{dial}", "Times that a member was rung and did not answer"),
    entry("queue.hold_time_ms", "{millisecond}", "How long answered callers had waited, in milliseconds"),
    entry("queue.talk_time_ms", "{millisecond}", "How long conversations out of the queue were, in milliseconds"),
    entry("queue.service_level", "{percent}", "Answered calls within the queue's service level, in percent, as Asterisk counts them"),
    entry("queue.members", "{member}", "Members of the queue by state of their device"),
    entry("queue.members.paused", "{member}", "Members of the queue who are paused"),
    entry("agents.count", "{agent}", "Agents of an agent pool by state"),
    // Endpoints and registrations.
    entry("endpoint.online", "{endpoint}", "Whether the endpoint can be reached"),
    entry("contacts.count", "{contact}", "Contacts by whether they answer"),
    entry("contact.rtt_ms", "{millisecond}", "Round trip to the endpoint's slowest contact, in milliseconds"),
    entry("sip.registration.events", "{event}", "Changes of registrations with Asterisk, by peer and status"),
    entry("outbound.registration", "{registration}", "Whether Asterisk is registered there"),
    entry("outbound.registration.events", "{event}", "Changes of Asterisk's own registrations, by status"),
    // Media.
    entry("rtcp.jitter_ms", "{millisecond}", "Interarrival jitter that RTCP reports, in milliseconds at a clock of 8 kHz"),
    entry("rtcp.loss_percent", "{percent}", "Packets lost since the report before, in percent"),
    entry("rtcp.round_trip_ms", "{millisecond}", "Round trip that RTCP reports, in milliseconds"),
    entry("rtcp.mos", "{score}", "Mean opinion score: Asterisk's own where it sends one, else by the E-model"),
    // The system and the link to it.
    entry("auth.failures", "{event}", "Refused logins and requests by service"),
    entry("uptime", "{second}", "Seconds since Asterisk started"),
    entry("since_reload", "{second}", "Seconds since Asterisk last read its configuration"),
    entry("info", "{info}", "1, with Asterisk's version"),
    entry("ami.up", "{connection}", "Whether the collector is logged in"),
    entry("ami.reconnects", "{connection}", "Logins after the first one"),
    entry("ami.events", "{event}", "Events by name"),
    entry("ami.untracked", "{item}", "What was beyond a limit of the state"),
    // The guide, step 9.
    entry("cdr.calls.total", "{call}", "Total CDR records"),
    entry("cdr.duration_seconds", "{second}", "Call duration from CDR"),
    entry("cdr.asr", "{ratio}", "Answer-seizure ratio (15 min window)"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_guides_texts_for_the_guides_names() {
        for (name, description) in [
            ("asterisk.channels.count", "Current active channel count"),
            ("asterisk.channels.by_type.SIP", "Active SIP channels"),
            ("asterisk.channels.by_type.PJSIP", "Active PJSIP channels"),
            ("asterisk.channels.by_type.Local", "Active Local channels"),
            ("asterisk.endpoints.count", "Registered endpoints"),
            ("asterisk.endpoints.state.online", "Endpoints in online state"),
            ("asterisk.endpoints.state.offline", "Endpoints in offline state"),
            ("asterisk.bridges.count", "Active bridges"),
            ("asterisk.bridges.channels", "Channels in bridges"),
        ] {
            assert_eq!(find(name).map(|entry| entry.description), Some(description), "{name}");
            assert_eq!(find(without_prefix(name)), find(name), "{name} without prefix");
        }
    }

    #[test]
    fn families_and_states() {
        let name = |name| find(name).map(|entry| entry.name);
        assert_eq!(name("channels.by_type.IAX2"), Some("channels.by_type"));
        assert_eq!(name("endpoints.state.unknown"), Some("endpoints.state.*"));
        assert_eq!(name("asterisk.PJSIP.contacts.states.NonQualified"), Some("PJSIP.contacts.states.*"));
        assert_eq!(name("asterisk.PJSIP.registrations.state.Rejected"), Some("PJSIP.registrations.state.*"));
        assert_eq!(name("asterisk.PJSIP.registrations.count"), Some("PJSIP.registrations.count"));
        assert_eq!(name("asterisk.endpoints.PJSIP.carrier.channels"), Some("endpoints.channels"));
        assert_eq!(name("asterisk.stasis.message.ast_channel_dial_type"), Some("stasis.message"));
        assert_eq!(name("endpoints.state."), None);
        assert_eq!(name("asterisk."), None);
        assert_eq!(name(""), None);
        assert_eq!(name("confBridgeUsers"), None);
    }

    #[test]
    fn names_are_unique_and_units_add_no_suffix() {
        let names: HashSet<_> = entries().iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), entries().len());
        for entry in entries() {
            assert!(entry.unit.starts_with('{') && entry.unit.ends_with('}'), "{entry:?}");
            assert!(!entry.description.is_empty() && !entry.description.ends_with('.'), "{entry:?}");
        }
    }
}
