//! A running `pumpwatch run`, as an operator sees it: a process, its log and its
//! HTTP door.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use super::wait_until;

/// Longest that a member may take to drain after SIGTERM.
const DRAIN_MAX: Duration = Duration::from_secs(60);

pub struct Member {
    process: Child,
    http: String,
    log: PathBuf,
}

impl Member {
    /// Starts it and waits until it is ready.
    pub fn start(config: &Path, folder: &Path) -> Self {
        let member = Self::launch(config, folder);
        member.ready()
    }

    fn launch(config: &Path, folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("a folder for the member");
        let log = folder.join("log");
        let output = File::options()
            .append(true)
            .create(true)
            .open(&log)
            .expect("a log file");
        let http = free_address();
        let process = Command::new(env!("CARGO_BIN_EXE_pumpwatch"))
            .args(["run", "--config"])
            .arg(config)
            .env("PUMPWATCH__HTTP__LISTEN", &http)
            .env("PUMPWATCH__STATE__DIR", folder.join("state"))
            .stdin(std::process::Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn()
            .expect("pumpwatch can be started");
        Self { process, http, log }
    }

    fn ready(mut self) -> Self {
        wait_until("the member is ready", || {
            if let Some(status) = self.process.try_wait().expect("a child") {
                panic!("pumpwatch run ended with {status}:\n{}", self.log_text());
            }
            (self.get("/readyz")?.0 == 200).then_some(())
        });
        self
    }

    pub fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Status and body of a GET; `None` when nobody listens.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.http).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.http
        )
        .ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split_whitespace().nth(1)?.parse().ok()?;
        let body = answer.split_once("\r\n\r\n")?.1.to_owned();
        Some((status, body))
    }

    /// The sum of a metric over all series that bear these labels.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let (status, body) = self.get("/metrics").expect("the member answers");
        assert_eq!(status, 200, "/metrics");
        let wanted: Vec<String> = labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
        body.lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let (series, value) = line.rsplit_once(' ')?;
                let (found, its_labels) = series.split_once('{').unwrap_or((series, ""));
                let fits = found == name && wanted.iter().all(|w| its_labels.contains(w.as_str()));
                fits.then(|| value.parse::<f64>().expect("a number"))
            })
            .sum()
    }

    /// SIGKILL: nothing is tidied up.
    pub fn kill(mut self) {
        self.process.kill().expect("it still runs");
        self.process.wait().expect("a child");
    }

    /// SIGTERM: it drains and ends.
    pub fn terminate(mut self) -> ExitStatus {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
        assert!(sent.success(), "the member had already ended:\n{}", self.log_text());
        let begin = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().expect("a child") {
                return status;
            }
            assert!(
                begin.elapsed() < DRAIN_MAX,
                "not drained after {DRAIN_MAX:?}:\n{}",
                self.log_text()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // A failed test leaves nothing behind; a member that has ended is no error.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("log of {}:\n{}", self.http, self.log_text());
        }
    }
}

/// A loopback address on which nobody listens.
pub fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}
