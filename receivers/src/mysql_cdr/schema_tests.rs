use super::*;
use crate::mysql_cdr::config::Columns;

/// Columns of text; the one with the name `id` is a key that the server numbers.
pub(crate) fn columns(names: &[&str]) -> Vec<Column> {
    names
        .iter()
        .enumerate()
        .map(|(ordinal, name)| Column {
            name: (*name).to_owned(),
            data_type: "varchar".to_owned(),
            length: 80,
            auto_increment: *name == "id",
            unsigned: false,
            compressed: false,
            charset: "utf8mb4".to_owned(),
            ordinal,
        })
        .collect()
}

fn layout(found: &[Column], names: &Columns, all: bool) -> Result<Layout, String> {
    let index = Index { name: "by_start".to_owned(), column: "START".to_owned() };
    Layout::new(qualified("asterisk", "cdr"), found, &[index], &names.shape(), all, 100)
}

#[test]
fn names_cannot_leave_their_quotes() {
    assert_eq!(quoted("a`; DROP TABLE x; --"), "`a``; DROP TABLE x; --`");
    assert_eq!(qualified("asterisk", "cdr"), "`asterisk`.`cdr`");
    assert_eq!(qualified("asterisk", "other.cdr"), "`other`.`cdr`");
}

#[test]
fn only_what_metrics_need_is_selected() {
    let mut found =
        columns(&["src", "start", "end", "disposition", "uniqueid", "userfield", "linkedid", "note", "n"]);
    found[7].length = 1 << 24;
    found[8].auto_increment = true;
    let lean = layout(&found, &Columns::default(), false).unwrap();
    assert_eq!(lean.select(), "`start`,`end`,`disposition`,`uniqueid`,`linkedid`,`n`");
    assert_eq!(lean.name(Role::Id).as_deref(), Some("`n`"));
    assert_eq!(lean.name(Role::Time).as_deref(), Some("`start`"));
    assert_eq!(lean.time_index.as_deref(), Some("by_start"));
    assert_eq!(lean.id_index, None);
    let all = layout(&found, &Columns::default(), true).unwrap();
    assert_eq!(
        all.select(),
        "`src`,`start`,`end`,`disposition`,`uniqueid`,`userfield`,`linkedid`,LEFT(`note`,100),`n`"
    );
}

#[test]
fn what_is_missing_is_named() {
    let found = columns(&["when", "end", "disposition", "uniqueid"]);
    assert_eq!(
        layout(&found, &Columns::default(), true).unwrap_err(),
        "table `asterisk`.`cdr` has no column for the start of a call: expected calldate or start, or its name under \
         columns::time; it has when, end, disposition, uniqueid"
    );
    let named = Columns { time: "when".to_owned(), ..Columns::default() };
    assert_eq!(layout(&found, &named, true).unwrap().place(Role::Time), Some(0));
    let wrong = Columns { time: "whenn".to_owned(), ..Columns::default() };
    assert_eq!(
        layout(&found, &wrong, true).unwrap_err(),
        "table `asterisk`.`cdr` has no column \"whenn\" (columns::time); it has when, end, disposition, uniqueid"
    );
    assert!(
        layout(&columns(&["start", "end", "uniqueid"]), &Columns::default(), true)
            .unwrap_err()
            .contains("disposition")
    );
    assert!(
        layout(&columns(&["start", "end", "disposition"]), &Columns::default(), true)
            .unwrap_err()
            .contains("call's id")
    );
    assert!(
        layout(&columns(&["start", "uniqueid", "disposition"]), &Columns::default(), true)
            .unwrap_err()
            .contains("duration")
    );
}
