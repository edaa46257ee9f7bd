//! Every metric: what it is, which class of events it needs, and whether it is sent by default.

/// What a metric is in OTLP. All are cumulative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A level that can not be added up in a meaningful way, or that is named as a gauge by the guide.
    Gauge,
    /// A level that is a sum: it can fall.
    Level,
    /// It only grows.
    Counter,
    /// Measurements by bucket.
    Histogram,
}

/// A metric; unit and description stand in [`otelcol_asterisk::catalogue`].
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    /// Keys of its attributes, in the order in which points give the values.
    pub(super) attributes: &'static [&'static str],
    /// Class of the events that it is made of (`read =` in manager.conf).
    pub(super) class: &'static str,
    pub(super) enabled: bool,
}

macro_rules! metrics {
    ($($variant:ident: $kind:ident $name:literal [$($attribute:literal),*] $class:literal $enabled:ident;)+) => {
        /// Names a metric.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Id { $($variant,)+ }

        /// In the order of [`Id`].
        pub(super) static DEFINITIONS: &[Definition] = &[$(Definition {
            kind: Kind::$kind,
            name: $name,
            attributes: &[$($attribute),*],
            class: $class,
            enabled: metrics!(@ $enabled),
        },)+];
    };
    (@ on) => { true };
    (@ off) => { false };
}

metrics! {
    CallsTotal: Counter "asterisk.calls.total" ["channel_type"] "call" on;
    CallsActive: Level "asterisk.calls.active" [] "call" on;
    CallsByDisposition: Counter "asterisk.calls.by_disposition" ["disposition"] "call" on;
    CallsByContext: Counter "asterisk.calls.by_context" ["context"] "call" on;
    CallDuration: Histogram "asterisk.call.duration_ms" ["cause"] "call" on;
    CallTimeToRinging: Histogram "asterisk.call.time_to_ringing_ms" [] "call" on;
    CallTimeToAnswer: Histogram "asterisk.call.time_to_answer_ms" [] "call" on;
    ChannelsCount: Gauge "asterisk.channels.count" [] "call" on;
    ChannelsByType: Gauge "asterisk.channels.by_type" ["channel_type"] "call" on;
    Dials: Counter "asterisk.dials" ["status", "channel_type"] "call" on;
    Hangups: Counter "asterisk.hangups" ["cause"] "call" on;
    BridgesCount: Gauge "asterisk.bridges.count" [] "call" on;
    BridgesChannels: Gauge "asterisk.bridges.channels" [] "call" on;
    ConferencesCount: Gauge "asterisk.conferences.count" [] "call" on;
    ConferencesParticipants: Gauge "asterisk.conferences.participants" [] "call" on;
    AgentSessions: Level "asterisk.agent.sessions" [] "call" on;
    AgentSessionsStarted: Counter "asterisk.agent.sessions.started" [] "call" on;
    QueueCallers: Level "asterisk.queue.callers" ["queue"] "agent" on;
    QueueLongestWait: Gauge "asterisk.queue.longest_wait" ["queue"] "agent" on;
    QueueJoined: Counter "asterisk.queue.joined" ["queue"] "agent" on;
    QueueAnswered: Counter "asterisk.queue.answered" ["queue"] "agent" on;
    QueueAbandoned: Counter "asterisk.queue.abandoned" ["queue"] "agent" on;
    QueueTimedOut: Counter "asterisk.queue.timed_out" ["queue"] "agent" on;
    QueueCompleted: Counter "asterisk.queue.completed" ["queue", "reason"] "agent" on;
    QueueRingNoAnswer: Counter "asterisk.queue.ring_no_answer" ["queue"] "agent" on;
    QueueHoldTime: Histogram "asterisk.queue.hold_time_ms" ["queue"] "agent" on;
    QueueTalkTime: Histogram "asterisk.queue.talk_time_ms" ["queue"] "agent" on;
    QueueServiceLevel: Gauge "asterisk.queue.service_level" ["queue"] "agent" on;
    QueueMembers: Gauge "asterisk.queue.members" ["queue", "state"] "agent" on;
    QueueMembersPaused: Gauge "asterisk.queue.members.paused" ["queue"] "agent" on;
    AgentsCount: Gauge "asterisk.agents.count" ["state"] "agent" on;
    EndpointsCount: Gauge "asterisk.endpoints.count" [] "system" on;
    EndpointsOnline: Gauge "asterisk.endpoints.state.online" [] "system" on;
    EndpointsOffline: Gauge "asterisk.endpoints.state.offline" [] "system" on;
    EndpointOnline: Gauge "asterisk.endpoint.online" ["peer"] "system" on;
    ContactsCount: Gauge "asterisk.contacts.count" ["state"] "system" on;
    ContactRtt: Gauge "asterisk.contact.rtt_ms" ["peer"] "system" on;
    SipRegistrations: Level "asterisk.sip.registrations" ["peer"] "system" on;
    SipRegistrationEvents: Counter "asterisk.sip.registration.events" ["peer", "status"] "system" on;
    OutboundRegistration: Gauge "asterisk.outbound.registration" ["registration"] "system" on;
    OutboundRegistrationEvents: Counter "asterisk.outbound.registration.events" ["registration", "status"] "system" on;
    RtcpJitter: Histogram "asterisk.rtcp.jitter_ms" ["direction"] "reporting" on;
    RtcpLoss: Histogram "asterisk.rtcp.loss_percent" ["direction"] "reporting" on;
    RtcpRoundTrip: Histogram "asterisk.rtcp.round_trip_ms" ["direction"] "reporting" on;
    RtcpMos: Histogram "asterisk.rtcp.mos" ["direction"] "reporting" on;
    AuthFailures: Counter "asterisk.auth.failures" ["service", "event"] "security" on;
    Uptime: Gauge "asterisk.uptime" [] "system" on;
    SinceReload: Gauge "asterisk.since_reload" [] "system" on;
    Info: Gauge "asterisk.info" ["version"] "system" on;
    AmiUp: Gauge "asterisk.ami.up" [] "system" on;
    AmiReconnects: Counter "asterisk.ami.reconnects" [] "system" on;
    AmiEvents: Counter "asterisk.ami.events" ["event"] "system" off;
    Untracked: Counter "asterisk.ami.untracked" ["what"] "system" on;
}
