//! A process is killed while it waits for an operation. Another process resumes the operation by
//! its name and gets the result.

mod support;

use livestream_client::{
    LivestreamClient,
    model::{Channel, CreateChannelRequest, OperationMetadata},
    name::{LocationName, OperationName},
    policy::{Backoff, PollPolicy},
};
use livestream_emulator::{Emulator, Latency};
use std::{
    env,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::Command,
    time::timeout,
};
use tokio_stream::StreamExt;

/// Holds the service's origin for the process that waits, which runs this test again.
const SERVICE: &str = "TEST_RESUME_SERVICE";
const TEST: &str = "resume_continues_the_operation_of_a_killed_process_by_name";
const CREATING: Duration = Duration::from_secs(600);

fn client(service: &str) -> LivestreamClient {
    let backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(20), 1.0);
    let policy = PollPolicy::new(backoff, Duration::from_secs(60));
    let builder = LivestreamClient::builder().endpoint(service).poll_policy(policy);
    builder.build().expect("a loopback address is a valid endpoint")
}

#[tokio::test]
async fn resume_continues_the_operation_of_a_killed_process_by_name() {
    if let Ok(service) = env::var(SERVICE) {
        return create_and_wait(&service).await;
    }
    let emulator =
        Emulator::builder().manual_clock().latency(Latency::CreateChannel, CREATING).build();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let service = format!("http://{}", listener.local_addr().expect("it is bound"));
    let serving = tokio::spawn({
        let emulator = emulator.clone();
        async move { emulator.serve(listener).await }
    });

    let (name, status) = kill_while_waiting(&service).await;
    assert!(!status.success(), "it was killed: {status}");

    let client = client(&service);
    let mut resumed = client.resume::<CreateChannelRequest>(&name);
    assert_eq!(resumed.poll().await.expect("it is on record"), None, "it goes on");
    let metadata = resumed.metadata().expect("of its type").expect("there is some");
    assert_eq!(metadata.verb, "create");
    assert!(!metadata.requested_cancellation, "the end of the process does not cancel");

    emulator.advance(CREATING);
    let channel = resumed.wait().await.expect("it is made");
    assert_eq!(channel.name, "projects/p/locations/us-central1/channels/news");
    let again = client.resume_as::<Channel, OperationMetadata>(&name).wait().await;
    assert_eq!(again.expect("the record is kept"), channel);
    serving.abort();
}

/// Runs the process that waits and kills it after a few polls; returns the operation's name.
async fn kill_while_waiting(service: &str) -> (OperationName, ExitStatus) {
    let mut waiter = Command::new(env::current_exe().expect("this test has a path"))
        .args(["--exact", TEST, "--nocapture"])
        .env(SERVICE, service)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it can be run again");
    let mut lines = BufReader::new(waiter.stdout.take().expect("it is piped")).lines();
    let mut names = Vec::new();
    while names.len() < 4 {
        let line = timeout(Duration::from_secs(30), lines.next_line()).await;
        let line =
            line.expect("it prints a line for each poll").expect("text").expect("it does not end");
        names.extend(line.split_once("waiting for ").map(|(_, name)| name.to_owned()));
    }
    waiter.kill().await.expect("it runs");
    let status = waiter.wait().await.expect("it was a child");
    (names[0].parse().expect("an operation's name"), status)
}

/// The body of the process that is killed. It does not end by itself.
async fn create_and_wait(service: &str) {
    let client = client(service);
    let location = LocationName::new("p", "us-central1").expect("a valid name");
    let create = client.create_channel(&location, support::fixture::channel(), "news");
    let operation = create.await.expect("a valid channel");
    let name = operation.name().clone();
    let mut progress = operation.progress();
    while let Some(step) = progress.next().await {
        step.expect("the service is there");
        println!("waiting for {name}");
    }
}
