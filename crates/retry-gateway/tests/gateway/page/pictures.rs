//! The pictures of the page in the documentation. This command takes them again, in two and a half minutes:
//!
//! ```sh
//! UPDATE_SCREENSHOTS=1 cargo test -p retry-gateway --test gateway page::pictures
//! ```

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fantoccini::Client;

use super::{Browser, wait};
use crate::client::open;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, nobody, say};

/// A server that serves the credential `a` 25 times a second, `b` 5 times, and all others always. Now and then it cuts a
/// response, and for a while it answers 503.
fn limited() -> Upstream {
    let started = Instant::now();
    let served = [AtomicU64::new(0), AtomicU64::new(0)];
    Upstream::start(move |number, seen| {
        let at = started.elapsed().as_secs_f64();
        let (rate, served) = match seen.header("authorization") {
            Some("a") => (25.0, &served[0]),
            Some("b") => (5.0, &served[1]),
            _ if number % 40 == 0 => {
                let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_owned();
                return Act::Part(half, Duration::from_millis(5));
            }
            _ if (50.0..80.0).contains(&at) && number % 5 == 0 => return say(503, &[], ""),
            _ => return say(200, &[], "done"),
        };
        match (served.load(Ordering::Relaxed) as f64) < rate * at + rate {
            true => {
                served.fetch_add(1, Ordering::Relaxed);
                say(200, &[], "done")
            }
            false => say(429, &[], ""),
        }
    })
}

#[test]
fn pictures_of_the_page_are_taken_on_demand() {
    if std::env::var_os("UPDATE_SCREENSHOTS").is_none() {
        return;
    }
    let upstream = limited();
    let gateway = Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [{:?}, {:?}]\npace = {{ key = \"credential\" }}\n\
         [[routes]]\nupstream = \"api\"\n",
        upstream.url(),
        nobody()
    ));
    let admin = gateway.admin.expect("the file has one");
    let is_over = Arc::<AtomicBool>::default();
    // Requests a second by credential.
    let loads = [("a", 30), ("b", 8), ("c", 40)].map(|(credential, rate)| {
        let (is_over, address) = (Arc::clone(&is_over), gateway.address);
        thread::spawn(move || {
            let mut last = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                last.push(open(address, "GET /v1/items", &[&format!("authorization: {credential}")], ""));
                // Clients wait for a while, and then leave.
                if last.len() > 15 * rate {
                    last.remove(0);
                }
                thread::sleep(Duration::from_secs(1) / u32::try_from(rate).unwrap());
            }
        })
    });
    let browser = Browser::start();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let (light, dark) = (browser.open(false).await, browser.open(true).await);
        for page in [&light, &dark] {
            page.goto(&format!("http://{admin}/")).await.unwrap();
            wait(page, "#state", |text| text == "live").await;
        }
        tokio::time::sleep(Duration::from_secs(122)).await;
        take(&light, "gateway-page.png").await;
        take(&dark, "gateway-page-dark.png").await;
    });
    is_over.store(true, Ordering::Relaxed);
    for load in loads {
        load.join().unwrap();
    }
}

/// Takes a picture of the whole page, not only of what fits into the window.
async fn take(page: &Client, name: &str) {
    let measure = "return document.body.scrollHeight + window.outerHeight - window.innerHeight";
    let height = page.execute(measure, Vec::new()).await.unwrap().as_u64().unwrap();
    page.set_window_size(1_600, u32::try_from(height).unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    std::fs::write(path, page.screenshot().await.unwrap()).unwrap();
}
