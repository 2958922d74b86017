//! The command line of those who call these servers, with any strategy.

use std::fmt::Display;
use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::limited_server::LimitedServer;
use crate::plan::Load;
use crate::progress::Progress;
use crate::report::table;
use crate::run::Row;

/// Which servers are called, how much, and how the outcome is printed.
#[derive(Args, Clone, Copy, Debug)]
pub struct Options {
    /// The load.
    #[command(flatten)]
    pub load: Load,
    /// Call only this server.
    #[arg(long)]
    pub server: Option<LimitedServer>,
    /// Print the rows as JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

impl Options {
    /// Calls each server in each of the strategies, one after the other, with a bar on the standard error meanwhile.
    pub async fn rows<W: Copy + Display>(
        &self,
        strategies: &[W],
        run: impl AsyncFn(LimitedServer, W, &Progress) -> anyhow::Result<Row<W>>,
    ) -> anyhow::Result<Vec<Row<W>>> {
        let shops = self.server.map_or(LimitedServer::ALL.to_vec(), |shop| vec![shop]);
        let requests: u64 = shops.iter().map(|shop| u64::from(self.load.requests_of(*shop))).sum();
        let progress = Progress::new(requests.saturating_mul(strategies.len() as u64))?;
        let mut rows = Vec::with_capacity(shops.len() * strategies.len());
        for shop in shops {
            for strategy in strategies {
                progress.begin(format!("{}, {strategy}", shop.name()));
                rows.push(run(shop, *strategy, &progress).await?);
            }
        }
        progress.clear();
        Ok(rows)
    }

    /// Prints the rows, as a table or as JSON.
    pub fn print<W: Display + Serialize>(&self, rows: &[Row<W>]) -> anyhow::Result<()> {
        // Not `println`, which panics where nobody reads.
        match self.json {
            true => writeln!(io::stdout(), "{}", serde_json::to_string_pretty(rows)?)?,
            false => writeln!(io::stdout(), "{}", table(rows))?,
        }
        Ok(())
    }
}
