//! The gateway's binary: it runs the commands of its command line.

mod cli;

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::bail;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use http::Uri;
use mimalloc::MiMalloc;
use retry_gateway::config::{Config, ConfigError};
use retry_gateway::{Case, CaseOutcome, Server, explain};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tower_http_retry::FailureKind;

use crate::cli::{AttemptFailure, Check, Cli, Command, Explain, Serve, demo, print_out};

/// mimalloc suits a proxy, whose allocations are small, short-lived and often freed by another task.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Serve(serve) => {
            serve.require_private_admin();
            let config = match serve.config() {
                Ok(config) => config,
                Err(problems) => return Ok(print_problems(&problems)),
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

/// Serves requests until the process gets a signal. A configuration from a file is reloaded from it.
fn run(config: &Config, file: Option<&Path>) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        #[cfg(feature = "otlp")]
        let exporter = retry_gateway::Exporter::from_env()?;
        let server = Server::bind(config).await?;
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        // The signal handlers have to be in place before the line below, whose reader may send a signal at once.
        let (stop, end) = shutdown_signals()?;
        let reloader = file.map(|file| server.reloader(file, config)).transpose()?;
        eprintln!("listening on {scheme}://{}", server.address()?);
        if let Some(address) = server.admin_address()? {
            eprintln!("metrics, health, status and dashboard on http://{address}");
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

/// Returns two futures: the first resolves at SIGTERM or SIGINT, the second at another one of them.
fn shutdown_signals() -> anyhow::Result<(impl Future<Output = ()>, impl Future<Output = ()>)> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (first, on_first) = oneshot::channel();
    let (second, on_second) = oneshot::channel();
    tokio::spawn(async move {
        for sender in [first, second] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            let _ = sender.send(());
        }
    });
    Ok((
        async move { on_first.await.unwrap_or_default() },
        async move { on_second.await.unwrap_or_default() },
    ))
}

impl Serve {
    /// Ends the process with an error if other hosts can reach --admin without --admin-public. A file has the same rule.
    fn require_private_admin(&self) {
        if let Some(admin) = self.admin.filter(|admin| !admin.ip().to_canonical().is_loopback())
            && !self.admin_public
        {
            let text =
                format!("--admin {admin} is reachable from other hosts; pass --admin-public to allow it");
            exit_with_usage("serve", &text);
        }
    }

    fn config(&self) -> Result<Config, ConfigError> {
        match (&self.config, &self.upstream) {
            (None, Some(upstream)) => {
                let config = Config::for_upstream(upstream.clone(), self.profile);
                Ok(Config { listen: self.listen, admin: self.admin, ..config })
            }
            // The argument group guarantees that one of them is present.
            (file, _) => Config::load(file.as_deref().unwrap_or(Path::new(""))),
        }
    }
}

impl Check {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let mut code = ExitCode::SUCCESS;
        for file in &self.files {
            match Config::load(file) {
                Ok(config) => print_out(format_args!("{}: ok\n{}\n", file.display(), config.summary()))?,
                Err(problems) => code = print_problems(&problems),
            }
        }
        Ok(code)
    }
}

impl Explain {
    fn run(self) -> anyhow::Result<ExitCode> {
        let outcome = match (self.status, self.failure) {
            (Some(status), _) => CaseOutcome::Response(status, self.headers.into_iter().collect()),
            (None, Some(AttemptFailure::Refused)) => CaseOutcome::Failure(FailureKind::Unprocessed),
            (None, Some(AttemptFailure::Reset)) => CaseOutcome::Failure(FailureKind::MaybeProcessed),
            (None, Some(AttemptFailure::Timeout)) => CaseOutcome::Failure(FailureKind::Timeout),
            // The argument group guarantees that one of them is present.
            (None, Some(AttemptFailure::Connect) | None) => CaseOutcome::Failure(FailureKind::NeverSent),
        };
        let headers = self.request_headers.into_iter().collect();
        let case = Case { method: self.method, request: headers, outcome };
        let config = match &self.config {
            None => Config::for_upstream(Uri::from_static("http://upstream"), self.profile),
            Some(file) => match Config::load(file) {
                Ok(config) => config,
                Err(problems) => return Ok(print_problems(&problems)),
            },
        };
        let Some(route) = config.route(&case.method, &self.path, &case.request)? else {
            bail!("no route of the configuration matches {} {}", case.method, self.path);
        };
        print_out(explain(route, &case, SystemTime::now()))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Ends the process with an error of the command line and the usage of this command.
fn exit_with_usage(command: &str, text: &str) -> ! {
    let mut cli = Cli::command();
    // This gives the commands their full names, which the usage shows.
    cli.build();
    let error = match cli.find_subcommand_mut(command) {
        Some(command) => command.error(ErrorKind::ValueValidation, text),
        None => cli.error(ErrorKind::ValueValidation, text),
    };
    error.exit()
}

/// Prints the problems of a configuration, and returns the exit code for them.
fn print_problems(problems: &ConfigError) -> ExitCode {
    eprintln!("{problems}");
    ExitCode::from(2)
}
