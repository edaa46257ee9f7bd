//! What a CDR table offers: which of Asterisk's columns it has, under which names, with which indexes.

use super::config::Columns;

/// A column as `information_schema` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// Its name.
    pub(super) name: String,
    /// Its type without length: `varchar`.
    pub(super) data_type: String,
    /// Longest text in characters.
    pub(super) length: u64,
    /// Whether the server numbers it.
    pub(super) auto_increment: bool,
    /// Whether it is an integer without a sign.
    pub(super) unsigned: bool,
    /// Character set of text.
    pub(super) charset: String,
    /// Its place in the table, from 0.
    pub(super) ordinal: usize,
}

/// The first column of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    /// Name of the index.
    pub(super) name: String,
    /// Name of its first column.
    pub(super) column: String,
}

/// Which column is which, as places in [`Layout::columns`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Roles {
    pub(super) id: Option<usize>,
    pub(super) time: Option<usize>,
    pub(super) answer: Option<usize>,
    pub(super) end: Option<usize>,
    pub(super) duration: Option<usize>,
    pub(super) billsec: Option<usize>,
    pub(super) disposition: Option<usize>,
    pub(super) uniqueid: Option<usize>,
    pub(super) linkedid: Option<usize>,
    pub(super) sequence: Option<usize>,
    pub(super) channel: Option<usize>,
    pub(super) dstchannel: Option<usize>,
    pub(super) dcontext: Option<usize>,
    pub(super) lastapp: Option<usize>,
    pub(super) system_name: Option<usize>,
}

/// The columns that are read from a table, and what they are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// `` `database`.`table` ``.
    pub(super) table: String,
    /// The columns that are selected, in this order.
    pub(super) columns: Vec<Column>,
    /// What they are.
    pub(super) roles: Roles,
    /// The index that begins with the id.
    pub(super) id_index: Option<String>,
    /// The index that begins with the time.
    pub(super) time_index: Option<String>,
    /// The time column is a `timestamp`, which the session shows in UTC.
    pub(super) time_is_utc: bool,
    value_bytes: usize,
}

/// A name as SQL takes it, whatever is in it.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// `` `database`.`table` ``; a dot in `table` separates a database of its own.
pub(super) fn qualified(database: &str, table: &str) -> String {
    let (database, table) = table.split_once('.').unwrap_or((database, table));
    format!("{}.{}", quoted(database), quoted(table))
}

impl Layout {
    /// Finds out which column is which. With `all` every column is selected, else those that metrics need.
    ///
    /// # Errors
    /// A column that is named in the settings or that nothing can be done without is not there.
    pub(super) fn new(
        table: String,
        found: &[Column],
        indexes: &[Index],
        names: &Columns,
        all: bool,
        value_bytes: usize,
    ) -> Result<Self, String> {
        let place = |name: &str| found.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        let have = || found.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
        let role = |role: &str, configured: &str, usual: &[&str]| -> Result<Option<usize>, String> {
            if configured.is_empty() {
                return Ok(usual.iter().find_map(|name| place(name)));
            }
            place(configured).map(Some).ok_or_else(|| {
                format!("table {table} has no column {configured:?} (columns::{role}); it has {}", have())
            })
        };
        let mut roles = Roles {
            id: role("id", &names.id, &[])?,
            time: role("time", &names.time, &["calldate", "start"])?,
            answer: role("answer", &names.answer, &["answer"])?,
            end: role("end", &names.end, &["end"])?,
            duration: role("duration", &names.duration, &["duration"])?,
            billsec: role("billsec", &names.billsec, &["billsec"])?,
            disposition: role("disposition", &names.disposition, &["disposition"])?,
            uniqueid: role("uniqueid", &names.uniqueid, &["uniqueid"])?,
            linkedid: role("linkedid", &names.linkedid, &["linkedid"])?,
            sequence: role("sequence", &names.sequence, &["sequence"])?,
            channel: role("channel", &names.channel, &["channel"])?,
            dstchannel: role("dstchannel", &names.dstchannel, &["dstchannel"])?,
            dcontext: role("dcontext", &names.dcontext, &["dcontext"])?,
            lastapp: role("lastapp", &names.lastapp, &["lastapp"])?,
            system_name: role("system_name", &names.system_name, &[])?,
        };
        if names.id.is_empty() {
            roles.id = found.iter().position(|column| column.auto_increment);
        }
        let missing = |what: &str, usual: &str, key: &str| {
            format!(
                "table {table} has no column for {what}: expected {usual}, or its name under columns::{key}; it has {}",
                have()
            )
        };
        if roles.time.is_none() {
            return Err(missing("the start of a call", "calldate or start", "time"));
        }
        if roles.disposition.is_none() {
            return Err(missing("the disposition", "disposition", "disposition"));
        }
        if roles.uniqueid.is_none() && roles.linkedid.is_none() {
            return Err(missing("the call's id", "uniqueid or linkedid", "uniqueid"));
        }
        if roles.duration.is_none() && roles.end.is_none() {
            return Err(missing("the duration", "duration or end", "duration"));
        }
        let index = |place: Option<usize>| {
            let column = found.get(place?)?;
            let index = indexes.iter().find(|index| index.column.eq_ignore_ascii_case(&column.name))?;
            Some(index.name.clone())
        };
        let (id_index, time_index) = (index(roles.id), index(roles.time));
        let time_is_utc = roles
            .time
            .and_then(|place| found.get(place))
            .is_some_and(|column| column.data_type == "timestamp");
        let columns = if all { found.to_vec() } else { roles.keep(found) };
        Ok(Self { table, columns, roles, id_index, time_index, time_is_utc, value_bytes })
    }

    /// The select list. Columns that can hold long texts are cut by the server: a chunk of rows must fit into memory.
    pub(super) fn select(&self) -> String {
        let expression = |column: &Column| {
            let name = quoted(&column.name);
            if column.length > self.value_bytes as u64 {
                format!("LEFT({name},{})", self.value_bytes)
            } else {
                name
            }
        };
        self.columns.iter().map(expression).collect::<Vec<_>>().join(",")
    }

    /// The name of the column in this role, quoted.
    pub(super) fn name(&self, role: Option<usize>) -> Option<String> {
        self.columns.get(role?).map(|column| quoted(&column.name))
    }
}

impl Roles {
    fn each(&mut self) -> [&mut Option<usize>; 15] {
        [
            &mut self.id,
            &mut self.time,
            &mut self.answer,
            &mut self.end,
            &mut self.duration,
            &mut self.billsec,
            &mut self.disposition,
            &mut self.uniqueid,
            &mut self.linkedid,
            &mut self.sequence,
            &mut self.channel,
            &mut self.dstchannel,
            &mut self.dcontext,
            &mut self.lastapp,
            &mut self.system_name,
        ]
    }

    /// The columns that have a role, which then point at them.
    fn keep(&mut self, found: &[Column]) -> Vec<Column> {
        let mut places: Vec<usize> = self.each().into_iter().filter_map(|role| *role).collect();
        places.sort_unstable();
        places.dedup();
        for role in self.each() {
            *role = role.and_then(|place| places.binary_search(&place).ok());
        }
        places.iter().filter_map(|place| found.get(*place)).cloned().collect()
    }
}

/// What to run so that a table can be read by time.
pub(super) fn create_index(table: &str, column: &str) -> String {
    format!("CREATE INDEX otelcol_time ON {table} ({column})")
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
