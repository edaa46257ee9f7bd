//! The memory that this process may use: its control group's limit, or the machine's memory.

use std::fs;
use std::path::{Path, PathBuf};

/// The smallest limit that holds for this process, in bytes.
///
/// Unlike otelcol, the process's own group counts and each group above it, not only the root: `MemoryMax=` of a systemd
/// unit is one of these.
///
/// # Errors
/// No limit is set and `/proc/meminfo` (proc(5)) does not say how much memory there is.
pub(super) fn total_memory(root: &Path) -> Result<u64, String> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let meminfo = root.join("proc/meminfo");
    let machine = fs::read_to_string(&meminfo)
        .map_err(|why| why.to_string())
        .and_then(|text| {
            mem_total(&text).ok_or_else(|| "expected a line \"MemTotal: <number> kB\"".to_owned())
        })
        .map_err(|why| {
            format!(
                "failed to get total memory, use fixed memory settings (limit_mib): {}: {why}",
                meminfo.display()
            )
        });
    let limit = limit_files(root, &groups).iter().filter_map(|file| read_limit(file)).min();
    match (limit, machine) {
        (Some(limit), Ok(machine)) => Ok(limit.min(machine)),
        (Some(limit), Err(_)) => Ok(limit),
        (None, machine) => machine,
    }
}

/// The limit files of the groups in `/proc/self/cgroup` (cgroups(7): `id:controllers:path`) and of all groups above.
fn limit_files(root: &Path, groups: &str) -> Vec<PathBuf> {
    let mount = root.join("sys/fs/cgroup");
    let mut files = vec![mount.join("memory.max"), mount.join("memory/memory.limit_in_bytes")];
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (top, file) = match controllers {
            "" => (mount.clone(), "memory.max"),
            list if list.split(',').any(|name| name == "memory") => {
                (mount.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let path = Path::new(path.trim_start_matches('/'));
        files.extend(path.ancestors().map(|group| top.join(group).join(file)));
    }
    files
}

/// `max` and values too large for any machine (v1's way to say no limit) are none.
fn read_limit(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok().filter(|limit| (1..1 << 62).contains(limit))
}

fn mem_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}
