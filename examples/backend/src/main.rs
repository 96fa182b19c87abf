//! A web backend that runs a live channel for each event, and shows its state by server-sent events.
//!
//! ```sh
//! cargo run -p livestream-backend-example                                      # a tour, on an emulator
//! cargo run -p livestream-backend-example -- my-project us-central1 my-bucket  # the real service
//! ```
//!
//! `app.rs` is the backend. Without arguments, this program serves it for an emulator in this process,
//! calls it once over HTTP, and stops. With arguments, it serves it on port 8080 of this machine until
//! SIGTERM or Ctrl-C, with Application Default Credentials. It does not authenticate its callers.

mod app;
mod caller;
#[cfg(test)]
mod tests;

use app::{App, DEADLINE};
use caller::{Caller, Failure, Result};
use livestream_client::{
    LivestreamClient,
    name::LocationName,
    policy::{Backoff, PollPolicy, Timeouts},
};
use livestream_emulator::Emulator;
use std::{env, time::Duration};
use tokio::{net::TcpListener, sync::oneshot};

#[tokio::main]
async fn main() -> Result {
    match &env::args().skip(1).collect::<Vec<_>>()[..] {
        [] => tour().await,
        [project, region, bucket] => serve(LocationName::new(project, region)?, bucket).await,
        _ => Err("usage: livestream-backend-example [<project> <region> <bucket>]".into()),
    }
}

async fn serve(location: LocationName, bucket: &str) -> Result {
    let client = LivestreamClient::builder().timeouts(Timeouts::new(DEADLINE)).build()?;
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    println!("serving {location} on {}", listener.local_addr()?);
    let stop = stop_signal()?;
    App::new(client, location, bucket.to_owned()).serve(listener, stop).await?;
    Ok(())
}

/// Waits for Ctrl-C, or for SIGTERM from an orchestrator.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}

async fn tour() -> Result {
    println!("EMULATOR: no request leaves this process, and ten minutes take half a second.\n");
    let emulator = Emulator::builder().speed(1200).build();
    // The emulator's clock is fast, so the client polls often.
    let often = Backoff::new(Duration::from_millis(20), Duration::from_millis(20), 1.0);
    let policy = PollPolicy::new(often, Duration::from_secs(60));
    let timeouts = Timeouts::new(DEADLINE);
    let client = emulator.client_builder().timeouts(timeouts).poll_policy(policy).build()?;
    let location = LocationName::new("my-project", "us-central1")?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let caller = Caller::new(listener.local_addr()?);
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { stopped.await.unwrap_or_default() };
    let app = App::new(client.clone(), location.clone(), "my-bucket".to_owned());
    let server = tokio::spawn(app.serve(listener, stopped));

    show(&caller, "GET", "/ready").await?;
    show(&caller, "GET", "/events/derby").await?;
    show(&caller, "POST", "/events/derby!").await?;
    let mut messages = caller.watch("derby").await?;
    let watch = tokio::spawn(async move {
        while let Some((event, data)) = messages.next().await? {
            println!("       /events/derby/watch  {event} {data}");
        }
        Ok::<_, Failure>(())
    });
    show(&caller, "POST", "/events/derby").await?;
    show(&caller, "POST", "/events/derby").await?;
    show(&caller, "GET", "/events/derby").await?;
    show(&caller, "DELETE", "/events/derby").await?;
    show(&caller, "GET", "/events/derby").await?;

    drop(stop);
    server.await??;
    watch.await??;
    let left = client.list_channels(&location).items().collect().await?.len();
    println!("\nThe backend and its watch have ended. The emulator has {left} channels.");
    Ok(())
}

/// Sends a request, and prints the response.
async fn show(caller: &Caller, method: &str, path: &str) -> Result {
    let (status, body) = caller.send(method, path).await?;
    println!("{method:<6} {path:<20} {status} {body}");
    Ok(())
}
