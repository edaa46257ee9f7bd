//! Settings, with contrib's names and defaults.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use otelcol_confmap::GoDuration;
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::catalogue::{Aggregation, Catalogue, Cpu, Disk, Load, Memory, Network};
use super::filter::{Filter, FilterError};

/// Settings of the receiver (contrib's `hostmetricsreceiver` and scraperhelper's `ControllerConfig`).
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(default)]
pub struct Config {
    /// Time between two scrapes.
    pub collection_interval: GoDuration,
    /// Time before the first scrape.
    pub initial_delay: GoDuration,
    /// Time after which the scrapers that have not begun are left out of a scrape; 0: none.
    pub timeout: GoDuration,
    /// Where the host's `/` is mounted, for a collector in a container.
    pub root_path: String,
    /// For entity events in a logs pipeline, of which this receiver has none: accepted so that contrib's files load.
    pub metadata_collection_interval: GoDuration,
    /// What to scrape: at least one.
    pub scrapers: ScrapersConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            collection_interval: GoDuration::from_secs(60),
            initial_delay: GoDuration::from_secs(1),
            timeout: GoDuration::default(),
            root_path: String::new(),
            metadata_collection_interval: GoDuration::from_secs(300),
            scrapers: ScrapersConfig::default(),
        }
    }
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        if self.collection_interval.get().is_zero() {
            issues.push(ConfigIssue::new("collection_interval", "requires positive value"));
        }
        if self.scrapers.is_empty() {
            let known = ScrapersConfig::KNOWN.join(", ");
            issues.push(ConfigIssue::new(
                "scrapers",
                format!("must specify at least one scraper when using hostmetrics receiver; known scrapers: {known}"),
            ));
        }
        if !matches!(self.root_path.as_str(), "" | "/")
            && let Err(error) = std::fs::metadata(&self.root_path)
        {
            issues.push(ConfigIssue::new(
                "root_path",
                format!("invalid root_path: {}: {error}", self.root_path),
            ));
        }
        self.scrapers.validate(&mut issues);
        issues
    }
}

/// The `scrapers` section: those named are on, `cpu:` with nothing behind it included.
#[derive(Debug, Clone, Default)]
pub struct ScrapersConfig {
    /// `/proc/stat`.
    pub cpu: Option<CpuConfig>,
    /// `/proc/diskstats`.
    pub disk: Option<DiskConfig>,
    /// `/proc/loadavg`.
    pub load: Option<LoadConfig>,
    /// `/proc/meminfo`.
    pub memory: Option<MemoryConfig>,
    /// `/proc/net`.
    pub network: Option<NetworkConfig>,
}

impl ScrapersConfig {
    const KNOWN: &'static [&'static str] = &["cpu", "disk", "load", "memory", "network"];

    fn is_empty(&self) -> bool {
        self.cpu.is_none()
            && self.disk.is_none()
            && self.load.is_none()
            && self.memory.is_none()
            && self.network.is_none()
    }

    fn validate(&self, issues: &mut Vec<ConfigIssue>) {
        if let Some(cpu) = &self.cpu {
            cpu.metrics.validate("cpu", issues);
        }
        if let Some(disk) = &self.disk {
            disk.metrics.validate("disk", issues);
            issues.extend(disk.filter().err().map(|error| filter_issue("disk", &error)));
        }
        if let Some(load) = &self.load {
            load.metrics.validate("load", issues);
        }
        if let Some(memory) = &self.memory {
            memory.metrics.validate("memory", issues);
        }
        if let Some(network) = &self.network {
            network.metrics.validate("network", issues);
            issues.extend(network.filter().err().map(|error| filter_issue("network", &error)));
        }
    }
}

impl<'de> Deserialize<'de> for ScrapersConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scrapers;

        impl<'de> Visitor<'de> for Scrapers {
            type Value = ScrapersConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of scrapers")
            }

            fn visit_unit<E>(self) -> Result<ScrapersConfig, E> {
                Ok(ScrapersConfig::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ScrapersConfig, A::Error> {
                let mut scrapers = ScrapersConfig::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "cpu" => scrapers.cpu = Some(value_or_default(&mut map)?),
                        "disk" => scrapers.disk = Some(value_or_default(&mut map)?),
                        "load" => scrapers.load = Some(value_or_default(&mut map)?),
                        "memory" => scrapers.memory = Some(value_or_default(&mut map)?),
                        "network" => scrapers.network = Some(value_or_default(&mut map)?),
                        unknown => {
                            return Err(A::Error::custom(format_args!(
                                "invalid scraper key: {unknown}; known scrapers: {}",
                                ScrapersConfig::KNOWN.join(", ")
                            )));
                        }
                    }
                }
                Ok(scrapers)
            }
        }

        deserializer.deserialize_map(Scrapers)
    }
}

fn filter_issue(scraper: &str, error: &FilterError) -> ConfigIssue {
    ConfigIssue::new(format!("scrapers::{scraper}::{}", error.section), error.to_string())
}

fn value_or_default<'de, A: MapAccess<'de>, T: Deserialize<'de> + Default>(
    map: &mut A,
) -> Result<T, A::Error> {
    Ok(map.next_value::<Option<T>>()?.unwrap_or_default())
}

/// Settings of the `cpu` scraper.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct CpuConfig {
    /// Which metrics, and how.
    pub metrics: MetricsConfig<Cpu>,
}

/// Settings of the `disk` scraper.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct DiskConfig {
    /// Which metrics, and how.
    pub metrics: MetricsConfig<Disk>,
    /// Only these devices.
    pub include: DevicesConfig,
    /// All but these devices.
    pub exclude: DevicesConfig,
}

