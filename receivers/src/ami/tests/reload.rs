//! A reload with other settings in the middle of a call.

use std::collections::BTreeSet;

use super::*;

impl Rig {
    /// As a collector does when the receiver's settings changed.
    async fn reload(&mut self, change: impl FnOnce(&mut Config)) {
        let next = receiver(&self.shared, &self.asterisk, &self.sink, change);
        self.shared.shelf.expect_heirs(["receiver ami/test".to_owned()]);
        self.stop().await;
        self.ami = next;
        self.begin().await;
        self.shared.shelf.expect_heirs([]);
    }

    fn spans(&self) -> Vec<Span> {
        let blocks =
            self.batches(BatchSignal::Traces).into_iter().flat_map(|batch| batch.into_traces().unwrap());
        blocks.flat_map(|block| block.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    fn last_number(&self, metric: &str) -> Option<f64> {
        numbers(self.batches(BatchSignal::Metrics).last().unwrap()).get(metric).copied()
    }
}

fn is_unfinished(span: &Span) -> bool {
    texts(&span.attributes).contains_key("asterisk.unfinished")
}

#[tokio::test]
async fn a_call_goes_on_over_a_reload() {
    let events = Transcript::load("asterisk22", "dialer_agent_session_three_customers").events();
    let variables = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    let first = |config: &mut Config| config.traces.variables = variables(["CAMPAIGN", "CONFBRIDGE_RESULT"]);
    let other = |config: &mut Config| {
        config.traces.variables = variables(["X", "CAMPAIGN"]);
        config.logs.include_events = vec!["none".to_owned()];
    };
    let whole = Rig::start(first).await;
    whole.asterisk.play(&events);
    whole.stop().await;
    let mut found = BTreeSet::new();
    for at in (1..events.len()).step_by(events.len() / 6) {
        let mut rig = Rig::start(first).await;
        rig.asterisk.play(&events[..at]);
        rig.reload(other).await;
        rig.asterisk.play(&events[at..]);
        rig.stop().await;

        let (spans, expected) = (rig.spans(), whole.spans());
        let ids = |spans: &[Span]| spans.iter().map(|span| span.span_id.clone()).collect::<BTreeSet<_>>();
        assert_eq!((ids(&spans), spans.len()), (ids(&expected), expected.len()), "at {at}");
        assert!(!spans.iter().any(is_unfinished), "at {at}");
        let names: BTreeSet<String> =
            spans.iter().flat_map(|span| texts(&span.attributes).into_keys()).collect();
        found.extend(names.into_iter().filter(|name| name.contains("variable")));
        assert_eq!(rig.last_number("asterisk.calls.total"), Some(4.0), "at {at}");
    }
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["asterisk.variable.CAMPAIGN"]);
}

/// With another name of the system the calls have other ids: they can not go on.
#[tokio::test]
async fn calls_end_where_they_would_be_others() {
    let events = Transcript::load("asterisk22", "dial_answered").events();
    let middle = events.iter().position(|event| event.event() == "BridgeEnter").unwrap();
    let mut rig = Rig::start(|_| {}).await;
    rig.asterisk.play(&events[..=middle]);
    rig.reload(|config| config.system_name = "renamed".to_owned()).await;
    rig.asterisk.play(&events[middle + 1..]);
    rig.stop().await;
    let roots: Vec<_> = roots(&rig).iter().map(|root| (root.trace_id.clone(), is_unfinished(root))).collect();
    let id = |system| call_trace_id(system, "1795307214.8").to_vec();
    assert_eq!(roots, [(id("pbx1"), true), (id("renamed"), false)]);
}
