//! `/proc/stat`.

use super::{Malformed, fields, lines, number};

/// Time that one CPU spent in each state, in clock ticks since boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CpuTimes {
    /// Number of the CPU: the 3 of `cpu3`. Offline CPUs leave gaps.
    pub(crate) cpu: u32,
    /// User mode, guests included.
    pub(crate) user: u64,
    /// User mode at low priority, guests included.
    pub(crate) nice: u64,
    /// Kernel mode.
    pub(crate) system: u64,
    /// Nothing to do.
    pub(crate) idle: u64,
    /// Nothing to do while a disk was waited for.
    pub(crate) wait: u64,
    /// Hardware interrupts.
    pub(crate) interrupt: u64,
    /// Soft interrupts.
    pub(crate) softirq: u64,
    /// Taken by the hypervisor for others.
    pub(crate) steal: u64,
}

/// Fills `cpus` with the `cpuN` lines. Columns that an old kernel does not have are 0.
pub(crate) fn cpu_times(bytes: &[u8], cpus: &mut Vec<CpuTimes>) -> Result<(), Malformed> {
    cpus.clear();
    for line in lines(bytes) {
        let Some(rest) = line.strip_prefix(b"cpu") else {
            continue;
        };
        if rest.first().is_some_and(u8::is_ascii_digit) {
            cpus.push(
                cpu_line(rest).ok_or_else(|| Malformed::new("cpu<N> and at least four numbers", line))?,
            );
        }
    }
    if cpus.is_empty() {
        return Err(Malformed::new("a line for each cpu<N>", lines(bytes).next().unwrap_or_default()));
    }
    Ok(())
}

fn cpu_line(rest: &[u8]) -> Option<CpuTimes> {
    let mut fields = fields(rest);
    let cpu = u32::try_from(number(fields.next()?)?).ok()?;
    let mut required = || number(fields.next()?);
    let (user, nice, system, idle) = (required()?, required()?, required()?, required()?);
    let mut optional = || fields.next().map_or(Some(0), number);
    let (wait, interrupt, softirq, steal) = (optional()?, optional()?, optional()?, optional()?);
    Some(CpuTimes { cpu, user, nice, system, idle, wait, interrupt, softirq, steal })
}

/// When the machine was started: the `btime` line, unix seconds.
pub(crate) fn boot_time(bytes: &[u8]) -> Result<u64, Malformed> {
    let line = lines(bytes).find(|line| line.starts_with(b"btime "));
    let line = line.ok_or_else(|| Malformed::new("a btime line", b""))?;
    fields(line).nth(1).and_then(number).ok_or_else(|| Malformed::new("btime and a number", line))
}
