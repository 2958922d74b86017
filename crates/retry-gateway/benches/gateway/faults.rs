//! An upstream that fails every tenth request.

use crate::load::Load;
use crate::origin::{FLAKY, Origin};
use crate::proxy::Kind;
use crate::report::{Report, held};

const REQUESTS: u64 = 100_000;

/// What is left of its failures, and how much more it is asked.
pub(crate) fn run() -> anyhow::Result<()> {
    let origin = Origin::start()?;
    let title = "100,000 GETs to an upstream that answers 503 to every tenth, by chance";
    let mut report = Report::new(title, &["load", "proxy", "failures, percent", "sends for each request"]);
    for kind in Kind::ALL {
        let proxy = kind.start(origin.address, &[])?;
        let (_, before) = origin.counts()?;
        let load = Load { path: FLAKY, body: None, is_llm: false, connections: 64 };
        let answers = load.send(proxy.address, REQUESTS)?;
        // One request was the question itself.
        let sends = origin.counts()?.1 - before - 1;
        let failures = 100.0 * answers.server_errors as f64 / (answers.ok + answers.server_errors) as f64;
        let amplification = sends as f64 / REQUESTS as f64;
        let (failures, amplification) = match kind {
            Kind::Armed => (held(failures, 0.2), held(amplification, 1.12)),
            _ => (format!("{failures:.3}"), format!("{amplification:.3}")),
        };
        report.row(["GET".to_owned(), kind.name().to_owned(), failures, amplification]);
    }
    report.print();
    Ok(())
}
