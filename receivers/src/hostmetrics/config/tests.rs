use std::time::Duration;

use otelcol_confmap::{ConfigError, Resolver};

use super::*;
use crate::hostmetrics::factory;

fn read(yaml: &str) -> Result<Config, Vec<ConfigError>> {
    let resolved = Resolver::new(vec![format!("yaml:{yaml}")], vec![]).resolve().unwrap();
    resolved.root.decode("receivers::hostmetrics")
}

/// Every error of the settings, as the host prints them.
fn errors(yaml: &str) -> String {
    let resolved = Resolver::new(vec![format!("yaml:{yaml}")], vec![]).resolve().unwrap();
    match factory().prepare(&resolved.root, "receivers::hostmetrics") {
        Ok(_) => String::new(),
        Err(errors) => errors.iter().map(|error| format!("{error}\n")).collect(),
    }
}

#[test]
fn defaults_are_contribs() {
    let config = read("{}").unwrap();
    assert_eq!(config.collection_interval.get(), Duration::from_secs(60));
    assert_eq!(config.initial_delay.get(), Duration::from_secs(1));
    assert_eq!(config.timeout.get(), Duration::ZERO);
    assert_eq!(config.metadata_collection_interval.get(), Duration::from_secs(300));
    assert_eq!(config.root_path, "");
    assert!(config.scrapers.is_empty());
}

#[test]
fn a_scraper_with_nothing_behind_it_is_on() {
    let config = read("scrapers:\n  cpu:\n  load: {}\n  memory: {metrics: }\n").unwrap();
    assert!(config.scrapers.cpu.is_some());
    assert!(config.scrapers.load.is_some_and(|load| !load.cpu_average));
    assert!(config.scrapers.memory.is_some());
    assert!(config.scrapers.disk.is_none());
}

#[test]
fn the_section_of_the_guide_is_read() {
    let yaml = "
collection_interval: 15s
scrapers:
  cpu:
    metrics:
      system.cpu.utilization:
        enabled: true
  memory:
    metrics:
      system.memory.utilization:
        enabled: true
  disk: {}
  network: {}
  load: {}
";
    assert_eq!(errors(yaml), "");
    let config = read(yaml).unwrap();
    assert_eq!(config.collection_interval.get(), Duration::from_secs(15));
    let utilization = Cpu::NAMES.iter().position(|name| *name == "system.cpu.utilization").unwrap();
    let cpu = config.scrapers.cpu.unwrap().metrics;
    assert_eq!(cpu.get(utilization).enabled, Some(true));
    assert_eq!(cpu.get(0).enabled, None);
    let memory = config.scrapers.memory.unwrap().metrics;
    let enabled =
        Memory::METRICS.iter().enumerate().filter(|(index, _)| memory.get(*index).enabled == Some(true));
    assert_eq!(enabled.map(|(_, metric)| metric.name).collect::<Vec<_>>(), ["system.memory.utilization"]);
}

#[test]
fn every_setting_of_a_metric_and_of_a_filter_is_read() {
    let yaml = "
initial_delay: 3s
timeout: 500ms
root_path: /
scrapers:
  cpu:
    metrics:
      system.cpu.time: { attributes: [cpu, state], aggregation_strategy: max }
  disk:
    include: { devices: [sda, sdb], match_type: strict }
    exclude: { devices: ^loop, match_type: regexp, regexp: { cacheenabled: true, cachemaxnumentries: 10 } }
  load: { cpu_average: true }
  network:
    include: { interfaces: eth, match_type: regexp }
";
    assert_eq!(errors(yaml), "");
    let config = read(yaml).unwrap();
    let time = config.scrapers.cpu.unwrap().metrics.get(3);
    assert_eq!(time.attributes.unwrap(), ["cpu", "state"]);
    assert_eq!(time.aggregation_strategy, Some(Aggregation::Max));
    assert_eq!(time.enabled, None);
    let disks = config.scrapers.disk.unwrap().filter().unwrap();
    assert!(disks.accepts("sda") && !disks.accepts("sda1") && !disks.accepts("loop0"));
    let interfaces = config.scrapers.network.unwrap().filter().unwrap();
    assert!(interfaces.accepts("veth12") && !interfaces.accepts("lo"));
    assert!(config.scrapers.load.unwrap().cpu_average);
}

/// Files and what is said about them, in testdata/config-errors.txt: the settings, a line `--`, the errors.
#[test]
fn what_is_wrong_is_said_where_it_stands() {
    let golden = include_str!("../testdata/config-errors.txt");
    for case in golden.split("====\n") {
        let (yaml, expected) = case.split_once("--\n").unwrap();
        assert_eq!(errors(yaml), expected, "{yaml}");
    }
}
