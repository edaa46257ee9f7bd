//! Endpoints, their contacts and registrations, and the registrations that Asterisk itself has with others.

use std::sync::Arc;

use hashbrown::HashMap;

use super::Book;
use super::fields::{Fields, number, text};

/// Longer names and URIs are cut off from what is tracked.
const ID_BYTES: usize = 256;

/// An endpoint of PJSIP, or a peer of chan_sip or chan_iax2.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// It can be reached.
    pub(crate) online: bool,
    /// It registers: contacts that are registered were seen, or it is configured as dynamic.
    pub(crate) registers: bool,
    /// A peer of chan_sip is registered; contacts tell it for an endpoint.
    pub(crate) registered: bool,
    /// Round trip of the last qualify of a peer of chan_sip, in milliseconds.
    pub(crate) round_trip_ms: Option<f64>,
    /// It is configured: a list named it, or an event told of its state.
    pub(crate) configured: bool,
    touched: Listing,
    listed: Listing,
}

/// What is known of a contact by qualifying it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// It answers.
    Reachable,
    /// It does not.
    Unreachable,
    /// It is not asked.
    NotQualified,
    /// It was not asked yet.
    Unknown,
}

impl Reach {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Reachable, Self::Unreachable, Self::NotQualified, Self::Unknown];

    fn of(status: &[u8]) -> Self {
        match status {
            b"Reachable" | b"Avail" => Self::Reachable,
            b"Unreachable" | b"Unavail" => Self::Unreachable,
            b"NonQualified" | b"Created" | b"Updated" => Self::NotQualified,
            _ => Self::Unknown,
        }
    }

    /// The value of the attribute.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Reachable => "reachable",
            Self::Unreachable => "unreachable",
            Self::NotQualified => "not_qualified",
            Self::Unknown => "unknown",
        }
    }
}

/// Where an endpoint can be reached.
#[derive(Debug)]
pub(crate) struct Contact {
    /// The endpoint, as in [`Peers::peers`].
    pub(crate) peer: Arc<str>,
    /// It registered, and was not configured.
    pub(crate) registered: bool,
    /// Whether it answers.
    pub(crate) reach: Reach,
    /// Round trip of the last qualify, in milliseconds.
    pub(crate) round_trip_ms: Option<f64>,
    touched: u32,
    listed: u32,
}

/// A registration with somebody else, as with a carrier.
#[derive(Debug)]
pub(crate) struct Trunk {
    /// Registered now.
    pub(crate) registered: bool,
    /// The last state, in lower case: `registered`, `rejected`.
    pub(crate) state: Box<str>,
    client: Box<str>,
    server: Box<str>,
    touched: Listing,
    listed: Listing,
}

/// Number of the list, and of which of two lists.
type Listing = (Technology, u32);

/// Which of the lists of endpoints, or of registrations, something belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Technology {
    #[default]
    Pjsip,
    Sip,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// By technology and name, as `PJSIP/1001`.
    pub(crate) peers: HashMap<Arc<str>, Peer>,
    /// By endpoint and URI.
    pub(crate) contacts: HashMap<Box<str>, Contact>,
    /// By the name of the configured registration, or the server where there is none.
    pub(crate) trunks: HashMap<Arc<str>, Trunk>,
    endpoints_listing: [u32; 2],
    trunks_listing: [u32; 2],
    contacts_listing: u32,
}

impl Peers {
    /// How many registrations there are of a peer; `None` if it does not register.
    pub(crate) fn registrations(&self) -> HashMap<&str, u64> {
        let mut levels: HashMap<&str, u64> = HashMap::new();
        for (name, peer) in self.peers.iter().filter(|(_, peer)| peer.registers) {
            levels.insert(name, u64::from(peer.registered));
        }
        for contact in self.contacts.values().filter(|contact| contact.registered) {
            *levels.entry(&contact.peer).or_default() += 1;
        }
        levels
    }

    pub(super) fn endpoints_list_began(&mut self, technology: Technology) {
        self.endpoints_listing[technology as usize] += 1;
    }

