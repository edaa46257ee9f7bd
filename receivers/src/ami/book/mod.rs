//! The state that stays true: channels, calls, queues, peers, bridges, conferences, agents.
