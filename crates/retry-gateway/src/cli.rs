//! What may be said to the gateway at a terminal.

pub(crate) mod demo;
mod man;

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use retry_gateway::config::{Config, Profile};

use self::demo::Options;

/// A reverse proxy that sends failed requests again, when that helps and never hurts.
#[derive(Debug, Parser)]
#[command(version, long_version = LONG_VERSION)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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
    /// Prints what has a shell complete this command line.
    Completions(Completions),
    /// Prints the manual page, or writes all of them.
    Man(Man),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The configuration.
    #[arg(long, value_name = "FILE", required_unless_present = "upstream")]
    pub(crate) config: Option<PathBuf>,
    /// Without a file: the server that everything is sent to.
    #[arg(long, value_name = "URL", conflicts_with = "config", value_parser = Config::endpoint)]
    pub(crate) upstream: Option<Uri>,
    /// Without a file: where the defaults are from.
    #[arg(long, value_enum, default_value_t, requires = "upstream")]
    pub(crate) profile: Profile,
    /// Without a file: where requests come in.
    #[arg(long, value_name = "ADDR", default_value_t = Config::LISTEN, requires = "upstream")]
    pub(crate) listen: SocketAddr,
    /// Without a file: where metrics, health and status are.
    #[arg(long, value_name = "ADDR", requires = "upstream")]
    pub(crate) admin: Option<SocketAddr>,
    /// Without a file: lets `--admin` be an address that others reach.
    #[arg(long, requires = "admin")]
    pub(crate) admin_public: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The configuration; without one the profile's defaults count.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Without a file: where the defaults are from.
    #[arg(long, value_enum, default_value_t, conflicts_with = "config")]
    pub(crate) profile: Profile,
    /// With a file: the path of the request, by which its route is found.
    #[arg(long, default_value = "/", requires = "config")]
    pub(crate) path: String,
    /// The request's method.
    #[arg(long, default_value = "GET")]
    pub(crate) method: Method,
    /// A header of the request, `name: value`.
    #[arg(long = "request-header", value_name = "LINE", value_parser = header)]
    pub(crate) request_headers: Vec<(HeaderName, HeaderValue)>,
    /// The status of the response.
    #[arg(long, required_unless_present = "failure")]
    pub(crate) status: Option<StatusCode>,
    /// A header of the response, `name: value`.
    #[arg(long = "header", value_name = "LINE", value_parser = header)]
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Instead of a response: how the attempt failed.
    #[arg(long, value_enum, conflicts_with_all = ["status", "headers"])]
    pub(crate) failure: Option<How>,
}

/// How an attempt fails.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum How {
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
pub(crate) struct Check {
    /// The files.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Where to write the pages of all commands; the folder is made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// Prints on the standard output. Nobody has to read it to the end, and `print` would panic then.
pub(crate) fn say(text: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match write!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// What `--version` says; `-V` says the first line.
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
