//! The names that Asterisk's modules give to their StatsD metrics.
//!
//! Sources: `res/res_chan_stats.c`, `res/res_endpoint_stats.c`, `res/res_pjsip/pjsip_options.c`,
//! `res/res_pjsip_outbound_registration.c` of Asterisk 16 to 22, and what these versions put on the wire.

use crate::without_prefix;

/// Technology of a channel or endpoint, as `PJSIP`. The guide's word for it.
pub const CHANNEL_TYPE: &str = "channel_type";
/// Name of an endpoint, as in `pjsip.conf`.
pub const ENDPOINT: &str = "endpoint";
/// Address of record that a contact belongs to.
pub const AOR: &str = "aor";
/// Id of a contact: its address of record and a hash of its URI.
pub const CONTACT: &str = "contact";
/// Type of a message on Asterisk's internal bus, as `ast_channel_snapshot_type`.
pub const MESSAGE_TYPE: &str = "message_type";

/// A name without the ids that were in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// What is left of the name; with the prefix `asterisk.` if it had it.
    pub name: String,
    /// What was taken out, as attributes.
    pub attributes: Vec<(&'static str, &'a str)>,
}

/// Takes the ids out of a name. `None` if there are none, or the name is not known to be Asterisk's.
///
/// | name | becomes | attributes |
/// |---|---|---|
/// | `PJSIP.contacts.<id>.rtt` | `PJSIP.contacts.rtt` | `aor`, `contact` |
/// | `PJSIP.contacts.<id>.unreachable` | `PJSIP.contacts.unreachable` | `aor`, `contact` |
/// | `endpoints.<technology>.<name>.channels` | `endpoints.channels` | `channel_type`, `endpoint` |
/// | `channels.by_type.<technology>` | `channels.by_type` | `channel_type` |
/// | `stasis.message.<type>` | `stasis.message` | `message_type` |
#[must_use]
pub fn split_ids(name: &str) -> Option<Split<'_>> {
    let bare = without_prefix(name);
    let prefix = &name[..name.len() - bare.len()];
    let split = |name: &str, attributes| Some(Split { name: format!("{prefix}{name}"), attributes });

    if let Some((contact, what)) = contact(bare) {
        return split(&format!("PJSIP.contacts.{what}"), vec![(AOR, aor(contact)), (CONTACT, contact)]);
    }
    if let Some(middle) = between(bare, "endpoints.", ".channels") {
        let (technology, endpoint) = middle.split_once('.')?;
        if technology.is_empty() || endpoint.is_empty() {
            return None;
        }
        return split("endpoints.channels", vec![(CHANNEL_TYPE, technology), (ENDPOINT, endpoint)]);
    }
    if let Some(technology) = between(bare, "channels.by_type.", "") {
        return split("channels.by_type", vec![(CHANNEL_TYPE, technology)]);
    }
    if let Some(message) = between(bare, "stasis.message.", "") {
        return split("stasis.message", vec![(MESSAGE_TYPE, message)]);
    }
    None
}

/// The name under which a contact's unanswered qualify requests are counted, if this is the name of a contact's
/// round trip time: `PJSIP.contacts.<id>.rtt`, in which Asterisk sends -1 for a contact that did not answer.
#[must_use]
pub fn unreachable_name(name: &str) -> Option<String> {
    let bare = without_prefix(name);
    contact(bare).filter(|(_, what)| *what == "rtt")?;
    Some(format!("{}unreachable", name.strip_suffix("rtt")?))
}

/// The gauges of [`is_state_gauge`], for messages.
pub const STATE_GAUGES: &str =
    "the state of Asterisk (asterisk.channels.count, asterisk.endpoints.*, asterisk.bridges.*)";

/// Whether the name is one of the gauges that say how much of something there is now, which a receiver that can
/// ask Asterisk (AMI) knows better than a sum of increments: channels, endpoints and bridges.
#[must_use]
pub fn is_state_gauge(name: &str) -> bool {
    let bare = without_prefix(name);
    matches!(bare, "channels.count" | "endpoints.count" | "bridges.count" | "bridges.channels")
        || between(bare, "channels.by_type.", "").is_some()
        || between(bare, "endpoints.state.", "").is_some()
}

/// Contact id and what is told of it. An id can hold dots: it ends at the last one.
fn contact(bare: &str) -> Option<(&str, &str)> {
    let (contact, what) = bare.strip_prefix("PJSIP.contacts.")?.rsplit_once('.')?;
    (matches!(what, "rtt" | "unreachable") && !contact.is_empty()).then_some((contact, what))
}

