//! Settings of the traces, and what a table of channel events looks like.

use otelcol_confmap::GoDuration;
use serde::Deserialize;

pub use crate::call_trace::TracesLimits;
use crate::mysql_cdr::schema::{Required, Role, Shape, Wanted, own_names};

/// `traces`: traces of calls, from a table of channel events.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct TracesConfig {
    /// Whether the table is read, for a receiver that is in a traces pipeline.
    pub enabled: bool,
    /// The table of channel events.
    pub table: String,
    /// Names of columns that are not Asterisk's own.
    pub columns: EventColumns,
    /// Zone of its times, in place of the receiver's.
    pub timezone: String,
    /// How long the rows of a call may take to come after its end.
    pub settle: GoDuration,
    /// Digits dialled during the call as span events.
    pub dtmf: bool,
    /// What is cut, marked and counted.
    pub limits: TracesLimits,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            table: "cel".to_owned(),
            columns: EventColumns::default(),
            timezone: String::new(),
            settle: GoDuration::from_secs(5),
            dtmf: true,
            limits: TracesLimits::default(),
        }
    }
}

impl TracesConfig {
    /// What is wrong with them, each with the path of its setting below `traces`.
    pub(in crate::mysql_cdr) fn issues(&self) -> Vec<(String, String)> {
        self.limits.issues()
    }
}

/// Which column is which; empty: the name that Asterisk gives it, where the table has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EventColumns {
    /// An auto-increment key.
    pub id: String,
    /// `eventtype`: its name, as `CHAN_START`.
    pub eventtype: String,
    /// `eventtime`.
    pub eventtime: String,
    /// `userdeftype`.
    pub userdeftype: String,
    /// `cid_num`.
    pub cid_num: String,
    /// `cid_name`.
    pub cid_name: String,
    /// `exten`.
    pub exten: String,
    /// `context`.
    pub context: String,
    /// `channame`.
    pub channame: String,
    /// `appname`.
    pub appname: String,
    /// `appdata`.
    pub appdata: String,
    /// `accountcode`.
    pub accountcode: String,
    /// `uniqueid`.
    pub uniqueid: String,
    /// `linkedid`.
    pub linkedid: String,
    /// `peer`.
    pub peer: String,
    /// `extra`.
    pub extra: String,
    /// Asterisk's `systemname`; no column of Asterisk's own has it.
    pub system_name: String,
}

impl EventColumns {
    /// What a table of channel events looks like.
    pub(in crate::mysql_cdr) fn shape(&self) -> Shape<'_> {
        let wanted = |role, key, configured| Wanted { role, key, configured, usual: &[] };
        let mut all = vec![
            wanted(Role::Id, "id", &self.id),
            wanted(Role::SystemName, "system_name", &self.system_name),
        ];
        all.extend(own_names!(
            self,
            EventType eventtype, Time eventtime, UserType userdeftype, CallerNumber cid_num, CallerName cid_name,
            Exten exten, Context context, Channel channame, Application appname, ApplicationData appdata,
            AccountCode accountcode, Uniqueid uniqueid, Linkedid linkedid, Peer peer, Extra extra,
        ));
        Shape {
            setting: "traces::columns",
            wanted: all,
            required: &[
                Required {
                    roles: &[Role::EventType],
                    what: "the type of an event",
                    usual: "eventtype",
                    key: "eventtype",
                },
                Required {
                    roles: &[Role::Time],
                    what: "the time of an event",
                    usual: "eventtime",
                    key: "eventtime",
                },
                Required {
                    roles: &[Role::Uniqueid],
                    what: "the channel",
                    usual: "uniqueid",
                    key: "uniqueid",
                },
                Required { roles: &[Role::Linkedid], what: "the call", usual: "linkedid", key: "linkedid" },
            ],
        }
    }
}
