//! Conference rooms of ConfBridge and MeetMe.

use std::sync::Arc;

use hashbrown::HashMap;

use super::Book;
use super::arena::Arena;
use super::change::{CallKey, ChannelKey, ConferenceKey, Place};
use super::fields::{Fields, number, text};

/// A conference.
#[derive(Debug)]
pub(crate) struct Conference {
    name: Arc<str>,
    /// Channels in it that are known.
    members: u32,
    /// How many more participants the last list counted. More: they came in while the lists were read, and their joins are
    /// about to be told. Less: a channel runs the application and is no participant yet, or none any more, and its join or
    /// leave is about to be told.
    difference: i64,
    /// The agent's session that opened it.
    session: Option<CallKey>,
    /// Joins and leaves since the last list was asked for: its rows can be older than these.
    joined: i64,
    left: i64,
    touched: u32,
    listed: u32,
}

impl Conference {
    fn parties(&self) -> u64 {
        u64::try_from(i64::from(self.members) + self.difference).unwrap_or(0)
    }

    /// One whom the list counted is known now, or left.
    fn one_less_unnamed(&mut self) {
        self.difference -= i64::from(self.difference > 0);
    }

    /// One whom the list did not count is a participant now, or left.
    fn one_less_pending(&mut self) {
        self.difference += i64::from(self.difference < 0);
    }

    /// A list counted. What was told since it was asked for explains differences.
    fn counted(&mut self, parties: u32) {
        let difference = i64::from(parties) - i64::from(self.members);
        self.difference =
            if difference > 0 { (difference - self.left).max(0) } else { (difference + self.joined).min(0) };
    }
}

/// All conferences.
#[derive(Debug)]
pub(super) struct Conferences {
    arena: Arena<Conference>,
    by_name: HashMap<Arc<str>, ConferenceKey>,
    listing: u32,
    /// A list is being read.
    reading: bool,
    /// Names of those that ended since it was asked for.
    ended: Vec<Arc<str>>,
    limit: usize,
}

/// Longer names are cut off by Asterisk itself (`MAX_CONF_NAME` in `apps/confbridge/include/confbridge.h` is 80).
const NAME_BYTES: usize = 150;

impl Conferences {
    /// None yet, and never more than `limit`.
    pub(super) fn new(limit: usize) -> Self {
        let (by_name, ended) = (HashMap::new(), Vec::new());
        Self { arena: Arena::default(), by_name, listing: 0, reading: false, ended, limit }
    }

    /// A channel came to a conference, or left it.
    pub(super) fn count(&mut self, key: ConferenceKey, came: bool) {
        if let Some(conference) = self.arena.get_mut(key) {
            if came {
                conference.members += 1;
                conference.one_less_unnamed();
            } else {
                conference.members = conference.members.saturating_sub(1);
                conference.one_less_pending();
            }
        }
    }

    /// Known channels by conference.
    #[cfg(test)]
    pub(super) fn members(&self) -> Vec<(ConferenceKey, u32)> {
        self.arena.iter().map(|(key, conference)| (key, conference.members)).collect()
    }

    pub(super) fn bury(&mut self) {
        self.arena.bury();
    }

    pub(super) fn list_began(&mut self) {
        self.listing += 1;
        self.reading = true;
        let keys: Vec<ConferenceKey> = self.arena.iter().map(|(key, _)| key).collect();
        for key in keys {
            if let Some(conference) = self.arena.get_mut(key) {
                (conference.joined, conference.left) = (0, 0);
            }
        }
    }

    /// The list is over, complete or not.
    pub(super) fn list_over(&mut self) {
        self.reading = false;
        self.ended.clear();
    }

    pub(super) fn name(&self, key: ConferenceKey) -> Option<&str> {
        self.arena.get(key).map(|conference| &*conference.name)
    }

    pub(super) fn session(&self, key: ConferenceKey) -> Option<CallKey> {
        self.arena.get(key)?.session
    }

    pub(super) fn set_session(&mut self, key: ConferenceKey, session: CallKey) {
        if let Some(conference) = self.arena.get_mut(key) {
            conference.session = Some(session);
        }
    }

    /// Conferences that no agent's session opened, as far as is known.
    pub(super) fn without_session(&self) -> Vec<ConferenceKey> {
        let open = self.arena.iter().filter(|(_, conference)| conference.session.is_none());
        open.map(|(key, _)| key).collect()
    }

    /// How many have participants, and how many these are together.
    pub(super) fn counts(&self) -> (u64, u64) {
        let parties = self.arena.iter().map(|(_, conference)| conference.parties());
        parties
            .filter(|parties| *parties > 0)
            .fold((0, 0), |(rooms, all), parties| (rooms + 1, all + parties))
    }

    fn find(&self, name: &[u8]) -> Option<ConferenceKey> {
        self.by_name.get(text(name)?).copied()
    }

