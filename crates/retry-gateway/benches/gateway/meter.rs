//! What a process has taken, as Linux counts it.

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// The CPU time of all its threads.
pub(crate) fn cpu(process: u32) -> anyhow::Result<Duration> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}

/// The memory that it holds now, in bytes.
pub(crate) fn resident(process: u32) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1_024)
}

/// How many connects of this machine were refused so far.
pub(crate) fn refused_connects() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/net/snmp")?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = lines.next().zip(lines.next()).context("no line on TCP")?;
    let place = names.split(' ').position(|name| name == "AttemptFails").context("no AttemptFails")?;
    Ok(values.split(' ').nth(place).context("no AttemptFails")?.parse()?)
}
