//! Bridges, and which channel is in which.

use std::sync::Arc;

use hashbrown::HashMap;

use super::Book;
use super::arena::Arena;
use super::change::{BridgeKey, ChannelKey, Place};
use super::fields::{Fields, text};
use super::recent::What;
use crate::ami::wire::EventKind;

/// A bridge.
#[derive(Debug)]
pub(crate) struct Bridge {
    /// Asterisk's id of it.
    pub(crate) uniqueid: Arc<str>,
    /// Channels in it that are known.
    members: u32,
    touched: u32,
    listed: u32,
}

/// All bridges.
#[derive(Debug)]
pub(super) struct Bridges {
    arena: Arena<Bridge>,
    by_uniqueid: HashMap<Arc<str>, BridgeKey>,
    listing: u32,
    limit: usize,
}

/// Longer ids are none of Asterisk's.
const ID_BYTES: usize = 150;

impl Bridges {
    /// None yet, and never more than `limit`.
    pub(super) fn new(limit: usize) -> Self {
        Self { arena: Arena::default(), by_uniqueid: HashMap::new(), listing: 0, limit }
    }

    /// A channel came to a bridge, or left it.
    pub(super) fn count(&mut self, key: BridgeKey, came: bool) {
        if let Some(bridge) = self.arena.get_mut(key) {
            bridge.members = if came { bridge.members + 1 } else { bridge.members.saturating_sub(1) };
        }
    }

    /// Known channels by bridge.
    #[cfg(test)]
    pub(super) fn members(&self) -> Vec<(BridgeKey, u32)> {
        self.arena.iter().map(|(key, bridge)| (key, bridge.members)).collect()
    }

    pub(super) fn bury(&mut self) {
        self.arena.bury();
    }

    pub(super) fn get(&self, key: BridgeKey) -> Option<&Bridge> {
        self.arena.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.arena.len()
    }

    pub(super) fn list_began(&mut self) {
        self.listing += 1;
    }

    fn find(&self, uniqueid: &[u8]) -> Option<BridgeKey> {
        self.by_uniqueid.get(text(uniqueid)?).copied()
    }

    /// The bridge of an id; a new one if there is none yet.
    fn found(&mut self, uniqueid: &[u8]) -> Option<BridgeKey> {
        if let Some(key) = self.find(uniqueid) {
            return Some(key);
        }
        if self.arena.len() >= self.limit {
            return None;
        }
        let uniqueid: Arc<str> = Arc::from(text(uniqueid).filter(|id| id.len() <= ID_BYTES)?);
        let bridge = Bridge { uniqueid: Arc::clone(&uniqueid), members: 0, touched: self.listing, listed: 0 };
        let key = self.arena.insert(bridge);
        self.by_uniqueid.insert(uniqueid, key);
        Some(key)
    }

    /// The bridge that an event tells of.
    fn heard(&mut self, uniqueid: &[u8]) -> Option<BridgeKey> {
        let key = self.found(uniqueid)?;
        self.arena.get_mut(key)?.touched = self.listing;
        Some(key)
    }

    /// Bridges that neither the last list nor an event since it was asked for named.
    fn vanished(&self) -> Vec<BridgeKey> {
        let gone = |bridge: &Bridge| bridge.listed != self.listing && bridge.touched != self.listing;
        self.arena.iter().filter(|(_, bridge)| gone(bridge)).map(|(key, _)| key).collect()
    }
}

impl Book {
    pub(super) fn bridge_created(&mut self, fields: &Fields<'_>) {
        self.bridges.heard(fields.bridge);
    }

    pub(super) fn bridge_destroyed(&mut self, fields: &Fields<'_>) {
        if let Some(key) = self.bridges.find(fields.bridge) {
            self.end_bridge(key);
        } else if let Some(id) = text(fields.bridge) {
            self.recent.add(What::Bridge, id);
        }
    }

    pub(super) fn bridge_entered(&mut self, fields: &Fields<'_>) {
        let Some(leg) = self.living_leg(fields) else { return };
        let Some(bridge) = self.bridges.heard(fields.bridge) else { return };
        self.enter(leg, Place::Bridge(bridge), false);
        self.bridge_told(leg);
        // A conference's bridge says nothing yet: it can be an agent's session that opens it.
        if fields.bridge_type == b"basic"
            && let Some(channel) = self.channels.get(leg)
        {
            self.no_candidate(channel.call);
        }
    }

