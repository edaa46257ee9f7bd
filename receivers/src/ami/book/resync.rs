//! Lists of channels against what is known, and channels that a list did not name.

use super::Book;
use super::change::ChannelKey;
use super::channel::UP;
use super::fields::{Fields, number};
use crate::ami::signal::Nanos;

/// How long the `Hangup` of a channel that a list did not name is awaited: Asterisk writes events that it had queued before
/// the list behind it.
const HANGUP_WAIT: Nanos = 5_000_000_000;

impl Book {
    /// A row of the list of channels. An event that came since the list was asked for is newer.
    pub(super) fn channel_listed(&mut self, fields: &Fields<'_>) {
        let listing = self.listing;
        let known = self.find_channel(fields.uniqueid);
        let Some(key) = known.or_else(|| self.channel_began(fields, true)) else { return };
        let Some(channel) = self.channels.get(key) else { return };
        let newer = known.is_some() && channel.touched == listing;
        let (bridge_newer, conference_newer) =
            (channel.bridge_touched == listing, channel.conference_touched == listing);
        let state: u8 = number(fields.state).unwrap_or(channel.state);
        if !newer {
            self.leg(fields);
            self.revive(key);
            self.rename(key, fields.channel);
        }
        // A channel that is up stays so.
        if !newer || state == UP {
            self.rose(key, state);
        }
        if !bridge_newer {
            self.leg_bridged(key, fields.bridge_id);
        }
        if !conference_newer {
            self.leg_conferred(key, fields);
        }
        if let Some(channel) = self.channels.get_mut(key) {
            channel.listed = listing;
            if !newer {
                // A row is no event.
                channel.touched = listing.saturating_sub(1);
            }
        }
    }

    /// The list of channels is complete: what neither it nor an event since named is over.
    pub(super) fn channels_listed(&mut self) {
        let listing = self.listing;
        let gone: Vec<ChannelKey> = self
            .channels
            .iter()
            .filter(|(_, channel)| {
                channel.present() && channel.listed != listing && channel.touched != listing
            })
            .map(|(key, _)| key)
            .collect();
        for key in gone {
            self.miss(key);
        }
        self.find_sessions();
    }

    /// A channel is over, and its `Hangup` may still come.
    fn miss(&mut self, key: ChannelKey) {
        self.leave_all(key);
        let Some(channel) = self.channels.get_mut(key) else { return };
        channel.missing = true;
        if let Some(call) = self.calls.get_mut(channel.call) {
            call.present -= 1;
        }
        self.missing.push_back((self.now.saturating_add(HANGUP_WAIT), key));
    }

    /// A channel that was held to be over is told of again.
    pub(super) fn revive(&mut self, key: ChannelKey) {
        let Some(channel) = self.channels.get_mut(key).filter(|channel| channel.missing) else { return };
        channel.missing = false;
        if let Some(call) = self.calls.get_mut(channel.call) {
            call.present += 1;
        }
    }

    /// Ends channels whose `Hangup` was awaited for long enough.
    pub(super) fn give_up_missing(&mut self) {
        while let Some((until, key)) = self.missing.front().copied() {
            if until > self.now {
                return;
            }
            self.missing.pop_front();
            if self.channels.get(key).is_some_and(|channel| channel.missing) {
                self.end_channel(key, true);
            }
        }
    }
}
