//! The page for people, in a browser, by keyboard and by mouse.

mod pictures;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, say};

/// A browser that nobody sees, and what drives it; both end with this.
struct Browser {
    driver: Child,
    address: SocketAddr,
    profile: tempfile::TempDir,
    /// The number of windows that were opened, each of which has a profile of its own.
    windows: AtomicUsize,
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
        Self { driver, address, profile: tempfile::tempdir().unwrap(), windows: AtomicUsize::new(0) }
    }

    async fn open(&self, is_dark: bool) -> Client {
        self.open_with(is_dark, json!({})).await
    }

    /// A window with further options of chromium's driver.
    async fn open_with(&self, is_dark: bool, mut options: Value) -> Client {
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
            "--window-size=1600,1200".to_owned(),
            "--hide-scrollbars".to_owned(),
            format!("--blink-settings=preferredColorScheme={scheme}"),
            format!(
                "--user-data-dir={}/{}",
                self.profile.path().display(),
                self.windows.fetch_add(1, Ordering::Relaxed)
            ),
        ];
        options["args"] = json!(arguments);
        let wanted = json!({ "goog:chromeOptions": options });
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
    let upstream = Upstream::start(|number, _| match number % 10 {
        0 | 5 => say(503, &[], ""),
        3 => Act::Part("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_owned(), Duration::ZERO),
        _ => say(200, &[], ""),
    });
    let gateway = Gateway::before(&upstream.url(), &["--admin", "127.0.0.1:0"]);
    let admin = gateway.admin.expect("it was asked for");
    let load = Load::on(gateway.address);
    let browser = Browser::start();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let page = browser.open(false).await;
        page.goto(&format!("http://{admin}/")).await.unwrap();
        wait(&page, "#state", |text| text == "live").await;
        wait(&page, "#chart-requests output", is_above_zero).await;
        wait(&page, "#chart-resends li:nth-child(3) output", is_above_zero).await;
        wait(&page, "#resends tr", |text| text.starts_with("throttled")).await;
        assert!(text(&page, "#endpoints tr").await.starts_with(&upstream.url()));
        // A line that is drawn, and not a point.
        tokio::time::sleep(Duration::from_secs(3)).await;
        // Axes, their unit, and the two minutes that they span.
        let texts = "return document.querySelector('#chart-requests svg').textContent";
        let texts = page.execute(texts, Vec::new()).await.unwrap().as_str().unwrap().to_owned();
        for word in ["per second", "2 min ago", "1 min ago", "now"] {
            assert!(texts.contains(word), "{texts}");
        }
        // The charts take the whole width.
        let right = "return document.querySelector('#charts').getBoundingClientRect().right";
        assert!(page.execute(right, Vec::new()).await.unwrap().as_f64().unwrap() > 1_500.0);
        for row in ["not cut", "cut-by-upstream", "cut-by-client", "timed-out"] {
            assert!(text(&page, "#ends").await.contains(row), "{row}");
        }
        // The name of each metric that the page shows is one of `/metrics`, whose words the legends have too.
        let metrics = gateway.ask("/metrics").body;
        let names = "return [...document.querySelectorAll('code')].map((code) => code.textContent).join(' ')";
        let names = page.execute(names, Vec::new()).await.unwrap();
        for name in names.as_str().unwrap().split(&[' ', ',', '/'][..]).filter(|name| name.contains('_')) {
            let known = metrics.contains(&format!("# TYPE {} ", name.trim_end_matches("_total")));
            assert!(known || name == "pace_keys" || name.starts_with("pace_"), "{name} is no metric");
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

        // A telephone.
        let metrics = json!({ "width": 360, "height": 740, "pixelRatio": 1 });
        let narrow =
            browser.open_with(false, json!({ "mobileEmulation": { "deviceMetrics": metrics } })).await;
        narrow.goto(&format!("http://{admin}/")).await.unwrap();
        wait(&narrow, "#chart-requests output", is_above_zero).await;
        let width = narrow.execute("return document.documentElement.scrollWidth", Vec::new()).await.unwrap();
        assert_eq!(width.as_f64(), Some(360.0), "the page is wider than the window");
        narrow.close().await.unwrap();

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
    for path in ["/", "/page.css", "/chart.js", "/page.js"] {
        let reply = ask(path);
        assert_eq!(reply.status, 200, "{path}");
        let policy = reply.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'self';"), "{path}: {policy}");
        let links =
            reply.body.matches("://").count() - reply.body.matches("http://www.w3.org/2000/svg").count();
        assert_eq!(links, 0, "{path} names another place");
    }
}
