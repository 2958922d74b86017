//! The gateway's binary: it runs the commands of its command line.

mod cli;

use std::backtrace::Backtrace;
use std::borrow::Cow;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use http::Uri;
use mimalloc::MiMalloc;
use nix::sys::signal::{SigSet, Signal};
use retry_gateway::config::{Config, ConfigError, RouteConfig};
use retry_gateway::{
    Case, CaseOutcome, Server, explain, explain_pace, flush_logs, print_error, read_body, with_addresses,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tower_http_retry::FailureKind;

use crate::cli::{AttemptFailure, Check, Cli, Command, Explain, Serve, print_out};

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
        Command::Demo(demo) => {
            tokio::runtime::Runtime::new()?.block_on(demo.run())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    }
}

/// Serves requests until the process gets a signal. A configuration from a file is reloaded from it.
fn run(config: &Config, file: Option<&Path>) -> anyhow::Result<()> {
    report_panics();
    // Whoever sees the port open may send a signal, which ends a process without a handler for it. So the signals wait
    // until all handlers are in place. The threads that start from here on leave them to this one.
    handled_signals().thread_block()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let result = runtime.block_on(serve(config, file));
    // A look-up of a name cannot be cancelled, and the process does not wait for its end. The requests that are left
    // end here, so the flush comes after their lines.
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN_TIMEOUT);
    flush_logs();
    result
}

async fn serve(config: &Config, file: Option<&Path>) -> anyhow::Result<()> {
    #[cfg(feature = "otlp")]
    let exporter = retry_gateway::Exporter::from_env()?;
    let (stop, end) = shutdown_signals()?;
    let hangup = file.map(|_| signal(SignalKind::hangup())).transpose()?;
    let server = Server::bind(config).await?;
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let reloader = file.zip(hangup).map(|(file, hangup)| server.reloader(file, config, hangup));
    handled_signals().thread_unblock()?;
    print_error(&format!("listening on {scheme}://{}", server.address()?));
    if let Some(address) = server.admin_address()? {
        print_error(&format!("metrics, health, status and dashboard on http://{address}"));
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
}

/// Prints panics in the way of all other messages, because the standard library would wait for the reader.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        print_error(&format!("{panic}\n{}", Backtrace::capture()));
    }));
}

/// Returns the signals that the gateway acts on.
fn handled_signals() -> SigSet {
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM].into_iter().collect()
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
                Ok(config) => {
                    if let Err(error) = self.check(file, &config) {
                        eprintln!("{}: {error:#}", file.display());
                        code = ExitCode::from(2);
                    }
                }
                Err(problems) => code = print_problems(&problems),
            }
        }
        Ok(code)
    }

    /// Checks what is outside of a valid file, and sums it up. Warnings leave the exit code as it is.
    fn check(&self, file: &Path, config: &Config) -> anyhow::Result<()> {
        Server::check(config)?;
        let store = if self.online { Server::check_store(config)? } else { None };
        let (store, warnings) = store.unwrap_or_default();
        let store = if store.is_empty() { store } else { format!("\n  store of the fleet: {store}") };
        print_out(format_args!("{}: ok\n{}{store}\n", file.display(), config.summary()))?;
        for warning in config.warnings().iter().chain(&warnings) {
            eprintln!("{}: warning: {warning}", file.display());
        }
        Ok(())
    }
}

impl Explain {
    fn run(self) -> anyhow::Result<ExitCode> {
        let config = match &self.config {
            None => Config::for_upstream(Uri::from_static("http://upstream"), self.profile),
            Some(file) => match Config::load(file) {
                Ok(config) => config,
                Err(problems) => return Ok(print_problems(&problems)),
            },
        };
        let request = self.request_headers.iter().cloned().collect();
        let Some(route) = config.route(&self.method, &self.path, &request)? else {
            bail!("no route of the configuration matches {} {}", self.method, self.path);
        };
        let now = SystemTime::now();
        let upstream = config.upstreams.get(&route.upstream);
        // The upstream of a profile alone is none that exists.
        let upstream = upstream.map(|upstream| match &self.config {
            Some(_) => Cow::Owned(with_addresses(upstream)),
            None => Cow::Borrowed(upstream),
        });
        let case = Case { method: self.method.clone(), request, outcome: self.outcome(route)? };
        let pace =
            upstream.as_deref().map_or_else(String::new, |upstream| explain_pace(upstream, &case, now));
        print_out(explain(route, upstream.as_deref(), &case, now) + &pace)?;
        Ok(ExitCode::SUCCESS)
    }

    fn outcome(self, route: &RouteConfig) -> anyhow::Result<CaseOutcome> {
        let kind = match (self.status, self.failure) {
            (Some(status), _) => {
                let headers = self.headers.into_iter().collect();
                let Some(file) = self.body else { return Ok(CaseOutcome::response(status, headers)) };
                let body = std::fs::read(&file)
                    .with_context(|| format!("--body: cannot read {}", file.display()))?;
                return Ok(CaseOutcome::Response(Box::new(read_body(route, status, headers, body)?)));
            }
            (None, Some(AttemptFailure::Refused)) => FailureKind::Unprocessed,
            (None, Some(AttemptFailure::Reset)) => FailureKind::MaybeProcessed,
            (None, Some(AttemptFailure::Timeout)) => FailureKind::Timeout,
            // The argument group guarantees that one of them is present.
            (None, Some(AttemptFailure::Connect) | None) => FailureKind::NeverSent,
        };
        Ok(CaseOutcome::Failure(kind))
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

/// The longest time that the end of the process waits for threads that are still at work.
const RUNTIME_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
