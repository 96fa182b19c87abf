//! Code that the Vision AI examples share: it creates and deletes a shop with two cameras.
#![allow(dead_code, reason = "each example uses a part of it")]

use crate::support::{Result, show};
use livestream_client::{
    name::LocationName,
    policy::{Backoff, PollPolicy},
    time,
    visionai::{
        StreamsClient,
        model::{Cluster, Event, Series, Stream, event::Clock},
        name::ClusterName,
    },
};
use livestream_emulator::Emulator;
use std::time::Duration;

/// The cameras, by id and by what people call them.
pub const CAMERAS: [(&str, &str); 2] = [("entrance", "Entrance"), ("till", "Till")];
/// The events, by id and with their grace periods.
pub const EVENTS: [(&str, Duration); 2] =
    [("day", Duration::from_secs(600)), ("night", Duration::from_secs(1800))];

/// A service in this process, a client of it, and a cluster's name.
pub struct Shop {
    pub emulator: Emulator,
    pub client: StreamsClient,
    pub cluster: ClusterName,
}

impl Shop {
    pub fn open() -> Result<Self> {
        // A cluster takes half an hour: an hour here is a second.
        let emulator = Emulator::builder().speed(3600).build();
        let often = Backoff::new(Duration::from_millis(10), Duration::from_millis(100), 1.5);
        let policy = PollPolicy::new(often, Duration::from_secs(60));
        let client = emulator.streams_client_builder().poll_policy(policy).build()?;
        let cluster = LocationName::new("my-project", "us-central1")?.cluster("shop")?;
        Ok(Self { emulator, client, cluster })
    }

    /// A cluster, two cameras that can be watched over HLS, two events, and a series for each pair.
    pub async fn set_up(&self) -> Result {
        let Self { client, cluster, .. } = self;
        let labels = [("site".to_owned(), "high-street".to_owned())];
        let config = Cluster { labels: labels.into(), ..Default::default() };
        let create = client.create_cluster(&cluster.parent(), config, cluster.id()).await?;
        let made = show("Creating the cluster", create).await?;
        println!("  {:?}, cameras send to {}", made.state(), made.dataplane_service_endpoint);

        for (id, display_name) in CAMERAS {
            let stream = Stream {
                display_name: display_name.into(),
                enable_hls_playback: true,
                ..Default::default()
            };
            let create = client.create_stream(cluster, stream, id).await?;
            show(&format!("Creating stream {id}"), create).await?;
        }
        for (id, grace) in EVENTS {
            let grace_period = Some(time::duration(grace)?);
            let mut event = Event { grace_period, ..Default::default() };
            event.set_alignment_clock(Clock::Ingest);
            let create = client.create_event(cluster, event, id).await?;
            show(&format!("Creating event {id}"), create).await?;
        }
        for ((camera, _), (event, _)) in pairs() {
            let series = Series {
                stream: cluster.stream(camera)?.to_string(),
                event: cluster.event(event)?.to_string(),
                ..Default::default()
            };
            let id = format!("{camera}-{event}");
            let create = client.create_series(cluster, series, &*id).await?;
            show(&format!("Creating series {id}"), create).await?;
        }
        Ok(())
    }

    /// Children first: the service refuses to delete what others still need. Channels, which no call
    /// deletes, go with their streams and events.
    pub async fn tear_down(&self) -> Result {
        let Self { client, cluster, .. } = self;
        for series in client.list_series(cluster).items().collect().await? {
            client.delete_series(&series.name.parse()?).wait().await?;
        }
        for stream in client.list_streams(cluster).items().collect().await? {
            client.delete_stream(&stream.name.parse()?).wait().await?;
        }
        // Each waits for its grace period, so all at once.
        let mut deletions = Vec::new();
        for event in client.list_events(cluster).items().collect().await? {
            deletions.push(client.delete_event(&event.name.parse()?).await?);
        }
        for mut deletion in deletions {
            deletion.wait().await?;
        }
        show("Deleting all in the cluster", client.delete_cluster(cluster).await?).await?;
        Ok(())
    }
}

/// Each camera with each event.
pub fn pairs() -> impl Iterator<Item = ((&'static str, &'static str), (&'static str, Duration))> {
    CAMERAS.into_iter().flat_map(|camera| EVENTS.into_iter().map(move |event| (camera, event)))
}