impl DiskConfig {
    /// Which devices are measured.
    ///
    /// # Errors
    /// An unknown `match_type`, or a regular expression that cannot be compiled.
    pub fn filter(&self) -> Result<Filter, FilterError> {
        let (include, exclude) = (&self.include, &self.exclude);
        Filter::new(
            "device",
            (&include.match_type, &include.devices),
            (&exclude.match_type, &exclude.devices),
        )
    }
}

/// Settings of the `load` scraper.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct LoadConfig {
    /// Which metrics, and how.
    pub metrics: MetricsConfig<Load>,
    /// Divide by the number of logical CPUs.
    pub cpu_average: bool,
}

/// Settings of the `memory` scraper.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct MemoryConfig {
    /// Which metrics, and how.
    pub metrics: MetricsConfig<Memory>,
}

/// Settings of the `network` scraper.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct NetworkConfig {
    /// Which metrics, and how.
    pub metrics: MetricsConfig<Network>,
    /// Only these interfaces.
    pub include: InterfacesConfig,
    /// All but these interfaces.
    pub exclude: InterfacesConfig,
}

impl NetworkConfig {
    /// Which interfaces are measured.
    ///
    /// # Errors
    /// An unknown `match_type`, or a regular expression that cannot be compiled.
    pub fn filter(&self) -> Result<Filter, FilterError> {
        let (include, exclude) = (&self.include, &self.exclude);
        Filter::new(
            "network interface",
            (&include.match_type, &include.interfaces),
            (&exclude.match_type, &exclude.interfaces),
        )
    }
}

/// Names of disks, `sda` or `sda1`.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct DevicesConfig {
    /// Names or regular expressions.
    pub devices: Vec<String>,
    /// `strict` or `regexp`; must be set where `devices` is.
    pub match_type: String,
    /// Cache settings of contrib: accepted, without effect.
    pub regexp: RegexpConfig,
}

/// Names of network interfaces, `eth0`.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct InterfacesConfig {
    /// Names or regular expressions.
    pub interfaces: Vec<String>,
    /// `strict` or `regexp`; must be set where `interfaces` is.
    pub match_type: String,
    /// Cache settings of contrib: accepted, without effect.
    pub regexp: RegexpConfig,
}

/// Contrib's cache of expression matches: the expressions here match in one pass and need none.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct RegexpConfig {
    /// No effect.
    pub cacheenabled: bool,
    /// No effect.
    pub cachemaxnumentries: u64,
}

/// One metric's settings; what is not set stays as the catalogue has it.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct MetricConfig {
    /// Whether it is given.
    pub enabled: Option<bool>,
    /// Attributes that its points carry; values that differ only in others are merged.
    pub attributes: Option<Vec<String>>,
    /// How they are merged.
    pub aggregation_strategy: Option<Aggregation>,
}

/// The `metrics` section of a scraper: only names of its catalogue are known.
#[derive(Debug, Clone)]
pub struct MetricsConfig<C> {
    by_index: BTreeMap<usize, MetricConfig>,
    catalogue: PhantomData<C>,
}

impl<C> Default for MetricsConfig<C> {
    fn default() -> Self {
        Self { by_index: BTreeMap::new(), catalogue: PhantomData }
    }
}

impl<C: Catalogue> MetricsConfig<C> {
    /// Settings of the metric at `index` of the catalogue.
    #[must_use]
    pub fn get(&self, index: usize) -> MetricConfig {
        self.by_index.get(&index).cloned().unwrap_or_default()
    }

    /// Switches a metric on or off; a name that the catalogue does not have changes nothing.
    #[must_use]
    pub fn with(mut self, name: &str, metric: MetricConfig) -> Self {
        self.by_index.extend(C::NAMES.iter().position(|known| *known == name).map(|index| (index, metric)));
        self
    }

    fn validate(&self, scraper: &str, issues: &mut Vec<ConfigIssue>) {
        for (index, settings) in &self.by_index {
            let def = &C::METRICS[*index];
            let known = |key: &String| def.attributes.iter().any(|attribute| attribute.key == key);
            for key in settings.attributes.iter().flatten().filter(|key| !known(key)) {
                let valid: Vec<&str> = def.attributes.iter().map(|attribute| attribute.key).collect();
                issues.push(ConfigIssue::new(
                    format!("scrapers::{scraper}::metrics::{}", def.name),
                    format!(
                        "metric {} doesn't have an attribute {key}, valid attributes: [{}]",
                        def.name,
                        valid.join(", ")
                    ),
                ));
            }
        }
    }
}

impl<'de, C: Catalogue> Deserialize<'de> for MetricsConfig<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Metrics<C>(PhantomData<C>);

        impl<'de, C: Catalogue> Visitor<'de> for Metrics<C> {
            type Value = MetricsConfig<C>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of metrics")
            }

            fn visit_unit<E>(self) -> Result<MetricsConfig<C>, E> {
                Ok(MetricsConfig::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MetricsConfig<C>, A::Error> {
                let mut metrics = MetricsConfig::default();
                while let Some(name) = map.next_key::<String>()? {
                    match C::NAMES.iter().position(|known| *known == name) {
                        Some(index) => {
                            metrics.by_index.insert(index, value_or_default(&mut map)?);
                        }
                        // Reported by the deserializer, which is given the names below.
                        None => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(metrics)
            }
        }

        deserializer.deserialize_struct("metrics", C::NAMES, Metrics(PhantomData))
    }
}

#[cfg(test)]
mod tests;
