//! Requests from h2load, so many and no more.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::proxy::output;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    pub(crate) path: &'a str,
    /// The file that is posted.
    pub(crate) body: Option<&'a Path>,
    /// Set if the request is one to an API of a language model: a JSON body, and a credential.
    pub(crate) is_llm: bool,
    pub(crate) connections: usize,
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answers {
    pub(crate) ok: u64,
    pub(crate) server_errors: u64,
}

impl Load<'_> {
    /// Sends so many over HTTP/1.1.
    pub(crate) fn send(self, to: SocketAddr, requests: u64) -> anyhow::Result<Answers> {
        let mut command = Command::new("h2load");
        command.args(["--h1", "-t", "1", "-n", &requests.to_string(), "-c", &self.connections.to_string()]);
        if let Some(body) = self.body {
            command.arg("-d").arg(body);
        }
        if self.is_llm {
            command.args(["-H", "content-type: application/json", "-H", "authorization: Bearer key"]);
        }
        let text = output(command.arg(format!("http://{to}{}", self.path)), "nghttp2-client")?;
        // "status codes: 90 2xx, 0 3xx, 0 4xx, 10 5xx"
        let count = |class: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix("status codes: "))?;
            let item = line.split(", ").find_map(|item| item.strip_suffix(class))?;
            item.trim().parse().ok()
        };
        let counts = count("2xx").zip(count("5xx")).with_context(|| format!("no counts in {text}"));
        let (ok, server_errors) = counts?;
        anyhow::ensure!(ok + server_errors == requests, "not every request was answered:\n{text}");
        Ok(Answers { ok, server_errors })
    }
}