/// The address of record in a contact id, which is `<aor>;@<hash>` for a registered contact and `<aor>@@<hash>`
/// for a configured one (`res/res_pjsip/location.c`).
fn aor(contact: &str) -> &str {
    let end = contact.rfind(";@").or_else(|| contact.rfind("@@"));
    end.map_or(contact, |end| &contact[..end])
}

fn between<'a>(name: &'a str, before: &str, after: &str) -> Option<&'a str> {
    name.strip_prefix(before)?.strip_suffix(after).filter(|middle| !middle.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(name: &str) -> Option<(String, Vec<(&str, &str)>)> {
        split_ids(name).map(|split| (split.name, split.attributes))
    }

    #[test]
    fn ids_become_attributes() {
        assert_eq!(
            split("asterisk.PJSIP.contacts.1001;@2a229b47be9ee2f4642990fddca0614a.rtt"),
            Some((
                "asterisk.PJSIP.contacts.rtt".to_owned(),
                vec![(AOR, "1001"), (CONTACT, "1001;@2a229b47be9ee2f4642990fddca0614a")]
            ))
        );
        assert_eq!(
            split("PJSIP.contacts.trunk.example.com@@6f134f33.unreachable"),
            Some((
                "PJSIP.contacts.unreachable".to_owned(),
                vec![(AOR, "trunk.example.com"), (CONTACT, "trunk.example.com@@6f134f33")]
            ))
        );
        assert_eq!(
            split("PJSIP.contacts.plain.rtt").map(|split| split.1),
            Some(vec![(AOR, "plain"), (CONTACT, "plain")])
        );
        assert_eq!(
            split("asterisk.endpoints.PJSIP.host.example.com.channels"),
            Some((
                "asterisk.endpoints.channels".to_owned(),
                vec![(CHANNEL_TYPE, "PJSIP"), (ENDPOINT, "host.example.com")]
            ))
        );
        assert_eq!(
            split("channels.by_type.SIP"),
            Some(("channels.by_type".to_owned(), vec![(CHANNEL_TYPE, "SIP")]))
        );
        assert_eq!(
            split("asterisk.stasis.message.ast_channel_varset_type"),
            Some(("asterisk.stasis.message".to_owned(), vec![(MESSAGE_TYPE, "ast_channel_varset_type")]))
        );
    }

    #[test]
    fn other_names_are_left_alone() {
        for name in [
            "",
            "asterisk.",
            "asterisk.channels.count",
            "asterisk.endpoints.count",
            "asterisk.endpoints.state.online",
            "asterisk.endpoints.channels",
            "endpoints..x.channels",
            "endpoints.PJSIP..channels",
            "asterisk.PJSIP.contacts.states.Reachable",
            "asterisk.PJSIP.contacts.rtt",
            "PJSIP.contacts..rtt",
            "asterisk.PJSIP.registrations.state.Registered",
            "channels.by_type.",
            "stasis.message.",
            "my.asterisk.stasis.message.x",
        ] {
            assert_eq!(split_ids(name), None, "{name}");
        }
    }

    #[test]
    fn an_unanswered_round_trip_has_a_name_of_its_own() {
        assert_eq!(
            unreachable_name("asterisk.PJSIP.contacts.1001;@2a22.rtt").as_deref(),
            Some("asterisk.PJSIP.contacts.1001;@2a22.unreachable")
        );
        assert_eq!(
            unreachable_name("PJSIP.contacts.1001;@2a22.rtt").as_deref(),
            Some("PJSIP.contacts.1001;@2a22.unreachable")
        );
        assert_eq!(unreachable_name("asterisk.PJSIP.contacts.1001;@2a22.unreachable"), None);
        assert_eq!(unreachable_name("asterisk.channels.calltime"), None);
    }

    #[test]
    fn state_gauges() {
        for name in [
            "asterisk.channels.count",
            "channels.count",
            "asterisk.channels.by_type.SIP",
            "asterisk.endpoints.count",
            "asterisk.endpoints.state.unknown",
            "asterisk.bridges.count",
            "bridges.channels",
        ] {
            assert!(is_state_gauge(name), "{name}");
        }
        for name in [
            "asterisk.channels.calltime",
            "asterisk.endpoints.PJSIP.1001.channels",
            "asterisk.PJSIP.contacts.states.Reachable",
            "asterisk.PJSIP.registrations.count",
            "my.channels.count",
            "confBridgeUsers",
        ] {
            assert!(!is_state_gauge(name), "{name}");
        }
    }
}
