//! How a conversation sounded: the E-model of ITU-T G.107 from what RTCP measures, and Asterisk's own score.
//!
//! The E-model adds impairments up to a transmission rating `R`, and maps it to a mean opinion score (MOS) from 1 (bad) to
//! 4.5, the most a telephone gets:
//!
//! ```text
//! R       = 93.2 - Idd - Ie,eff                                 G.107 with all parameters that RTCP does not know at default
//! Idd     = 25 ((1 + X^6)^(1/6) - 3 (1 + (X/3)^6)^(1/6) + 2)    delay above 100 ms, X = log2(Ta / 100 ms); below: 0
//! Ie,eff  = Ie + (95 - Ie) * Ppl / (Ppl + Bpl)                  loss in per cent, at random (BurstR = 1)
//! MOS     = 1 + 0.035 R + 7e-6 R (R - 60) (100 - R)             0 < R < 100
//! ```
//!
//! `Ta` is half the round trip, plus a buffer of twice the jitter, plus 20 ms for one packet of a G.711 call. `Ie` = 0 and
//! `Bpl` = 25.1 are G.113's for G.711 with loss concealment: codecs are not in RTCP, so a G.729 call is rated too well by the
//! 10 or so points that its codec costs.

/// The default rating of a connection without delay or loss (G.107, table 2 and 7.1).
const BEST: f64 = 93.2;
/// Equipment impairment of G.711 (G.113, table I.1).
const EQUIPMENT: f64 = 0.0;
/// Robustness of G.711 with concealment against loss (G.113, table I.3).
const LOSS_ROBUSTNESS: f64 = 25.1;
/// Packetization and coding delay of G.711 at 20 ms, ms.
const CODEC_DELAY: f64 = 20.0;

/// The mean opinion score by the E-model, from 1 to 4.5.
///
/// `loss` is the fraction of packets lost (0 to 1), `jitter_ms` the interarrival jitter and `rtt_ms` the round trip time in
/// milliseconds. What is not a number or below zero counts as zero, a loss above 1 as 1.
///
/// ```
/// use otelcol_asterisk::quality::mos;
///
/// assert_eq!((mos(0.0, 0.0, 0.0) * 100.0).round(), 441.0);
/// assert_eq!((mos(0.05, 20.0, 200.0) * 100.0).round(), 391.0);
/// ```
#[must_use]
pub fn mos(loss: f64, jitter_ms: f64, rtt_ms: f64) -> f64 {
    mos_of_rating(rating(loss, jitter_ms, rtt_ms))
}

/// The mean opinion score of one report block of RTCP (RFC 3550, 6.4.1) as AMI shows it: `FractionLost` in 256ths, `IAJitter` in
/// units of the RTP clock, which is taken for the 8 kHz of a telephone's codecs, and `RTT` in seconds, where it is known.
#[must_use]
pub fn mos_of_rtcp(fraction_lost: f64, jitter: f64, rtt: Option<f64>) -> f64 {
    mos(fraction_lost / 256.0, jitter / 8.0, rtt.unwrap_or(0.0) * 1000.0)
}

/// The transmission rating `R` behind [`mos`], at most 93.2. Below 50 nearly everybody is dissatisfied.
#[must_use]
pub fn rating(loss: f64, jitter_ms: f64, rtt_ms: f64) -> f64 {
    let per_cent = 100.0 * positive(loss).min(1.0);
    let delay = positive(rtt_ms) / 2.0 + 2.0 * positive(jitter_ms) + CODEC_DELAY;
    let lost = EQUIPMENT + (95.0 - EQUIPMENT) * per_cent / (per_cent + LOSS_ROBUSTNESS);
    BEST - delay_impairment(delay) - lost
}

fn positive(value: f64) -> f64 {
    if value > 0.0 { value } else { 0.0 }
}

/// `Idd`: what the absolute one-way delay costs.
fn delay_impairment(delay_ms: f64) -> f64 {
    if delay_ms <= 100.0 {
        return 0.0;
    }
    let x = (delay_ms / 100.0).log2();
    let root = |value: f64| (1.0 + value.powi(6)).powf(1.0 / 6.0);
    25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
}

/// The mean opinion score of a transmission rating (G.107, annex B).
#[must_use]
pub fn mos_of_rating(rating: f64) -> f64 {
    if rating.is_nan() || rating <= 0.0 {
        return 1.0;
    }
    if rating >= 100.0 {
        return 4.5;
    }
    // The polynomial dips below 1 for ratings under 6.5.
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).max(1.0)
}

