//! The state of an Asterisk at a point of a transcript, and the lists that it would print there.
//!
//! It follows the events one by one, by other rules than the receiver does: each list is kept as the rows that Asterisk
//! would print. The configured part (endpoints, queues and their members, registrations, agents) is what the
//! `action_*` transcripts of the same Asterisk list.

mod lists;
mod row;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::{Message, Transcript};
use row::Row;

/// What each channel event says of its channel.
const SNAPSHOT: [&str; 14] = [
    "Channel",
    "ChannelState",
    "ChannelStateDesc",
    "CallerIDNum",
    "CallerIDName",
    "ConnectedLineNum",
    "ConnectedLineName",
    "Language",
    "AccountCode",
    "Context",
    "Exten",
    "Priority",
    "Uniqueid",
    "Linkedid",
];

/// An Asterisk's state.
#[derive(Debug, Clone)]
pub struct World {
    /// The time, in nanoseconds since 1970: that of the last event.
    now: u64,
    settings: Row,
    status: Row,
    channels: Vec<Channel>,
    bridges: Vec<Bridge>,
    queues: Vec<Queue>,
    rooms: BTreeMap<String, BTreeSet<String>>,
    parked: Vec<Row>,
    endpoints: Vec<Row>,
    contacts: Vec<Row>,
    registrations: Vec<Row>,
    agents: Vec<Row>,
    /// Peers of chan_sip, which only Asterisk 16 has loaded.
    peers: Option<Vec<Row>>,
}

#[derive(Debug, Clone)]
struct Channel {
    uniqueid: String,
    began: u64,
    row: Row,
}

#[derive(Debug, Clone)]
struct Bridge {
    id: String,
    row: Row,
    members: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Queue {
    name: String,
    params: Row,
    members: Vec<Row>,
    callers: Vec<Caller>,
}

#[derive(Debug, Clone)]
struct Caller {
    uniqueid: String,
    joined: u64,
    row: Row,
}

impl World {
    /// An Asterisk (`"asterisk22"`, `"asterisk16"`) as it was configured for the transcripts, without a call.
    pub fn new(asterisk: &str) -> Self {
        static KNOWN: Mutex<BTreeMap<String, World>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(asterisk.to_owned()).or_insert_with(|| Self::configured(asterisk)).clone()
    }

    fn configured(asterisk: &str) -> Self {
        let rows = |action: &str, event: &str| rows(asterisk, action, event);
        let answer = |action: &str| {
            let transcript = Transcript::load(asterisk, &format!("action_{action}"));
            Row::of(transcript.messages().last().unwrap_or(&Message { bytes: Vec::new(), at: 0 }))
        };
        let mut world = Self {
            now: 0,
            settings: answer("CoreSettings"),
            status: answer("CoreStatus"),
            channels: Vec::new(),
            bridges: Vec::new(),
            queues: Vec::new(),
            rooms: BTreeMap::new(),
            parked: Vec::new(),
            endpoints: rows("PJSIPShowEndpoints", "EndpointList"),
            contacts: rows("PJSIPShowContacts", "ContactList"),
            registrations: rows("PJSIPShowRegistrationsOutbound", "OutboundRegistrationDetail"),
            agents: rows("Agents", "Agents"),
            peers: (asterisk == "asterisk16").then(|| rows("SIPpeers_chansip", "PeerEntry")),
        };
        for mut params in rows("QueueStatus", "QueueParams") {
            params.set("Calls", "0");
            let (name, members, callers) = (params.text("Queue"), Vec::new(), Vec::new());
            world.queues.push(Queue { name, params, members, callers });
        }
        for mut member in rows("QueueStatus", "QueueMember") {
            member.set("Status", "1"); // the calls of that moment are over
            world.queue(&member.text("Queue")).members.push(member);
        }
        for endpoint in &mut world.endpoints {
            if endpoint.get("DeviceState") != b"Unavailable" {
                endpoint.set("DeviceState", "Not in use");
            }
        }
        world
    }

    /// Sets `SystemName` and `AsteriskVersion`.
    pub fn name(&mut self, system: &str, version: &str) {
        self.settings.set("SystemName", system);
        self.settings.set("AsteriskVersion", version);
    }

    /// Asterisk was restarted: no call is left.
    pub fn restart(&mut self) {
        self.channels.clear();
        self.bridges.clear();
        self.rooms.clear();
        self.parked.clear();
        for queue in &mut self.queues {
            queue.callers.clear();
            for count in ["Holdtime", "TalkTime", "Completed", "Abandoned"] {
                queue.params.set(count, "0");
            }
        }
    }

    /// Moves time on, in nanoseconds since 1970.
    pub fn set_now(&mut self, now: u64) {
        self.now = self.now.max(now);
    }

    /// The Uniqueids of the channels that are up, in the order of their birth.
    pub fn channels(&self) -> Vec<String> {
        self.channels.iter().map(|channel| channel.uniqueid.clone()).collect()
    }

