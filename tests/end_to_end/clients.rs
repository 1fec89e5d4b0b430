//! Clients that misbehave on a run's socket. Whatever they do, neither the run nor another client is harmed.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::stage::{Stage, wait_until};

/// The number of bytes that a client sends without end: more than the socket and the engine hold together.
const ENDLESS: usize = 64 << 20;
/// By how many bytes the engine's memory may vary while it goes on with its work.
const TOLERANCE: usize = 32 << 20;

/// A search that goes on for as long as a test needs it.
struct Running {
    stage: Stage,
    child: Child,
}

impl Running {
    fn start() -> Self {
        let stage = Stage::new();
        let arguments = stage.search_arguments("run", &["--set", "search.generations=500"]);
        let child = stage.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let running = Self { child: child.expect("starts"), stage };
        wait_until("a pair was compared", || running.compared() > 0);
        running
    }

    fn folder(&self) -> PathBuf {
        self.stage.runs().join("run")
    }

    fn compared(&self) -> usize {
        let log = fs::read_to_string(self.folder().join("events.jsonl")).unwrap_or_default();
        log.matches("\"pair_compared\"").count()
    }

    fn address(&self) -> Value {
        let text = fs::read(self.folder().join("engine.json")).expect("an engine is running");
        serde_json::from_slice(&text).expect("JSON")
    }

    fn client(&self) -> UnixStream {
        let address = self.address();
        let client = UnixStream::connect(Path::new(address["socket"].as_str().expect("a path")));
        let client = client.expect("the engine listens");
        client.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        client.set_write_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        client
    }

    /// Bytes that the engine holds in memory.
    fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.address()["pid"])).expect("it lives");
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("Linux says so");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).expect("a number") << 10
    }

    /// Checks that the engine goes on with its work, answers other clients, and stops when it is asked to.
    fn expect_unharmed(mut self) {
        let before = self.compared();
        wait_until("the search goes on", || self.compared() > before);
        self.stage.relativenas(["pause", "run"]).succeeded();
        self.stage.relativenas(["stop", "run"]).succeeded();
        self.child.wait().expect("ended");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill(); // Its engine ends with it.
        let _ = self.child.wait();
    }
}

/// Reads until the engine closes the connection; returns whether it did.
fn hung_up(mut client: UnixStream) -> bool {
    let mut rest = Vec::new();
    match client.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_client_that_sends_garbage_is_hung_up_on() {
    let running = Running::start();
    for garbage in
        [&b"\0\xff\xfe{]\n"[..], b"{}\n", b"{\"id\":1,\"command\":{\"do\":\"explode\"}}\n", b"\n\n\n"]
    {
        let mut client = running.client();
        client.write_all(garbage).expect("taken");
        assert!(hung_up(client), "after {garbage:?}");
    }
    running.expect_unharmed();
}

#[test]
fn a_client_that_sends_half_a_line_and_leaves_steers_nothing() {
    let running = Running::start();
    for _ in 0..100 {
        running.client().write_all(b"{\"id\":1,\"command\":{\"do\":\"stop\"}").expect("taken");
    }
    running.expect_unharmed();
}

#[test]
fn a_client_that_sends_a_line_without_end_is_hung_up_on_before_it_fills_the_memory() {
    let running = Running::start();
    let before = running.memory();
    let mut client = running.client();
    let chunk = vec![b'['; 1 << 16];
    let taken =
        (0..ENDLESS / chunk.len()).take_while(|_| client.write_all(&chunk).is_ok()).count() * chunk.len();
    assert!(taken < ENDLESS, "the engine took {taken} bytes of one line");
    let after = running.memory();
    assert!(after < before + TOLERANCE, "{before} bytes before, {after} after");
    running.expect_unharmed();
}

#[test]
fn a_client_that_never_reads_holds_up_nobody() {
    let running = Running::start();
    let before = running.memory();
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let mut client = running.client();
            // The same log over and over: more than the socket holds.
            for _ in 0..16 {
                client.write_all(b"{\"from\":0}\n").expect("taken");
            }
            client
        })
        .collect();
    let compared = running.compared();
    wait_until("the search goes on meanwhile", || running.compared() > compared + 4);
    let after = running.memory();
    assert!(after < before + TOLERANCE, "{before} bytes before, {after} after");
    drop(clients);
    running.expect_unharmed();
}
