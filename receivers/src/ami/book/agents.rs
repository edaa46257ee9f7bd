//! Agents of app_agent_pool and chan_agent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use super::Book;
use super::fields::{Fields, text};
use super::names::Symbol;

const ID_BYTES: usize = 150;

/// An agent.
#[derive(Debug)]
struct Agent {
    /// By [`Book::statuses`].
    state: Symbol,
    touched: u32,
    listed: u32,
}

/// All agents.
#[derive(Debug, Default)]
pub(super) struct Agents {
    agents: HashMap<Arc<str>, Agent>,
    states_seen: BTreeSet<Symbol>,
    listing: u32,
}

impl Agents {
    pub(super) fn list_began(&mut self) {
        self.listing += 1;
    }
}

impl Book {
    /// How many agents are in each state; of a state that some agent was in before, none is told, too.
    pub(crate) fn agent_states(&self) -> BTreeMap<Symbol, u64> {
        let mut states: BTreeMap<Symbol, u64> =
            self.agents.states_seen.iter().map(|state| (*state, 0)).collect();
        for agent in self.agents.agents.values() {
            *states.entry(agent.state).or_default() += 1;
        }
        states
    }

    /// An agent logged in or off.
    pub(super) fn agent_logged(&mut self, fields: &Fields<'_>, state: &[u8]) {
        let listing = self.agents.listing;
        if let Some(agent) = self.agent(fields, state) {
            agent.touched = listing;
        }
    }

    pub(super) fn agent_listed(&mut self, fields: &Fields<'_>) {
        let listing = self.agents.listing;
        let newer = text(fields.agent)
            .and_then(|id| self.agents.agents.get_mut(id))
            .filter(|agent| agent.touched == listing);
        if let Some(agent) = newer {
            agent.listed = listing;
            return;
        }
        // `AGENT_LOGGEDOFF`, `AGENT_IDLE`, `AGENT_ONCALL`.
        let state = fields.status.strip_prefix(b"AGENT_").unwrap_or(fields.status).to_ascii_lowercase();
        if let Some(agent) = self.agent(fields, &state) {
            agent.listed = listing;
        }
    }

    fn agent(&mut self, fields: &Fields<'_>, state: &[u8]) -> Option<&mut Agent> {
        let id = text(fields.agent).filter(|id| id.len() <= ID_BYTES)?;
        if !self.agents.agents.contains_key(id) && self.agents.agents.len() >= self.config.limits.peers {
            self.tally.peers_over_limit += 1;
            return None;
        }
        let state = self.statuses.intern(state);
        self.agents.states_seen.insert(state);
        let agent = self.agents.agents.entry(Arc::from(id)).or_insert(Agent { state, touched: 0, listed: 0 });
        agent.state = state;
        Some(agent)
    }

    pub(super) fn agents_listed(&mut self) {
        let listing = self.agents.listing;
        self.agents.agents.retain(|_, agent| agent.touched == listing || agent.listed == listing);
    }
}
