//! The admin endpoints under attack: whoever connects and dawdles costs a bounded number of files, and keeps nobody
//! from an answer.

mod support;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::small::{CONFIG, FAMILY, deployment};

const PATIENCE: Duration = Duration::from_secs(60);
/// Connections that the admin endpoints serve at once, as docs/configuration.md says.
const CONNECTIONS_MAX: usize = 128;
/// What else the process has open: its log, the runtime, Kafka clients that look for a broker.
const OTHER_FILES: usize = 150;
/// Files that the process may open in these tests: fewer than there are attackers.
const FILES_HARD: u64 = 1_024;
/// `/livez` is answered within this, whoever else is connected: at once, or after TCP's first repetition of a second where
/// thousands of others have filled the kernel's queue of connections, with a second to spare on a busy machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// A connection that never sends its headers is closed within this: 5 s, and what a busy machine adds.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);

struct Running {
    child: Child,
    admin: String,
    _folder: tempfile::TempDir,
}

impl Running {
    /// Starts `freshet` with nothing around it, with `soft` and 1 024 as its limits of open files.
    fn start(soft: u64) -> Self {
        let admin = freshet_testbed::lease_port().expect("a port").address();
        let config = format!("{CONFIG}admin: {{ listen: \"{admin}\" }}\n");
        let folder = deployment(&config, FAMILY);
        let command = format!("ulimit -Sn {soft}; ulimit -Hn {FILES_HARD}; exec \"$0\" run");
        let child = Command::new("bash")
            .args(["-c", &command, env!("CARGO_BIN_EXE_freshet")])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).expect("log"))
            .spawn()
            .expect("freshet starts");
        let running = Self {
            child,
            admin,
            _folder: folder,
        };
        let deadline = Instant::now() + PATIENCE;
        while running.get("/livez").is_none() {
            assert!(Instant::now() < deadline, "not started");
            std::thread::sleep(Duration::from_millis(20));
        }
        running
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.admin)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Sends these bytes and reads until the other side closes.
    fn ask(&self, bytes: &[u8]) -> Option<String> {
        let mut stream = self.connect().ok()?;
        // A server that refuses early may close before it has read everything.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Some(String::from_utf8_lossy(&answer).into_owned()).filter(|it| !it.is_empty())
    }

    fn get(&self, path: &str) -> Option<String> {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
    }

    fn open_files(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        fs::read_dir(folder).map_or(0, Iterator::count)
    }

    fn soft_limit(&self) -> u64 {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.child.id()));
        let limits = limits.expect("limits");
        let line = limits.lines().find(|it| it.starts_with("Max open files"));
        let words = line.expect("the limit").split_whitespace();
        words
            .rev()
            .nth(2)
            .and_then(|it| it.parse().ok())
            .expect("a number")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This process holds the other end of each connection.
fn allow_many_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, most).expect("the soft limit may be raised");
}

/// Waits until the other side has closed; whether it did before `deadline`.
fn is_closed(stream: &mut TcpStream, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    let left = left.max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left)).expect("set");
    let mut rest = [0; 512];
    loop {
        match stream.read(&mut rest) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

#[test]
fn p14_thousands_of_half_sent_requests_neither_cost_files_nor_delay_a_probe() {
    allow_many_files();
    let running = Running::start(256);
    let before = running.open_files();
    assert!(before < OTHER_FILES, "{before} files before anybody came");
    let mut half_sent = Vec::new();
    for at in 0..5_000 {
        let mut stream = running.connect().expect("connected");
        // One that was closed already cannot be written to.
        let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n");
        half_sent.push(stream);
        if at % 250 == 0 {
            let begun = Instant::now();
            let answer = running.get("/livez").unwrap_or_default();
            assert!(answer.starts_with("HTTP/1.1 200"), "after {at}: {answer:?}");
            assert!(
                begun.elapsed() < ANSWER_WITHIN,
                "after {at}: {:?}",
                begun.elapsed()
            );
            let open = running.open_files();
            assert!(
                open < CONNECTIONS_MAX + OTHER_FILES,
                "{open} files after {at}"
            );
        }
    }
    let deadline = Instant::now() + CLOSED_WITHIN;
    let open = half_sent
        .iter_mut()
        .filter_map(|it| (!is_closed(it, deadline)).then_some(()))
        .count();
    assert_eq!(
        open, 0,
        "connections that are open although their headers never came"
    );
}

#[test]
fn p14_whoever_asks_and_does_not_read_keeps_no_place() {
    allow_many_files();
    let running = Running::start(256);
    let mut silent = Vec::new();
    for _ in 0..1_000 {
        let mut stream = running.connect().expect("connected");
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        silent.push(stream);
    }
    let begun = Instant::now();
    // All places may be taken by requests that are being answered; they are free a second later.
    let deadline = begun + 2 * ANSWER_WITHIN;
    while !running
        .get("/livez")
        .is_some_and(|it| it.starts_with("HTTP/1.1 200"))
    {
        assert!(Instant::now() < deadline, "no answer");
    }
    assert!(running.open_files() < CONNECTIONS_MAX + OTHER_FILES);
}

#[test]
fn p14_requests_are_bounded_in_line_headers_and_body() {
    let running = Running::start(256);
    let begun = Instant::now();
    let long = "x".repeat(100_000);
    for request in [
        format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /livez HTTP/1.1\r\nHost: x\r\nA: {long}\r\n\r\n"),
    ] {
        let answer = running.ask(request.as_bytes()).unwrap_or_default();
        let refused = answer.starts_with("HTTP/1.1 414") || answer.starts_with("HTTP/1.1 431");
        assert!(refused || answer.is_empty(), "{answer}");
    }
    // The body never comes, and is not waited for.
    let answer =
        running.ask(b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx");
    assert!(answer.unwrap_or_default().starts_with("HTTP/1.1 405"));
    // One request a connection.
    let mut stream = running.connect().expect("connected");
    let request = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(&request.repeat(2)).expect("sent");
    let mut answers = String::new();
    let _ = stream.read_to_string(&mut answers);
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 1, "{answers}");
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

#[test]
fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    assert_eq!(Running::start(200).soft_limit(), FILES_HARD);
}
