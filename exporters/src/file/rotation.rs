//! Full files: renamed with the time in their names (`data-2025-01-01T00-00-00.000-size.json`), and removed when they
//! are too many or too old. Names are those of the newest otelcol; its older form, without `-size`, is known too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::config::Rotation;

const TIME: &str = "%Y-%m-%dT%H-%M-%S%.3f";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Renames the file at `path`; the name is free, be it by a few milliseconds.
pub(super) fn set_aside(path: &Path, now: SystemTime, localtime: bool) -> io::Result<()> {
    let Some(names) = Names::of(path) else { return Err(io::Error::from(io::ErrorKind::InvalidFilename)) };
    let mut time = now;
    let aside = loop {
        let aside = names.at(time, &zone(localtime));
        if !aside.try_exists()? {
            break aside;
        }
        time += Duration::from_millis(1);
    };
    fs::rename(path, aside)
}

/// Removes renamed files beyond the limits. One that can not be removed is told of and left.
pub(super) fn prune(path: &Path, now: SystemTime, rotation: &Rotation) {
    let Some(names) = Names::of(path) else { return };
    let mut old = match names.set_aside(&zone(rotation.localtime)) {
        Ok(old) => old,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "old files can not be listed");
            return;
        }
    };
    old.sort_unstable_by(|a, b| b.cmp(a));
    let most = if rotation.max_backups == 0 { usize::MAX } else { rotation.max_backups };
    let days = u32::try_from(rotation.max_days).unwrap_or(u32::MAX);
    let oldest = if days == 0 { None } else { now.checked_sub(DAY.saturating_mul(days)) };
    for (n, (time, file)) in old.iter().enumerate() {
        if n < most && oldest.is_none_or(|oldest| *time >= oldest) {
            continue;
        }
        if let Err(error) = fs::remove_file(file) {
            tracing::warn!(path = %file.display(), %error, "an old file can not be removed");
        }
    }
}

fn zone(localtime: bool) -> TimeZone {
    if localtime { TimeZone::system() } else { TimeZone::UTC }
}

/// The parts of the names of renamed files.
struct Names<'a> {
    directory: &'a Path,
    before: String,
    after: String,
}

impl<'a> Names<'a> {
    fn of(path: &'a Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        // As Go's filepath.Ext: from the last dot on, also where that is the first letter.
        let dot = name.rfind('.').unwrap_or(name.len());
        let (stem, extension) = name.split_at(dot);
        Some(Self { directory: path.parent()?, before: format!("{stem}-"), after: extension.to_owned() })
    }

    fn at(&self, time: SystemTime, zone: &TimeZone) -> PathBuf {
        let time = Timestamp::try_from(time).unwrap_or_default().to_zoned(zone.clone());
        self.directory.join(format!("{}{}-size{}", self.before, time.strftime(TIME), self.after))
    }

    /// The renamed files with their times.
    fn set_aside(&self, zone: &TimeZone) -> io::Result<Vec<(SystemTime, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.directory)? {
            let entry = entry?;
            if let Some(time) = entry.file_name().to_str().and_then(|name| self.time_of(name, zone)) {
                found.push((time, entry.path()));
            }
        }
        Ok(found)
    }

    fn time_of(&self, name: &str, zone: &TimeZone) -> Option<SystemTime> {
        let text = name.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        let text = text.strip_suffix("-size").unwrap_or(text);
        let time = DateTime::strptime("%Y-%m-%dT%H-%M-%S%.f", text).ok()?.to_zoned(zone.clone()).ok()?;
        Some(time.timestamp().into())
    }
}
