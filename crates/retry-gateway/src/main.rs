//! The gateway's command line.

mod cli;

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::bail;
use clap::{CommandFactory, Parser};
use http::Uri;
use mimalloc::MiMalloc;
use retry_gateway::config::{Config, ConfigError};
use retry_gateway::{Case, CaseOutcome, Server, explain};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tower_http_retry::FailureKind;

use crate::cli::{Check, Cli, Command, Explain, How, Serve, demo, say};

/// What a proxy allocates is small, short-lived and freed by another task, which this one is made for.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Serve(serve) => {
            serve.require_private_admin();
            let config = match serve.config() {
                Ok(config) => config,
                Err(problems) => return Ok(refuse(&problems)),
            };
            run(&config, serve.config.as_deref())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(check) => check.run(),
        Command::Explain(case) => case.run(),
        Command::Demo(options) => {
            tokio::runtime::Runtime::new()?.block_on(demo::run(&options))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    }
}

/// Answers requests until it is asked to stop. The configuration is read again from its file, if it is from one.
fn run(config: &Config, file: Option<&Path>) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        #[cfg(feature = "otlp")]
        let exporter = retry_gateway::Exporter::from_env()?;
        let server = Server::bind(config).await?;
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        // Before anybody is told that it listens, who may then stop it.
        let (stop, end) = stopped()?;
        let reloader = file.map(|file| server.reloader(file, config)).transpose()?;
        eprintln!("listening on {scheme}://{}", server.address()?);
        if let Some(address) = server.admin_address()? {
            eprintln!("metrics, health and status on http://{address}");
        }
        if let Some(reloader) = reloader {
            tokio::spawn(reloader.run());
        }
        tokio::select! {
            () = async {
                server.run(stop).await;
                #[cfg(feature = "otlp")]
                if let Some(exporter) = exporter {
                    exporter.finish().await;
                }
            } => {}
            () = end => {}
        }
        Ok(())
    })
}

/// The first resolves with SIGTERM or SIGINT, the second with another of them.
fn stopped() -> anyhow::Result<(impl Future<Output = ()>, impl Future<Output = ()>)> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopped) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    tokio::spawn(async move {
        for told in [stop, end] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            let _ = told.send(());
        }
    });
    Ok((async move { stopped.await.unwrap_or_default() }, async move { ended.await.unwrap_or_default() }))
}

impl Serve {
    /// As a file must have it. Ends the process if it is not so.
    fn require_private_admin(&self) {
        if let Some(admin) = self.admin.filter(|admin| !admin.ip().to_canonical().is_loopback())
            && !self.admin_public
        {
            let text = format!("others could ask --admin {admin}; if they may, say --admin-public\n");
            Cli::command().error(clap::error::ErrorKind::ValueValidation, text).exit();
        }
    }

    fn config(&self) -> Result<Config, ConfigError> {
        match (&self.config, &self.upstream) {
            (None, Some(upstream)) => {
                let config = Config::for_upstream(upstream.clone(), self.profile);
                Ok(Config { listen: self.listen, admin: self.admin, ..config })
            }
            // One of them is there, says clap.
            (file, _) => Config::load(file.as_deref().unwrap_or(Path::new(""))),
        }
    }
}

impl Check {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let mut code = ExitCode::SUCCESS;
        for file in &self.files {
            match Config::load(file) {
                Ok(config) => say(format_args!("{}: ok\n{}\n", file.display(), config.summary()))?,
                Err(problems) => code = refuse(&problems),
            }
        }
        Ok(code)
    }
}

impl Explain {
    fn run(self) -> anyhow::Result<ExitCode> {
        let outcome = match (self.status, self.failure) {
            (Some(status), _) => CaseOutcome::Response(status, self.headers.into_iter().collect()),
            (None, Some(How::Refused)) => CaseOutcome::Failure(FailureKind::Unprocessed),
            (None, Some(How::Reset)) => CaseOutcome::Failure(FailureKind::MaybeProcessed),
            (None, Some(How::Timeout)) => CaseOutcome::Failure(FailureKind::Timeout),
            // One of them is there, says clap.
            (None, Some(How::Connect) | None) => CaseOutcome::Failure(FailureKind::NeverSent),
        };
        let headers = self.request_headers.into_iter().collect();
        let case = Case { method: self.method, request: headers, outcome };
        let config = match &self.config {
            None => Config::for_upstream(Uri::from_static("http://upstream"), self.profile),
            Some(file) => match Config::load(file) {
                Ok(config) => config,
                Err(problems) => return Ok(refuse(&problems)),
            },
        };
        let Some(route) = config.route(&case.method, &self.path, &case.request)? else {
            bail!("no route takes {} {}", case.method, self.path);
        };
        say(explain(route, &case, SystemTime::now()))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn refuse(problems: &ConfigError) -> ExitCode {
    eprintln!("{problems}");
    ExitCode::from(2)
}
