//! Vision AI in the emulator, through its client.

#![allow(clippy::unwrap_used)]

use livestream_client::{
    Error, Operation,
    name::LocationName,
    rpc::Payload,
    visionai::{
        StreamsClient,
        model::{
            Channel, Cluster, Event, OperationMetadata, Series, Stream, cluster::State,
            event::Clock,
        },
        name::{ClusterName, EventName, SeriesName, StreamName},
    },
};
use livestream_emulator::{Emulator, Latency};
use prost_types::FieldMask;
use std::time::{Duration, SystemTime};
use tonic::{Code, Status};

const MINUTE: Duration = Duration::from_secs(60);
const UUID: &str = "7f1d8c1e-6f4f-4c2b-9b39-0c6a4f1f7a01";

/// An emulator with a manual clock, a client of it, and the name of a cluster.
struct Shop {
    emulator: Emulator,
    client: StreamsClient,
    cluster: ClusterName,
}

impl Shop {
    fn new() -> Self {
        Self::on(Emulator::builder().manual_clock().build())
    }

    fn on(emulator: Emulator) -> Self {
        let cluster = ClusterName::new("p", "us-central1", "shop").unwrap();
        Self { client: emulator.streams_client(), emulator, cluster }
    }

    /// Creates the cluster, in `RUNNING`.
    async fn open() -> Self {
        let shop = Self::new();
        let create = shop.client.create_cluster(&shop.cluster.parent(), Cluster::default(), "shop");
        shop.settle(create.await.unwrap()).await.unwrap();
        shop
    }

    /// The result of an operation after an hour, which is enough for any operation.
    async fn settle<T, M>(&self, mut operation: Operation<T, M>) -> Result<T, Error>
    where
        T: Payload,
        M: Payload,
    {
        self.emulator.advance(60 * MINUTE);
        Ok(operation.poll().await?.expect("no operation takes an hour"))
    }

    async fn stream(&self, id: &str, stream: Stream) -> StreamName {
        let create = self.client.create_stream(&self.cluster, stream, id).await.unwrap();
        self.settle(create).await.unwrap().name.parse().unwrap()
    }

    async fn event(&self, id: &str, event: Event) -> EventName {
        let create = self.client.create_event(&self.cluster, event, id).await.unwrap();
        self.settle(create).await.unwrap().name.parse().unwrap()
    }

    async fn join(&self, id: &str, stream: &StreamName, event: &EventName) -> SeriesName {
        let series = series(stream, event);
        let create = self.client.create_series(&self.cluster, series, id).await.unwrap();
        self.settle(create).await.unwrap().name.parse().unwrap()
    }

    async fn state(&self) -> State {
        self.client.get_cluster(&self.cluster).await.unwrap().state()
    }
}

fn series(stream: &StreamName, event: &EventName) -> Series {
    Series { stream: stream.into(), event: event.into(), ..Default::default() }
}

fn channel(stream: &StreamName, event: &EventName) -> Channel {
    Channel { stream: stream.into(), event: event.into(), ..Default::default() }
}