    pub(super) fn trunks_list_began(&mut self, technology: Technology) {
        self.trunks_listing[technology as usize] += 1;
    }

    pub(super) fn contacts_list_began(&mut self) {
        self.contacts_listing += 1;
    }
}

impl Book {
    /// Endpoints, contacts, registrations.
    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
    }

    fn peer(&mut self, name: &str) -> Option<&mut Peer> {
        let peers = &mut self.peers.peers;
        if !peers.contains_key(name) {
            if peers.len() >= self.config.limits.peers || name.len() > ID_BYTES {
                self.tally.peers_over_limit += 1;
                return None;
            }
            let peer = Peer { touched: (Technology::Pjsip, u32::MAX), ..Peer::default() };
            peers.insert(Arc::from(name), peer);
        }
        peers.get_mut(name)
    }

    /// `PeerStatus`: of chan_sip the registration and whether it is reached, of PJSIP only the latter.
    pub(super) fn peer_status(&mut self, fields: &Fields<'_>) {
        let Some(name) = text(fields.peer) else { return };
        let technology = technology_of(name);
        let listing = (technology, self.peers.endpoints_listing[technology as usize]);
        if technology == Technology::Sip
            && matches!(fields.peer_status, b"Registered" | b"Unregistered" | b"Rejected")
        {
            self.registration_event(name, fields.peer_status);
        }
        let Some(peer) = self.peer(name) else { return };
        peer.touched = listing;
        peer.configured = true;
        match fields.peer_status {
            b"Registered" => {
                peer.registers = true;
                peer.registered = true;
                peer.online = true;
            }
            b"Unregistered" => {
                peer.registers = true;
                peer.registered = false;
                peer.online = false;
                peer.round_trip_ms = None;
            }
            b"Reachable" | b"Lagged" => {
                peer.online = true;
                peer.round_trip_ms = number(fields.time).or(peer.round_trip_ms);
            }
            b"Unreachable" => {
                peer.online = false;
                peer.round_trip_ms = None;
            }
            _ => {}
        }
    }

    fn registration_event(&mut self, peer: &str, status: &[u8]) {
        let peer = self.peer_names.intern(peer.as_bytes());
        let status = self.statuses.intern(&status.to_ascii_lowercase());
        self.tally.registrations.add((peer, status));
    }

    pub(super) fn contact_status(&mut self, fields: &Fields<'_>) {
        let Some((key, peer)) = contact_key(fields) else { return };
        let status = fields.contact_status;
        let known = self.peers.contacts.contains_key(key.as_str());
        let listing = self.peers.contacts_listing;
        // A configured contact is told of with its reachability only, and is never made.
        let made = !known && matches!(status, b"Created" | b"NonQualified" | b"Updated");
        if status == b"Removed" {
            if let Some(contact) = self.peers.contacts.remove(key.as_str()) {
                if contact.registered {
                    self.registration_event(&peer, b"Unregistered");
                }
            } else {
                self.registration_event(&peer, b"Unregistered");
            }
            self.registers(&peer);
            return;
        }
        if made {
            self.registration_event(&peer, b"Registered");
            self.registers(&peer);
        } else if matches!(status, b"Reachable" | b"Unreachable" | b"Updated") {
            self.registration_event(&peer, status);
        }
        let reach = Reach::of(status);
        if let Some(contact) = self.contact(key, &peer) {
            contact.registered |= made;
            contact.touched = listing;
            if status != b"Updated" {
                contact.reach = reach;
            }
            contact.round_trip_ms = round_trip(fields, reach);
        }
    }

    fn registers(&mut self, peer: &str) {
        if let Some(peer) = self.peer(peer) {
            peer.registers = true;
        }
    }

    fn contact(&mut self, key: String, peer: &str) -> Option<&mut Contact> {
        if !self.peers.contacts.contains_key(key.as_str())
            && self.peers.contacts.len() >= self.config.limits.peers
        {
            self.tally.peers_over_limit += 1;
            return None;
        }
        let contact = self.peers.contacts.entry(key.into_boxed_str()).or_insert_with(|| Contact {
            peer: Arc::from(peer),
            registered: false,
            reach: Reach::Unknown,
            round_trip_ms: None,
            touched: 0,
            listed: 0,
        });
        Some(contact)
    }

    /// `ContactList`: contacts that registered; those that are configured are not in it.
    pub(super) fn contact_listed(&mut self, fields: &Fields<'_>) {
        let Some((key, peer)) = contact_key(fields) else { return };
        let listing = self.peers.contacts_listing;
        self.registers(&peer);
        let Some(contact) = self.contact(key, &peer) else { return };
        contact.listed = listing;
        contact.registered = true;
        if contact.touched != listing {
            contact.reach = Reach::of(fields.status);
            contact.round_trip_ms = round_trip(fields, contact.reach);
        }
    }

    pub(super) fn contacts_listed(&mut self) {
        let listing = self.peers.contacts_listing;
        self.peers.contacts.retain(|_, contact| {
            !contact.registered || contact.listed == listing || contact.touched == listing
        });
    }

    /// `EndpointList` of PJSIP or `PeerEntry` of chan_sip.
    pub(super) fn endpoint_listed(&mut self, technology: Technology, fields: &Fields<'_>) {
        let Some(object) = text(fields.object_name) else { return };
        let prefix = match technology {
            Technology::Pjsip => "PJSIP",
            Technology::Sip => text(fields.channel_type).unwrap_or("SIP"),
        };
        let listing = (technology, self.peers.endpoints_listing[technology as usize]);
        let Some(peer) = self.peer(&format!("{prefix}/{object}")) else { return };
        peer.listed = listing;
        peer.configured = true;
        if peer.touched == listing {
            return;
        }
        match technology {
            // A contact that does not answer, and none at all, are both unavailable; but one that nobody can call, as
            // a carrier that only calls in, is `In use` while it does.
            Technology::Pjsip => {
                let reachable = !matches!(fields.device_state, b"Unavailable" | b"Invalid");
                peer.online = reachable && !fields.contacts.is_empty();
            }
            Technology::Sip => {
                let address = !matches!(fields.ip_address, b"-none-" | b"");
                peer.registers = fields.dynamic == b"yes";
                peer.registered = peer.registers && address;
                // `OK (1 ms)`, `LAGGED (2100 ms)`, `UNREACHABLE`, `UNKNOWN`, `Unmonitored`.
                let answers = fields.status.starts_with(b"OK") || fields.status.starts_with(b"LAGGED");
                peer.online = answers || (fields.status == b"Unmonitored" && address);
                peer.round_trip_ms = text(fields.status)
                    .filter(|_| answers)
                    .and_then(|status| status.split_once('(')?.1.split_once(' ')?.0.parse().ok());
            }
        }
    }

    pub(super) fn endpoints_listed(&mut self, technology: Technology) {
        let listing = (technology, self.peers.endpoints_listing[technology as usize]);
        let prefix = if technology == Technology::Pjsip { "PJSIP/" } else { "SIP/" };
        let of_list = |name: &str| name.starts_with(prefix);
        self.peers
            .peers
            .retain(|name, peer| !of_list(name) || peer.listed == listing || peer.touched == listing);
    }

    /// `Registry`: it names server and user, not the registration.
    pub(super) fn registry_status(&mut self, fields: &Fields<'_>) {
        let (Some(client), Some(server)) = (text(fields.username), text(fields.domain)) else { return };
        let technology = if fields.channel_type == b"PJSIP" { Technology::Pjsip } else { Technology::Sip };
        let known =
            self.peers.trunks.iter().find(|(_, trunk)| *trunk.client == *client && *trunk.server == *server);
        let name =
            known.map_or_else(|| Arc::from(server_name(technology, server)), |(name, _)| Arc::clone(name));
        let listing = (technology, self.peers.trunks_listing[technology as usize]);
        let symbols = (
            self.peer_names.intern(name.as_bytes()),
            self.statuses.intern(&fields.status.to_ascii_lowercase()),
        );
        self.tally.trunk_registrations.add(symbols);
        if let Some(trunk) = self.trunk(name, client, server) {
            trunk.touched = listing;
            trunk.update(fields.status);
        }
    }

    fn trunk(&mut self, name: Arc<str>, client: &str, server: &str) -> Option<&mut Trunk> {
        let full = self.peers.trunks.len() >= self.config.limits.peers || name.len() > ID_BYTES;
        if full && !self.peers.trunks.contains_key(&name) {
            self.tally.peers_over_limit += 1;
            return None;
        }
        Some(self.peers.trunks.entry(name).or_insert_with(|| Trunk {
            registered: false,
            state: Box::default(),
            client: client.into(),
            server: server.into(),
            touched: (Technology::Pjsip, u32::MAX),
            listed: (Technology::Pjsip, u32::MAX),
        }))
    }

    /// `OutboundRegistrationDetail` of PJSIP or `RegistryEntry` of chan_sip.
    pub(super) fn trunk_listed(&mut self, technology: Technology, fields: &Fields<'_>) {
        let listing = (technology, self.peers.trunks_listing[technology as usize]);
        let (name, client, server, state) = match technology {
            Technology::Pjsip => {
                let parts = (text(fields.object_name), text(fields.client_uri), text(fields.server_uri));
                let (Some(name), Some(client), Some(server)) = parts else { return };
                // An event before the list could name the server only.
                let unnamed = server_name(technology, server);
                if unnamed != name {
                    self.peers.trunks.remove(unnamed.as_str());
                }
                (name.to_owned(), client, server, fields.status)
            }
            Technology::Sip => {
                let (Some(client), Some(server)) = (text(fields.username), text(fields.domain)) else {
                    return;
                };
                (server_name(technology, server), client, server, fields.registry_state)
            }
        };
        let Some(trunk) = self.trunk(Arc::from(name), client, server) else { return };
        trunk.listed = listing;
        if trunk.touched != listing {
            trunk.update(state);
        }
    }

    pub(super) fn trunks_listed(&mut self, technology: Technology) {
        let listing = (technology, self.peers.trunks_listing[technology as usize]);
        self.peers.trunks.retain(|name, trunk| {
            let of_list = if name.starts_with("SIP/") { Technology::Sip } else { Technology::Pjsip };
            of_list != technology || trunk.listed == listing || trunk.touched == listing
        });
    }
}

