use std::fs;
use std::path::{Path, PathBuf};

use otelcol_confmap::Node;
use otelcol_pdata::Signal;
use otelcol_prometheus_text::negotiate;

use super::*;
use crate::prometheus::config::Config;
use crate::prometheus::render::{Scrape, Style};

/// When batches of the cases arrive: after the times of their points.
const NOW: u64 = 1_700_000_100_000_000_000;

struct Case {
    config: Config,
    accept: String,
    batches: Vec<otelcol_pdata::Batch>,
}

fn read_case(folder: &Path) -> Case {
    let text = fs::read_to_string(folder.join("config.yaml")).unwrap();
    let accept = text.lines().next().and_then(|line| line.strip_prefix("# accept: ")).unwrap_or_default();
    let config = Node::from_yaml(&text, "config.yaml").unwrap().decode("exporters::prometheus").unwrap();
    let mut inputs: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    inputs.sort();
    let batches = inputs
        .iter()
        .map(|path| otelcol_pdata::json::from_json(Signal::Metrics, &fs::read(path).unwrap()).unwrap())
        .collect();
    Case { config, accept: accept.to_owned(), batches }
}

fn scrape(registry: &mut Registry, config: &Config, accept: &str, now: u64, piece: usize) -> String {
    let (format, escaping) = negotiate(accept, config.enable_open_metrics);
    let as_stored = escaping.keeps_classic_names() && !config.has_utf8_names();
    let style =
        Style { format, escaping: (!as_stored).then_some(escaping), timestamps: config.send_timestamps };
    let mut scrape = Scrape::new(style, Vec::new());
    let mut text = Vec::new();
    while scrape.fill(registry, now, piece).is_break() {
        text.extend(scrape.exchange(Vec::new()));
    }
    text.extend(scrape.finish());
    String::from_utf8(text).unwrap()
}

/// Each folder of testdata: `input*.json` in, `want.txt` out. `compare.py` there holds the same against otelcol.
#[test]
fn expositions_are_as_reviewed() {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/prometheus/testdata");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(testdata).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    assert_eq!(folders.len(), 20);
    let mut wrong = Vec::new();
    for folder in folders {
        let case = read_case(&folder);
        let mut registry = Registry::new(case.config.rules());
        let mut tally = Tally::default();
        for batch in &case.batches {
            registry.ingest(&batch.metrics().unwrap(), NOW, &mut tally);
        }
        let whole = scrape(&mut registry, &case.config, &case.accept, NOW, usize::MAX);
        let in_pieces = scrape(&mut registry, &case.config, &case.accept, NOW, 1);
        assert_eq!(in_pieces, whole, "{}", folder.display());
        let want = folder.join("want.txt");
        if std::env::var_os("UPDATE_WANT").is_some() {
            fs::write(&want, &whole).unwrap();
        }
        if fs::read_to_string(&want).unwrap_or_default() != whole {
            wrong.push(format!("{}:\n{whole}", folder.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nset UPDATE_WANT to write want.txt, then review it", wrong.join("\n"));
}

mod behaviour;
