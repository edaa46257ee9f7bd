//! Settings of the traces, and what a table of channel events looks like.

use otelcol_confmap::GoDuration;
use serde::Deserialize;

pub use crate::call_trace::TracesLimits;
use crate::mysql_cdr::schema::{Required, Role, Shape, Wanted};

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
        let wanted = |role, key, configured, usual| Wanted { role, key, configured, usual };
        Shape {
            setting: "traces::columns",
            wanted: vec![
                wanted(Role::Id, "id", &self.id, &[]),
                wanted(Role::EventType, "eventtype", &self.eventtype, &["eventtype"]),
                wanted(Role::Time, "eventtime", &self.eventtime, &["eventtime"]),
                wanted(Role::UserType, "userdeftype", &self.userdeftype, &["userdeftype"]),
                wanted(Role::CallerNumber, "cid_num", &self.cid_num, &["cid_num"]),
                wanted(Role::CallerName, "cid_name", &self.cid_name, &["cid_name"]),
                wanted(Role::Exten, "exten", &self.exten, &["exten"]),
                wanted(Role::Context, "context", &self.context, &["context"]),
                wanted(Role::Channel, "channame", &self.channame, &["channame"]),
                wanted(Role::Application, "appname", &self.appname, &["appname"]),
                wanted(Role::ApplicationData, "appdata", &self.appdata, &["appdata"]),
                wanted(Role::AccountCode, "accountcode", &self.accountcode, &["accountcode"]),
                wanted(Role::Uniqueid, "uniqueid", &self.uniqueid, &["uniqueid"]),
                wanted(Role::Linkedid, "linkedid", &self.linkedid, &["linkedid"]),
                wanted(Role::Peer, "peer", &self.peer, &["peer"]),
                wanted(Role::Extra, "extra", &self.extra, &["extra"]),
                wanted(Role::SystemName, "system_name", &self.system_name, &[]),
            ],
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
