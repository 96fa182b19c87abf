//! The program is killed in the middle of its work: every acknowledged change is there after a restart.
#![cfg(all(feature = "program", unix))]

mod support;

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use support::json::{Answer, exchange};
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
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_livestream-emulator")), state)
    }

    fn start_by(mut command: Command, state: &Path) -> Self {
        let mut child = command
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

/// The stored inputs: their ids and their tiers.
async fn stored(address: &str) -> BTreeMap<String, String> {
    let (mut inputs_by_id, mut token) = (BTreeMap::new(), String::new());
    loop {
        let path = inputs(&format!("?pageSize=1000&pageToken={token}"));
        let page = send(address, "GET", &path, "").await.expect("a response").json();
        for input in page["inputs"].as_array().into_iter().flatten() {
            let id = input["name"].as_str().and_then(|name| name.rsplit('/').next());
            let tier = input["tier"].as_str().unwrap_or_default();
            inputs_by_id.insert(id.expect("an id").to_owned(), tier.to_owned());
        }
        match page["nextPageToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => return inputs_by_id,
        }
    }
}

async fn send(address: &str, method: &str, path: &str, body: &str) -> Option<Answer> {
    let connection = TcpStream::connect(address).await.ok()?;
    exchange(connection, method, path, &[], body).await
}

/// The states that an input can be in: the acknowledged one, and that of a request without an answer.
/// A state is the tier; `None` if there is no input.
#[derive(Clone, Debug, Default)]
struct Expected {
    acknowledged: Option<String>,
    asked: Option<Option<String>>,
}

impl Expected {
    fn allows(&self, found: Option<&String>) -> bool {
        found == self.acknowledged.as_ref()
            || self.asked.as_ref().is_some_and(|asked| asked.as_ref() == found)
    }
}

type World = Arc<Mutex<BTreeMap<String, Expected>>>;

/// Creates an input, updates it twice, and deletes every other one. Returns `false` if the program is
/// gone.
async fn write(address: &str, world: &World, id: &str, is_deleted: bool) -> bool {
    let tier = |tier: &str| format!(r#"{{"tier": "{tier}", "type": "RTMP_PUSH"}}"#);
    let one = inputs(&format!("/{id}?updateMask=tier"));
    let mut steps = vec![
        ("POST", inputs(&format!("?inputId={id}")), tier("SD"), Some("SD".to_owned())),
        ("PATCH", one.clone(), tier("HD"), Some("HD".to_owned())),
        ("PATCH", one, tier("UHD"), Some("UHD".to_owned())),
    ];
    if is_deleted {
        steps.push(("DELETE", inputs(&format!("/{id}")), String::new(), None));
    }
    for (method, path, body, after) in steps {
        let edit = |change: &dyn Fn(&mut Expected)| {
            change(world.lock().expect("no panic").entry(id.to_owned()).or_default());
        };
        edit(&|expected| expected.asked = Some(after.clone()));
        let Some(answer) = send(address, method, &path, &body).await else { return false };
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text);
        edit(&|expected| *expected = Expected { acknowledged: after.clone(), asked: None });
    }
    true
}

fn check(world: &World, stored: &BTreeMap<String, String>, round: u32) {
    let mut world = world.lock().expect("no panic");
    for (id, expected) in world.iter_mut() {
        let found = stored.get(id);
        assert!(expected.allows(found), "round {round}: {id} is {found:?}, not {expected:?}");
        *expected = Expected { acknowledged: found.cloned(), asked: None };
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("emulator-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("writable");
    folder
}

#[tokio::test]
async fn every_acknowledged_change_survives_sigkill() {
    let folder = folder("kill");
    let state = folder.join("state.jsonl");
    let world = World::default();
    let done = Arc::new(AtomicUsize::new(0));
    for round in 0..rounds() {
        let mut program = Program::start(&state);
        check(&world, &stored(&program.address).await, round);

        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let (address, stop) = (program.address.clone(), stop.clone());
            let (world, done) = (world.clone(), done.clone());
            writers.spawn(async move {
                for n in 0.. {
                    let id = format!("k{round}-{writer}-{n}");
                    if stop.load(Ordering::Relaxed)
                        || !write(&address, &world, &id, n % 2 == 0).await
                    {
                        return;
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // A different amount of work in each round.
        let wanted = 5 + usize::try_from(round).expect("small") * 7 % 60;
        let wanted = done.load(Ordering::Relaxed) + wanted;
        while done.load(Ordering::Relaxed) < wanted && !writers.is_empty() {
            // A writer that panics ends the test.
            while let Some(writer) = writers.try_join_next() {
                writer.expect("no answer but 200");
            }
            tokio::task::yield_now().await;
        }
        program.kill();
        stop.store(true, Ordering::Relaxed);
        while let Some(writer) = writers.join_next().await {
            writer.expect("no answer but 200");
        }
    }
    let mut program = Program::start(&state);
    check(&world, &stored(&program.address).await, rounds());
    assert!(!world.lock().expect("no panic").is_empty());
    program.kill();
    let _ = std::fs::remove_dir_all(&folder);
}

#[tokio::test]
async fn a_compaction_that_is_killed_loses_nothing() {
    let folder = folder("compaction");
    let state = folder.join("state.jsonl");
    let labels: BTreeMap<_, _> = (0..60).map(|n| (format!("label-{n}"), "x".repeat(60))).collect();
    let body = serde_json::json!({"type": "RTMP_PUSH", "labels": labels}).to_string();
    let world = World::default();
    let mut longest = 0;
    for round in 0..rounds() {
        let mut program = Program::start(&state);
        check(&world, &stored(&program.address).await, round);
        let (address, own, body) = (program.address.clone(), world.clone(), body.clone());
        let edit = move |change: &dyn Fn(&mut Expected), id: &str| {
            let mut world = own.lock().expect("no panic");
            let all = world.iter_mut().filter(|(own, _)| id.is_empty() || *own == id);
            all.for_each(|(_, expected)| change(expected));
        };
        let own = world.clone();
        let writer = tokio::spawn(async move {
            for n in 0.. {
                let id = format!("c{round}-{n}");
                let (path, body, after, id) = match n % 12 {
                    11 => ("/emulator/v1/state:reset".to_owned(), "{}", None, String::new()),
                    _ => (inputs(&format!("?inputId={id}")), &*body, Some("HD".to_owned()), id),
                };
                if !id.is_empty() {
                    own.lock().expect("no panic").insert(id.clone(), Expected::default());
                }
                edit(&|expected| expected.asked = Some(after.clone()), &id);
                let Some(answer) = send(&address, "POST", &path, body).await else { return };
                assert_eq!(answer.status, 200, "{path}: {}", answer.text);
                let acknowledged = after.clone();
                edit(&|e| *e = Expected { acknowledged: acknowledged.clone(), asked: None }, &id);
            }
        });
        let wanted = world.lock().expect("no panic").len()
            + 30
            + usize::try_from(round).expect("small") * 7 % 30;
        while world.lock().expect("no panic").len() < wanted && !writer.is_finished() {
            let length = std::fs::metadata(&state).map_or(0, |file| file.len());
            longest = longest.max(length);
            tokio::task::yield_now().await;
        }
        program.kill();
        writer.await.expect("no answer but 200");
    }
    assert!(longest > 65_536, "{longest}: no file was long enough to be compacted");
    assert!(longest < 400_000, "{longest}: no file was compacted");
    let mut program = Program::start(&state);
    check(&world, &stored(&program.address).await, rounds());
    program.kill();
    let _ = std::fs::remove_dir_all(&folder);
}

fn seconds(clock: &Answer) -> i64 {
    assert_eq!(clock.status, 200, "{}", clock.text);
    let time = clock.json()["time"].as_str().expect("a time").to_owned();
    time.parse::<prost_types::Timestamp>().expect("a time").seconds
}

#[tokio::test]
async fn an_acknowledged_change_of_the_clock_survives_sigkill() {
    let folder = folder("clock");
    let state = folder.join("state.jsonl");
    let path = |name: &str| format!("/emulator/v1/clock{name}");
    for round in 0..rounds() {
        let mut program = Program::start(&state);
        let body = r#"{"by": "1000000s"}"#;
        let advanced = send(&program.address, "POST", &path(":advance"), body).await;
        program.kill();
        let time = seconds(&advanced.expect("a response"));
        let mut program = Program::start(&state);
        let clock = send(&program.address, "GET", &path(""), "").await.expect("a response");
        assert!(seconds(&clock) >= time, "round {round}: {}", clock.text);
        program.kill();
    }
    let mut program = Program::start(&state);
    let paused = send(&program.address, "POST", &path(":pause"), "{}").await.expect("a response");
    program.kill();
    assert_eq!(paused.json()["paused"], true);
    let program = Program::start(&state);
    let clock = send(&program.address, "GET", &path(""), "").await.expect("a response");
    assert_eq!(clock.json()["paused"], true);
    drop(program);
    let _ = std::fs::remove_dir_all(&folder);
}

#[tokio::test]
async fn nothing_is_acknowledged_while_the_state_file_cannot_be_written() {
    let folder = folder("full");
    let state = folder.join("state.jsonl");
    // The file cannot grow beyond some blocks.
    let limited = ["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""];
    let mut command = Command::new("sh");
    command.args(limited).arg(env!("CARGO_BIN_EXE_livestream-emulator"));
    let mut program = Program::start_by(command, &state);
    let mut created = 0;
    let refused = loop {
        let path = inputs(&format!("?inputId=camera-{created}"));
        let body = r#"{"type": "RTMP_PUSH"}"#;
        let answer = send(&program.address, "POST", &path, body).await.expect("a response");
        match answer.status {
            200 => created += 1,
            _ => break answer,
        }
    };
    assert!(created > 5 && refused.status == 503, "{created}: {}", refused.text);
    assert!(refused.text.contains("state file cannot be written"), "{}", refused.text);
    let requests = [
        ("POST", "/emulator/v1/clock:advance", r#"{"by": "1000000s"}"#),
        ("POST", "/emulator/v1/clock:set", r#"{"speed": 7}"#),
        ("POST", "/emulator/v1/clock:pause", "{}"),
        ("POST", "/emulator/v1/clock:resume", "{}"),
        ("POST", "/emulator/v1/state:reset", "{}"),
        ("GET", &inputs(""), ""),
    ];
    for (method, path, body) in requests {
        let answer = send(&program.address, method, path, body).await.expect("a response");
        assert_eq!(answer.status, 503, "{path}: {}", answer.text);
    }
    program.kill();
    let mut program = Program::start(&state);
    assert!(stored(&program.address).await.len() >= created);
    program.kill();
    let _ = std::fs::remove_dir_all(&folder);
}
