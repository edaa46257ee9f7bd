//! Settings of the memory limiter.

use std::sync::Arc;

use otelcol_confmap::GoDuration;
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use serde::Deserialize;

use super::account::Account;

/// Settings of the memory limiter, under otelcol's names.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Time between two looks at the memory in use. Must be set.
    pub check_interval: GoDuration,
    /// The limit in MiB. Goes before `limit_percentage`.
    pub limit_mib: u32,
    /// How far below the limit data is refused, in MiB. Zero: a fifth of the limit.
    pub spike_limit_mib: u32,
    /// The limit in percent of the memory that the process may use.
    pub limit_percentage: u32,
    /// How far below the limit data is refused, in percent of that memory. Zero: a fifth of the limit.
    pub spike_limit_percentage: u32,
    /// No effect here: there is no garbage collector.
    pub min_gc_interval_when_soft_limited: GoDuration,
    /// No effect here: there is no garbage collector.
    pub min_gc_interval_when_hard_limited: GoDuration,
    /// No effect here: there is no garbage collector.
    pub max_gc_interval_when_soft_limited: GoDuration,
    /// No effect here: there is no garbage collector.
    pub max_gc_interval_when_hard_limited: GoDuration,
    /// What all pipelines of this component have taken in: the settings are cloned for each of them.
    #[serde(skip)]
    pub(super) account: Arc<Account>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            check_interval: GoDuration::default(),
            limit_mib: 0,
            spike_limit_mib: 0,
            limit_percentage: 0,
            spike_limit_percentage: 0,
            min_gc_interval_when_soft_limited: GoDuration::from_secs(10),
            min_gc_interval_when_hard_limited: GoDuration::default(),
            max_gc_interval_when_soft_limited: GoDuration::from_secs(30),
            max_gc_interval_when_hard_limited: GoDuration::from_secs(30),
            account: Arc::default(),
        }
    }
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let min_soft = self.min_gc_interval_when_soft_limited;
        let min_hard = self.min_gc_interval_when_hard_limited;
        let max_soft = self.max_gc_interval_when_soft_limited;
        let max_hard = self.max_gc_interval_when_hard_limited;
        let set = |duration: GoDuration| !duration.get().is_zero();
        let rules = [
            (!set(self.check_interval), "check_interval", "'check_interval' must be greater than zero"),
            (
                min_soft < min_hard,
                "min_gc_interval_when_soft_limited",
                "'min_gc_interval_when_soft_limited' should be larger than 'min_gc_interval_when_hard_limited'",
            ),
            (
                set(max_soft) && max_soft < min_soft,
                "max_gc_interval_when_soft_limited",
                "'max_gc_interval_when_soft_limited' must be greater than or equal to 'min_gc_interval_when_soft_limited' (or 0 to disable)",
            ),
            (
                set(max_hard) && max_hard < min_hard,
                "max_gc_interval_when_hard_limited",
                "'max_gc_interval_when_hard_limited' must be greater than or equal to 'min_gc_interval_when_hard_limited' (or 0 to disable)",
            ),
            (
                set(max_soft) && set(max_hard) && max_soft < max_hard,
                "max_gc_interval_when_soft_limited",
                "'max_gc_interval_when_soft_limited' should be larger than or equal to 'max_gc_interval_when_hard_limited' (when both are set)",
            ),
            (
                self.limit_mib == 0 && self.limit_percentage == 0,
                "limit_mib",
                "'limit_mib' or 'limit_percentage' must be greater than zero",
            ),
            (
                self.limit_percentage > 100 || self.spike_limit_percentage > 100,
                "limit_percentage",
                "'limit_percentage' and 'spike_limit_percentage' must be greater than zero and less than or equal to hundred",
            ),
            (
                self.limit_mib > 0 && self.limit_mib <= self.spike_limit_mib,
                "spike_limit_mib",
                "'spike_limit_mib' must be smaller than 'limit_mib'",
            ),
            (
                self.limit_percentage > 0 && self.limit_percentage <= self.spike_limit_percentage,
                "spike_limit_percentage",
                "'spike_limit_percentage' must be smaller than 'limit_percentage'",
            ),
        ];
        rules
            .into_iter()
            .filter(|(is_broken, _, _)| *is_broken)
            .map(|(_, key, message)| ConfigIssue::new(key, message))
            .collect()
    }
}
