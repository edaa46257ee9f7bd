//! Answers to actions as Asterisk 22 and 16 print them.

use super::row::{ACTION_ID, Row};
use super::{Queue, World};
use crate::ami::Message;

const SECOND: u64 = 1_000_000_000;

impl World {
    /// All that Asterisk answers to an action: the response and, for a list, its rows and end.
    pub fn answer(&self, action: &Message) -> Vec<u8> {
        let id = action.get("ActionID");
        let name = action.get("Action");
        let mut out = Vec::new();
        match name.to_lowercase().as_str() {
            "coresettings" => self.settings.write(&id, &mut out),
            "corestatus" => {
                let mut status = self.status.clone();
                status.set("CoreCurrentCalls", self.channels.len().to_string());
                status.write(&id, &mut out);
            }
            "coreshowchannels" => {
                list("Channels will follow", &self.channel_rows(), "CoreShowChannelsComplete", &id, &mut out);
            }
            "bridgelist" => {
                list("Bridge listing will follow", &self.bridge_rows(), "BridgeListComplete", &id, &mut out);
            }
            "queuestatus" => {
                list("Queue status will follow", &self.queue_rows(), "QueueStatusComplete", &id, &mut out);
            }
            "confbridgelistrooms" if self.rooms.is_empty() => error("No active conferences.", &id, &mut out),
            "confbridgelistrooms" => {
                let text = "Confbridge conferences will follow";
                list(text, &self.room_rows(), "ConfbridgeListRoomsComplete", &id, &mut out);
            }
            "parkedcalls" => {
                let total = [("Total", self.parked.len())];
                list_with(
                    "Parked calls will follow",
                    &self.parked,
                    "ParkedCallsComplete",
                    &total,
                    &id,
                    &mut out,
                );
            }
            "agents" => list("Agents will follow", &self.agents, "AgentsComplete", &id, &mut out),
            "pjsipshowendpoints" => {
                let text = "A listing of Endpoints follows, presented as EndpointList events";
                list(text, &self.endpoint_rows(), "EndpointListComplete", &id, &mut out);
            }
            "pjsipshowcontacts" => {
                let text = "A listing of Contacts follows, presented as ContactList events";
                list(text, &self.contacts, "ContactListComplete", &id, &mut out);
            }
            "pjsipshowregistrationsoutbound" => {
                let text = "Following are Events for each Outbound registration";
                let registered =
                    self.registrations.iter().filter(|row| row.get("Status") == b"Registered").count();
                let not = self.registrations.len() - registered;
                let counts = [("Registered", registered), ("NotRegistered", not)];
                list_with(
                    text,
                    &self.registrations,
                    "OutboundRegistrationDetailComplete",
                    &counts,
                    &id,
                    &mut out,
                );
            }
            "sippeers" if self.peers.is_some() => {
                let rows = self.peers.as_deref().unwrap_or_default();
                list("Peer status list will follow", rows, "PeerlistComplete", &id, &mut out);
            }
            "sipshowregistry" if self.peers.is_some() => {
                list("Registrations will follow", &[], "RegistrationsComplete", &id, &mut out);
            }
            "ping" => {
                let time = format!("{}.{:06}", self.now / SECOND, self.now % SECOND / 1000);
                success().with("Ping", "Pong").with("Timestamp", time).write(&id, &mut out);
            }
            "events" => success().with("Events", "On").write(&id, &mut out),
            _ => {
                let use_list = "Use Action: ListCommands to show available commands.";
                error(&format!("Invalid/unknown command: {name}. {use_list}"), &id, &mut out);
            }
        }
        out
    }

    fn channel_rows(&self) -> Vec<Row> {
        let row = |channel: &super::Channel| {
            let mut row = channel.row.clone();
            let up = self.now.saturating_sub(channel.began) / SECOND;
            row.set("Duration", format!("{:02}:{:02}:{:02}", up / 3600, up / 60 % 60, up % 60));
            row
        };
        self.channels.iter().map(row).collect()
    }

    fn bridge_rows(&self) -> Vec<Row> {
        let row = |bridge: &super::Bridge| {
            let mut row = bridge.row.clone();
            row.set("BridgeNumChannels", bridge.members.len().to_string());
            row
        };
        self.bridges.iter().map(row).collect()
    }

    fn queue_rows(&self) -> Vec<Row> {
        self.queues.iter().flat_map(|queue| queue.rows(self.now)).collect()
    }

    fn room_rows(&self) -> Vec<Row> {
        let row = |(conference, parties): (&String, &std::collections::BTreeSet<String>)| {
            let row = Row::event("ConfbridgeListRooms").with("Conference", conference);
            let row = row.with("Parties", parties.len().to_string()).with("Marked", "0");
            row.with("Locked", "No").with("Muted", "No")
        };
        self.rooms.iter().map(row).collect()
    }

    fn endpoint_rows(&self) -> Vec<Row> {
        let row = |endpoint: &Row| {
            let mut row = endpoint.clone();
            let name = endpoint.text("ObjectName");
            let own = format!("PJSIP/{name}-");
            let active = self.channels.iter().filter(|channel| channel.row.text("Channel").starts_with(&own));
            row.set("ActiveChannels", active.count().to_string());
            let uris = self.contacts.iter().filter(|contact| contact.get("Endpoint") == name.as_bytes());
            let uris: String = uris.map(|contact| format!("{name}/{},", contact.text("Uri"))).collect();
            if endpoint.find("Contacts").is_some() && !(uris.is_empty() && is_static(endpoint)) {
                row.set("Contacts", uris);
            }
            row
        };
        self.endpoints.iter().map(row).collect()
    }
}