    /// One event happens.
    pub fn apply(&mut self, message: &Message) {
        self.set_now(message.at);
        let event = Row::of(message);
        match message.event().as_str() {
            "Newchannel" => self.new_channel(&event),
            "Hangup" => {
                let uniqueid = event.text("Uniqueid");
                self.channels.retain(|channel| channel.uniqueid != uniqueid);
            }
            "Rename" => {
                if let Some(channel) = self.channel(&event.text("Uniqueid")) {
                    channel.row.set("Channel", event.get("Newname"));
                }
            }
            "Newexten" => {
                self.snapshot(&event);
                if let Some(channel) = self.channel(&event.text("Uniqueid")) {
                    channel.row.set("Application", event.get("Application"));
                    channel.row.set("ApplicationData", event.get("AppData"));
                }
            }
            name if name.starts_with("Bridge") => {
                self.snapshot(&event);
                self.bridge_event(name, &event);
            }
            name if name.starts_with("Queue") || name.starts_with("Agent") => {
                self.snapshot(&event);
                self.queue_event(name, &event);
            }
            name if name.starts_with("Confbridge") => {
                self.snapshot(&event);
                self.room_event(name, &event);
            }
            name if name.contains("arkedCall") => self.parking_event(name, &event),
            "ContactStatus" => self.contact_event(&event),
            "PeerStatus" => self.peer_event(&event),
            "Registry" => self.registry_event(&event),
            "DeviceStateChange" => self.device_event(&event),
            "Shutdown" => self.restart(),
            _ => self.snapshot(&event),
        }
    }

    fn channel(&mut self, uniqueid: &str) -> Option<&mut Channel> {
        self.channels.iter_mut().find(|channel| channel.uniqueid == uniqueid)
    }

    fn queue(&mut self, name: &str) -> &mut Queue {
        let at = self.queues.iter().position(|queue| queue.name == name).unwrap_or_else(|| {
            let params = lists::queue_params(name);
            let (members, callers) = (Vec::new(), Vec::new());
            self.queues.push(Queue { name: name.to_owned(), params, members, callers });
            self.queues.len() - 1
        });
        &mut self.queues[at]
    }

    fn new_channel(&mut self, event: &Row) {
        let mut row = Row::event("CoreShowChannel");
        for key in SNAPSHOT {
            row.set(key, event.get(key));
        }
        let row =
            row.with("Application", "").with("ApplicationData", "").with("Duration", "").with("BridgeId", "");
        self.channels.push(Channel { uniqueid: event.text("Uniqueid"), began: self.now, row });
    }

    /// Takes over what an event says of the channels that it names.
    fn snapshot(&mut self, event: &Row) {
        for prefix in ["", "Dest", "LocalOne", "LocalTwo"] {
            let uniqueid = event.text(&format!("{prefix}Uniqueid"));
            if let Some(channel) = self.channel(&uniqueid) {
                for key in SNAPSHOT {
                    if let Some(value) = event.find(&format!("{prefix}{key}")) {
                        channel.row.set(key, value);
                    }
                }
            }
        }
    }

    fn bridge_event(&mut self, name: &str, event: &Row) {
        let (id, uniqueid) = (event.text("BridgeUniqueid"), event.text("Uniqueid"));
        match name {
            "BridgeCreate" => self.bridge(&id, event),
            "BridgeDestroy" => self.bridges.retain(|bridge| bridge.id != id),
            "BridgeEnter" | "BridgeLeave" => {
                self.bridge(&id, event);
                let enters = name == "BridgeEnter";
                for bridge in self.bridges.iter_mut().filter(|bridge| bridge.id == id) {
                    if enters {
                        bridge.members.insert(uniqueid.clone());
                    } else {
                        bridge.members.remove(&uniqueid);
                    }
                }
                if let Some(channel) = self.channel(&uniqueid) {
                    channel.row.set("BridgeId", if enters { id.as_str() } else { "" });
                }
            }
            _ => {}
        }
    }

    fn bridge(&mut self, id: &str, event: &Row) {
        if !self.bridges.iter().any(|bridge| bridge.id == id) {
            let row = lists::bridge(event);
            self.bridges.push(Bridge { id: id.to_owned(), row, members: BTreeSet::new() });
        }
    }

