//! What a request costs: instructions, CPU time, memory.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::load::Load;
use crate::meter;
use crate::origin::Origin;
use crate::proxy::{Kind, Proxy};
use crate::report::{Report, held, median};

/// The cost beside that of a bare proxy and of HAProxy.
pub(crate) fn instructions() -> anyhow::Result<()> {
    let origin = Origin::start()?;
    let title =
        "Instructions in user space for each request (callgrind, 8 connections, and 1 beside 503s, HTTP/1.1)";
    let mut report =
        Report::new(title, &["load", "proxy", "instructions", "of the bare proxy", "of no retries"]);
    for case in &origin.cases()? {
        let is_flaky = case.name.contains("503");
        // A tenth of the requests are sent twice.
        let (most, most_of_off) = if is_flaky { (1.20, 1.18) } else { (1.15, 1.08) };
        // Over several connections, those that wait for a resend would leave the others fewer events that come together, which
        // take fewer instructions each.
        let (connections, requests) =
            if is_flaky { (1, [SHORT_ALONE, LONG_ALONE]) } else { (8, [SHORT, LONG]) };
        let mut known = Vec::new();
        for kind in Kind::ALL {
            let each = instructions_of(kind, &origin, case.load(connections), requests)?;
            known.push((kind, each));
            let of =
                |other| known.iter().find(|(kind, _)| *kind == other).map_or(1.0, |(_, count)| each / count);
            let (of_bare, of_off) = match kind {
                Kind::Armed => (held(of(Kind::Bare), most), held(of(Kind::Off), most_of_off)),
                Kind::HaproxyArmed => {
                    (format!("{:.3}", of(Kind::Bare)), format!("{:.3}", of(Kind::HaproxyOff)))
                }
                _ => (format!("{:.3}", of(Kind::Bare)), String::new()),
            };
            report.row([case.name.to_owned(), kind.name().to_owned(), format!("{each:.0}"), of_bare, of_off]);
        }
    }
    report.print();
    Ok(())
}

/// The requests of the profile `llm` beside those of the defaults, and what the reading of the model adds.
pub(crate) fn llm() -> anyhow::Result<()> {
    let origin = Origin::start()?;
    let title =
        "Instructions in user space for each request to an API of a language model (callgrind, HTTP/1.1)";
    let columns = ["load", "proxy", "instructions", "more than the defaults", "more than by credential"];
    let mut report = Report::new(title, &columns);
    for case in &origin.llm_cases()? {
        // Requests do not overlap, so that the frames that a body comes in are alike in all runs.
        let count = |kind| instructions_of(kind, &origin, case.load(1), [SHORT_ALONE, LONG_ALONE]);
        let kinds = [Kind::Armed, Kind::LlmByCredential, Kind::Llm];
        let [armed, by_credential, llm] = [count(kinds[0])?, count(kinds[1])?, count(kinds[2])?];
        let figures = [
            (armed, String::new(), String::new()),
            (by_credential, format!("{:.0}", by_credential - armed), String::new()),
            (llm, format!("{:.0}", llm - armed), held(llm - by_credential, 400.0)),
        ];
        for (kind, (each, of_armed, of_credential)) in kinds.into_iter().zip(figures) {
            let each = format!("{each:.0}");
            report.row([case.name.to_owned(), kind.name().to_owned(), each, of_armed, of_credential]);
        }
    }
    report.print();
    Ok(())
}

/// The instructions of each request, by the difference between two numbers of them.
fn instructions_of(
    kind: Kind,
    origin: &Origin,
    load: Load<'_>,
    [short, long]: [u64; 2],
) -> anyhow::Result<f64> {
    let count = |requests| under_callgrind(kind, origin, load, requests);
    Ok((count(long)? - count(short)?) as f64 / (long - short) as f64)
}

fn under_callgrind(kind: Kind, origin: &Origin, load: Load<'_>, requests: u64) -> anyhow::Result<u64> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out");
    let wrapper = ["valgrind", "--tool=callgrind", &format!("--callgrind-out-file={}", out.display())];
    let proxy = kind.start(origin.address, &wrapper.map(str::to_owned))?;
    load.send(proxy.address, requests)?;
    proxy.process.stop()?;
    total(&out)
}

fn total(path: &Path) -> anyhow::Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    let of = |name| text.lines().find_map(|line| line.strip_prefix(name));
    let total = of("summary: ").or_else(|| of("totals: ")).context("callgrind wrote no total")?;
    Ok(total.trim().parse()?)
}

/// All of them run all the time and take turns, so that what slows the machine down slows all of them down; the ratios are
/// those of one round, and the median of these.
pub(crate) fn cpu(rounds: usize) -> anyhow::Result<()> {
    let origin = Origin::start()?;
    let proxies = Kind::ALL.map(|kind| kind.start(origin.address, &[]));
    let proxies = proxies.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let title = "CPU time for each request, kernel included (64 connections, HTTP/1.1)";
    let mut report = Report::new(
        title,
        &["load", "proxy", "microseconds", "of the bare proxy", "new upstream connections"],
    );
    for case in &origin.cases()? {
        let mut times = vec![Vec::new(); Kind::ALL.len()];
        let mut connections = vec![0; Kind::ALL.len()];
        for round in 0..=rounds {
            for (place, proxy) in proxies.iter().enumerate() {
                let (before, _) = origin.counts()?;
                let time = time_of(proxy, case.load(64))?;
                // The first is for the caches.
                if round > 0 {
                    times[place].push(time);
                    // One connection was for the question itself.
                    connections[place] += origin.counts()?.0 - before - 1;
                }
            }
        }
        // A request whose answer is a 503 waits for half a second at most. While many wait, a process that has little to do
        // looks for work more often for each request, so that only the instructions can be compared there.
        let is_busy = !case.name.contains("503");
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            let ratios = times[place].iter().zip(&times[0]).map(|(time, bare)| time / bare).collect();
            let ratio = median(ratios);
            let is_held = kind == Kind::Armed && is_busy;
            let of_bare = if is_held { held(ratio, 1.15) } else { format!("{ratio:.3}") };
            let time = format!("{:.1}", median(times[place].clone()));
            let row =
                [case.name.to_owned(), kind.name().to_owned(), time, of_bare, connections[place].to_string()];
            report.row(row);
        }
    }
    report.print();
    Ok(())
}

/// Microseconds for each request.
fn time_of(proxy: &Proxy, load: Load<'_>) -> anyhow::Result<f64> {
    let before = meter::cpu(proxy.process.id())?;
    load.send(proxy.address, TIMED)?;
    let took = meter::cpu(proxy.process.id())? - before;
    Ok(took.as_secs_f64() * 1e6 / TIMED as f64)
}

pub(crate) fn memory() -> anyhow::Result<()> {
    let origin = Origin::start()?;
    let title = "Resident memory after 100,000 requests over 64 connections";
    let mut report = Report::new(title, &["load", "proxy", "MiB"]);
    for case in &origin.cases()?[..2] {
        for kind in Kind::ALL {
            let proxy = kind.start(origin.address, &[])?;
            case.load(64).send(proxy.address, 100_000)?;
            let mib = meter::resident(proxy.process.id())? as f64 / 1_048_576.0;
            let mib = if kind == Kind::Armed { held(mib, 20.0) } else { format!("{mib:.1}") };
            report.row([case.name.to_owned(), kind.name().to_owned(), mib]);
        }
    }
    report.print();
    Ok(())
}

const SHORT: u64 = 1_000;
const LONG: u64 = 5_000;
const SHORT_ALONE: u64 = 500;
const LONG_ALONE: u64 = 2_500;
const TIMED: u64 = 20_000;