/// The mean opinion score of a Media Experience Score, which Asterisk 22 sends on RTCP events: it is a MOS times 20
/// (`res_rtp_asterisk.c`; 88.1 is a flawless call). `None` for what is no such score.
///
/// ```
/// use otelcol_asterisk::quality::mos_of_mes;
///
/// assert_eq!(mos_of_mes(90.0), Some(4.5));
/// assert_eq!(mos_of_mes(-1.0), None);
/// ```
#[must_use]
pub fn mos_of_mes(mes: f64) -> Option<f64> {
    // 0 is what Asterisk shows before anything was measured.
    (mes > 0.0 && mes <= 100.0).then(|| (mes / 20.0).clamp(1.0, 4.5))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(actual: f64, expected: f64) {
        assert!((actual - expected).abs() < 0.005, "{actual} instead of {expected}");
    }

    /// G.107, table B.1 and its text: the rating's bounds of user satisfaction.
    #[test]
    fn ratings_and_scores_of_g107() {
        for (rating, score) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            // The table's own numbers are not all rounded alike.
            assert!((mos_of_rating(rating) - score).abs() < 0.01, "{rating}");
        }
        near(mos_of_rating(93.2), 4.41);
        near(mos_of_rating(0.0), 1.0);
        near(mos_of_rating(-20.0), 1.0);
        near(mos_of_rating(3.0), 1.0);
        near(mos_of_rating(100.0), 4.5);
        near(mos_of_rating(f64::NAN), 1.0);
    }

    #[test]
    fn delay_costs_what_g107_says() {
        near(delay_impairment(100.0), 0.0);
        near(delay_impairment(200.0), 3.044);
        near(delay_impairment(400.0), 24.070);
    }

    #[test]
    fn measured_calls() {
        for (loss, jitter, rtt, expected) in [
            (0.0, 0.0, 0.0, 4.409),
            (0.0, 2.0, 30.0, 4.409),
            (0.01, 5.0, 40.0, 4.328),
            (0.03, 20.0, 80.0, 4.134),
            (0.05, 20.0, 200.0, 3.907),
            (0.1, 40.0, 150.0, 3.360),
            (0.0, 0.0, 600.0, 3.878),
            (0.5, 100.0, 1000.0, 1.000),
        ] {
            near(mos(loss, jitter, rtt), expected);
        }
    }

    #[test]
    fn a_report_of_rtcp() {
        near(mos_of_rtcp(12.8, 160.0, Some(0.2)), mos(0.05, 20.0, 200.0));
        near(mos_of_rtcp(0.0, 0.0, None), mos(0.0, 0.0, 0.0));
    }

    #[test]
    fn what_is_no_number_counts_as_nothing() {
        near(mos(f64::NAN, f64::NAN, f64::NAN), mos(0.0, 0.0, 0.0));
        near(mos(-1.0, -5.0, -5.0), mos(0.0, 0.0, 0.0));
        near(mos(7.0, 0.0, 0.0), mos(1.0, 0.0, 0.0));
        near(mos(0.0, 0.0, f64::INFINITY), 1.0);
    }

    #[test]
    fn asterisks_own_score() {
        assert_eq!(mos_of_mes(90.0), Some(4.5));
        assert_eq!(mos_of_mes(60.0), Some(3.0));
        assert_eq!(mos_of_mes(20.0), Some(1.0));
        assert_eq!(mos_of_mes(10.0), Some(1.0));
        assert_eq!(mos_of_mes(100.0), Some(4.5));
        for none in [0.0, -1.0, 100.5, f64::NAN, f64::INFINITY] {
            assert_eq!(mos_of_mes(none), None);
        }
    }

    proptest! {
        #[test]
        fn worse_is_never_better(loss in 0.0..1.0_f64, jitter in 0.0..500.0_f64, rtt in 0.0..3000.0_f64, more in 0.0..100.0_f64) {
            let score = mos(loss, jitter, rtt);
            prop_assert!((1.0..=4.5).contains(&score));
            prop_assert!(mos(loss + more / 1000.0, jitter, rtt) <= score);
            prop_assert!(mos(loss, jitter + more, rtt) <= score);
            prop_assert!(mos(loss, jitter, rtt + more) <= score);
        }
    }
}
