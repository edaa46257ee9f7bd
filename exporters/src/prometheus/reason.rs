//! Why a point was not stored, or was stored other than it came.

use crate::translation::LabelError;

/// A point that is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    InvalidName,
    InvalidLabel,
    LabelsTooLong,
    TypeConflict,
    NameConflict,
    SeriesLimit,
    OutOfOrder,
    UnspecifiedTemporality,
    InvalidValue,
}

impl From<LabelError> for Dropped {
    fn from(error: LabelError) -> Self {
        match error {
            LabelError::Invalid => Dropped::InvalidLabel,
            LabelError::TooLong => Dropped::LabelsTooLong,
        }
    }
}

impl Dropped {
    pub(super) const ALL: [Dropped; 9] = [
        Dropped::InvalidName,
        Dropped::InvalidLabel,
        Dropped::LabelsTooLong,
        Dropped::TypeConflict,
        Dropped::NameConflict,
        Dropped::SeriesLimit,
        Dropped::OutOfOrder,
        Dropped::UnspecifiedTemporality,
        Dropped::InvalidValue,
    ];

    /// The `reason` label of the self metric.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Dropped::InvalidName => "invalid_name",
            Dropped::InvalidLabel => "invalid_label",
            Dropped::LabelsTooLong => "labels_too_long",
            Dropped::TypeConflict => "type_conflict",
            Dropped::NameConflict => "name_conflict",
            Dropped::SeriesLimit => "series_limit",
            Dropped::OutOfOrder => "out_of_order",
            Dropped::UnspecifiedTemporality => "unspecified_temporality",
            Dropped::InvalidValue => "invalid_value",
        }
    }

    /// What the log says of the first one.
    pub(super) fn explanation(self) -> &'static str {
        match self {
            Dropped::InvalidName => "the metric's name has no character that Prometheus allows",
            Dropped::InvalidLabel => "an attribute's name can not be a label name",
            Dropped::LabelsTooLong => "the labels are longer than 16 KiB",
            Dropped::TypeConflict => {
                "the name is already served with another type, which stays until its series expire"
            }
            Dropped::NameConflict => {
                "the name is already served as part of a histogram or summary, or the other way round"
            }
            Dropped::SeriesLimit => "max_series is reached",
            Dropped::OutOfOrder => "a point of the same series with this or a later time was already stored",
            Dropped::UnspecifiedTemporality => {
                "the aggregation temporality is not set, expected delta or cumulative"
            }
            Dropped::InvalidValue => {
                "the value can not be: a monotonic delta below zero, bounds that do not ascend, or counts that do not fit the bounds"
            }
        }
    }
}

/// A point that is served, but not quite as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    Help,
    Unit,
    Label,
    DuplicateSeries,
    BoundsChanged,
}

impl Conflict {
    pub(super) const ALL: [Conflict; 5] =
        [Conflict::Help, Conflict::Unit, Conflict::Label, Conflict::DuplicateSeries, Conflict::BoundsChanged];

    /// The `reason` label of the self metric.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Conflict::Help => "help",
            Conflict::Unit => "unit",
            Conflict::Label => "label",
            Conflict::DuplicateSeries => "duplicate_series",
            Conflict::BoundsChanged => "bounds_changed",
        }
    }

    /// What the log says of the first one.
    pub(super) fn explanation(self) -> &'static str {
        match self {
            Conflict::Help => "two descriptions for one name, the first one is served",
            Conflict::Unit => "two units for one name, both are served as they come",
            Conflict::Label => {
                "two attributes give one label: a constant, job, instance or scope label wins, others are joined with ;"
            }
            Conflict::DuplicateSeries => {
                "two sources write one series, the point with the later time is served"
            }
            Conflict::BoundsChanged => "the bounds of a delta histogram changed, its counts start again",
        }
    }
}

/// What became of the points of one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    dropped: [u64; Dropped::ALL.len()],
    conflicts: [u64; Conflict::ALL.len()],
    /// The name of the first metric that met each reason, in the order of the batch.
    pub(super) dropped_first: Vec<(Dropped, String)>,
    /// Same for conflicts.
    pub(super) conflicts_first: Vec<(Conflict, String)>,
}

impl Tally {
    pub(super) fn drop_points(&mut self, reason: Dropped, points: usize, metric: &str) {
        let count = &mut self.dropped[reason as usize];
        if *count == 0 && points > 0 {
            self.dropped_first.push((reason, metric.to_owned()));
        }
        *count += points as u64;
    }

    pub(super) fn conflict(&mut self, reason: Conflict, metric: &str) {
        let count = &mut self.conflicts[reason as usize];
        if *count == 0 {
            self.conflicts_first.push((reason, metric.to_owned()));
        }
        *count += 1;
    }

    pub(super) fn dropped(&self, reason: Dropped) -> u64 {
        self.dropped[reason as usize]
    }

    pub(super) fn conflicts(&self, reason: Conflict) -> u64 {
        self.conflicts[reason as usize]
    }

    pub(super) fn dropped_total(&self) -> u64 {
        self.dropped.iter().sum()
    }
}