    fn found(&mut self, name: &[u8]) -> Option<ConferenceKey> {
        if let Some(key) = self.find(name) {
            return Some(key);
        }
        if self.arena.len() >= self.limit {
            return None;
        }
        let name: Arc<str> = Arc::from(text(name).filter(|name| name.len() <= NAME_BYTES)?);
        let key = self.arena.insert(Conference {
            name: Arc::clone(&name),
            members: 0,
            difference: 0,
            session: None,
            joined: 0,
            left: 0,
            touched: self.listing,
            listed: 0,
        });
        self.by_name.insert(name, key);
        Some(key)
    }

    fn heard(&mut self, name: &[u8]) -> Option<ConferenceKey> {
        let key = self.found(name)?;
        self.arena.get_mut(key)?.touched = self.listing;
        Some(key)
    }
}

impl Book {
    pub(super) fn conference_began(&mut self, fields: &Fields<'_>) {
        self.conferences.heard(fields.conference);
    }

    pub(super) fn conference_joined(&mut self, fields: &Fields<'_>) {
        let Some(key) = self.conferences.heard(fields.conference) else { return };
        let Some(leg) = self.living_leg(fields) else { return };
        let Some(channel) = self.channels.get_mut(leg) else { return };
        channel.conference_touched = self.listing;
        let (call, was_in_it) = (channel.call, channel.conference == Some(key));
        if let Some(conference) = self.conferences.arena.get_mut(key) {
            conference.joined += 1;
            if was_in_it {
                conference.one_less_pending();
                return;
            }
        }
        self.enter(leg, Place::Conference(key), false);
        self.session_joined(call, key);
    }

    pub(super) fn conference_left(&mut self, fields: &Fields<'_>) {
        let Some(key) = self.conferences.heard(fields.conference) else { return };
        let Some(leg) = self.leg(fields) else { return };
        if let Some(channel) = self.channels.get_mut(leg) {
            channel.conference_touched = self.listing;
        }
        let was_in_it = self.leave(leg, Place::Conference(key), false);
        if let Some(conference) = self.conferences.arena.get_mut(key) {
            conference.left += 1;
            if !was_in_it {
                conference.one_less_unnamed();
            }
        }
    }

    pub(super) fn conference_ended(&mut self, fields: &Fields<'_>) {
        if let Some(key) = self.conferences.find(fields.conference) {
            self.end_conference(key);
        }
    }

    /// A row tells how many there were when it was written, and not who.
    pub(super) fn conference_listed(&mut self, fields: &Fields<'_>) {
        let Some(parties) = number::<u32>(fields.parties) else { return };
        let over = self.conferences.ended.iter().any(|name| name.as_bytes() == fields.conference);
        if over && self.conferences.find(fields.conference).is_none() {
            return;
        }
        let listing = self.conferences.listing;
        if let Some(key) = self.conferences.found(fields.conference)
            && let Some(conference) = self.conferences.arena.get_mut(key)
        {
            conference.listed = listing;
            conference.counted(parties);
        }
    }

    pub(super) fn conferences_listed(&mut self) {
        let listing = self.conferences.listing;
        let gone = |conference: &Conference| conference.listed != listing && conference.touched != listing;
        let vanished = self.conferences.arena.iter().filter(|(_, conference)| gone(conference));
        let vanished: Vec<ConferenceKey> = vanished.map(|(key, _)| key).collect();
        for key in vanished {
            self.end_conference(key);
        }
    }

    /// The conference that a row of the list of channels shows a channel in.
    pub(super) fn leg_conferred(&mut self, leg: ChannelKey, fields: &Fields<'_>) {
        let (application, data) = (fields.application, fields.application_data);
        if application.is_empty() {
            return;
        }
        let before = self.channels.get(leg).and_then(|channel| channel.conference);
        let name = data.split(|byte| *byte == b',').next().unwrap_or_default();
        let bridged = application == b"ConfBridge" && !fields.bridge_id.is_empty();
        let within = bridged || application == b"MeetMe";
        let now = if within { self.conferences.found(name) } else { None };
        match now {
            Some(conference) if before == Some(conference) => {}
            Some(conference) => self.enter(leg, Place::Conference(conference), true),
            None => {
                if let Some(before) = before {
                    self.leave(leg, Place::Conference(before), true);
                }
            }
        }
    }

    pub(super) fn end_all_conferences(&mut self) {
        let all: Vec<ConferenceKey> = self.conferences.arena.iter().map(|(key, _)| key).collect();
        for key in all {
            self.end_conference(key);
        }
    }

    fn end_conference(&mut self, key: ConferenceKey) {
        if self.conferences.arena.get(key).is_some_and(|conference| conference.members > 0) {
            let within = self.channels.iter().filter(|(_, channel)| channel.conference == Some(key));
            let within: Vec<ChannelKey> = within.map(|(leg, _)| leg).collect();
            for leg in within {
                self.leave(leg, Place::Conference(key), true);
            }
        }
        if self.conferences.arena.retire(key)
            && let Some(conference) = self.conferences.arena.get(key)
        {
            self.conferences.by_name.remove(&conference.name);
            if self.conferences.reading {
                self.conferences.ended.push(Arc::clone(&conference.name));
            }
        }
    }
}
