//! Transcripts as a session says them, for the tests of what stands behind a session.

use otelcol_testkit::ami::{Message, Transcript};

use super::signal::{List, Nanos, Query, Session, Signal};
use super::wire::{Frame, FrameLimits, FrameReader, Item};

/// Hands the frame of a message on.
pub(crate) fn with_frame<R>(message: &Message, look: impl FnOnce(&Frame<'_>) -> R) -> R {
    let mut reader = FrameReader::new(FrameLimits::default());
    reader.extend(&message.wire());
    match reader.next() {
        Some(Item::Frame(frame)) => look(&frame),
        other => panic!("expected one frame, found {other:?}"),
    }
}

/// Plays messages as events, each at its `Timestamp` or else its time of receipt.
pub(crate) fn play_events(messages: &[Message], mut hear: impl FnMut(Signal<'_, '_>, Nanos)) {
    for message in messages {
        with_frame(message, |frame| hear(Signal::Event(frame), frame.timestamp().unwrap_or(message.at)));
    }
}

/// Plays a whole transcript: logged in, its events, the lists and answers that its client asked for.
pub(crate) fn play(transcript: &Transcript, mut hear: impl FnMut(Signal<'_, '_>, Nanos)) {
    let actions = transcript.actions();
    let start = transcript.reads().first().map_or(0, |read| read.at);
    let session = Session { ami_version: "11.0.0".to_owned(), ..Session::default() };
    hear(Signal::Up(&session), start);
    for message in transcript.messages() {
        let id = message.get("ActionID");
        let action = actions.iter().find(|(found, _)| *found == id).map_or("", |(_, action)| action.as_str());
        let list = List::ALL.iter().copied().find(|list| list.action() == action);
        let query =
            [Query::CoreSettings, Query::CoreStatus].into_iter().find(|query| query.action() == action);
        with_frame(&message, |frame| {
            let now = frame.timestamp().unwrap_or(message.at);
            match (frame.event(), list, query) {
                (None, Some(list), _) => {
                    hear(Signal::ListBegin(list), now);
                    if frame.get("Response") == Some(b"Error") {
                        // No conferences, or no such module; the former is a list of none.
                        hear(Signal::ListEnd { list, complete: list == List::Conferences }, now);
                    }
                }
                (None, None, Some(query)) => hear(Signal::Answer(query, frame), now),
                (None, None, None) => {}
                (Some(name), Some(list), _) if name == list.complete() => {
                    hear(Signal::ListEnd { list, complete: true }, now);
                }
                (Some(_), Some(list), _) => hear(Signal::ListRow(list, frame), now),
                (Some(_), None, _) => hear(Signal::Event(frame), now),
            }
        });
    }
    let end = transcript.reads().last().map_or(0, |read| read.at);
    hear(Signal::Down, end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_with_its_rows_and_events_without() {
        let mut heard = Vec::new();
        play(&Transcript::load("asterisk22", "action_CoreShowChannels"), |signal, _| {
            heard.push(match signal {
                Signal::ListRow(list, frame) => format!("row of {list:?} {}", frame.kind().name()),
                other => format!("{other:?}").split(['(', '{']).next().unwrap_or_default().trim().to_owned(),
            });
        });
        let row = "row of Channels CoreShowChannel";
        assert_eq!(heard, ["Up", "ListBegin", row, row, row, "ListEnd", "Down"]);

        let mut events = 0;
        play_events(&Transcript::load("asterisk22", "dial_answered").events(), |_, _| events += 1);
        assert_eq!(events, Transcript::load("asterisk22", "dial_answered").messages().len() - 1);
    }
}
