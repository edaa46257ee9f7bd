//! Why a line was not taken.

macro_rules! reasons {
    ($($variant:ident => $label:literal, $hint:literal;)+) => {
        /// Why a line was not taken: the label `reason` of the self metric.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Reason { $($variant,)+ }

        impl Reason {
            /// All reasons, in the order of their numbers.
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The label.
            pub(super) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// What to know about it, for the log.
            pub(super) fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint,)+ }
            }
        }
    };
}

reasons! {
    NoType => "no_type", "expected <name>:<value>|<type>";
    NoValue => "no_value", "expected <name>:<value>|<type>";
    EmptyName => "empty_name", "expected a name before the colon";
    EmptyValue => "empty_value", "expected a value after the colon";
    UnknownType => "unknown_type", "expected one of c, g, ms, h, d, s, m";
    BadValue => "bad_value", "expected a decimal number";
    NotFinite => "not_finite", "infinity and NaN are no measurements";
    BadSampleRate => "bad_sample_rate", "expected @ and a number, at least 0.000001";
    BadTag => "bad_tag", "expected #key:value,...; keys alone need enable_simple_tags";
    TooManyTags => "too_many_tags", "the limit is limits::tags";
    BadTimestamp => "bad_timestamp", "expected T and seconds since 1970, on counters and gauges only";
    UnknownPart => "unknown_part", "expected @rate, #tags, c:container or Ttimestamp";
    TooLong => "line_too_long", "the limit is limits::line_bytes";
    Truncated => "truncated", "the end of the line was lost: a datagram above 65536 bytes, or a connection that broke";
    NegativeCounter => "negative_counter", "a monotonic counter cannot fall; see is_monotonic_counter";
    NegativeTimer => "negative_timer", "a duration cannot be negative";
    SeriesLimit => "series_limit", "the limit is limits::series; new series are refused until others end";
    SampleLimit => "sample_limit", "the limit is limits::samples for one interval";
    ObserverDisabled => "observer_disabled", "timer_histogram_mapping names no observer for this type";
    StateGauge => "state_gauge", "asterisk::state_gauges is set to drop";
}
