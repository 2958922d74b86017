//! The gateway's command line.

mod demo;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::bail;
use clap::{Args, Parser, Subcommand, ValueEnum};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use mimalloc::MiMalloc;
use retry_experiment::Options;
use retry_gateway::config::{Config, ConfigError, Profile};
use retry_gateway::{Case, CaseOutcome, Server, explain};
use tokio::signal::unix::{SignalKind, signal};
use tower_http_retry::FailureKind;

/// What a proxy allocates is small, short-lived and freed by another task, which this one is made for.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A reverse proxy that sends failed requests again, when that helps and never hurts.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the gateway, from a file or for one upstream.
    Serve(Serve),
    /// Says what is wrong with configuration files, and exits with 2 if anything is.
    Check(Check),
    /// Says what would be done with an outcome: by which row, and when.
    Explain(Explain),
    /// Calls four servers on this machine, with a gateway in between and without, and prints what it cost.
    ///
    /// Every server answers 429 and `Retry-After: 1` to whom it does not serve, and does the counting:
    /// "wasted" are calls that served nobody, "early" are calls that came back before the second was over.
    Demo(Options),
}

#[derive(Debug, Args)]
struct Serve {
    /// The configuration.
    #[arg(long, value_name = "FILE", required_unless_present = "upstream")]
    config: Option<PathBuf>,
    /// Without a file: the server that everything is sent to.
    #[arg(long, value_name = "URL", conflicts_with = "config", value_parser = Config::endpoint)]
    upstream: Option<Uri>,
    /// Without a file: where the defaults are from.
    #[arg(long, value_enum, default_value_t, requires = "upstream")]
    profile: Profile,
    /// Without a file: where requests come in.
    #[arg(long, value_name = "ADDR", default_value_t = Config::LISTEN, requires = "upstream")]
    listen: SocketAddr,
    /// Without a file: where metrics, health and status are.
    #[arg(long, value_name = "ADDR", requires = "upstream")]
    admin: Option<SocketAddr>,
}

#[derive(Debug, Args)]
struct Explain {
    /// The configuration; without one the profile's defaults count.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Without a file: where the defaults are from.
    #[arg(long, value_enum, default_value_t, conflicts_with = "config")]
    profile: Profile,
    /// With a file: the path of the request, by which its route is found.
    #[arg(long, default_value = "/", requires = "config")]
    path: String,
    /// The request's method.
    #[arg(long, default_value = "GET")]
    method: Method,
    /// A header of the request, `name: value`.
    #[arg(long = "request-header", value_name = "LINE", value_parser = header)]
    request_headers: Vec<(HeaderName, HeaderValue)>,
    /// The status of the response.
    #[arg(long, required_unless_present = "failure")]
    status: Option<StatusCode>,
    /// A header of the response, `name: value`.
    #[arg(long = "header", value_name = "LINE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Instead of a response: how the attempt failed.
    #[arg(long, value_enum, conflicts_with_all = ["status", "headers"])]
    failure: Option<How>,
}

/// How an attempt fails.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum How {
    /// No connection.
    Connect,
    /// An HTTP/2 stream that was refused unprocessed.
    Refused,
    /// A connection that broke.
    Reset,
    /// A try that took too long.
    Timeout,
}

fn header(line: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let Some((name, value)) = line.split_once(':') else {
        bail!("`{line}` has no colon; a header is `name: value`");
    };
    Ok((name.trim().parse()?, value.trim().parse()?))
}

#[derive(Debug, Args)]
struct Check {
    /// The files.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Serve(serve) => {
            let config = match serve.config() {
                Ok(config) => config,
                Err(problems) => return Ok(refuse(&problems)),
            };
            run(&config)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(check) => check.run(),
        Command::Explain(case) => case.run(),
        Command::Demo(options) => {
            tokio::runtime::Runtime::new()?.block_on(demo::run(&options))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Answers requests until it is asked to stop.
fn run(config: &Config) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let server = Server::bind(config).await?;
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        // Before anybody is told that it listens, who may then stop it.
        let stop = stopped()?;
        eprintln!("listening on {scheme}://{}", server.address()?);
        if let Some(address) = server.admin_address()? {
            eprintln!("metrics, health and status on http://{address}");
        }
        server.run(stop).await;
        Ok(())
    })
}

/// Resolves with SIGTERM or SIGINT.
fn stopped() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

impl Serve {
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
                // Not `println`, which panics where nobody reads.
                Ok(config) => writeln!(io::stdout(), "{}: ok\n{}", file.display(), config.summary())?,
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
            (None, Some(How::Refused)) => CaseOutcome::Failure(FailureKind::Refused),
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
        print!("{}", explain(route, &case, SystemTime::now()));
        Ok(ExitCode::SUCCESS)
    }
}

fn refuse(problems: &ConfigError) -> ExitCode {
    eprintln!("{problems}");
    ExitCode::from(2)
}
