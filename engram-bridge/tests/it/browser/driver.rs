//! A browser, driven over WebDriver (W3C, WebDriver level 2).
//!
//! The few commands needed are JSON over HTTP; client libraries would add a hundred crates.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::common::client::{get, post, send};

/// The code points that WebDriver assigns to keys without a character.
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ESCAPE: &str = "\u{e00c}";
pub(crate) const RIGHT: &str = "\u{e014}";
pub(crate) const DOWN: &str = "\u{e015}";

/// The time after which the driver gives up the search for an element, in milliseconds.
const TIME_LIMIT_MS: u64 = 60_000;

/// A browser with one window. Dropping it kills the driver; [`close`](Self::close) also ends the
/// browser.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
}

/// Starts a headless Chromium with an empty profile; `None` if it or chromedriver is not installed.
pub(crate) async fn start(profile: &Path) -> Option<Browser> {
    let driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn();
    let mut driver = driver.ok()?;
    let port = port(&mut driver);
    let mut browser =
        Browser { driver, address: ([127, 0, 0, 1], port).into(), session: String::new() };
    let profile = format!("--user-data-dir={}", profile.display());
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--window-size=1280,1000",
        &profile,
    ];
    let wanted = json!({
        "goog:chromeOptions": { "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL" },
        "timeouts": { "implicit": TIME_LIMIT_MS },
    });
    let capabilities = json!({ "capabilities": { "alwaysMatch": wanted } });
    let session = post(browser.address, "/session", &capabilities.to_string()).await.json();
    browser.session = session["value"]["sessionId"].as_str()?.to_owned();
    Some(browser)
}

/// Returns the port that the driver chose, read from its output.
fn port(driver: &mut Child) -> u16 {
    let said = BufReader::new(driver.stdout.take().expect("the output is piped")).lines();
    let mut ports = said.map_while(Result::ok).filter_map(|line| {
        let port = line.rsplit_once("on port ")?.1.trim_end_matches('.').to_owned();
        port.parse().ok()
    });
    ports.find(|port| *port != 0).expect("the driver prints its port")
}

impl Browser {
    async fn command(&self, path: &str, body: Value) -> Value {
        let path = format!("/session/{}/{path}", self.session);
        let reply = post(self.address, &path, &body.to_string()).await;
        assert_eq!(reply.status, 200, "{path} {body}: {}", reply.body);
        reply.json()["value"].clone()
    }

    async fn asked(&self, path: &str) -> Value {
        get(self.address, &format!("/session/{}/{path}", self.session)).await.json()["value"]
            .clone()
    }

    pub(crate) async fn open(&self, url: &str) {
        self.command("url", json!({ "url": url })).await;
    }

    /// Waits until an element matches the XPath; fails if none appears.
    pub(crate) async fn wait_for(&self, xpath: &str) {
        self.command("element", json!({ "using": "xpath", "value": xpath })).await;
    }

    /// Presses keys one after the other.
    pub(crate) async fn press(&self, keys: &[&str]) {
        let presses = keys.iter().flat_map(|key| {
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        });
        let presses: Vec<_> = presses.collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": presses });
        self.command("actions", json!({ "actions": [keyboard] })).await;
    }

    /// Runs a script and returns its result.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.command("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Returns the id of the element that has the focus, or the beginning of its text if it has no
    /// id.
    pub(crate) async fn focus(&self) -> String {
        let script = "const e = document.activeElement; return e.id || e.textContent.slice(0, 60)";
        self.run(script).await.as_str().unwrap_or_default().to_owned()
    }

    /// The errors and warnings in the browser's log, such as script errors and blocked sources.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.command("se/log", json!({ "type": "browser" })).await;
        let severe = log.as_array().into_iter().flatten();
        let severe =
            severe.filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        severe.map(|entry| entry["message"].to_string()).collect()
    }

    /// Emulates a device with a screen of this size in CSS pixels.
    pub(crate) async fn resize(&self, width: u32, height: u32, scale: f32) {
        let device = json!({ "width": width, "height": height, "deviceScaleFactor": scale,
            "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", device).await;
    }

    /// Sets the preferred colour scheme: `light` or `dark`.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Saves a screenshot of the whole page.
    pub(crate) async fn screenshot(&self, path: &Path) {
        let whole = json!({ "captureBeyondViewport": true });
        let picture = self.devtools("Page.captureScreenshot", whole).await;
        let picture = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::write(path, picture).unwrap();
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.command("goog/cdp/execute", body).await
    }

    /// Ends the session, which closes the browser.
    pub(crate) async fn close(self) {
        let (address, session) = (self.address, &self.session);
        let head = format!("DELETE /session/{session} HTTP/1.1\r\nHost: {address}");
        send(address, &format!("{head}\r\nConnection: close\r\n\r\n")).await;
    }

    /// Returns the title, which an injected script would have changed.
    pub(crate) async fn title(&self) -> String {
        self.asked("title").await.as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Neither fails if the process has already ended; a destructor cannot report another error.
        _ = self.driver.kill();
        _ = self.driver.wait();
    }
}
