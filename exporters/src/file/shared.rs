//! One open file for all exporters that write to it: those of the three signals of one component.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use otelcol_pipeline::{Clock, ComponentError};

use super::config::Config;
use super::writer::Writer;

/// The files open in this process. Of the process and not of a component, as two writers at one place would empty and
/// rename each other's file.
static OPEN: Mutex<BTreeMap<PathBuf, (Config, Weak<Writer>)>> = Mutex::new(BTreeMap::new());

/// The writer to the file of `config`: the one that is open, else a new one.
///
/// # Errors
/// The file can not be opened, or is open with other settings.
pub(super) fn open(config: &Config, clock: &Clock) -> Result<Arc<Writer>, ComponentError> {
    let path = std::path::absolute(&config.path)
        .map_err(|error| ComponentError::new(format!("can not use path {}: {error}", config.path)))?;
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|_, (_, writer)| writer.strong_count() > 0);
    if let Some((known, writer)) = open.get(&path) {
        let running = writer.upgrade().filter(|_| known == config);
        return running.ok_or_else(|| {
            ComponentError::new(format!(
                "{} is written by another file exporter with other settings; give each exporter a path of its own",
                config.path
            ))
        });
    }
    if config.create_directory {
        make_directory(&path, config.directory_mode().unwrap_or(0o755))?;
    }
    let writer = Writer::open(path.clone(), config, clock)
        .map_err(|error| ComponentError::new(format!("can not open {}: {error}", config.path)))?;
    let writer = Arc::new(writer);
    open.insert(path, (config.clone(), Arc::downgrade(&writer)));
    Ok(writer)
}

fn make_directory(path: &Path, mode: u32) -> Result<(), ComponentError> {
    let Some(directory) = path.parent() else { return Ok(()) };
    DirBuilder::new().recursive(true).mode(mode).create(directory).map_err(|error| {
        ComponentError::new(format!("can not make directory {}: {error}", directory.display()))
    })
}
