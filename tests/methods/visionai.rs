//! The table of Vision AI's streams. Requests are written without `request_id`, which the client
//! sets.

use crate::resources::{FILTER, LOCATION, ORDER, mask, name};
use livestream_client::visionai::{StreamsClient, model::*};

type Case = crate::case::Case<StreamsClient>;

const CLUSTER: &str = "projects/example.com:studio/locations/us-central1/clusters/shop";
const STREAM: &str =
    "projects/example.com:studio/locations/us-central1/clusters/shop/streams/entrance";
const EVENT: &str = "projects/example.com:studio/locations/us-central1/clusters/shop/events/day";
const SERIES: &str =
    "projects/example.com:studio/locations/us-central1/clusters/shop/series/entrance-day";
const CHANNEL: &str =
    "projects/example.com:studio/locations/us-central1/clusters/shop/channels/entrance";

pub(crate) fn visionai() -> Vec<Case> {
    let by_resource = [clusters(), streams(), playback(), events(), series(), channels()];
    by_resource.into_iter().flatten().collect()
}

fn clusters() -> Vec<Case> {
    vec![
        Case::unary(
            "ListClusters",
            ("parent", LOCATION),
            |client| client.list_clusters(&name(LOCATION)).filter(FILTER).order_by(ORDER),
            ListClustersRequest {
                parent: LOCATION.into(),
                filter: FILTER.into(),
                order_by: ORDER.into(),
                ..Default::default()
            },
            ListClustersResponse { clusters: vec![cluster()], ..Default::default() },
        ),
        Case::unary(
            "GetCluster",
            ("name", CLUSTER),
            |client| client.get_cluster(&name(CLUSTER)),
            GetClusterRequest { name: CLUSTER.into() },
            cluster(),
        ),
        Case::long_running(
            "CreateCluster",
            ("parent", LOCATION),
            |client| client.create_cluster(&name(LOCATION), cluster(), "an-id"),
            CreateClusterRequest {
                parent: LOCATION.into(),
                cluster: Some(cluster()),
                cluster_id: "an-id".into(),
                ..Default::default()
            },
            cluster(),
        ),
        Case::long_running(
            "UpdateCluster",
            ("cluster.name", CLUSTER),
            |client| client.update_cluster(cluster(), mask("labels")),
            UpdateClusterRequest {
                update_mask: Some(mask("labels")),
                cluster: Some(cluster()),
                ..Default::default()
            },
            cluster(),
        ),
        Case::long_running(
            "DeleteCluster",
            ("name", CLUSTER),
            |client| client.delete_cluster(&name(CLUSTER)),
            DeleteClusterRequest { name: CLUSTER.into(), ..Default::default() },
            (),
        ),
    ]
}

fn streams() -> Vec<Case> {
    vec![
        Case::unary(
            "ListStreams",
            ("parent", CLUSTER),
            |client| client.list_streams(&name(CLUSTER)).filter(FILTER).order_by(ORDER),
            ListStreamsRequest {
                parent: CLUSTER.into(),
                filter: FILTER.into(),
                order_by: ORDER.into(),
                ..Default::default()
            },
            ListStreamsResponse { streams: vec![stream()], ..Default::default() },
        ),
        Case::unary(
            "GetStream",
            ("name", STREAM),
            |client| client.get_stream(&name(STREAM)),
            GetStreamRequest { name: STREAM.into() },
            stream(),
        ),
        Case::long_running(
            "CreateStream",
            ("parent", CLUSTER),
            |client| client.create_stream(&name(CLUSTER), stream(), "an-id"),
            CreateStreamRequest {
                parent: CLUSTER.into(),
                stream: Some(stream()),
                stream_id: "an-id".into(),
                ..Default::default()
            },
            stream(),
        ),
        Case::long_running(
            "UpdateStream",
            ("stream.name", STREAM),
            |client| client.update_stream(stream(), mask("labels")),
            UpdateStreamRequest {
                update_mask: Some(mask("labels")),
                stream: Some(stream()),
                ..Default::default()
            },
            stream(),
        ),
        Case::long_running(
            "DeleteStream",
            ("name", STREAM),
            |client| client.delete_stream(&name(STREAM)),
            DeleteStreamRequest { name: STREAM.into(), ..Default::default() },
            (),
        ),
    ]
}