    fn queue_event(&mut self, name: &str, event: &Row) {
        let now = self.now;
        let uniqueid = event.text("Uniqueid");
        let queue = event.text("Queue");
        if queue.is_empty() {
            return;
        }
        let queue = self.queue(&queue);
        match name {
            "QueueCallerJoin" => {
                let row = lists::queue_entry(event);
                let at = usize::try_from(event.number("Position")).unwrap_or(1).saturating_sub(1);
                let at = at.min(queue.callers.len());
                queue.callers.insert(at, Caller { uniqueid, joined: now, row });
            }
            "QueueCallerLeave" => queue.callers.retain(|caller| caller.uniqueid != uniqueid),
            "QueueCallerAbandon" => queue.count("Abandoned"),
            "AgentConnect" => queue.average("Holdtime", event.number("HoldTime")),
            "AgentComplete" => {
                queue.count("Completed");
                queue.average("TalkTime", event.number("TalkTime"));
            }
            "QueueMemberRemoved" => {
                queue.members.retain(|member| member.get("Location") != event.get("Interface"));
            }
            name if name.starts_with("QueueMember") => {
                let known =
                    queue.members.iter().position(|member| member.get("Location") == event.get("Interface"));
                let at = known.unwrap_or_else(|| {
                    queue.members.push(lists::queue_member(event));
                    queue.members.len() - 1
                });
                queue.members[at].take_over(event);
                queue.members[at].set("Name", event.get("MemberName"));
            }
            _ => {}
        }
    }

    fn room_event(&mut self, name: &str, event: &Row) {
        let (conference, uniqueid) = (event.text("Conference"), event.text("Uniqueid"));
        match name {
            "ConfbridgeJoin" => {
                self.rooms.entry(conference).or_default().insert(uniqueid);
            }
            "ConfbridgeLeave" => {
                if let Some(room) = self.rooms.get_mut(&conference) {
                    room.remove(&uniqueid);
                }
            }
            "ConfbridgeEnd" => {
                self.rooms.remove(&conference);
            }
            _ => {}
        }
    }

    fn parking_event(&mut self, name: &str, event: &Row) {
        self.parked.retain(|parked| parked.get("ParkeeUniqueid") != event.get("ParkeeUniqueid"));
        if name == "ParkedCall" {
            self.parked.push(lists::parked(event));
        }
    }

    fn contact_event(&mut self, event: &Row) {
        let same = |contact: &Row| {
            contact.get("Uri") == event.get("URI") && contact.get("Endpoint") == event.get("EndpointName")
        };
        match event.text("ContactStatus").as_str() {
            "Removed" => self.contacts.retain(|contact| !same(contact)),
            status => {
                if !self.contacts.iter().any(same) {
                    let like = self.contacts.first().cloned().unwrap_or_else(|| Row::event("ContactList"));
                    self.contacts.push(lists::contact(like, event));
                }
                for contact in self.contacts.iter_mut().filter(|contact| same(contact)) {
                    contact.set("RoundtripUsec", event.get("RoundtripUsec"));
                    if !matches!(status, "Created" | "Updated") {
                        contact.set("Status", status);
                    }
                }
            }
        }
    }

    fn peer_event(&mut self, event: &Row) {
        let name = event.text("Peer");
        let Some((_, name)) = name.split_once('/').filter(|(technology, _)| *technology == "SIP") else {
            return;
        };
        let peers = self.peers.iter_mut().flatten();
        for peer in peers.filter(|peer| peer.get("ObjectName") == name.as_bytes()) {
            match event.text("PeerStatus").as_str() {
                "Registered" => {
                    let address = event.text("Address");
                    let (ip, port) = address.rsplit_once(':').unwrap_or((&address, "0"));
                    peer.set("IPaddress", ip);
                    peer.set("IPport", port);
                }
                "Unregistered" => {
                    peer.set("IPaddress", "-none-");
                    peer.set("IPport", "0");
                    peer.set("Status", "UNKNOWN");
                }
                "Reachable" => peer.set("Status", format!("OK ({} ms)", event.text("Time"))),
                "Lagged" => peer.set("Status", format!("LAGGED ({} ms)", event.text("Time"))),
                "Unreachable" => peer.set("Status", "UNREACHABLE"),
                _ => {}
            }
        }
    }

    fn registry_event(&mut self, event: &Row) {
        for registration in &mut self.registrations {
            if registration.get("ClientUri") == event.get("Username")
                && registration.get("ServerUri") == event.get("Domain")
            {
                registration.set("Status", event.get("Status"));
            }
        }
    }

    fn device_event(&mut self, event: &Row) {
        let device = event.text("Device");
        let Some(name) = device.strip_prefix("PJSIP/") else { return };
        let state = event.text("State");
        for endpoint in self.endpoints.iter_mut().filter(|row| row.get("ObjectName") == name.as_bytes()) {
            endpoint.set("DeviceState", lists::device_state(&state));
        }
    }
}

impl Queue {
    fn count(&mut self, key: &str) {
        self.params.set(key, (self.params.number(key) + 1).to_string());
    }

    /// app_queue's running average: a quarter of it is the newest value.
    fn average(&mut self, key: &str, value: u64) {
        self.params.set(key, ((self.params.number(key) * 3 + value) / 4).to_string());
    }
}

fn rows(asterisk: &str, action: &str, event: &str) -> Vec<Row> {
    let transcript = Transcript::load(asterisk, &format!("action_{action}"));
    let mut messages = transcript.messages();
    messages.retain(|message| message.event() == event && !message.get("ActionID").is_empty());
    messages.iter().map(Row::of).collect()
}

#[cfg(test)]
mod tests;
