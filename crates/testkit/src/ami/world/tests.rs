use super::*;

fn ask(world: &World, action: &str) -> Vec<Message> {
    let bytes = format!("Action: {action}\r\nActionID: 7").into_bytes();
    let answer = world.answer(&Message { bytes, at: 0 });
    let mut parts: Vec<&[u8]> = crate::ami::message::split(&answer, b"\r\n\r\n").collect();
    assert_eq!(parts.pop(), Some(&b""[..]));
    parts.into_iter().map(|bytes| Message { bytes: bytes.to_vec(), at: 0 }).collect()
}

/// The keys of each kind of row, in order.
fn shape(messages: &[Message]) -> BTreeMap<String, Vec<String>> {
    let keys = |message: &Message| message.fields().into_iter().map(|(key, _)| key).collect();
    messages.iter().map(|message| (message.event(), keys(message))).collect()
}

#[test]
fn rows_have_the_headers_of_the_real_ones_in_their_order() {
    for asterisk in ["asterisk22", "asterisk16"] {
        let mut world = World::new(asterisk);
        let calls = Transcript::load(asterisk, "queue_connect_complete_by_caller").events();
        for event in calls.iter().take_while(|event| event.event() != "QueueCallerLeave") {
            world.apply(event);
        }
        for action in [
            "CoreShowChannels",
            "QueueStatus",
            "BridgeList",
            "Agents",
            "ParkedCalls",
            "PJSIPShowEndpoints",
            "PJSIPShowContacts",
            "PJSIPShowRegistrationsOutbound",
            "CoreStatus",
            "CoreSettings",
            "Ping",
        ] {
            let real = Transcript::load(asterisk, &format!("action_{action}")).messages();
            let real: Vec<_> = real.into_iter().skip(1).collect();
            assert_eq!(shape(&ask(&world, action)), shape(&real), "{asterisk} {action}");
        }
        for action in ["SIPpeers", "SIPshowregistry", "NoSuchAction", "ConfbridgeListRooms"] {
            let real = Transcript::load(asterisk, &format!("action_{action}")).messages();
            assert_eq!(ask(&world, action)[0].get("Message"), real[1].get("Message"), "{asterisk} {action}");
        }
    }
}

#[test]
fn nothing_is_left_after_calls_that_ended() {
    for asterisk in ["asterisk22", "asterisk16"] {
        for transcript in Transcript::all(asterisk) {
            let name = transcript.name.as_str();
            if name.starts_with("class_") || name.starts_with("eventfilter") || name.starts_with("action_") {
                continue; // not all events of a call are in them
            }
            let mut world = World::new(asterisk);
            let mut most = 0;
            for event in transcript.events() {
                world.apply(&event);
                most = most.max(world.channels.len());
            }
            let births = transcript.events().iter().filter(|event| event.event() == "Newchannel").count();
            let ends = transcript.events().iter().filter(|event| event.event() == "Hangup").count();
            assert_eq!(world.channels.len(), births - ends, "{asterisk} {name}");
            if births == ends {
                assert!(world.queues.iter().all(|queue| queue.callers.is_empty()), "{asterisk} {name}");
                // A parking lot's bridge stays.
                assert!(world.bridges.iter().all(|bridge| bridge.members.is_empty()), "{asterisk} {name}");
                assert!(world.rooms.is_empty() && world.parked.is_empty(), "{asterisk} {name}");
            }
            if name == "load_200_calls" {
                assert_eq!((births, most > 20), (372, true));
            }
        }
    }
}

#[test]
fn the_middle_of_a_call_is_listed() {
    let mut world = World::new("asterisk22");
    let events = Transcript::load("asterisk22", "queue_connect_complete_by_caller").events();
    let middle = events.iter().rposition(|event| event.event() == "BridgeEnter").unwrap();
    for event in &events[..=middle] {
        world.apply(event);
    }
    world.set_now(events[middle].at + 61 * 1_000_000_000);
    let channels = ask(&world, "CoreShowChannels");
    assert_eq!(channels.last().map(|end| end.get("ListItems")), Some("2".to_owned()));
    assert!(channels[1].get("Duration").starts_with("00:01:0"), "{}", channels[1].get("Duration"));
    assert_eq!(channels[1].get("BridgeId"), channels[2].get("BridgeId"));
    let bridges = ask(&world, "BridgeList");
    assert_eq!(bridges[1].get("BridgeUniqueid"), channels[1].get("BridgeId"));
    assert_eq!(bridges[1].get("BridgeNumChannels"), "2");
    let waiting = ask(&world, "QueueStatus").iter().filter(|row| row.event() == "QueueEntry").count();
    assert_eq!(waiting, 0);
}