fn playback() -> Vec<Case> {
    let playback = GenerateStreamHlsTokenResponse { token: "a.b.c".into(), ..Default::default() };
    vec![
        Case::long_running(
            "GetStreamThumbnail",
            ("stream", STREAM),
            |client| client.get_stream_thumbnail(&name(STREAM), "gs://b/entrance.jpg"),
            GetStreamThumbnailRequest {
                stream: STREAM.into(),
                gcs_object_name: "gs://b/entrance.jpg".into(),
                ..Default::default()
            },
            GetStreamThumbnailResponse {},
        ),
        Case::long_running(
            "GetStreamThumbnail",
            ("stream", STREAM),
            |client| client.get_stream_thumbnail(&name(STREAM), "o").event(&name(EVENT)),
            GetStreamThumbnailRequest {
                stream: STREAM.into(),
                gcs_object_name: "o".into(),
                event: EVENT.into(),
                ..Default::default()
            },
            GetStreamThumbnailResponse {},
        ),
        Case::unary(
            "GenerateStreamHlsToken",
            ("stream", STREAM),
            |client| client.generate_stream_hls_token(&name(STREAM)),
            GenerateStreamHlsTokenRequest { stream: STREAM.into() },
            playback,
        ),
    ]
}

fn events() -> Vec<Case> {
    vec![
        Case::unary(
            "ListEvents",
            ("parent", CLUSTER),
            |client| client.list_events(&name(CLUSTER)).filter(FILTER).order_by(ORDER),
            ListEventsRequest {
                parent: CLUSTER.into(),
                filter: FILTER.into(),
                order_by: ORDER.into(),
                ..Default::default()
            },
            ListEventsResponse { events: vec![event()], ..Default::default() },
        ),
        Case::unary(
            "GetEvent",
            ("name", EVENT),
            |client| client.get_event(&name(EVENT)),
            GetEventRequest { name: EVENT.into() },
            event(),
        ),
        Case::long_running(
            "CreateEvent",
            ("parent", CLUSTER),
            |client| client.create_event(&name(CLUSTER), event(), "an-id"),
            CreateEventRequest {
                parent: CLUSTER.into(),
                event: Some(event()),
                event_id: "an-id".into(),
                ..Default::default()
            },
            event(),
        ),
        Case::long_running(
            "UpdateEvent",
            ("event.name", EVENT),
            |client| client.update_event(event(), mask("labels")),
            UpdateEventRequest {
                update_mask: Some(mask("labels")),
                event: Some(event()),
                ..Default::default()
            },
            event(),
        ),
        Case::long_running(
            "DeleteEvent",
            ("name", EVENT),
            |client| client.delete_event(&name(EVENT)),
            DeleteEventRequest { name: EVENT.into(), ..Default::default() },
            (),
        ),
    ]
}

fn series() -> Vec<Case> {
    vec![
        Case::unary(
            "ListSeries",
            ("parent", CLUSTER),
            |client| client.list_series(&name(CLUSTER)).filter(FILTER).order_by(ORDER),
            ListSeriesRequest {
                parent: CLUSTER.into(),
                filter: FILTER.into(),
                order_by: ORDER.into(),
                ..Default::default()
            },
            ListSeriesResponse { series: vec![joining()], ..Default::default() },
        ),
        Case::unary(
            "GetSeries",
            ("name", SERIES),
            |client| client.get_series(&name(SERIES)),
            GetSeriesRequest { name: SERIES.into() },
            joining(),
        ),
        Case::long_running(
            "CreateSeries",
            ("parent", CLUSTER),
            |client| client.create_series(&name(CLUSTER), joining(), "an-id"),
            CreateSeriesRequest {
                parent: CLUSTER.into(),
                series: Some(joining()),
                series_id: "an-id".into(),
                ..Default::default()
            },
            joining(),
        ),
        Case::long_running(
            "UpdateSeries",
            ("series.name", SERIES),
            |client| client.update_series(joining(), mask("labels")),
            UpdateSeriesRequest {
                update_mask: Some(mask("labels")),
                series: Some(joining()),
                ..Default::default()
            },
            joining(),
        ),
        Case::long_running(
            "DeleteSeries",
            ("name", SERIES),
            |client| client.delete_series(&name(SERIES)),
            DeleteSeriesRequest { name: SERIES.into(), ..Default::default() },
            (),
        ),
    ]
}

fn channels() -> Vec<Case> {
    let channel = Channel { name: CHANNEL.into(), ..joined() };
    vec![Case::long_running(
        "MaterializeChannel",
        ("parent", CLUSTER),
        |client| client.materialize_channel(&name(CLUSTER), joined(), "entrance"),
        MaterializeChannelRequest {
            parent: CLUSTER.into(),
            channel: Some(joined()),
            channel_id: "entrance".into(),
            ..Default::default()
        },
        channel,
    )]
}

fn cluster() -> Cluster {
    Cluster { name: CLUSTER.into(), ..Default::default() }
}

fn stream() -> Stream {
    Stream { name: STREAM.into(), enable_hls_playback: true, ..Default::default() }
}

fn event() -> Event {
    Event { name: EVENT.into(), ..Default::default() }
}

fn joining() -> Series {
    Series { name: SERIES.into(), stream: STREAM.into(), event: EVENT.into(), ..Default::default() }
}

fn joined() -> Channel {
    Channel { stream: STREAM.into(), event: EVENT.into(), ..Default::default() }
}