    pub(super) fn bridge_left(&mut self, fields: &Fields<'_>) {
        let Some(leg) = self.leg(fields) else { return };
        if let Some(bridge) = self.bridges.find(fields.bridge) {
            self.leave(leg, Place::Bridge(bridge), false);
        }
        self.bridge_told(leg);
    }

    /// An event told which bridge a channel is in: rows of a list that was asked for before are older.
    fn bridge_told(&mut self, leg: ChannelKey) {
        if let Some(channel) = self.channels.get_mut(leg) {
            channel.bridge_touched = self.listing;
        }
    }

    /// A row tells that a bridge is, not that something happened to it.
    pub(super) fn bridge_listed(&mut self, fields: &Fields<'_>) {
        if text(fields.bridge).is_some_and(|id| self.recent.has(What::Bridge, id)) {
            return;
        }
        let listing = self.bridges.listing;
        if let Some(key) = self.bridges.found(fields.bridge)
            && let Some(bridge) = self.bridges.arena.get_mut(key)
        {
            bridge.listed = listing;
        }
    }

    pub(super) fn bridges_listed(&mut self) {
        for key in self.bridges.vanished() {
            self.end_bridge(key);
        }
    }

    /// The bridge that a row of the list of channels names; empty where the channel is in none.
    pub(super) fn leg_bridged(&mut self, leg: ChannelKey, bridge: &[u8]) {
        let before = self.channels.get(leg).and_then(|channel| channel.bridge);
        let known = text(bridge).filter(|id| !self.recent.has(What::Bridge, id));
        match known.and_then(|id| self.bridges.found(id.as_bytes())) {
            Some(bridge) if before == Some(bridge) => {}
            Some(bridge) => self.enter(leg, Place::Bridge(bridge), true),
            None => {
                if let Some(before) = before {
                    self.leave(leg, Place::Bridge(before), true);
                }
            }
        }
    }

    pub(super) fn end_all_bridges(&mut self) {
        let all: Vec<BridgeKey> = self.bridges.arena.iter().map(|(key, _)| key).collect();
        for key in all {
            self.end_bridge(key);
        }
    }

    fn end_bridge(&mut self, key: BridgeKey) {
        // Nearly always all have left it, and channels are many.
        if self.bridges.get(key).is_some_and(|bridge| bridge.members > 0) {
            let within = self.channels.iter().filter(|(_, channel)| channel.bridge == Some(key));
            let within: Vec<ChannelKey> = within.map(|(leg, _)| leg).collect();
            for leg in within {
                self.leave(leg, Place::Bridge(key), true);
            }
        }
        if self.bridges.arena.retire(key)
            && let Some(bridge) = self.bridges.arena.get(key)
        {
            self.recent.add(What::Bridge, &bridge.uniqueid);
            self.bridges.by_uniqueid.remove(&bridge.uniqueid);
        }
    }

    /// `Bridge`, `Link` and `Unlink` of Asterisk 11 and before, where a bridge is a pair of channels.
    pub(super) fn bridge_of_11(&mut self, fields: &Fields<'_>, kind: EventKind) {
        let pair = (self.find_channel(fields.uniqueid_one), self.find_channel(fields.uniqueid_two));
        let (Some(one), Some(two)) = pair else { return };
        // No id of a bridge: those of Asterisk 12 and later are UUIDs.
        let id = [b"pair ", fields.uniqueid_one].concat();
        let apart = kind == EventKind::Unlink || fields.bridge_state == b"Unlink";
        if apart {
            if let Some(bridge) = self.bridges.find(&id) {
                self.leave(one, Place::Bridge(bridge), false);
                self.leave(two, Place::Bridge(bridge), false);
                self.end_bridge(bridge);
                // The same pair can come together again.
                self.recent.remove(What::Bridge, &String::from_utf8_lossy(&id));
            }
            return;
        }
        self.join_unlinked(one, two);
        if let Some(bridge) = self.bridges.heard(&id) {
            for leg in [one, two] {
                self.enter(leg, Place::Bridge(bridge), false);
                if let Some(channel) = self.channels.get(leg) {
                    self.no_candidate(channel.call);
                }
            }
        }
    }
}
