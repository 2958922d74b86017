//! How far it is, for those who watch.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on the standard error, if that is a terminal.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new(requests: u64) -> anyhow::Result<Self> {
        let bar = ProgressBar::new(requests);
        bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} requests  {msg}")?);
        Ok(Self { bar })
    }

    pub(crate) fn begin(&self, what: String) {
        self.bar.set_message(what);
    }

    /// One more request has come to its end.
    pub(crate) fn tick(&self) {
        self.bar.inc(1);
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
