//! The program: its flags, its signals, and what it does with what it cannot use.
#![cfg(all(feature = "program", unix))]

mod support;

use serde_json::json;
use std::{
    ffi::OsString,
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    os::unix::ffi::OsStringExt as _,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use support::json::exchange;
use tokio::net::TcpStream;

const PROGRAM: &str = env!("CARGO_BIN_EXE_livestream-emulator");

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().expect("it starts")
}

/// A program that is stopped at the end of a test.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("export LIVESTREAM_EMULATOR_HOST=");
        Self { address: address.expect("for scripts").to_owned(), child }
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> support::json::Answer {
        let connection = TcpStream::connect(&self.address).await.expect("listening");
        exchange(connection, method, path, &[], body).await.expect("a response")
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
    }

    /// The exit code, and what it wrote to stderr.
    fn end(&mut self) -> (Option<i32>, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not end");
            std::thread::yield_now();
        };
        let mut text = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut text).expect("text");
        (status.code(), text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn invalid_flags_are_refused_with_exit_code_2() {
    let cases: [(&[&str], &str); 22] = [
        (&["--speed", "0"], "--speed"),
        (&["--speed=-1"], "--speed"),
        (&["--latency", "create-chanel=1s"], "create-channel"),
        (&["--latency", "create-channel"], "create-channel"),
        (&["--latency", "create-channel=soon"], "soon"),
        (&["--limit", "channels=many"], "many"),
        (&["--project", "p=q"], "q"),
        (&["--project", "p=0"], "'0'"),
        (&["--project", "=1"], "''"),
        (&["--project", "123=1"], "123"),
        (&["--project", "a/b=1"], "a/b"),
        (&["--project", "p=1", "--project", "q=1"], "q=1"),
        (&["--project", "p=1", "--project", "p=2"], "p=2"),
        (&["--encoder-delay", "later"], "later"),
        (&["--encoder-delay", "4000d"], "10 years"),
        (&["--session-length", "0s"], "second"),
        (&["--session-length", "4000d"], "10 years"),
        (&["--latency", "schedule-event=200000000000000d"], "10 years"),
        (&["--latency", "schedule-event=9999999d"], "10 years"),
        (&["--latency", "all=NaNs"], "NaNs"),
        (&["--nonsense"], "--nonsense"),
        (&["--unreachable", "nowhere"], "nowhere"),
    ];
    for (arguments, hint) in cases {
        let output = run(arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(hint) && !text.contains("panicked"), "{arguments:?}: {text}");
    }
    let output = Command::new(PROGRAM).arg(OsString::from_vec(vec![b'-', b'-', 0xff])).output();
    let output = output.expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

#[test]
fn help_and_version_go_to_stdout() {
    for (flag, hint) in [("--help", "--listen"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let output = run(&[flag]);
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stdout).contains(hint));
    }
}

#[test]
fn a_taken_port_and_an_unknown_host_are_errors_with_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    for address in [&*address, "no-such-host.invalid:1", "127.0.0.1", "127.0.0.1:99999"] {
        let output = run(&["--listen", address]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{address}: {text}");
        assert!(text.contains(address) && !text.contains("panicked"), "{text}");
    }
}

#[test]
fn a_state_file_that_cannot_be_used_is_an_error_with_its_path() {
    let unreadable = "/no/such/folder/state.jsonl";
    for (file, hint) in [(unreadable, "No such file"), ("/", "directory")] {
        let output = run(&["--state", file]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(file) && error.contains(hint), "{error}");
    }
}

#[test]
fn a_file_that_is_not_a_state_file_is_named_and_untouched() {
    let path = std::env::temp_dir().join(format!("emulator-letter-{}", std::process::id()));
    let (text, file) = ("a letter to a friend\n", path.to_str().expect("text"));
    std::fs::write(&path, text).expect("writable");
    let output = run(&["--state", file]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let hints = [file, "is not a state file", "the file is unchanged", "use another file"];
    assert!(hints.iter().all(|hint| error.contains(hint)), "{error}");
    assert_eq!(std::fs::read_to_string(&path).expect("readable"), text);
    let _ = std::fs::remove_file(&path);
}

#[tokio::test]
async fn a_signal_ends_the_program_with_exit_code_0_after_open_requests() {
    for signal in ["-TERM", "-INT"] {
        let mut program = Running::start(&["--listen", "localhost:0"]);
        let fault = json!({"method": "ListChannels", "delay": "0.5s"}).to_string();
        assert_eq!(program.send("POST", "/emulator/v1/faults", &fault).await.status, 200);
        let connection = TcpStream::connect(&program.address).await.expect("listening");
        let path = "/v1/projects/p/locations/us-central1/channels";
        let open = exchange(connection, "GET", path, &[], "");
        let (open, ()) = tokio::join!(open, async {
            // The signal arrives while the request is open: the log has it.
            while program.send("GET", "/emulator/v1/requests", "").await.json() == json!({}) {}
            program.signal(signal);
        });
        assert_eq!(open.expect("a response").status, 200, "{signal}");
        let (code, text) = program.end();
        assert_eq!(code, Some(0), "{signal}: {text}");
    }
}

#[tokio::test]
async fn a_thousand_half_open_connections_do_not_stop_others() {
    use std::io::Write as _;
    let program = Running::start(&[]);
    let mut open = Vec::new();
    for n in 0..1000 {
        let connection = std::net::TcpStream::connect(&program.address);
        // This process may have a limit on open files.
        let Ok(mut connection) = connection else { break };
        let part: &[u8] = match n % 4 {
            0 => b"",
            1 => b"GET / HT",
            2 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            _ => b"POST /v1/x HTTP/1.1\r\nhost: e\r\ncontent-length: 100\r\n\r\nabc",
        };
        connection.write_all(part).expect("sent");
        open.push(connection);
    }
    assert!(open.len() > 500, "{}", open.len());
    // Room for one more.
    open.truncate(open.len() - 20);
    assert_eq!(program.send("GET", "/healthz", "").await.status, 200);
    drop(open);
    assert_eq!(program.send("GET", "/healthz", "").await.status, 200);
}

#[tokio::test]
async fn an_open_page_does_not_delay_the_end() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut program = Running::start(&[]);
    let mut page = TcpStream::connect(&program.address).await.expect("listening");
    let request = "GET /emulator/v1/world:stream HTTP/1.1\r\nhost: e\r\n\r\n";
    page.write_all(request.as_bytes()).await.expect("sent");
    assert_ne!(page.read(&mut [0; 1024]).await.expect("open"), 0);
    let begun = Instant::now();
    program.signal("-TERM");
    assert_eq!(program.end().0, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn silent_connections_and_watches_do_not_delay_the_end() {
    use std::io::Write as _;
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
    let mut program = Running::start(&[]);
    let parts: [&[u8]; 6] = [
        b"",
        b"PRI * HT",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HT",
        b"GET /healthz HTTP/1.1\r\nhost: e\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\nhost: e\r\ncontent-length: 100\r\n\r\nabc",
    ];
    let open = parts.map(|part| {
        let connection = std::net::TcpStream::connect(&program.address);
        let mut connection = connection.expect("listening");
        connection.write_all(part).expect("sent");
        connection
    });
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", program.address));
    let channel = endpoint.expect("a URI").connect().await.expect("listening");
    let watch = HealthClient::new(channel).watch(HealthCheckRequest::default()).await;
    let mut watch = watch.expect("accepted").into_inner();
    assert!(watch.message().await.expect("open").is_some());
    let begun = Instant::now();
    program.signal("-TERM");
    let ended = tokio::time::timeout(Duration::from_secs(15), watch.message()).await;
    assert!(!matches!(ended, Ok(Ok(Some(_)))), "{ended:?}");
    assert_eq!(program.end().0, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    drop(open);
}

#[tokio::test]
async fn the_clock_is_real_and_work_takes_a_second_unless_flags_say_otherwise() {
    let program =
        Running::start(&["--latency", "create-input=0s", "--limit", "inputs=1", "--seed", "7"]);
    let clock = program.send("GET", "/emulator/v1/clock", "").await.json();
    assert_eq!(clock["speed"], 1);
    let time: prost_types::Timestamp =
        clock["time"].as_str().expect("a time").parse().expect("RFC 3339");
    let now = prost_types::Timestamp::from(std::time::SystemTime::now());
    assert!((now.seconds - time.seconds).abs() < 60);
    let path = "/v1/projects/p/locations/us-central1/inputs?inputId=";
    let body = r#"{"type": "RTMP_PUSH"}"#;
    assert_eq!(program.send("POST", &format!("{path}a"), body).await.status, 200);
    let read = "/v1/projects/p/locations/us-central1/inputs/a";
    assert_eq!(program.send("GET", read, "").await.status, 200);
    assert_eq!(program.send("POST", &format!("{path}b"), body).await.status, 429);
}

#[tokio::test]
async fn each_request_is_a_line_on_stderr_with_log() {
    let mut program = Running::start(&["--log"]);
    program.send("GET", "/v1/projects/p/locations/us-central1/channels/absent", "").await;
    program.send("PUT", "/v1/projects/p/locations/us-central1/channels/c", "{}").await;
    program.signal("-TERM");
    let (_, text) = program.end();
    let refused = "JSON PUT /v1/projects/p/locations/us-central1/channels/c 405";
    assert!(text.contains(refused), "{text}");
    assert!(
        text.contains("JSON GetChannel projects/p/locations/us-central1/channels/absent NotFound"),
        "{text}"
    );
}

#[tokio::test]
async fn a_closed_stdout_does_not_end_the_program() {
    // `Running` closes its end of stdout after the first line; here it is closed before.
    // Below the ports of outgoing connections: one of those could connect to itself while it waits.
    let port = (20_000..30_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let address = format!("127.0.0.1:{}", port.expect("a free port"));
    let script = format!("exec {PROGRAM} --listen {address} >&-");
    let child = Command::new("sh").args(["-c", &script]).stderr(Stdio::piped()).spawn();
    let mut program = Running { child: child.expect("it starts"), address };
    let connected = async {
        loop {
            if TcpStream::connect(&program.address).await.is_ok() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), connected).await.expect("it listens");
    assert_eq!(program.send("GET", "/healthz", "").await.status, 200);
    program.signal("-TERM");
    assert_eq!(program.end().0, Some(0));
}

#[tokio::test]
async fn a_location_of_the_builder_may_be_unreachable_even_if_the_service_does_not_have_it() {
    let program = Running::start(&["--unreachable", "nowhere", "--any-location"]);
    let list = program.send("GET", "/v1/projects/p/locations/nowhere/inputs", "").await.json();
    assert_eq!(list["unreachable"], json!(["projects/p/locations/nowhere"]));
    let location = program.send("GET", "/v1/projects/p/locations/nowhere", "").await;
    assert_eq!((location.status, &location.json()["locationId"]), (200, &json!("nowhere")));
}
