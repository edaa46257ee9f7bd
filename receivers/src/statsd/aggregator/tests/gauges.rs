//! Values that stay from interval to interval.

use super::*;

#[test]
fn the_conference_of_the_dialplan_page_at_each_step() {
    // Each step falls into an interval of its own, and each call comes from another port.
    let mut bench = Bench::new(guide());
    let mut step = |port: u16, line: &str| {
        bench.send_from(&format!("127.0.0.1:{port}"), line);
        bench.numbers()["confBridgeUsers"]
    };
    let seen = [
        step(1, "confBridgeUsers:0|g"),
        step(2, "confBridgeUsers:+1|g"),
        step(3, "confBridgeUsers:+1|g"),
        step(4, "confBridgeUsers:-1|g"),
        step(5, "confBridgeUsers:-1|g"),
    ];
    assert_eq!(seen, [0.0, 1.0, 2.0, 1.0, 0.0]);
}

#[test]
fn a_kicked_user_is_counted_out_twice_by_that_dialplan() {
    let mut bench = Bench::new(guide());
    bench.send("confBridgeUsers:+1|g");
    expect(&bench.numbers(), &[("confBridgeUsers", 1.0)]);
    bench.send("confBridgeUsers:-1|g");
    bench.send("confBridgeUsers:-1|g");
    expect(&bench.numbers(), &[("confBridgeUsers", -1.0)]);
    assert_eq!(bench.own("otelcol_receiver_statsd_gauges_below_zero"), 1.0);
}

#[test]
fn gauges_are_sent_at_each_flush_with_its_time() {
    let mut bench = Bench::new(guide());
    bench.send("asterisk.channels.count:47|g");
    for flush in 1..=500_u64 {
        let metrics = bench.flush();
        let Some(Data::Gauge(gauge)) = &metrics["asterisk.channels.count"].data else { panic!("no gauge") };
        assert_eq!(value(&gauge.data_points[0]), 47.0);
        assert_eq!(gauge.data_points[0].time_unix_nano, START + flush * 10 * SECOND);
    }
}

#[test]
fn gauges_can_be_forgotten_as_otelcol_does() {
    let mut bench = Bench::new(Config { keep_gauges: false, ..guide() });
    bench.send("calls:+1|g\ncalls:+1|g\ncalls:+1|g");
    expect(&bench.numbers(), &[("calls", 3.0)]);
    bench.send("calls:-1|g");
    expect(&bench.numbers(), &[("calls", -1.0)]);
    expect(&bench.numbers(), &[]);
}

#[test]
fn a_gauge_ends_after_its_time_and_not_before() {
    let mut bench = Bench::new(Config { gauge_expiration: GoDuration::from_secs(30), ..guide() });
    bench.send("a:+5|g");
    for _ in 0..3 {
        expect(&bench.numbers(), &[("a", 5.0)]); // at 10, 20 and 30 s; updated at 10
    }
    bench.send("a:+1|g");
    for _ in 0..3 {
        expect(&bench.numbers(), &[("a", 6.0)]);
    }
    expect(&bench.numbers(), &[]);
    bench.send("a:+1|g");
    expect(&bench.numbers(), &[("a", 1.0)]);
}

#[test]
fn gauges_are_restored_by_the_settings_of_the_new_instance() {
    let mut bench = Bench::new(guide());
    bench.send("asterisk.channels.count:+2|g\nendpoints.PJSIP.x.channels:4|g|#site:a");
    bench.send_from("192.0.2.9:1", "asterisk.channels.count:+7|g");
    bench.take();
    let kept = bench.aggregator.changed_gauges().unwrap();
    assert_eq!(bench.aggregator.changed_gauges(), None);

    let asterisk = AsteriskConfig { names: Names::Attributes, ..AsteriskConfig::default() };
    let mut next = Bench::new(Config { asterisk, gauge_expiration: GoDuration::from_secs(60), ..guide() });
    next.aggregator.restore(&kept);
    next.take();
    next.send("asterisk.channels.count:-1|g");
    let metrics = next.flush();
    let mut counts: Vec<_> =
        numbers(&metrics["asterisk.channels.count"]).into_iter().map(|pair| pair.1).collect();
    counts.sort_by(f64::total_cmp);
    assert_eq!(counts, [1.0, 7.0]);
    assert_eq!(
        numbers(&metrics["endpoints.channels"]),
        [("endpoints.channels{channel_type=PJSIP,endpoint=x,site=a}".to_owned(), 4.0)]
    );
    // Their time goes on from the last update: at 10 s, and at 20 s for the one that had a line since.
    next.now += 40 * SECOND;
    expect(&next.numbers(), &[("asterisk.channels.count", 1.0)]);
}

#[test]
fn a_clock_that_is_stepped_neither_ends_nor_keeps_a_gauge() {
    let mut bench = Bench::new(Config { gauge_expiration: GoDuration::from_secs(30), ..guide() });
    bench.ahead = 400 * 24 * 3600 * SECOND;
    bench.send("a:+5|g");
    expect(&bench.numbers(), &[("a", 5.0)]);
    bench.ahead *= 2;
    expect(&bench.numbers(), &[("a", 5.0)]);
    bench.ahead = 0;
    expect(&bench.numbers(), &[("a", 5.0)]);
    expect(&bench.numbers(), &[]);
}

#[test]
fn clients_do_not_touch_each_others_gauges() {
    let mut bench = Bench::new(Config { ignore_host: true, client_address: true, ..guide() });
    bench.send_from("192.0.2.1:1000", "calls:+1|g\nc:1|c");
    bench.send_from("192.0.2.1:1001", "calls:+1|g\nc:1|c");
    bench.send_from("192.0.2.2:1000", "calls:+1|g\nc:1|c");
    let resources = resource_metrics(&bench.take(), bench.style());
    let mut found = Vec::new();
    for resource in &resources {
        let address = resource.resource.as_ref().unwrap().attributes.first();
        let address = address.map(|address| as_string(address.value.as_ref().unwrap()));
        let metrics = resource.scope_metrics.iter().flat_map(|scope| &scope.metrics);
        found.push((address, metrics.flat_map(numbers).collect::<Vec<_>>()));
    }
    let one = |name: &str, value| vec![(name.to_owned(), value)];
    assert_eq!(
        found,
        [
            (None, one("c", 3.0)),
            (Some("192.0.2.1".to_owned()), one("calls", 2.0)),
            (Some("192.0.2.2".to_owned()), one("calls", 1.0)),
        ]
    );
}