/// Whether the endpoint's contact is configured and no phone's registration: it names another thing than itself.
fn is_static(endpoint: &Row) -> bool {
    let name = endpoint.text("ObjectName");
    let registered = format!("{name}/sip:{name}@");
    let contacts = endpoint.text("Contacts");
    !contacts.is_empty() && !contacts.starts_with(&registered)
}

impl Queue {
    fn rows(&self, now: u64) -> Vec<Row> {
        let mut params = self.params.clone();
        params.set("Calls", self.callers.len().to_string());
        let mut rows = vec![params];
        rows.extend(self.members.iter().cloned());
        for (place, caller) in self.callers.iter().enumerate() {
            let mut row = caller.row.clone();
            row.set("Position", (place + 1).to_string());
            row.set("Wait", (now.saturating_sub(caller.joined) / SECOND).to_string());
            rows.push(row);
        }
        rows
    }
}

fn success() -> Row {
    Row::default().with("Response", "Success").with(ACTION_ID, "")
}

fn error(message: &str, id: &str, out: &mut Vec<u8>) {
    Row::default().with("Response", "Error").with(ACTION_ID, "").with("Message", message).write(id, out);
}

fn list(message: &str, rows: &[Row], complete: &str, id: &str, out: &mut Vec<u8>) {
    list_with(message, rows, complete, &[], id, out);
}

/// A list whose end has counts of its own.
fn list_with(
    message: &str,
    rows: &[Row],
    complete: &str,
    counts: &[(&str, usize)],
    id: &str,
    out: &mut Vec<u8>,
) {
    success().with("EventList", "start").with("Message", message).write(id, out);
    for row in rows {
        row.write(id, out);
    }
    let mut end =
        Row::event(complete).with("EventList", "Complete").with("ListItems", rows.len().to_string());
    for (key, count) in counts {
        end.set(key, count.to_string());
    }
    end.write(id, out);
}

/// The row of a queue that only events have named.
pub(super) fn queue_params(name: &str) -> Row {
    let row = Row::default().with("Event", "QueueParams").with("Queue", name).with("Max", "0");
    let row = row.with("Strategy", "ringall").with("Calls", "0").with("Holdtime", "0").with("TalkTime", "0");
    let row = row.with("Completed", "0").with("Abandoned", "0").with("ServiceLevel", "0");
    let row = row.with("ServicelevelPerf", "0.0").with("ServicelevelPerf2", "0.0").with("Weight", "0");
    row.with(ACTION_ID, "")
}

pub(super) fn queue_member(event: &Row) -> Row {
    let mut row = Row::default().with("Event", "QueueMember");
    for (key, from) in [
        ("Queue", "Queue"),
        ("Name", "MemberName"),
        ("Location", "Interface"),
        ("StateInterface", "StateInterface"),
        ("Membership", "Membership"),
        ("Penalty", "Penalty"),
        ("CallsTaken", "CallsTaken"),
        ("LastCall", "LastCall"),
        ("LastPause", "LastPause"),
        ("LoginTime", "LoginTime"),
        ("InCall", "InCall"),
        ("Status", "Status"),
        ("Paused", "Paused"),
        ("PausedReason", "PausedReason"),
        ("Wrapuptime", "Wrapuptime"),
    ] {
        row.set(key, event.get(from));
    }
    row.with(ACTION_ID, "")
}

pub(super) fn queue_entry(event: &Row) -> Row {
    let mut row = Row::default().with("Event", "QueueEntry");
    for key in ["Queue", "Position", "Channel", "Uniqueid", "CallerIDNum", "CallerIDName"] {
        row.set(key, event.get(key));
    }
    for key in ["ConnectedLineNum", "ConnectedLineName"] {
        // app_queue has its own word for what is not known.
        let value = event.get(key);
        row.set(key, if value == b"<unknown>" { b"unknown" } else { value });
    }
    row.with("Wait", "0").with("Priority", "0").with(ACTION_ID, "")
}

pub(super) fn bridge(event: &Row) -> Row {
    let mut row = Row::event("BridgeListItem");
    for key in [
        "BridgeUniqueid",
        "BridgeType",
        "BridgeTechnology",
        "BridgeCreator",
        "BridgeName",
        "BridgeNumChannels",
        "BridgeVideoSourceMode",
    ] {
        row.set(key, event.get(key));
    }
    row
}

pub(super) fn parked(event: &Row) -> Row {
    let mut row = Row::event("ParkedCall");
    for key in super::SNAPSHOT {
        row.set(&format!("Parkee{key}"), event.get(&format!("Parkee{key}")));
    }
    for key in ["ParkerDialString", "Parkinglot", "ParkingSpace", "ParkingTimeout", "ParkingDuration"] {
        row.set(key, event.get(key));
    }
    row
}

/// A contact that `event` is the first to name; the rest of its row is that of another one.
pub(super) fn contact(like: Row, event: &Row) -> Row {
    let mut row = like;
    let uri = event.text("URI");
    // Asterisk puts the MD5 of the URI here; that it is unlike any other is what counts.
    row.set("ObjectName", format!("{};@{:032x}", event.text("AOR"), u128::from(fingerprint(&uri))));
    row.set("Endpoint", event.get("EndpointName"));
    row.set("Uri", uri);
    row.set("Status", "NonQualified");
    row.set("RoundtripUsec", "0");
    row
}

fn fingerprint(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// `DeviceStateChange` has one spelling, lists of endpoints the other (main/devicestate.c).
pub(super) fn device_state(state: &str) -> &'static str {
    match state {
        "NOT_INUSE" => "Not in use",
        "INUSE" => "In use",
        "BUSY" => "Busy",
        "INVALID" => "Invalid",
        "UNAVAILABLE" => "Unavailable",
        "RINGING" => "Ringing",
        "RINGINUSE" => "Ring+Inuse",
        "ONHOLD" => "On Hold",
        _ => "Unknown",
    }
}
