//! The headers that the book looks at, found in one pass over an event.

use crate::ami::wire::Frame;

macro_rules! fields {
    ($($field:ident: $($key:literal)|+,)+) => {
        /// Values by header; empty where the event has no such header, or an empty one.
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct Fields<'a> { $(pub(super) $field: &'a [u8],)+ }

        impl<'a> Fields<'a> {
            /// Reads an event. Of a header that comes several times the first counts.
            pub(super) fn read(frame: &Frame<'a>) -> Self {
                let mut fields = Self::default();
                for (key, value) in frame.fields() {
                    let place = match key {
                        $($($key)|+ => &mut fields.$field,)+
                        _ => continue,
                    };
                    if place.is_empty() {
                        *place = value;
                    }
                }
                fields
            }
        }
    };
}

fields! {
    channel: b"Channel",
    uniqueid: b"Uniqueid" | b"UniqueID",
    linkedid: b"Linkedid",
    state: b"ChannelState",
    context: b"Context",
    exten: b"Exten" | b"Extension",
    new_name: b"Newname",
    cause: b"Cause",
    cause_text: b"Cause-txt",
    duration: b"Duration",
    application: b"Application",
    application_data: b"ApplicationData",
    bridge_id: b"BridgeId",
    dest_channel: b"DestChannel" | b"Destination",
    dest_uniqueid: b"DestUniqueid" | b"DestUniqueID",
    dest_linkedid: b"DestLinkedid",
    dest_state: b"DestChannelState",
    dest_context: b"DestContext",
    dest_exten: b"DestExten",
    dial_status: b"DialStatus" | b"Dialstatus",
    sub_event: b"SubEvent",
    bridge: b"BridgeUniqueid",
    bridge_type: b"BridgeType",
    uniqueid_one: b"Uniqueid1",
    uniqueid_two: b"Uniqueid2",
    bridge_state: b"Bridgestate",
    conference: b"Conference" | b"Meetme",
    parties: b"Parties",
    queue: b"Queue",
    wait: b"Wait",
    hold_time: b"HoldTime" | b"Holdtime",
    talk_time: b"TalkTime",
    reason: b"Reason",
    interface: b"Interface" | b"Location",
    status: b"Status",
    paused: b"Paused",
    service_level: b"ServiceLevel",
    service_level_reached: b"ServicelevelPerf",
    peer: b"Peer",
    peer_status: b"PeerStatus",
    channel_type: b"ChannelType" | b"Channeltype",
    contact_status: b"ContactStatus",
    endpoint_name: b"EndpointName" | b"Endpoint",
    uri: b"URI" | b"Uri",
    round_trip_usec: b"RoundtripUsec",
    object_name: b"ObjectName",
    aor: b"AOR",
    dynamic: b"Dynamic",
    time: b"Time",
    device_state: b"DeviceState",
    contacts: b"Contacts",
    ip_address: b"IPaddress",
    client_uri: b"ClientUri",
    server_uri: b"ServerUri",
    username: b"Username",
    domain: b"Domain" | b"Host",
    registry_state: b"State",
    agent: b"Agent",
    service: b"Service",
    uptime: b"Uptime",
    last_reload: b"LastReload",
    module: b"Module",
    rtt: b"RTT",
    fraction_lost: b"Report0FractionLost",
    jitter: b"Report0IAJitter",
    experience: b"MES",
}

/// The text, if it is one.
pub(super) fn text(value: &[u8]) -> Option<&str> {
    str::from_utf8(value).ok().filter(|text| !text.is_empty())
}

/// The number, if it is one.
pub(super) fn number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    text(value)?.parse().ok()
}
