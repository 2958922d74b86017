//! The page for people, in a browser, by keyboard and by mouse.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Upstream, say};

/// A browser that nobody sees, and what drives it; both end with this.
struct Browser {
    driver: Child,
    address: SocketAddr,
    profile: tempfile::TempDir,
}

impl Browser {
    fn start() -> Self {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={}", address.port())).stdout(Stdio::null()).stderr(Stdio::null());
        let driver =
            command.spawn().expect("chromedriver is needed: apt-get install chromium chromium-driver");
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "chromedriver does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Self { driver, address, profile: tempfile::tempdir().unwrap() }
    }

    async fn open(&self, is_dark: bool) -> Client {
        let scheme = if is_dark { 0 } else { 1 };
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--window-size=1100,900".to_owned(),
            format!("--blink-settings=preferredColorScheme={scheme}"),
            format!("--user-data-dir={}/{scheme}", self.profile.path().display()),
        ];
        let wanted = json!({ "goog:chromeOptions": { "args": arguments } });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(wanted.as_object().cloned().unwrap());
        builder.connect(&format!("http://{}", self.address)).await.expect("chromium starts")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Requests, one after the other, until this is dropped.
struct Load {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    fn on(gateway: SocketAddr) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                call(gateway, "GET /", &[], "");
                thread::sleep(Duration::from_millis(10));
            }
        });
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn text(page: &Client, selector: &str) -> String {
    match page.find(Locator::Css(selector)).await {
        Ok(element) => element.text().await.unwrap_or_default(),
        Err(_) => String::new(),
    }
}

/// The text of an element, once it is as wanted.
async fn wait(page: &Client, selector: &str, is_wanted: impl Fn(&str) -> bool) -> String {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let found = text(page, selector).await;
        if is_wanted(&found) {
            return found;
        }
        assert!(Instant::now() < end, "{selector} is {found:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn is_above_zero(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|number| number > 0.0)
}

#[test]
fn the_page_shows_what_happens_now() {
    let upstream =
        Upstream::start(|number, _| if number % 5 == 0 { say(503, &[], "") } else { say(200, &[], "") });
    let gateway = Gateway::before(&upstream.url(), &["--admin", "127.0.0.1:0"]);
    let admin = gateway.admin.expect("it was asked for");
    let load = Load::on(gateway.address);
    let browser = Browser::start();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let page = browser.open(false).await;
        page.goto(&format!("http://{admin}/")).await.unwrap();
        wait(&page, "#state", |text| text == "live").await;
        wait(&page, "#chart-requests output", is_above_zero).await;
        wait(&page, "#chart-resends output", is_above_zero).await;
        wait(&page, "#resends tr", |text| text.starts_with("throttled")).await;
        assert!(text(&page, "#endpoints tr").await.starts_with(&upstream.url()));
        // A line that is drawn, and not a point.
        tokio::time::sleep(Duration::from_secs(3)).await;
        if let Some(path) = std::env::var_os("RETRY_GATEWAY_SCREENSHOT") {
            tokio::time::sleep(Duration::from_secs(20)).await;
            std::fs::write(path, page.screenshot().await.unwrap()).unwrap();
        }
        let line = page.find(Locator::Css("#chart-requests .line")).await.unwrap();
        assert!(line.attr("d").await.unwrap().unwrap().matches(" L").count() > 1);

        // By keyboard: the list of upstreams comes first, and then the button.
        let body = page.find(Locator::Css("body")).await.unwrap();
        body.send_keys(&format!("{}{}{}", Key::Tab, Key::Tab, Key::Enter)).await.unwrap();
        wait(&page, "#state", |text| text == "paused").await;
        let button = page.find(Locator::Id("pause")).await.unwrap();
        assert_eq!(button.attr("aria-pressed").await.unwrap().as_deref(), Some("true"));
        let before = line.attr("d").await.unwrap();
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert_eq!(line.attr("d").await.unwrap(), before);
        // By mouse.
        button.click().await.unwrap();
        wait(&page, "#state", |text| text == "live").await;
        page.close().await.unwrap();

        let dark = browser.open(true).await;
        dark.goto(&format!("http://{admin}/")).await.unwrap();
        wait(&dark, "#state", |text| text == "live").await;
        let ground = "return getComputedStyle(document.body).backgroundColor";
        assert_eq!(dark.execute(ground, Vec::new()).await.unwrap(), "rgb(14, 17, 22)");
        drop(load);
        drop(gateway);
        wait(&dark, "#state.bad", |text| text.starts_with("no answer")).await;
        dark.close().await.unwrap();
    });
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let gateway = Gateway::before("http://127.0.0.1:1", &["--admin", "127.0.0.1:0"]);
    let ask = |path: &str| call(gateway.admin.expect("it was asked for"), &format!("GET {path}"), &[], "");
    for path in ["/", "/page.css", "/page.js"] {
        let reply = ask(path);
        assert_eq!(reply.status, 200, "{path}");
        let policy = reply.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'self';"), "{path}: {policy}");
        let links =
            reply.body.matches("://").count() - reply.body.matches("http://www.w3.org/2000/svg").count();
        assert_eq!(links, 0, "{path} names another place");
    }
}
