//! Compares this crate, the bare tonic stub, the official Rust client and the official Python client. Each
//! makes the same calls to one canned server. README.md has the command.
//!
//! Each caller is a separate process that is pinned to one core, so that its CPU time can be measured. The
//! server has the other core. All processes live during the whole run and take turns, so that other work on
//! the machine affects all of them. The results are the ratios within a round.

mod caller;
#[path = "../../canned/mod.rs"]
mod canned;
mod report;
mod server;

use report::{Row, Sample};
use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

const ROUNDS: usize = 45;

/// The callers, and their titles in the report.
const CALLERS: &[(&str, &str)] = &[
    ("bare", "bare tonic stub"),
    ("ours", "livestream-client"),
    ("official", "official Rust client"),
    ("threads", "official Python client"),
    ("asyncio", "official Python client, asyncio"),
];

/// The work of a round: the kind of call, the number of calls in flight, and the number of calls.
const WORK: [Work; 3] = [
    Work { kind: "get", in_flight: 1, rust: 2000, python: 300 },
    Work { kind: "get", in_flight: 64, rust: 4000, python: 600 },
    Work { kind: "list", in_flight: 1, rust: 1, python: 1 },
];

struct Work {
    kind: &'static str,
    in_flight: usize,
    rust: usize,
    python: usize,
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["caller", who, calls, lists, rest] => caller::run(who, [calls, lists, rest]),
        ["--write"] => compare(true),
        [] => compare(false),
        _ => panic!("no argument, or --write"),
    }
}

/// Runs all callers against one server and reports.
fn compare(into_readme: bool) {
    let addresses = server::start();
    let mut asked: Vec<Asked> =
        CALLERS.iter().map(|(who, _)| Asked::start(who, &addresses)).collect();
    let mut rows: Vec<Row> =
        CALLERS.iter().map(|(_, title)| Row { title, samples: Default::default() }).collect();
    for round in 0..=ROUNDS {
        for (column, work) in WORK.iter().enumerate() {
            for (caller, row) in asked.iter_mut().zip(&mut rows) {
                let sample = caller.ask(work);
                // The first round is a warm-up for connections, caches and Python's imports.
                if round > 0 {
                    row.samples[column].push(sample);
                }
            }
        }
        eprint!("\rround {round} of {ROUNDS}");
    }
    eprintln!();
    report::write(&rows, into_readme);
}

/// The process of a caller. It prints one line for each line that it reads.
struct Asked {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
    is_python: bool,
}

impl Asked {
    fn start(who: &str, addresses: &[String; 3]) -> Self {
        let is_python = matches!(who, "threads" | "asyncio");
        let mut command = if is_python {
            let mut command = Command::new("venv/bin/python");
            command.args(["caller.py", who]);
            command
        } else {
            let mut command = Command::new(env::current_exe().expect("Linux"));
            command.args(["caller", who]);
            command
        };
        let mut process = command
            .args(addresses)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{who} does not start, see README.md: {e}"));
        let output = BufReader::new(process.stdout.take().expect("piped"));
        Self { process, output, is_python }
    }

    fn ask(&mut self, work: &Work) -> Sample {
        let calls = if self.is_python { work.python } else { work.rust };
        let input = self.process.stdin.as_mut().expect("piped");
        writeln!(input, "{} {} {calls}", work.kind, work.in_flight).expect("the caller lives");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the caller answers");
        let mut numbers = line.split_whitespace().map(|text| text.parse().expect("a number"));
        let mut next = || numbers.next().expect("the caller answers with two numbers");
        Sample { cpu: next(), p50: next() }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // The process ends when its input ends.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
