//! The backend over HTTP, on an emulator whose minutes take no time.

use crate::{
    app::{App, DEADLINE},
    caller::{Caller, Failure, Messages, Result},
};
use futures_util::future::try_join_all;
use livestream_client::{LivestreamClient, name::LocationName, policy::Timeouts};
use livestream_emulator::{Builder, Emulator, Faults, Limit};
use std::{io, time::Duration};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};
use tonic::Status;

/// A backend, and what its tests need.
struct World {
    caller: Caller,
    client: LivestreamClient,
    location: LocationName,
    faults: Faults,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

impl World {
    async fn new() -> Result<Self> {
        Self::with(Emulator::builder()).await
    }

    async fn with(emulator: Builder) -> Result<Self> {
        let (emulator, faults) = (emulator.speed(1).build(), Faults::new());
        let builder = emulator.client_builder().timeouts(Timeouts::new(DEADLINE));
        Self::of(builder.layer(faults.clone()).build()?, faults).await
    }

    async fn of(client: LivestreamClient, faults: Faults) -> Result<Self> {
        let location = LocationName::new("my-project", "us-central1")?;
        let app = App::new(client.clone(), location.clone(), "my-bucket".to_owned());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let caller = Caller::new(listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { stopped.await.unwrap_or_default() };
        let server = tokio::spawn(app.serve(listener, stopped));
        Ok(Self { caller, client, location, faults, stop, server })
    }

    async fn status(&self, method: &str, path: &str) -> Result<u16> {
        Ok(self.caller.send(method, path).await?.0)
    }
}

/// Longer than any work of the service. The clock skips it.
const HOUR: Duration = Duration::from_secs(3600);

/// The messages up to this one.
async fn until(messages: &mut Messages, event: &str, data: &str) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    let end = Instant::now() + HOUR;
    loop {
        let next = timeout_at(end, messages.next()).await??;
        let (name, content) = next.ok_or("the watch has ended")?;
        let is_last = name == event && content.contains(data);
        seen.push(content);
        if is_last {
            return Ok(seen);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_goes_on_air_and_is_removed() -> Result {
    let world = World::new().await?;
    let mut messages = world.caller.watch("derby").await?;
    assert_eq!(world.status("POST", "/events/derby").await?, 202, "a start takes minutes");
    let seen = until(&mut messages, "state", "STREAMING").await?;
    assert!(seen.contains(&r#"{"state":"STARTING"}"#.to_owned()), "{seen:?}");

    let (status, body) = world.caller.send("GET", "/events/derby").await?;
    assert_eq!(status, 200);
    assert!(body.starts_with(r#"{"state":"STREAMING","push_to":"rtmp://"#), "{body}");
    assert_eq!(world.caller.send("POST", "/events/derby").await?, (200, body), "nothing to do");

    while world.status("DELETE", "/events/derby").await? != 204 {}
    until(&mut messages, "deleted", "{}").await?;
    assert_eq!(world.status("GET", "/events/derby").await?, 404);
    assert_eq!(world.status("DELETE", "/events/derby").await?, 204, "a repeat does nothing");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn two_requests_at_once_make_one_channel_and_start_it_once() -> Result {
    let world = World::new().await?;
    both_put_on_air(&world, &world).await
}

#[tokio::test(start_paused = true)]
async fn two_instances_make_one_channel_and_start_it_once() -> Result {
    let emulator = Emulator::builder().speed(1).build();
    let one = World::of(emulator.client(), Faults::new()).await?;
    let other = World::of(emulator.client(), Faults::new()).await?;
    both_put_on_air(&one, &other).await
}

async fn both_put_on_air(one: &World, other: &World) -> Result {
    let put = async |world: &World| {
        while world.status("POST", "/events/derby").await? != 200 {}
        Ok::<_, Failure>(())
    };
    tokio::try_join!(put(one), put(other))?;
    let operations = one.client.list_operations(&one.location).items().collect().await?;
    assert_eq!(operations.len(), 3, "two creations and one start");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn repeated_requests_join_the_work() -> Result {
    let mut requests = Vec::new();
    for callers in [1, 20] {
        let world = World::new().await?;
        let put = || async {
            while world.status("POST", "/events/derby").await? != 200 {}
            Ok::<_, Failure>(())
        };
        try_join_all((0..callers).map(|_| put())).await?;
        requests.push(world.faults.attempts());
    }
    assert!(requests[1] < 2 * requests[0], "{requests:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_being_started_can_be_removed() -> Result {
    let world = World::new().await?;
    let mut messages = world.caller.watch("derby").await?;
    world.status("POST", "/events/derby").await?;
    until(&mut messages, "state", "STARTING").await?;
    while world.status("DELETE", "/events/derby").await? != 204 {}
    sleep(HOUR).await;
    assert!(world.client.list_channels(&world.location).items().collect().await?.is_empty());
    assert!(world.client.list_inputs(&world.location).items().collect().await?.is_empty());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_request_goes_on_if_its_caller_disconnects() -> Result {
    let world = World::new().await?;
    let mut messages = world.caller.watch("derby").await?;
    let post = world.caller.send("POST", "/events/derby");
    timeout(Duration::from_secs(1), post).await.expect_err("the caller leaves");
    until(&mut messages, "state", "STREAMING").await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_service_has_its_http_status() -> Result {
    let cases = [
        (Status::not_found("secret"), 404),
        (Status::failed_precondition("secret"), 409),
        (Status::resource_exhausted("secret"), 429),
        (Status::permission_denied("secret"), 502),
        (Status::internal("secret"), 502),
    ];
    for (refusal, status) in cases {
        let world = World::new().await?;
        world.faults.refuse(2, refusal.clone());
        let answer = world.caller.send("GET", "/events/derby").await?;
        assert_eq!(answer.0, status, "{refusal:?}");
        assert!(!answer.1.contains("secret"), "{answer:?}");
    }
    assert_eq!(World::new().await?.status("POST", "/events/derby!").await?, 400);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_the_status_503_for_every_method() -> Result {
    let world = World::new().await?;
    world.faults.refuse(usize::MAX, Status::unavailable("down"));
    for method in ["POST", "GET", "DELETE"] {
        assert_eq!(world.status(method, "/events/derby").await?, 503, "{method}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn too_many_events_are_the_status_429() -> Result {
    let world = World::with(Emulator::builder().limit(Limit::Channels, 0)).await?;
    let status = loop {
        match world.status("POST", "/events/derby").await? {
            202 => {}
            status => break status,
        }
    };
    assert_eq!(status, 429);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_when_its_caller_disconnects() -> Result {
    let world = World::new().await?;
    world.status("POST", "/events/derby").await?;
    let mut messages = world.caller.watch("derby").await?;
    until(&mut messages, "state", "STREAMING").await?;
    drop(messages);

    // The server notices while it waits.
    sleep(Duration::from_secs(60)).await;
    let requests = world.faults.attempts();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(world.faults.attempts(), requests, "nothing is listed if nobody watches");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn watchers_share_a_listing() -> Result {
    let world = World::new().await?;
    world.status("POST", "/events/derby").await?;
    let mut watchers = Vec::new();
    let mut requests = Vec::new();
    for number in [1, 20] {
        while watchers.len() < number {
            let mut messages = world.caller.watch("derby").await?;
            until(&mut messages, "state", "STREAMING").await?;
            watchers.push(messages);
        }
        let before = world.faults.attempts();
        sleep(Duration::from_secs(600)).await;
        requests.push(world.faults.attempts() - before);
    }
    assert!(requests[0] > 0 && requests[1] < 2 * requests[0], "{requests:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_watches() -> Result {
    let world = World::new().await?;
    let mut messages = world.caller.watch("derby").await?;
    drop(world.stop);
    assert_eq!(timeout(HOUR, messages.next()).await??, None);
    world.server.await??;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_probe_needs_a_connection() -> Result {
    let world = World::new().await?;
    assert_eq!(world.status("GET", "/ready").await?, 204);

    let refused = tower::service_fn(|_| async {
        Err::<tokio::io::DuplexStream, _>(io::Error::from(io::ErrorKind::ConnectionRefused))
    });
    let builder = LivestreamClient::builder().endpoint("http://localhost").anonymous();
    let alone = World::of(builder.connector(refused).build()?, Faults::new()).await?;
    assert_eq!(alone.status("GET", "/ready").await?, 503);
    Ok(())
}