fn mask(paths: &[&str]) -> FieldMask {
    FieldMask { paths: paths.iter().map(|&path| path.to_owned()).collect() }
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> Code {
    result.unwrap_err().code()
}

#[tokio::test]
async fn a_cluster_is_provisioned_for_half_an_hour_and_refuses_resources_until_then() {
    let shop = Shop::new();
    let Shop { client, cluster, .. } = &shop;
    assert_eq!(code(client.get_cluster(cluster).await), Code::NotFound);
    let asked = Cluster {
        labels: [("floor".to_owned(), "2".to_owned())].into(),
        state: State::Running.into(),
        ..Default::default()
    };
    let mut create = client.create_cluster(&cluster.parent(), asked, "shop").await.unwrap();
    assert_eq!(shop.state().await, State::Provisioning);
    let metadata: OperationMetadata = create.metadata().unwrap().unwrap();
    assert_eq!(metadata.target, cluster.as_str());
    assert_eq!((&*metadata.verb, &*metadata.api_version), ("create", "v1"));
    assert_eq!((metadata.create_time, metadata.end_time), (Some(now(&shop)), None));

    let early = client.create_stream(cluster, Stream::default(), "s").await;
    assert_eq!(code(early), Code::FailedPrecondition);
    assert_eq!(code(client.delete_cluster(cluster).await), Code::FailedPrecondition);
    shop.emulator.advance(30 * MINUTE - Duration::from_secs(1));
    assert_eq!(create.poll().await.unwrap(), None);
    shop.emulator.advance(Duration::from_secs(1));
    let made = create.poll().await.unwrap().expect("done");
    assert_eq!(made.state(), State::Running);
    assert_eq!(made.labels["floor"], "2");
    assert!(!made.dataplane_service_endpoint.is_empty() && !made.psc_target.is_empty());
    assert_eq!(create.metadata().unwrap().unwrap().end_time, Some(now(&shop)));

    let taken = client.create_cluster(&cluster.parent(), Cluster::default(), "shop").await;
    assert_eq!(code(taken), Code::AlreadyExists);
    let strict = client.create_cluster(&cluster.parent(), Cluster::default(), "Shop").await;
    assert_eq!(code(strict), Code::InvalidArgument);
    shop.stream("s", Stream::default()).await;
}

fn now(shop: &Shop) -> prost_types::Timestamp {
    shop.emulator.now().into()
}

#[tokio::test]
async fn a_failed_cluster_is_in_error_and_then_deleted_with_its_resources() {
    let shop = Shop::new();
    let Shop { client, cluster, emulator } = &shop;
    let location = cluster.parent();
    let mut create = client.create_cluster(&location, Cluster::default(), "shop").await.unwrap();
    emulator.fail(cluster, Status::resource_exhausted("no machines")).unwrap();
    let error = create.poll().await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::ResourceExhausted, "no machines"));
    assert_eq!(shop.state().await, State::Error);
    emulator.advance(60 * MINUTE);
    assert_eq!(code(client.get_cluster(cluster).await), Code::NotFound);

    let create = client.create_cluster(&location, Cluster::default(), "shop").await.unwrap();
    shop.settle(create).await.unwrap();
    let camera = shop.stream("camera", Stream::default()).await;
    let mut late = client.create_event(cluster, Event::default(), "e").await.unwrap();
    emulator.fail(cluster, Status::internal("fire")).unwrap();
    assert_eq!(shop.state().await, State::Error);
    emulator.advance(MINUTE);
    assert_eq!(code(late.poll().await), Code::FailedPrecondition);
    assert_eq!(client.get_stream(&camera).await.unwrap().name, camera.as_str());
    emulator.advance(60 * MINUTE);
    assert_eq!(code(client.get_stream(&camera).await), Code::NotFound);
    let nothing = emulator.fail(&camera, Status::internal("fire"));
    assert_eq!(nothing.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_cluster_with_resources_cannot_be_deleted() {
    let shop = Shop::open().await;
    let Shop { client, cluster, .. } = &shop;
    let camera = shop.stream("camera", Stream::default()).await;
    let day = shop.event("day", Event::default()).await;
    let pair = shop.join("camera-day", &camera, &day).await;

    assert_eq!(code(client.delete_stream(&camera).await), Code::FailedPrecondition);
    assert_eq!(code(client.delete_event(&day).await), Code::FailedPrecondition);
    let refusal = client.delete_cluster(cluster).await.unwrap_err();
    assert_eq!(refusal.code(), Code::FailedPrecondition);
    assert!(
        refusal.message().contains(pair.as_str()),
        "it names a resource in the cluster: {refusal}"
    );
    let info = refusal.details().error_info().unwrap();
    assert_eq!((&*info.reason, &*info.domain), ("CLUSTER_NOT_EMPTY", "visionai.googleapis.com"));
    assert_eq!(info.metadata["service"], "visionai.googleapis.com");

    shop.settle(client.delete_series(&pair).await.unwrap()).await.unwrap();
    shop.settle(client.delete_stream(&camera).await.unwrap()).await.unwrap();
    let deleting = client.delete_event(&day).await.unwrap();
    assert_eq!(code(client.delete_cluster(cluster).await), Code::FailedPrecondition);
    shop.settle(deleting).await.unwrap();
    let creating = client.create_stream(cluster, Stream::default(), "late").await.unwrap();
    assert_eq!(code(client.delete_cluster(cluster).await), Code::FailedPrecondition);
    let late = shop.settle(creating).await.unwrap();
    let delete = client.delete_stream(&late.name.parse().unwrap()).await.unwrap();
    shop.settle(delete).await.unwrap();

    let mut deleting = client.delete_cluster(cluster).await.unwrap();
    assert_eq!(shop.state().await, State::Stopping);
    let too_late = client.create_stream(cluster, Stream::default(), "s").await;
    assert_eq!(code(too_late), Code::FailedPrecondition);
    deleting.cancel().await.unwrap();
    shop.emulator.advance(Duration::from_secs(2));
    let cancelled = deleting.poll().await.unwrap_err();
    assert!(cancelled.is_cancelled());
    assert_eq!(shop.state().await, State::Running);
    shop.settle(client.delete_cluster(cluster).await.unwrap()).await.unwrap();
    assert_eq!(code(client.get_cluster(cluster).await), Code::NotFound);
}

#[tokio::test]
async fn a_series_links_a_stream_and_an_event_of_its_cluster() {
    let shop = Shop::open().await;
    let Shop { client, cluster, .. } = &shop;
    let camera = shop.stream("camera", Stream::default()).await;
    let day = shop.event("day", Event::default()).await;
    let elsewhere = ClusterName::new("p", "us-central1", "other").unwrap();
    let good = series(&camera, &day);

    let nothing = Series { stream: cluster.stream("nothing").unwrap().to_string(), ..good.clone() };
    let create = client.create_series(cluster, nothing, "x").await;
    assert_eq!(code(create), Code::NotFound);
    let strange = Series { stream: elsewhere.stream("s").unwrap().to_string(), ..good.clone() };
    let swapped = Series { stream: day.to_string(), event: camera.to_string(), ..good.clone() };
    for bad in [Series { event: String::new(), ..good.clone() }, strange, swapped] {
        let refusal = client.create_series(cluster, bad, "x").await.unwrap_err();
        assert_eq!(refusal.code(), Code::InvalidArgument, "{refusal}");
    }

    // The stream is deleted while the series is being created.
    let delete = client.delete_stream(&camera).await.unwrap();
    let create = client.create_series(cluster, good.clone(), "x").await.unwrap();
    let done = shop.settle(delete).await;
    assert_eq!(done.unwrap(), ());
    assert_eq!(code(shop.settle(create).await), Code::NotFound);

    // The series exists before the stream would be deleted.
    let camera = shop.stream("camera", Stream::default()).await;
    let slow = Emulator::builder().manual_clock().latency(Latency::DeleteInCluster, MINUTE).build();
    let slow = Shop::on(slow);
    let create = slow.client.create_cluster(&cluster.parent(), Cluster::default(), "shop");
    slow.settle(create.await.unwrap()).await.unwrap();
    slow.stream("camera", Stream::default()).await;
    slow.event("day", Event::default()).await;
    let delete = slow.client.delete_stream(&camera).await.unwrap();
    let create = slow.client.create_series(cluster, good, "x").await.unwrap();
    assert_eq!(code(slow.settle(delete).await), Code::FailedPrecondition);
    slow.settle(create).await.unwrap();
    assert_eq!(slow.client.get_stream(&camera).await.unwrap().name, camera.as_str());
}

#[tokio::test]
async fn deleting_an_event_takes_its_grace_period() {
    let shop = Shop::open().await;
    let Shop { client, cluster, .. } = &shop;
    let grace = |seconds| Event {
        grace_period: Some(prost_types::Duration { seconds, nanos: 0 }),
        ..Default::default()
    };
    assert_eq!(code(client.create_event(cluster, grace(-1), "x").await), Code::InvalidArgument);
    let day = shop.event("day", grace(600)).await;
    let change = Event { name: day.to_string(), ..grace(-1) };
    let refused = client.update_event(change, mask(&["grace_period"])).await;
    assert_eq!(code(refused), Code::InvalidArgument);

    let mut delete = client.delete_event(&day).await.unwrap();
    shop.emulator.advance(Duration::from_secs(599));
    assert_eq!(delete.poll().await.unwrap(), None);
    assert_eq!(client.get_event(&day).await.unwrap().name, day.as_str());
    shop.emulator.advance(Duration::from_secs(1));
    assert_eq!(delete.poll().await.unwrap(), Some(()));
    assert_eq!(code(client.get_event(&day).await), Code::NotFound);
}

#[tokio::test]
async fn updates_change_the_fields_of_their_masks() {
    let shop = Shop::open().await;
    let Shop { client, cluster, .. } = &shop;
    let camera = Stream { display_name: "Old".into(), ..Default::default() };
    let camera = shop.stream("camera", camera).await;
    let change = Stream {
        name: camera.to_string(),
        display_name: "New".into(),
        enable_hls_playback: true,
        ..Default::default()
    };
    for path in ["name", "stream.display_name", "create_time"] {
        let refused = client.update_stream(change.clone(), mask(&[path])).await;
        assert_eq!(code(refused), Code::InvalidArgument, "{path}");
    }
    let update = client.update_stream(change.clone(), mask(&["enable_hls_playback"]));
    let changed = shop.settle(update.await.unwrap()).await.unwrap();
    assert!(changed.enable_hls_playback);
    assert_eq!(changed.display_name, "Old");
    assert_eq!(changed.update_time, Some(at(&shop, -60 * 60 + 5)));

    let labels = [("floor".to_owned(), "2".to_owned())];
    let change = Cluster { name: cluster.to_string(), labels: labels.into(), ..Default::default() };
    let update = client.update_cluster(change, mask(&["labels"])).await.unwrap();
    assert_eq!(shop.settle(update).await.unwrap().labels["floor"], "2");
    let change =
        Event { name: shop.event("day", Event::default()).await.to_string(), ..Default::default() };
    let change = Event { alignment_clock: Clock::Capture.into(), ..change };
    let update = client.update_event(change, mask(&["alignment_clock"])).await.unwrap();
    assert_eq!(shop.settle(update).await.unwrap().alignment_clock(), Clock::Capture);

    let (one, other) = (cluster.event("day").unwrap(), shop.event("night", Event::default()).await);
    let pair = shop.join("pair", &camera, &one).await;
    let change = Series { name: pair.to_string(), event: other.to_string(), ..Default::default() };
    let update = client.update_series(change, mask(&["event"])).await.unwrap();
    assert_eq!(shop.settle(update).await.unwrap().event, other.as_str());
    let torn = Series { name: pair.to_string(), ..Default::default() };
    let refused = client.update_series(torn, mask(&["event"])).await;
    assert_eq!(code(refused), Code::InvalidArgument);
}

/// A time some seconds from now, or before now.
fn at(shop: &Shop, seconds: i64) -> prost_types::Timestamp {
    let mut time = now(shop);
    time.seconds += seconds;
    time
}

#[tokio::test]
async fn a_playback_token_needs_enabled_playback_and_lasts_an_hour() {
    let shop = Shop::open().await;
    let Shop { client, cluster, .. } = &shop;
    let dark = shop.stream("dark", Stream::default()).await;
    let refusal = client.generate_stream_hls_token(&dark).await.unwrap_err();
    assert_eq!(refusal.code(), Code::FailedPrecondition);
    assert_eq!(refusal.reason(), Some("HLS_PLAYBACK_DISABLED"));
    let nothing = client.generate_stream_hls_token(&cluster.stream("nothing").unwrap()).await;
    assert_eq!(code(nothing), Code::NotFound);

    let shown = Stream { enable_hls_playback: true, ..Default::default() };
    let shown = shop.stream("shown", shown).await;
    let one = client.generate_stream_hls_token(&shown).await.unwrap();
    let other = client.generate_stream_hls_token(&shown).await.unwrap();
    assert_ne!(one.token, other.token);
    assert_eq!(one.token.split('.').count(), 3, "a JWT");
    let until = SystemTime::try_from(one.expiration_time.unwrap()).unwrap();
    assert_eq!(until, shop.emulator.now() + 60 * MINUTE);
}

#[tokio::test]
async fn a_thumbnail_of_an_event_creates_a_file() {
    let shop = Shop::open().await;
    let Shop { client, cluster, emulator } = &shop;
    let object = "gs://my-bucket/camera.jpg";
    let camera = shop.stream("camera", Stream::default()).await;
    let alone = client.get_stream_thumbnail(&camera, object).await.unwrap_err();
    assert_eq!(alone.reason(), Some("NO_EVENT"));

    let day = shop.event("day", Event::default()).await;
    let night = shop.event("night", Event::default()).await;
    shop.join("camera-day", &camera, &day).await;
    let mut take = client.get_stream_thumbnail(&camera, object).await.unwrap();
    assert_eq!(take.poll().await.unwrap(), None);
    assert!(!emulator.has_object(object));
    shop.settle(take).await.unwrap();
    assert!(emulator.has_object(object));

    let take = |event: &EventName| client.get_stream_thumbnail(&camera, "another").event(event);
    assert_eq!(code(take(&night).await), Code::FailedPrecondition);
    assert_eq!(code(take(&cluster.event("nothing").unwrap()).await), Code::NotFound);
    shop.settle(take(&day).await.unwrap()).await.unwrap();
    assert!(emulator.has_object("another"));
}

/// A state file has no refused requests, and its replay must lead to the same names.
#[tokio::test]
async fn a_refused_thumbnail_leaves_no_trace_in_later_random_names() {
    let mut names = Vec::new();
    for is_repeated in [false, true] {
        let shop = Shop::open().await;
        let camera = shop.stream("camera", Stream::default()).await;
        let day = shop.event("day", Event::default()).await;
        shop.join("camera-day", &camera, &day).await;
        let _first = shop.client.get_stream_thumbnail(&camera, "gs://b/one.jpg").await.unwrap();
        if is_repeated {
            let second = shop.client.get_stream_thumbnail(&camera, "gs://b/two.jpg").await;
            assert_eq!(code(second), Code::FailedPrecondition, "one operation at a time");
        }
        let next = shop.client.create_event(&shop.cluster, Event::default(), "night").await;
        names.push(next.unwrap().name().to_string());
    }
    assert_eq!(names[0], names[1]);
}

#[tokio::test]
async fn a_channel_is_deleted_with_its_stream_or_event() {
    let shop = Shop::open().await;
    let Shop { client, cluster, .. } = &shop;
    let camera = shop.stream("camera", Stream::default()).await;
    let day = shop.event("day", Event::default()).await;
    let join = channel(&camera, &day);
    let apart = Channel { event: String::new(), ..join.clone() };
    let refused = client.materialize_channel(cluster, apart, "c").await;
    assert_eq!(code(refused), Code::InvalidArgument);

    let made = client.materialize_channel(cluster, join.clone(), "c").await.unwrap();
    let made = shop.settle(made).await.unwrap();
    assert_eq!(made.name, cluster.channel("c").unwrap().as_str());
    assert_eq!((&*made.stream, &*made.event), (camera.as_str(), day.as_str()));
    let again = client.materialize_channel(cluster, join.clone(), "c").await;
    assert_eq!(code(again), Code::AlreadyExists);

    shop.settle(client.delete_event(&day).await.unwrap()).await.unwrap();
    let day = shop.event("day", Event::default()).await;
    let join = channel(&camera, &day);
    let made = client.materialize_channel(cluster, join, "c").await.unwrap();
    shop.settle(made).await.unwrap();
    shop.settle(client.delete_stream(&camera).await.unwrap()).await.unwrap();
    shop.settle(client.delete_event(&day).await.unwrap()).await.unwrap();
    shop.settle(client.delete_cluster(cluster).await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn vision_ai_listings_have_pages_filters_and_order() {
    let shop = Shop::open().await;
    let Shop { client, cluster, .. } = &shop;
    let floor = |n: usize| [("floor".to_owned(), n.to_string())].into();
    for (n, id) in ["c", "a", "b"].into_iter().enumerate() {
        shop.stream(id, Stream { labels: floor(n / 2), ..Default::default() }).await;
    }
    let day = shop.event("day", Event::default()).await;
    let night = shop.event("night", Event::default()).await;
    for id in ["a", "b"] {
        shop.join(&format!("{id}-day"), &cluster.stream(id).unwrap(), &day).await;
    }
    shop.join("a-night", &cluster.stream("a").unwrap(), &night).await;

    let ids = |streams: Vec<Stream>| {
        streams.iter().map(|s| s.name.rsplit('/').next().unwrap()).collect::<String>()
    };
    let all = client.list_streams(cluster).page_size(1).items().collect().await.unwrap();
    assert_eq!(ids(all), "abc");
    let newest = client.list_streams(cluster).order_by("create_time desc");
    assert_eq!(ids(newest.items().collect().await.unwrap()), "bac");
    let below = client.list_streams(cluster).filter("labels.floor=0").order_by("name desc");
    assert_eq!(ids(below.items().collect().await.unwrap()), "ca");

    let of_day = client.list_series(cluster).filter(format!("event=\"{day}\""));
    let of_day = of_day.items().collect().await.unwrap();
    assert_eq!(of_day.len(), 2);
    assert!(of_day.iter().all(|series| series.event == day.as_str()), "{of_day:?}");
    let events = client.list_events(cluster).order_by("create_time desc").await.unwrap().events;
    assert_eq!([&*events[0].name, &*events[1].name], [night.as_str(), day.as_str()]);
    let running = client.list_clusters(&cluster.parent()).filter("state=RUNNING").await.unwrap();
    assert_eq!(running.clusters.len(), 1);
    assert_eq!(
        code(client.list_streams(cluster).filter("state=RUNNING").await),
        Code::InvalidArgument
    );
    assert_eq!(code(client.list_series(cluster).page_token("x").await), Code::InvalidArgument);
}

#[tokio::test]
async fn a_repeated_request_id_gets_the_first_response() {
    let shop = Shop::open().await;
    let create = shop.client.create_stream(&shop.cluster, Stream::default(), "s").request_id(UUID);
    let first = create.clone().await.unwrap();
    let again = create.clone().await.unwrap();
    assert_eq!(first.name(), again.name());
    let event = shop.client.create_event(&shop.cluster, Event::default(), "s").request_id(UUID);
    let refusal = event.await.unwrap_err();
    let violations = &refusal.details().bad_request().unwrap().field_violations;
    assert_eq!((refusal.code(), &*violations[0].field), (Code::InvalidArgument, "request_id"));
    shop.emulator.advance(60 * MINUTE);
    assert_eq!(code(create.await), Code::AlreadyExists);
}

#[tokio::test]
async fn an_operation_is_resumed_by_name_and_listed_with_those_of_live_stream() {
    use livestream_client::{model, visionai::model::CreateClusterRequest};
    let shop = Shop::new();
    let Shop { client, cluster, emulator } = &shop;
    let location: LocationName = cluster.parent();
    let create = client.create_cluster(&location, Cluster::default(), "shop").await.unwrap();
    let live = emulator.client();
    let mut input = model::Input::default();
    input.set_type(model::input::Type::RtmpPush);
    let input = live.create_input(&location, input, "camera").await.unwrap();
    assert_eq!(client.list_operations(&location).items().collect().await.unwrap().len(), 2);
    emulator.advance(30 * MINUTE);
    let mut resumed = client.resume::<CreateClusterRequest>(create.name());
    assert_eq!(resumed.wait().await.unwrap().name, cluster.as_str());
    let waits = client.shared_waits(&location);
    assert_eq!(waits.wait(create).await.unwrap().name, cluster.as_str());
    assert!(live.shared_waits(&location).wait(input).await.unwrap().name.ends_with("/camera"));
    assert!(!client.list_locations(&location.parent()).await.unwrap().locations.is_empty());
}
