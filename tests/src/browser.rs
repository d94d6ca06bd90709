//! A real browser: Chromium without a window, driven by chromedriver.
#![allow(clippy::expect_used, clippy::panic, reason = "a harness that cannot do its part fails the test at once")]

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::Engine as _;
use fantoccini::{Client, ClientBuilder, Locator, wd::WebDriverCompatibleCommand};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// How long a page may take to become as expected.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often an expectation is looked at again.
const EVERY: Duration = Duration::from_millis(25);

/// A browser with one page. Dropped, it is gone with everything it started.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    driver: Child,
    profile: TempDir,
}

impl Browser {
    /// Starts a browser with an empty profile, 1240 × 900 pixels.
    ///
    /// # Panics
    /// When chromedriver or Chromium cannot be started.
    pub async fn open() -> Browser {
        let profile = tempfile::tempdir().expect("a temporary directory");
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver (package chromium-driver) is needed for tests of the dashboard");
        let port = driver_port(&mut driver);
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1240,900",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("an object was written") };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a session with chromium");
        Browser { client, driver, profile }
    }

    /// Goes to an address.
    ///
    /// # Panics
    /// When the page does not load.
    pub async fn goto(&self, address: &str) {
        self.client.goto(address).await.expect("the page");
    }

    /// The session itself, for what is not here.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What a script returns.
    ///
    /// # Panics
    /// When it throws.
    pub async fn eval(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.expect("the script's answer")
    }

    /// The text that a person sees in the first element of a selector; empty where there is none.
    pub async fn text(&self, selector: &str) -> String {
        let script = "const e = document.querySelector(arguments[0]); return e ? e.innerText : ''";
        let text = self.client.execute(script, vec![json!(selector)]).await;
        text.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Clicks on the first element of a selector, once it is there and can be clicked.
    ///
    /// # Panics
    /// When that does not come to be.
    pub async fn click(&self, selector: &str) {
        self.click_on(Locator::Css(selector)).await;
    }

    /// Does what somebody does who reads the page: clicks on the first link, button or fold with these words, once it is
    /// there and can be clicked.
    ///
    /// # Panics
    /// When that does not come to be.
    pub async fn press(&self, words: &str) {
        let path = format!("//*[self::a or self::button or self::summary][contains(normalize-space(.), \"{words}\")]");
        self.click_on(Locator::XPath(&path)).await;
    }

    async fn click_on(&self, locator: Locator<'_>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // A page that is being replaced has no element yet, or one that is gone when the click arrives.
            let clicked = match self.client.find(locator).await {
                Ok(element) => element.click().await,
                Err(error) => Err(error),
            };
            let Err(error) = clicked else { return };
            assert!(Instant::now() < deadline, "{locator:?} cannot be clicked: {error}");
            sleep(EVERY).await;
        }
    }

    /// Types into the first element of a selector.
    ///
    /// # Panics
    /// When there is none that takes it.
    pub async fn type_into(&self, selector: &str, text: &str) {
        let element = self.client.find(Locator::Css(selector)).await.expect("a field to type into");
        element.send_keys(text).await.expect("the field takes what is typed");
    }

    /// Waits until the first element of a selector shows a text.
    ///
    /// # Panics
    /// When it does not; with what the page shows.
    pub async fn shows(&self, selector: &str, text: &str) {
        self.until_true(
            &format!("{selector} shows {text:?}"),
            "const e = document.querySelector(arguments[0]); return e !== null && e.innerText.includes(arguments[1])",
            vec![json!(selector), json!(text)],
        )
        .await;
    }

    /// Waits until an expression is true in a page that is loaded.
    ///
    /// # Panics
    /// When it does not become true; with what the page shows.
    pub async fn until(&self, expression: &str) {
        // The address changes before the page that it names is there.
        let script = format!("return document.readyState === 'complete' && Boolean({expression})");
        self.until_true(expression, &script, vec![]).await;
    }

    async fn until_true(&self, what: &str, script: &str, arguments: Vec<Value>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.client.execute(script, arguments.clone()).await;
            if answer.is_ok_and(|answer| answer == json!(true)) {
                return;
            }
            if Instant::now() > deadline {
                panic!("waited in vain for {what} on a page that shows:\n{}", self.text("body").await);
            }
            sleep(EVERY).await;
        }
    }

    /// Shows pages as on a screen of this size; below 600 pixels, as on a phone.
    pub async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Prefers the colour scheme `light` or `dark`, as the system's setting would.
    pub async fn prefer(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// What the page wrote to the browser's console since the last call: errors, refused loads.
    ///
    /// # Panics
    /// When the log cannot be read.
    pub async fn complaints(&self) -> Vec<String> {
        let command = Raw { path: "se/log", body: json!({"type": "browser"}) };
        let entries = self.client.issue_cmd(command).await.expect("the console's log");
        let severe = entries.as_array().into_iter().flatten().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].to_string()).collect()
    }

    /// A picture of what the window shows, as PNG.
    ///
    /// # Panics
    /// When there is none.
    pub async fn picture(&self) -> Vec<u8> {
        let answer = self.devtools("Page.captureScreenshot", json!({})).await;
        let data = answer["data"].as_str().expect("a picture");
        base64::engine::general_purpose::STANDARD.decode(data).expect("base64")
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.client.issue_cmd(Raw { path: "goog/cdp/execute", body }).await.expect("an answer of the browser")
    }
}

impl Drop for Browser {
    /// Ends chromedriver and every process that was started with this browser's own profile.
    fn drop(&mut self) {
        drop(self.driver.kill());
        drop(self.driver.wait());
        let profile = self.profile.path().to_string_lossy().into_owned();
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in processes {
            let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&command).contains(&profile) {
                let id = process.file_name();
                drop(Command::new("kill").arg("-9").arg(id).stderr(Stdio::null()).status());
            }
        }
    }
}

/// A command of chromedriver's that WebDriver does not have.
#[derive(Debug)]
struct Raw {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Raw {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (axum::http::Method, Option<String>) {
        (axum::http::Method::POST, Some(self.body.to_string()))
    }
}

/// chromedriver names the port that it took.
fn driver_port(driver: &mut Child) -> u16 {
    let output = driver.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let port = lines.find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
    // What it writes later is read and dropped, so that the pipe never fills.
    std::thread::spawn(move || lines.for_each(drop));
    port.expect("chromedriver says on which port it listens")
}
