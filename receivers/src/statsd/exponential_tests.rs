use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn counts(buckets: &Buckets) -> BTreeMap<i32, f64> {
    (buckets.offset..).zip(buckets.counts.iter().copied()).filter(|(_, count)| *count > 0.0).collect()
}

fn of(values: &[f64], max_size: usize) -> Exponential {
    let mut histogram = Exponential::new(max_size);
    for value in values {
        histogram.add(*value, 1.0);
    }
    histogram
}

#[test]
fn bounds_belong_to_the_bucket_below() {
    // Scale 0: (1, 2] is bucket 0, (2, 4] is 1, (0.5, 1] is -1.
    for (value, expected) in [(1.0, -1), (1.5, 0), (2.0, 0), (2.1, 1), (4.0, 1), (0.5, -2), (0.6, -1)] {
        assert_eq!(index(value, 0), expected, "{value}");
    }
    // Scale 1: bounds at powers of the square root of two; scale -1: at powers of four.
    for (value, expected) in [(1.0, -1), (1.4, 0), (1.5, 1), (2.0, 1), (2.8, 2), (2.9, 3), (4.0, 3)] {
        assert_eq!(index(value, 1), expected, "{value}");
    }
    for (value, expected) in [(1.0, -1), (1.1, 0), (4.0, 0), (4.1, 1), (16.0, 1), (0.25, -2), (0.3, -1)] {
        assert_eq!(index(value, -1), expected, "{value}");
    }
    assert_eq!(index(f64::MAX, MAX_SCALE), (1024 << MAX_SCALE) - 1);
    assert_eq!(index(f64::from_bits(1), 0), -1075);
    assert_eq!(index(f64::from_bits(3), 0), -1073);
}

#[test]
fn one_value_keeps_the_finest_scale() {
    let histogram = of(&[47.0, 47.0], 160);
    assert_eq!(histogram.scale, MAX_SCALE);
    assert_eq!(histogram.positive.counts, [2.0]);
}

#[test]
fn coarsens_to_fit() {
    // Four buckets for 1..=16: (1,2] (2,4] (4,8] (8,16] and 1 itself in (0.5,1]: five at scale 0, three at -1.
    let histogram = of(&[1.0, 2.0, 4.0, 8.0, 16.0], 4);
    assert_eq!(histogram.scale, -1);
    assert_eq!(counts(&histogram.positive), BTreeMap::from([(-1, 1.0), (0, 2.0), (1, 2.0)]));
    // The whole range of floating point in two buckets.
    let histogram = of(&[f64::from_bits(1), f64::MAX], 2);
    assert_eq!(counts(&histogram.positive), BTreeMap::from([(-1, 1.0), (0, 1.0)]));
}

#[test]
fn signs_and_zero_apart() {
    let histogram = of(&[-3.0, 0.0, 3.0, 3.0, -0.0], 160);
    assert_eq!(histogram.zero, 2.0);
    assert_eq!(histogram.negative.counts, [1.0]);
    assert_eq!(histogram.positive.counts, [2.0]);
}

/// The same distribution the slow way: the finest scale at which all values fit, each bucket found by its bounds.
fn slow(values: &[f64], max_size: usize) -> (i32, BTreeMap<i32, f64>, BTreeMap<i32, f64>) {
    let bucket = |value: f64, scale: i32| {
        let base = |index: i64| (index as f64 * f64::from(-scale).exp2()).exp2();
        let mut index = (value.log2() * f64::from(scale).exp2()).floor() as i64;
        while base(index) >= value {
            index -= 1;
        }
        while base(index + 1) < value {
            index += 1;
        }
        index as i32
    };
    let sides = |scale| {
        [1.0, -1.0].map(|sign| {
            let mut side = BTreeMap::new();
            for value in values.iter().map(|value| value * sign).filter(|value| *value > 0.0) {
                *side.entry(bucket(value, scale)).or_insert(0.0) += 1.0;
            }
            side
        })
    };
    let fits = |side: &BTreeMap<i32, f64>| match (side.first_key_value(), side.last_key_value()) {
        (Some((first, _)), Some((last, _))) => ((last - first) as usize) < max_size,
        _ => true,
    };
    for scale in (-11..=MAX_SCALE).rev() {
        let [positive, negative] = sides(scale);
        if fits(&positive) && fits(&negative) {
            return (scale, positive, negative);
        }
    }
    unreachable!("at scale -11 there are two buckets");
}

proptest! {
    #[test]
    fn equals_the_slow_one(
        values in proptest::collection::vec(
            prop_oneof![
                (1_i32..100_000).prop_map(f64::from),
                (1_i32..1000).prop_map(|value| f64::from(value) / 8.0),
                (-500_i32..500).prop_map(f64::from),
                (-30_i32..30).prop_map(|exponent| f64::from(exponent).exp2()),
            ],
            0..60,
        ),
        max_size in prop_oneof![Just(2_usize), Just(5), Just(20), Just(160)],
    ) {
        let histogram = of(&values, max_size);
        let (scale, positive, negative) = slow(&values, max_size);
        if !(positive.is_empty() && negative.is_empty()) {
            prop_assert_eq!(histogram.scale, scale);
        }
        prop_assert_eq!(counts(&histogram.positive), positive);
        prop_assert_eq!(counts(&histogram.negative), negative);
        prop_assert_eq!(histogram.zero, values.iter().filter(|value| **value == 0.0).count() as f64);
    }

    #[test]
    fn merged_is_as_if_added(
        one in proptest::collection::vec((-1000_i32..1000).prop_map(f64::from), 0..40),
        two in proptest::collection::vec((-9_i32..90_000).prop_map(f64::from), 0..40),
        max_size in prop_oneof![Just(2_usize), Just(7), Just(160)],
    ) {
        let mut merged = of(&one, max_size);
        merged.merge(of(&two, max_size));
        let all = of(&[one, two].concat(), max_size);
        prop_assert_eq!(merged.scale, all.scale);
        prop_assert_eq!(counts(&merged.positive), counts(&all.positive));
        prop_assert_eq!(counts(&merged.negative), counts(&all.negative));
        prop_assert_eq!(merged.zero, all.zero);
    }
}
