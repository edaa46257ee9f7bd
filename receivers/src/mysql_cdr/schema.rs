//! What a table offers: which of Asterisk's columns it has, under which names, with which indexes.

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
    /// Whether the server keeps it compressed, in the binary log too.
    pub(super) compressed: bool,
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

macro_rules! roles {
    ($($role:ident)+) => {
        /// What a column is for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Role { $($role,)+ }

        impl Role {
            const ALL: [Self; [$(Self::$role,)+].len()] = [$(Self::$role,)+];
        }
    };
}

roles! {
    Id Time Uniqueid Linkedid SystemName
    Answer End Duration Billsec Disposition Sequence Channel Dstchannel Dcontext Lastapp
    EventType UserType CallerNumber CallerName Exten Context Application ApplicationData AccountCode Peer Extra
}

/// A column that is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'c> {
    /// What for.
    pub(super) role: Role,
    /// The setting that names it.
    pub(super) key: &'static str,
    /// Its name in the settings; empty: one of the usual ones.
    pub(super) configured: &'c str,
    /// The names that Asterisk gives it.
    pub(super) usual: &'static [&'static str],
}

/// Columns whose settings are called what Asterisk calls them.
macro_rules! own_names {
    ($columns:expr, $($role:ident $name:ident),+ $(,)?) => {
        [$(crate::mysql_cdr::schema::Wanted {
            role: Role::$role,
            key: stringify!($name),
            configured: &$columns.$name,
            usual: &[stringify!($name)],
        }),+]
    };
}
pub(super) use own_names;

/// What nothing can be done without: one of some columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Required {
    /// Any of these will do.
    pub(super) roles: &'static [Role],
    /// What it tells, in words.
    pub(super) what: &'static str,
    /// Their usual names, in words.
    pub(super) usual: &'static str,
    /// The setting that names the first.
    pub(super) key: &'static str,
}

/// What a kind of table looks like.
#[derive(Debug, Clone)]
pub(super) struct Shape<'c> {
    /// Where its columns are set.
    pub(super) setting: &'static str,
    /// The columns that are looked for.
    pub(super) wanted: Vec<Wanted<'c>>,
    /// What must be there.
    pub(super) required: &'static [Required],
}

/// Which column is which, as places in [`Layout::columns`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Roles([Option<usize>; Role::ALL.len()]);

/// The columns that are read from a table, and what they are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// `` `database`.`table` ``.
    pub(super) table: String,
    /// The columns that are selected, in this order.
    pub(super) columns: Vec<Column>,
    /// How many columns the table has.
    pub(super) total: usize,
    /// What they are.
    roles: Roles,
    /// What must be there.
    required: &'static [Required],
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

/// Database and table; a dot in `table` separates a database of its own.
pub(super) fn parts<'a>(database: &'a str, table: &'a str) -> (&'a str, &'a str) {
    table.split_once('.').unwrap_or((database, table))
}

/// `` `database`.`table` ``, of [`parts`].
pub(super) fn qualified(database: &str, table: &str) -> String {
    let (database, table) = parts(database, table);
    format!("{}.{}", quoted(database), quoted(table))
}

impl Layout {
    /// Finds out which column is which. With `all` every column is selected, else those that are wanted.
    ///
    /// # Errors
    /// A column that is named in the settings or that nothing can be done without is not there.
    pub(super) fn new(
        table: String,
        found: &[Column],
        indexes: &[Index],
        shape: &Shape<'_>,
        all: bool,
        value_bytes: usize,
    ) -> Result<Self, String> {
        let place = |name: &str| found.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        let have = || found.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
        let setting = shape.setting;
        let mut roles = Roles::default();
        for Wanted { role, key, configured, usual } in &shape.wanted {
            let found_at = if configured.is_empty() {
                match role {
                    Role::Id => found.iter().position(|column| column.auto_increment),
                    _ => usual.iter().find_map(|name| place(name)),
                }
            } else {
                Some(place(configured).ok_or_else(|| {
                    format!(
                        "table {table} has no column {configured:?} ({setting}::{key}); it has {}",
                        have()
                    )
                })?)
            };
            roles.set(*role, found_at);
        }
        for Required { roles: any, what, usual, key } in shape.required {
            if any.iter().all(|role| roles.get(*role).is_none()) {
                return Err(format!(
                    "table {table} has no column for {what}: expected {usual}, or its name under {setting}::{key}; it has {}",
                    have()
                ));
            }
        }
        let index = |place: Option<usize>| {
            let column = found.get(place?)?;
            let index = indexes.iter().find(|index| index.column.eq_ignore_ascii_case(&column.name))?;
            Some(index.name.clone())
        };
        let (id_index, time_index) = (index(roles.get(Role::Id)), index(roles.get(Role::Time)));
        let time_is_utc = roles
            .get(Role::Time)
            .and_then(|place| found.get(place))
            .is_some_and(|column| column.data_type == "timestamp");
        let columns = if all { found.to_vec() } else { roles.keep(found) };
        Ok(Self {
            table,
            columns,
            total: found.len(),
            roles,
            required: shape.required,
            id_index,
            time_index,
            time_is_utc,
            value_bytes,
        })
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

    /// Whether rows that have only these columns can be worked with.
    pub(super) fn is_enough(&self, has: impl Fn(usize) -> bool) -> bool {
        let has = |role: &Role| self.place(*role).is_some_and(&has);
        self.required.iter().all(|required| required.roles.iter().any(has))
    }

    /// As what the column at a place is read.
    pub(super) fn role(&self, place: usize) -> Option<Role> {
        Role::ALL.into_iter().find(|role| self.place(*role) == Some(place))
    }

    /// The place of the column in this role.
    pub(super) fn place(&self, role: Role) -> Option<usize> {
        self.roles.get(role)
    }

    /// The column in this role.
    pub(super) fn column(&self, role: Role) -> Option<&Column> {
        self.columns.get(self.place(role)?)
    }

    /// The name of the column in this role, quoted.
    pub(super) fn name(&self, role: Role) -> Option<String> {
        self.column(role).map(|column| quoted(&column.name))
    }
}

impl Roles {
    fn get(&self, role: Role) -> Option<usize> {
        self.0[role as usize]
    }

    fn set(&mut self, role: Role, place: Option<usize>) {
        self.0[role as usize] = place;
    }

    /// The columns that have a role, which then point at them.
    fn keep(&mut self, found: &[Column]) -> Vec<Column> {
        let mut places: Vec<usize> = self.0.iter().filter_map(|role| *role).collect();
        places.sort_unstable();
        places.dedup();
        for role in &mut self.0 {
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
pub(super) mod tests;
