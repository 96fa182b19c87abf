//! The program is killed in the middle of its work: every acknowledged change is there after a restart.
#![cfg(all(feature = "program", unix))]

mod support;

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use support::json::exchange;
use tokio::net::TcpStream;

/// How often the program is killed. `EMULATOR_KILLS` sets another number: CI kills it 100 times.
fn rounds() -> u32 {
    std::env::var("EMULATOR_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start(state: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_livestream-emulator"))
            .args(["--latency", "all=0s", "--limit", "inputs=1000000", "--state"])
            .arg(state)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("export LIVESTREAM_EMULATOR_HOST=");
        Self { address: address.expect("the state file is readable").to_owned(), child }
    }

    fn kill(&mut self) {
        // SIGKILL: no handler runs.
        self.child.kill().expect("it runs");
        self.child.wait().expect("a child");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn inputs(rest: &str) -> String {
    format!("/v1/{}/inputs{rest}", support::LOCATION)
}

async fn stored(address: &str) -> BTreeSet<String> {
    let (mut names, mut token) = (BTreeSet::new(), String::new());
    loop {
        let connection = TcpStream::connect(address).await.expect("listening");
        let path = inputs(&format!("?pageSize=1000&pageToken={token}"));
        let page = exchange(connection, "GET", &path, &[], "").await.expect("a response").json();
        for input in page["inputs"].as_array().into_iter().flatten() {
            let name = input["name"].as_str().expect("a name");
            names.insert(name.rsplit('/').next().expect("an id").to_owned());
        }
        match page["nextPageToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => return names,
        }
    }
}

#[tokio::test]
async fn every_acknowledged_change_survives_sigkill() {
    let folder: PathBuf =
        std::env::temp_dir().join(format!("emulator-kill-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("writable");
    let state = folder.join("state.jsonl");
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    for round in 0..rounds() {
        let mut program = Program::start(&state);
        let before = stored(&program.address).await;
        let missing: Vec<_> =
            acknowledged.lock().expect("no panic").difference(&before).cloned().collect();
        assert!(missing.is_empty(), "round {round}: {missing:?} are lost");

        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let (address, stop) = (program.address.clone(), stop.clone());
            let acknowledged = acknowledged.clone();
            writers.spawn(async move {
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let id = format!("k{round}-{writer}-{n}");
                    let Ok(connection) = TcpStream::connect(&address).await else { return };
                    let path = inputs(&format!("?inputId={id}"));
                    let body = r#"{"type": "RTMP_PUSH"}"#;
                    match exchange(connection, "POST", &path, &[], body).await {
                        Some(answer) => {
                            assert_eq!(answer.status, 200, "{}", answer.text);
                            acknowledged.lock().expect("no panic").insert(id);
                        }
                        None => return,
                    }
                }
            });
        }
        // A different amount of work in each round.
        let wanted = acknowledged.lock().expect("no panic").len()
            + 5
            + usize::try_from(round).expect("small") * 7 % 60;
        while acknowledged.lock().expect("no panic").len() < wanted {
            tokio::task::yield_now().await;
        }
        program.kill();
        stop.store(true, Ordering::Relaxed);
        while let Some(writer) = writers.join_next().await {
            writer.expect("no answer but 200");
        }
    }
    let mut program = Program::start(&state);
    let after = stored(&program.address).await;
    let acknowledged = acknowledged.lock().expect("no panic").clone();
    assert!(acknowledged.is_subset(&after), "{:?}", acknowledged.difference(&after));
    assert!(!acknowledged.is_empty());
    program.kill();
    let _ = std::fs::remove_dir_all(&folder);
}
