use super::*;
use crate::mysql_cdr::row::tests::{cdr, decoder};

pub(crate) fn rules() -> Rules {
    Rules {
        duration_buckets: vec![5.0, 10.0],
        answer_time_buckets: vec![1.0],
        short_call_ms: 10_000,
        label_values: 2,
        zone: Zone::utc(),
    }
}

pub(crate) fn leg(start: i64, duration: i64, billsec: i64, disposition: &str, context: &str) -> Leg {
    let decoder = decoder(
        &["start", "duration", "billsec", "disposition", "uniqueid", "dcontext", "dstchannel"],
        Zone::utc(),
    );
    let values = [
        crate::mysql_cdr::time::format(start),
        duration.to_string(),
        billsec.to_string(),
        disposition.to_owned(),
        "x".to_owned(),
        context.to_owned(),
        "PJSIP/trunk-0000001a".to_owned(),
    ];
    cdr(decoder.decode(|place| Some(std::borrow::Cow::Owned(values[place].clone())), 0)).leg
}

pub(crate) const NOON: i64 = 1_795_348_800; // 2026-11-22 12:00:00

#[test]
fn calls_add_up() {
    let rules = rules();
    let mut totals = Totals::new(1, &rules);
    for leg in [
        leg(NOON, 5, 4, "ANSWERED", "in"),
        leg(NOON + 60, 12, 10, "ANSWERED", "out"),
        leg(NOON + 120, 7, 0, "BUSY", "third"),
        leg(NOON + 180, 6, 0, "BUSY", "fourth"),
    ] {
        totals.call(&leg, &rules, NOON + 300);
    }
    assert_eq!(totals.calls, [2, 2, 0, 0, 0, 0]);
    assert_eq!((totals.duration.counts.clone(), totals.duration.sum_ms), (vec![1, 2, 1], 30_000));
    assert_eq!((totals.answer_time.counts.clone(), totals.answer_time.sum_ms), (vec![1, 1], 3000));
    assert_eq!((totals.billsec_ms, totals.short_calls), (14_000, 1));
    let contexts: Vec<_> =
        totals.by_context.iter().map(|(name, calls)| (name.as_str(), calls[0] + calls[1])).collect();
    assert_eq!(contexts, [("_other", 2), ("in", 1), ("out", 1)]);
    assert_eq!(totals.by_trunk["PJSIP/trunk"], [2, 2, 0, 0, 0, 0]);
    assert_eq!(totals.by_hour[12], 4);
}

#[test]
fn what_happened_lately_is_forgotten() {
    let rules = rules();
    let mut totals = Totals::new(1, &rules);
    totals.call(&leg(NOON - 7200, 10, 10, "ANSWERED", ""), &rules, NOON);
    totals.call(&leg(NOON - 100, 50, 0, "NO ANSWER", ""), &rules, NOON);
    let window = totals.window(NOON, 900);
    assert_eq!((window.total(), window.of(Disposition::NoAnswer)), (1, 1));
    let hours: Vec<_> =
        totals.hourly(&rules, NOON).into_iter().filter(|(_, slot)| slot.total() > 0).collect();
    assert_eq!(
        hours.iter().map(|(hour, slot)| (*hour, slot.total())).collect::<Vec<_>>(),
        [(10, 1), (11, 1)]
    );
    totals.forget(&rules, NOON + 23 * 3600);
    assert!(totals.hourly(&rules, NOON + 23 * 3600).iter().all(|(_, slot)| slot.total() == 0));
    assert_eq!(totals.window(NOON + 3600, 900).total(), 0);
    assert_eq!(totals.calls, [1, 0, 0, 0, 1, 0]);
}

#[test]
fn the_peak_is_of_calls_that_were_up_together() {
    let rules = rules();
    let mut totals = Totals::new(1, &rules);
    for (start, duration) in [(0, 100), (10, 10), (15, 10), (20, 10), (200, 5)] {
        totals.call(&leg(NOON + start, duration, 0, "BUSY", ""), &rules, NOON + 300);
    }
    assert_eq!(totals.peak(NOON + 300), 3);
    assert_eq!(totals.peak(NOON + 3600 + 150), 1);
    totals.forget(&rules, NOON + 3600 + 50);
    assert_eq!(totals.peak(NOON + 3600 + 50), 1, "one began before and is up until second 100");
    assert_eq!(totals.peak(NOON + 7200), 0);
}

#[test]
fn other_bounds_begin_a_histogram_anew() {
    let mut rules = rules();
    let mut totals = Totals::new(1, &rules);
    totals.call(&leg(NOON, 5, 4, "ANSWERED", "in"), &rules, NOON);
    assert!(!totals.follow(&rules));
    rules.duration_buckets = vec![1.0];
    assert!(totals.follow(&rules));
    assert_eq!((totals.duration.counts.clone(), totals.answer_time.count()), (vec![0, 0], 1));
    let record = serde_json::to_vec(&totals).unwrap();
    assert_eq!(serde_json::from_slice::<Totals>(&record).unwrap(), totals);
}

#[test]
fn a_call_that_was_up_when_the_hour_began_counts_for_its_peak() {
    let rules = rules();
    let mut totals = Totals::new(1, &rules);
    totals.call(&leg(NOON - 7200, 7200 - 60, 0, "ANSWERED", ""), &rules, NOON);
    for now in [NOON, NOON + 1, NOON + 3600 - 61] {
        totals.forget(&rules, now);
        assert_eq!(totals.peak(now), 1, "{} s later", now - NOON);
    }
    assert_eq!(totals.peak(NOON + 3600), 0);
}

#[test]
fn a_row_of_a_time_to_come_does_not_keep_the_newest_young() {
    let mut totals = Totals::new(1, &rules());
    totals.row(&leg(NOON - 100, 50, 0, "BUSY", ""), NOON);
    totals.row(&leg(NOON + 1_000_000, 50, 0, "BUSY", ""), NOON);
    assert_eq!((totals.rows, totals.newest), (2, Some(NOON - 50)));
}
