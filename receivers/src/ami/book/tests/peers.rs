//! Endpoints by their list.

use otelcol_testkit::ami::Message;

use super::*;
use crate::ami::signal::{List, Signal};
use crate::ami::testing::with_frame;

/// Which endpoints are online after one list of them: name, contacts, device state.
fn online(rows: &[(&str, &str, &str)]) -> Vec<bool> {
    let mut book = Book::new(BookConfig::default());
    book.apply(&Signal::ListBegin(List::Endpoints), 1);
    for (name, contacts, state) in rows {
        let row = format!(
            "Event: EndpointList\r\nObjectType: endpoint\r\nObjectName: {name}\r\nContacts: {contacts}\r\nDeviceState: {state}"
        );
        let row = Message { bytes: row.into_bytes(), at: 1 };
        with_frame(&row, |frame| book.apply(&Signal::ListRow(List::Endpoints, frame), 1));
    }
    book.apply(&Signal::ListEnd { list: List::Endpoints, complete: true }, 1);
    let peer = |name: &str| book.peers().peers[format!("PJSIP/{name}").as_str()].online;
    rows.iter().map(|(name, ..)| peer(name)).collect()
}

#[test]
fn whoever_only_calls_in_is_not_online_while_they_do() {
    let rows = [
        ("1001", "1001/sip:1001@127.0.0.1:6001,", "Not in use"),
        ("1002", "1002/sip:1002@127.0.0.1:6001,", "In use"),
        ("1003", "1003/sip:1003@127.0.0.1:6001,", "Unavailable"),
        ("1004", "", "Unavailable"),
        ("carrier", "", "In use"),
    ];
    assert_eq!(online(&rows), [true, true, false, false, false]);
}
