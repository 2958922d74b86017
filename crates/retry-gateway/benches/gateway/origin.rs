//! The origin: nginx, which answers without asking anybody.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use tempfile::TempDir;

use crate::load::Load;
use crate::proxy::{Running, free_port, output};

/// A server that is running; it stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    _server: Running,
    folder: TempDir,
}

/// Answers 200.
pub(crate) const STEADY: &str = "/steady";
/// Answers 200 once it has read the whole body.
const READS: &str = "/reads";
/// Answers 503 to every tenth request, by chance, and 200 to the others.
pub(crate) const FLAKY: &str = "/flaky";

/// Answers 200, but 429 to a tenant that asks for more than 50 in a second.
pub(crate) const THROTTLED: &str = "/throttled";

impl Origin {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = free_port()?;
        let here = folder.path().display();
        let config = folder.path().join("nginx.conf");
        fs::write(
            &config,
            format!(
                "worker_processes 1; daemon off; pid {here}/pid; error_log {here}/error.log;
                events {{ worker_connections 4096; }}
                http {{
                    access_log off;
                    keepalive_requests 1000000000;
                    client_body_temp_path {here}/a; proxy_temp_path {here}/b; fastcgi_temp_path {here}/c;
                    uwsgi_temp_path {here}/d; scgi_temp_path {here}/e;
                    default_type text/plain;
                    upstream self {{ server {address}; keepalive 64; keepalive_requests 1000000000; }}
                    map $http_authorization $tenant {{ default ''; 'Bearer busy' busy; }}
                    limit_req_zone $tenant zone=tenants:1m rate=50r/s;
                    split_clients $request_id $fate {{ 10% tired; * well; }}
                    server {{
                        listen {address};
                        location {STEADY} {{ return 200 'hello, world'; }}
                        location {READS} {{
                            client_body_buffer_size 1m;
                            proxy_pass_request_body off;
                            proxy_set_header Content-Length '';
                            proxy_set_header Connection '';
                            proxy_http_version 1.1;
                            proxy_pass http://self{STEADY};
                        }}
                        location {THROTTLED} {{
                            limit_req zone=tenants burst=10 nodelay;
                            limit_req_status 429;
                            proxy_set_header Connection '';
                            proxy_http_version 1.1;
                            proxy_pass http://self{STEADY};
                        }}
                        location {FLAKY} {{
                            if ($fate = tired) {{ return 503 'tired'; }}
                            return 200 'hello, world';
                        }}
                        location /counts {{ stub_status; }}
                    }}
                }}"
            ),
        )?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&config).arg("-e").arg(folder.path().join("error.log"));
        let server = Running::start(&mut command, address, "nginx")?;
        Ok(Self { address, _server: server, folder })
    }

    /// How many connections were opened to it so far, and how many requests came in.
    pub(crate) fn counts(&self) -> anyhow::Result<(u64, u64)> {
        let text =
            output(Command::new("curl").arg("-s").arg(format!("http://{}/counts", self.address)), "curl")?;
        // "server accepts handled requests", and a line with three numbers.
        let line = text.lines().nth(2).with_context(|| format!("no counts in {text}"))?;
        let counts: Vec<u64> = line.split_whitespace().filter_map(|count| count.parse().ok()).collect();
        let [accepts, _, requests] = counts[..] else { anyhow::bail!("no counts in {text}") };
        Ok((accepts, requests))
    }

    /// The kinds of requests that are measured.
    pub(crate) fn cases(&self) -> anyhow::Result<[Case; 3]> {
        let body = self.folder.path().join("body");
        fs::write(&body, [b'x'; 4_096])?;
        Ok([
            Case { name: "GET, 200", path: STEADY, body: None, is_llm: false },
            Case { name: "POST of 4 KB, 200", path: STEADY, body: Some(body), is_llm: false },
            Case { name: "GET, every tenth 503", path: FLAKY, body: None, is_llm: false },
        ])
    }

    /// The requests to an API of a language model that are measured. Their body names the model behind a prompt, as that of
    /// Anthropic's SDK does.
    pub(crate) fn llm_cases(&self) -> anyhow::Result<[Case; 2]> {
        let case = |name: &'static str, size| {
            let body = self.folder.path().join(name);
            let prompt = "x".repeat(size);
            let json = format!(
                r#"{{"max_tokens":1024,"messages":[{{"role":"user","content":"{prompt}"}}],"model":"a-model"}}"#
            );
            fs::write(&body, json)?;
            anyhow::Ok(Case { name, path: READS, body: Some(body), is_llm: true })
        };
        Ok([case("POST of 2 KB of JSON", 2_000)?, case("POST of 200 KB of JSON", 200_000)?])
    }
}

/// A kind of request.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    path: &'static str,
    body: Option<PathBuf>,
    is_llm: bool,
}

impl Case {
    pub(crate) fn load(&self, connections: usize) -> Load<'_> {
        Load { path: self.path, body: self.body.as_deref(), is_llm: self.is_llm, connections }
    }
}
