//! The arguments of the command line, and their help.

pub(crate) mod demo;
mod man;

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use retry_gateway::config::{Config, Profile};

use self::demo::Demo;

/// A reverse proxy that sends failed requests again, when that helps and never hurts.
#[derive(Debug, Parser)]
#[command(version, long_version = LONG_VERSION)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

// The doc comments below are the help, so they are imperatives.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway, from a configuration file or for one upstream.
    Serve(Serve),
    /// Check configuration files and print every problem; exit with 2 if there is one.
    Check(Check),
    /// Explain whether a request is retried after an outcome, by which rule or why not, and when.
    Explain(Explain),
    /// Call four servers on this machine, directly and through gateways, and print the cost of each strategy.
    ///
    /// Each server counts its calls, and answers 429 with `Retry-After: 1` to a call that it does not serve. "wasted"
    /// counts the calls that were not served, and "early" counts the calls that came within the second of a 429.
    Demo(Demo),
    /// Generate shell completions.
    Completions(Completions),
    /// Print the manual page, or write the pages of all commands to a folder.
    Man(Man),
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").args(["config", "upstream"]).required(true))]
pub(crate) struct Serve {
    /// Read the configuration from this file, and reload it on SIGHUP and when it changes.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Send all requests to this server, without a file.
    #[arg(long, value_name = "URL", value_parser = Config::endpoint)]
    pub(crate) upstream: Option<Uri>,
    /// Set the defaults by this profile (only with --upstream).
    #[arg(long, value_enum, default_value_t, conflicts_with = "config")]
    pub(crate) profile: Profile,
    /// Accept clients at this IP address and port (only with --upstream).
    #[arg(
        long,
        value_name = "ADDR",
        default_value_t = Config::LISTEN,
        value_parser = address,
        conflicts_with = "config"
    )]
    pub(crate) listen: SocketAddr,
    /// Serve metrics, health, status and the dashboard at this IP address and port; off by default (only with
    /// --upstream).
    #[arg(long, value_name = "ADDR", value_parser = address, conflicts_with = "config")]
    pub(crate) admin: Option<SocketAddr>,
    /// Allow an --admin address that other hosts can reach (only with --upstream).
    #[arg(long, requires = "admin", conflicts_with = "config")]
    pub(crate) admin_public: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("outcome").args(["status", "failure"]).required(true))]
pub(crate) struct Explain {
    /// Read the routes from this file; without it there is one route with the defaults of --profile.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Set the defaults by this profile (only without --config).
    #[arg(long, value_enum, default_value_t, conflicts_with = "config")]
    pub(crate) profile: Profile,
    /// Find the route for this path (only with --config).
    #[arg(long, default_value = "/", requires = "config")]
    pub(crate) path: String,
    /// Set the request's method.
    #[arg(long, default_value = "GET")]
    pub(crate) method: Method,
    /// Add a header to the request, as `name: value`; may be repeated.
    #[arg(long = "request-header", value_name = "LINE", value_parser = header)]
    pub(crate) request_headers: Vec<(HeaderName, HeaderValue)>,
    /// Set the status of the response, a number from 100 to 999.
    #[arg(long, value_parser = status)]
    pub(crate) status: Option<StatusCode>,
    /// Add a header to the response, as `name: value`; may be repeated.
    #[arg(long = "header", value_name = "LINE", value_parser = header, conflicts_with = "failure")]
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Read the body of the response from this file; without a content-type header it counts as JSON, or as an event
    /// stream if it begins like one.
    #[arg(long, value_name = "FILE", conflicts_with = "failure")]
    pub(crate) body: Option<PathBuf>,
    /// Set the failure of an attempt without a response.
    #[arg(long, value_enum)]
    pub(crate) failure: Option<AttemptFailure>,
}

/// The failure of an attempt without a response.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AttemptFailure {
    /// The connection could not be opened.
    Connect,
    /// The server refused the HTTP/2 stream before it processed the request.
    Refused,
    /// The connection broke before the response.
    Reset,
    /// The attempt took longer than `per_try_timeout`.
    Timeout,
}

fn header(line: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let Some((name, value)) = line.split_once(':') else {
        bail!("`{line}` has no colon; write a header as `name: value`");
    };
    Ok((name.trim().parse()?, value.trim().parse()?))
}

fn address(text: &str) -> anyhow::Result<SocketAddr> {
    text.parse().context("an address is an IP address and a port, such as 127.0.0.1:8080")
}

fn status(text: &str) -> anyhow::Result<StatusCode> {
    text.parse().context("a status is a number from 100 to 999")
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Check these files.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Also connect to the store of the fleet, and try what a member does there.
    #[arg(long)]
    pub(crate) online: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Generate completions for this shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write the pages of all commands to this folder, and create it if it does not exist.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// Prints to the standard output. The reader may close the pipe before the end, where `print` would panic.
pub(crate) fn print_out(text: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match write!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// The output of `--version`; `-V` prints its first line.
const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit: ",
    env!("BUILD_COMMIT"),
    "\ndate: ",
    env!("BUILD_DATE"),
    "\nrustc: ",
    env!("BUILD_RUSTC"),
    "\ntarget: ",
    env!("BUILD_TARGET"),
    "\nprofile: ",
    env!("BUILD_PROFILE"),
);
