//! Conference rooms of ConfBridge and MeetMe.

use std::collections::HashMap;
use std::sync::Arc;

use super::Book;
use super::arena::Arena;
use super::change::{CallKey, ChannelKey, ConferenceKey, Place};
use super::fields::{Fields, number, text};

/// A conference.
#[derive(Debug)]
pub(crate) struct Conference {
    name: Arc<str>,
    /// Participants. Those of whom no join was heard are in it, so it is no count of channels.
    parties: u32,
    /// Channels in it that are known.
    members: u32,
    /// The agent's session that opened it.
    session: Option<CallKey>,
    /// Joins less leaves since the last list was asked for.
    since: i64,
    touched: u32,
    listed: u32,
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
            conference.members =
                if came { conference.members + 1 } else { conference.members.saturating_sub(1) };
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
                conference.since = 0;
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
        let parties = self.arena.iter().map(|(_, conference)| u64::from(conference.parties));
        parties.fold((0, 0), |(rooms, all), parties| (rooms + u64::from(parties > 0), all + parties))
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
            parties: 0,
            members: 0,
            session: None,
            since: 0,
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
        let leg = self.leg(fields);
        let known = leg.and_then(|leg| self.channels.get(leg));
        if known.is_some_and(|channel| channel.conference == Some(key)) {
            return;
        }
        let call = known.map(|channel| channel.call);
        if let Some(conference) = self.conferences.arena.get_mut(key) {
            conference.parties += 1;
            conference.since += 1;
        }
        if let Some((leg, call)) = leg.zip(call) {
            self.enter(leg, Place::Conference(key), false);
            if let Some(channel) = self.channels.get_mut(leg) {
                channel.conference_heard = true;
                channel.conference_touched = self.listing;
            }
            self.session_joined(call, key);
        }
    }

    pub(super) fn conference_left(&mut self, fields: &Fields<'_>) {
        let Some(key) = self.conferences.heard(fields.conference) else { return };
        if let Some(leg) = self.leg(fields) {
            self.leave(leg, Place::Conference(key), false);
            if let Some(channel) = self.channels.get_mut(leg) {
                channel.conference_touched = self.listing;
            }
        }
        if let Some(conference) = self.conferences.arena.get_mut(key) {
            conference.parties = conference.parties.saturating_sub(1);
            conference.since -= 1;
        }
    }

    pub(super) fn conference_ended(&mut self, fields: &Fields<'_>) {
        if let Some(key) = self.conferences.find(fields.conference) {
            self.end_conference(key);
        }
    }

    /// A row tells how many there were when it was written; who came and went since the list was asked for is added.
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
            let now = i64::from(parties) + conference.since;
            conference.parties = u32::try_from(now.max(0)).unwrap_or(u32::MAX);
            let parties = conference.parties as usize;
            self.not_yet_joined(key, parties);
        }
    }

    /// A channel runs the application before it is a participant, while prompts play: if more are held to be in the
    /// conference than it has participants, those of whom no join was heard are not.
    fn not_yet_joined(&mut self, key: ConferenceKey, parties: usize) {
        let members = self.conferences.arena.get(key).map_or(0, |conference| conference.members);
        if members as usize <= parties {
            return;
        }
        let within = self.channels.iter().filter(|(_, channel)| channel.conference == Some(key));
        let concluded: Vec<ChannelKey> =
            within.filter(|(_, channel)| !channel.conference_heard).map(|(leg, _)| leg).collect();
        for leg in concluded {
            self.leave(leg, Place::Conference(key), true);
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
            Some(conference) => {
                self.enter(leg, Place::Conference(conference), true);
                if let Some(channel) = self.channels.get_mut(leg) {
                    channel.conference_heard = false;
                }
            }
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
