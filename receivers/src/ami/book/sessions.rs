//! Agents' sessions with a dialer: calls that last a shift and sit in a conference into which customers' calls come.

use regex::bytes::Regex;

use super::Book;
use super::call::Standing;
use super::change::{CallKey, Change, ConferenceKey};
use super::config::DialerConfig;

/// The settings' patterns, compiled.
#[derive(Debug, Default)]
pub(super) struct SessionPatterns(Vec<Pattern>);

#[derive(Debug)]
struct Pattern {
    context: Option<Regex>,
    extension: Option<Regex>,
    conference: Option<Regex>,
}

/// Compiles a pattern that must match the whole of a value.
///
/// # Errors
/// It is no regular expression.
pub(crate) fn whole(pattern: &str) -> Result<Option<Regex>, regex::Error> {
    if pattern.is_empty() {
        return Ok(None);
    }
    Regex::new(&format!("^(?:{pattern})$")).map(Some)
}

impl SessionPatterns {
    /// Compiles the patterns. One that is no regular expression is one that the settings' check refused before.
    pub(super) fn new(config: &DialerConfig) -> Self {
        let compile = |entry: &super::config::SessionConfig| {
            let pattern = Pattern {
                context: whole(&entry.context).ok()?,
                extension: whole(&entry.extension).ok()?,
                conference: whole(&entry.conference).ok()?,
            };
            let any =
                pattern.context.is_some() || pattern.extension.is_some() || pattern.conference.is_some();
            any.then_some(pattern)
        };
        Self(config.agent_sessions.iter().filter_map(compile).collect())
    }

    /// What a call that begins there can be.
    pub(super) fn origin(&self, context: &[u8], extension: &[u8]) -> Origin {
        let fits = |pattern: &&Pattern| {
            pattern.context.as_ref().is_none_or(|regex| regex.is_match(context))
                && pattern.extension.as_ref().is_none_or(|regex| regex.is_match(extension))
        };
        let mut origin = Origin::Call;
        for pattern in self.0.iter().filter(fits) {
            if pattern.conference.is_none() {
                return Origin::Session;
            }
            origin = Origin::Candidate;
        }
        origin
    }

    fn is_session_conference(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|pattern| pattern.conference.as_ref().is_some_and(|regex| regex.is_match(name.as_bytes())))
    }
}

/// What a call can be, by where it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// No agent's session.
    Call,
    /// One if it opens a conference for sessions.
    Candidate,
    /// One.
    Session,
}

impl Book {
    /// A call came into a conference: it is an agent's session, a customer of one, or neither.
    pub(super) fn session_joined(&mut self, call: CallKey, conference: ConferenceKey) {
        let Some(name) = self.conferences.name(conference) else { return };
        if self.patterns.is_session_conference(name) {
            let session = self.conferences.session(conference).filter(|session| self.is_open(*session));
            match session {
                Some(session) if session != call => {
                    if let Some(call) = self.calls.get_mut(call) {
                        call.session = Some(session);
                    }
                    self.changes.push(Change::JoinedSession { call, session });
                }
                Some(_) => {}
                None if self.opens(call, conference) => {
                    self.conferences.set_session(conference, call);
                    self.become_session(call);
                }
                None => {}
            }
        }
        self.no_candidate(call);
    }

    /// Finds the agents among the calls that a list showed in a conference: the oldest call in it opened it.
    pub(super) fn find_sessions(&mut self) {
        for conference in self.conferences.without_session() {
            let in_it = self.channels.iter().filter(|(_, channel)| channel.conference == Some(conference));
            let mut calls: Vec<_> = in_it
                .filter_map(|(_, channel)| Some((self.calls.get(channel.call)?.began, channel.call)))
                .collect();
            calls.sort_by_key(|(began, _)| *began);
            calls.dedup_by_key(|(_, call)| *call);
            for (_, call) in calls {
                self.session_joined(call, conference);
            }
        }
    }

    /// Whether a call began where sessions begin, and nobody else is in the conference, or nobody who came before.
    fn opens(&self, call: CallKey, conference: ConferenceKey) -> bool {
        let Some(joining) = self.calls.get(call).filter(|joining| joining.agent_origin) else { return false };
        !self.channels.iter().any(|(_, channel)| {
            channel.conference == Some(conference)
                && channel.call != call
                && self.calls.get(channel.call).is_some_and(|other| other.began < joining.began)
        })
    }

    fn is_open(&self, call: CallKey) -> bool {
        self.calls.get(call).is_some_and(|call| call.legs > 0)
    }

    pub(super) fn become_session(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(key).filter(|call| call.standing == Standing::Open) else {
            return;
        };
        call.standing = Standing::AgentSession;
        self.tally.agent_sessions += 1;
        self.changes.push(Change::AgentSession { call: key });
    }

    /// The call is no agent's session, unless it turned out to be one already.
    pub(super) fn no_candidate(&mut self, key: CallKey) {
        if let Some(call) = self.calls.get_mut(key) {
            call.agent_origin = false;
        }
        self.settle(key, false);
    }
}
