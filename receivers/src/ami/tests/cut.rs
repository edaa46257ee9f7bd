//! The connection breaks in the middle of an event, more events pass unheard, and the receiver comes back.

use std::collections::BTreeSet;

use otelcol_testkit::ami::Message;

use super::*;

/// The calls that are heard of when `cut..heard_again` is missed: those with a channel that was born while somebody listened or
/// was still there afterwards.
fn known_calls(events: &[Message], cut: usize, heard_again: usize) -> BTreeSet<String> {
    let mut up = Vec::new();
    let mut known = BTreeSet::new();
    for (at, event) in events.iter().enumerate() {
        if at == heard_again {
            known.extend(up.iter().map(|(_, linkedid): &(String, String)| linkedid.clone()));
        }
        let id = event.get("Uniqueid");
        match event.event().as_str() {
            "Newchannel" => {
                up.push((id, event.get("Linkedid")));
                if !(cut..heard_again).contains(&at) {
                    known.insert(event.get("Linkedid"));
                }
            }
            "Hangup" => up.retain(|(uniqueid, _)| *uniqueid != id),
            _ => {}
        }
    }
    known
}

#[tokio::test]
async fn each_call_is_counted_once_and_has_one_trace() {
    for name in [
        "dial_answered",
        "queue_connect_complete_by_agent",
        "dial_fork_two_phones",
        "transfer_blind_sip_refer",
    ] {
        let events = Transcript::load("asterisk22", name).events();
        let step = events.len() / 5;
        for cut in (1..events.len() - 1).step_by(step) {
            let heard_again = (cut + step).min(events.len());
            let rig = Rig::start(|config| {
                config.reconnect.initial_interval = GoDuration::from_millis(1);
                config.logs.include_events = vec!["none".to_owned()];
            })
            .await;
            rig.asterisk.play(&events[..cut]);
            let torn = events[cut].wire();
            rig.asterisk.send(&torn[..torn.len() * (cut % 7) / 7]);
            rig.asterisk.cut();
            rig.asterisk.pass_unheard(&events[cut..heard_again]);
            rig.asterisk
                .wait_until("the lists again", |asterisk| asterisk.count("sipshowregistry") == 2)
                .await;
            rig.asterisk.play(&events[heard_again..]);
            rig.stop().await;

            let known = known_calls(&events, cut, heard_again);
            let what = format!("{name}, cut at {cut}, back at {heard_again}");
            let metrics = rig.batches(BatchSignal::Metrics);
            let total: f64 =
                numbers(metrics.last().unwrap()).get("asterisk.calls.total").copied().unwrap_or(0.0);
            assert_eq!(total, known.len() as f64, "{what}");
            let expected: BTreeSet<Vec<u8>> =
                known.iter().map(|linkedid| call_trace_id("pbx1", linkedid).to_vec()).collect();
            let roots = roots(&rig);
            let traces: BTreeSet<Vec<u8>> = roots.iter().map(|span| span.trace_id.clone()).collect();
            assert_eq!((traces, roots.len()), (expected, known.len()), "{what}");
        }
    }
}
