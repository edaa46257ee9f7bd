//! A collector with all components, run in-process on free ports.

use std::fmt::Display;
use std::future::Future;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use otelcol_net::HttpClient;
use otelcol_net::config::HttpClientConfig;
use otelcol_pipeline::{Collector, Factories, RunError, Settings, Shared};
use tempfile::TempDir;
use tokio::time::Instant;

/// How long a condition may take to become true.
const PATIENCE: Duration = Duration::from_secs(20);

/// All components, as the program has them.
pub fn factories() -> Factories {
    Factories {
        receivers: otelcol_receivers::factories(),
        processors: otelcol_processors::factories(),
        exporters: otelcol_exporters::factories(),
        connectors: otelcol_connectors::factories(),
        extensions: otelcol_extensions::factories(),
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// A port on 127.0.0.1 that was free a moment ago, for TCP and UDP alike.
///
/// # Panics
/// The machine has none.
pub fn free_port() -> u16 {
    for _ in 0..64 {
        let Ok(tcp) = TcpListener::bind("127.0.0.1:0") else { continue };
        let Ok(address) = tcp.local_addr() else { continue };
        if UdpSocket::bind(address).is_ok() {
            return address.port();
        }
    }
    unreachable!("no free port on 127.0.0.1")
}

/// A running collector and the file that configures it.
pub struct Running {
    dir: TempDir,
    file: PathBuf,
    /// The collector itself.
    pub collector: Collector,
}

impl Running {
    /// Starts a collector on a configuration. The collector's own metrics stay off unless it asks for them.
    ///
    /// # Errors
    /// The configuration is wrong or can not be started.
    pub async fn start(yaml: &str) -> Result<Self, RunError> {
        Self::start_with(yaml, &[], Shared::default()).await
    }

    /// Starts a collector with `--set` values and shared parts of the test's own.
    ///
    /// # Errors
    /// The configuration is wrong or can not be started.
    pub async fn start_with(yaml: &str, set: &[String], shared: Shared) -> Result<Self, RunError> {
        #[expect(clippy::unwrap_used, reason = "a test without a temporary folder is over")]
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("config.yaml");
        let config = vec![file.display().to_string()];
        let settings = Settings { factories: factories(), config, set: set.to_vec(), shared, logs: None };
        let mut running = Self { dir, file, collector: Collector::new(settings) };
        running.write(yaml);
        running.collector.start().await?;
        Ok(running)
    }

    /// Changes the configuration file.
    pub fn write(&self, yaml: &str) {
        #[expect(clippy::unwrap_used, reason = "a test that can not write its file is over")]
        std::fs::write(&self.file, yaml).unwrap();
    }

    /// A folder that lives as long as the collector.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// The text behind a URL.
///
/// # Errors
/// No answer, or one with another status than 200.
pub async fn get(url: &str) -> Result<String, String> {
    let text = |error: &dyn Display| format!("{url}: {error}");
    let client = HttpClient::new(&HttpClientConfig::default()).map_err(|error| text(&error))?;
    let reply = client.get(url, PATIENCE, 64 << 20).await.map_err(|error| text(&error))?;
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    if reply.status.is_success() { Ok(body) } else { Err(text(&format!("{} {body}", reply.status))) }
}

/// Asks until `found` gives a value, and gives up after some 20 seconds with what was seen last.
///
/// # Panics
/// The value did not come.
pub async fn eventually<T, F, R>(mut ask: F) -> T
where
    F: FnMut() -> R,
    R: Future<Output = Result<T, String>>,
{
    let end = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Ok(value) => return value,
            Err(seen) => assert!(Instant::now() < end, "did not come true; last seen:\n{seen}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the page at `url` has all of `lines`, and gives the page.
pub async fn page_with(url: &str, lines: &[&str]) -> String {
    eventually(|| async {
        let page = get(url).await?;
        let missing: Vec<&&str> =
            lines.iter().filter(|line| !page.lines().any(|found| found == **line)).collect();
        if missing.is_empty() { Ok(page) } else { Err(format!("missing {missing:#?} in:\n{page}")) }
    })
    .await
}