impl Trunk {
    fn update(&mut self, state: &[u8]) {
        self.registered = state == b"Registered";
        self.state = String::from_utf8_lossy(&state[..state.len().min(64)]).to_ascii_lowercase().into();
    }
}

/// Peers of chan_sip and chan_iax2 are told of alike.
fn technology_of(peer: &str) -> Technology {
    if peer.starts_with("PJSIP/") { Technology::Pjsip } else { Technology::Sip }
}

/// What stands for a registration without a name of its own: its server, without the user, who can be a phone number.
fn server_name(technology: Technology, server: &str) -> String {
    let host = server.rsplit_once('@').map_or(server, |(_, host)| host);
    let host = host.strip_prefix("sips:").or_else(|| host.strip_prefix("sip:")).unwrap_or(host);
    match technology {
        Technology::Pjsip => host.to_owned(),
        Technology::Sip => format!("SIP/{host}"),
    }
}

fn contact_key(fields: &Fields<'_>) -> Option<(String, String)> {
    let uri = text(fields.uri).filter(|uri| uri.len() <= ID_BYTES)?;
    let endpoint = text(fields.endpoint_name).or_else(|| {
        let object = text(fields.object_name)?;
        Some(object.rsplit_once(";@").map_or(object, |(aor, _)| aor))
    });
    let endpoint = endpoint.or_else(|| text(fields.aor)).filter(|name| name.len() <= ID_BYTES)?;
    Some((format!("{endpoint} {uri}"), format!("PJSIP/{endpoint}")))
}

fn round_trip(fields: &Fields<'_>, reach: Reach) -> Option<f64> {
    let usec: f64 = number(fields.round_trip_usec)?;
    (reach == Reach::Reachable).then_some(usec / 1000.0)
}
