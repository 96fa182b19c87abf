//! The limits of the service: locations, labels, ids, times, sizes and records.

mod support;

use livestream_client::{
    model::{
        self, Channel, Clip, DvrSession, Event, RetentionConfig,
        channel::Output,
        event::{AdBreakTask, Task},
    },
    proto::google::{
        cloud::location::{GetLocationRequest, ListLocationsRequest},
        longrunning::{GetOperationRequest, ListOperationsRequest},
    },
};
use livestream_emulator::{Emulator, Latency, Limit};
use prost::Message as _;
use prost_types::{Duration as Length, Timestamp};
use std::time::{Duration, Instant};
use support::{CHANNEL, LOCATION, Service, channel, code};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

fn field(status: &Status) -> String {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    status.get_details_bad_request().expect("a BadRequest").field_violations[0].field.clone()
}

fn event(task: Task, execution_time: Option<Timestamp>) -> Event {
    let execute_now = execution_time.is_none();
    Event { task: Some(task), execution_time, execute_now, ..Default::default() }
}

fn ad_break(seconds: i64) -> Task {
    Task::AdBreak(AdBreakTask { duration: Some(Length { seconds, nanos: 0 }) })
}

#[tokio::test]
async fn durations_and_times_out_of_range_are_refused() {
    let mut service = Service::new();
    for seconds in [-1, i64::MIN, i64::MAX] {
        let window = Some(Length { seconds, nanos: 0 });
        let retention_config = Some(RetentionConfig { retention_window_duration: window });
        let refused =
            service.create_channel("news", Channel { retention_config, ..channel() }).await;
        let expected = "channel.retention_config.retention_window_duration";
        assert_eq!(field(&refused.expect_err("out of range")), expected, "{seconds}");
    }
    service.stream().await;
    let far = Timestamp { seconds: 253_402_300_800, nanos: 0 };
    let events = [
        (event(ad_break(i64::MAX), None), "event.ad_break.duration"),
        (event(ad_break(-1), None), "event.ad_break.duration"),
        (event(ad_break(1), Some(far)), "event.execution_time"),
        (
            event(ad_break(1), Some(Timestamp { seconds: i64::MIN, nanos: 0 })),
            "event.execution_time",
        ),
        (event(ad_break(1), Some(Timestamp { seconds: 1, nanos: -1 })), "event.execution_time"),
    ];
    for (event, expected) in events {
        let request = model::CreateEventRequest {
            parent: CHANNEL.to_owned(),
            event_id: "break".to_owned(),
            event: Some(event),
            ..Default::default()
        };
        let refused = service.live.create_event(request).await.expect_err("out of range");
        assert_eq!(field(&refused), expected);
    }
    let window = service.dvr_window(0, 0);
    let session = |start: Option<Timestamp>, end: Option<Timestamp>| {
        let mut window = window;
        window.kind = Some(dvr_interval(start, end));
        DvrSession::of_manifest("main", [window])
    };
    for seconds in [i64::MIN, -62_135_596_801, 253_402_300_800, i64::MAX] {
        let odd = Some(Timestamp { seconds, nanos: 0 });
        for (start, end, expected) in [(odd, None, "start_time"), (None, odd, "end_time")] {
            let request = model::CreateDvrSessionRequest {
                parent: CHANNEL.to_owned(),
                dvr_session_id: "show".to_owned(),
                dvr_session: Some(session(start, end)),
                ..Default::default()
            };
            let refused = service.live.create_dvr_session(request).await.expect_err("odd");
            let expected = format!("dvr_session.dvr_windows[0].time_interval.{expected}");
            assert_eq!(field(&refused), expected, "{seconds}");
        }
    }
}

fn dvr_interval(
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
) -> model::dvr_session::dvr_window::Kind {
    let interval = model::TimeInterval { start_time, end_time };
    model::dvr_session::dvr_window::Kind::TimeInterval(interval)
}

#[tokio::test]
async fn the_time_ends_with_the_year_9999_and_the_service_still_answers() {
    let mut service = Service::new();
    service.stream().await;
    service.emulator.advance(Duration::MAX);
    let now = Timestamp::from(service.emulator.now());
    assert_eq!(now.seconds, 253_402_300_799);
    service.create_channel("late", channel()).await.expect("valid");
    assert!(service.channel().await.create_time.is_some());
}

#[tokio::test]
async fn labels_of_every_resource_have_the_limits_of_google_cloud() {
    let mut service = Service::new();
    let labels = || [("Upper".to_owned(), "x".to_owned())].into();
    let refused = service.create_channel("news", Channel { labels: labels(), ..channel() }).await;
    assert_eq!(field(&refused.expect_err("a capital")), "channel.labels");
    let mut request = service.create_input_request("camera");
    request.input.as_mut().expect("set").labels = labels();
    assert_eq!(
        field(&service.live.create_input(request).await.expect_err("a capital")),
        "input.labels"
    );
    service.stream().await;
    let request = model::CreateEventRequest {
        parent: CHANNEL.to_owned(),
        event_id: "break".to_owned(),
        event: Some(Event { labels: labels(), ..event(ad_break(1), None) }),
        ..Default::default()
    };
    assert_eq!(
        field(&service.live.create_event(request).await.expect_err("a capital")),
        "event.labels"
    );
}

#[tokio::test]
async fn locations_are_the_eighteen_regions_and_others_are_refused_unless_allowed() {
    let mut service = Service::new();
    let list = ListLocationsRequest { name: "projects/p".to_owned(), ..Default::default() };
    let all = service.locations.list_locations(list).await.expect("a page").into_inner();
    assert_eq!(all.locations.len(), 18);
    let parent = "projects/p/locations/mars-north1".to_owned();
    let list = model::ListChannelsRequest { parent: parent.clone(), ..Default::default() };
    let refusal = service.live.list_channels(list.clone()).await.expect_err("not on this planet");
    assert_eq!(refusal.code(), Code::NotFound);
    assert!(refusal.message().contains("mars-north1"), "{}", refusal.message());
    let mut create = service.create_input_request("camera");
    create.parent = parent;
    assert_eq!(code(service.live.create_input(create.clone()).await), Code::NotFound);

    let mut open = Service::on(Emulator::builder().manual_clock().any_location().build());
    assert!(open.live.list_channels(list).await.is_ok());
    assert!(open.live.create_input(create).await.is_ok());
    let get = GetLocationRequest { name: "projects/p/locations/mars-north1".to_owned() };
    let location = open.locations.get_location(get.clone()).await.expect("any").into_inner();
    assert_eq!((&*location.location_id, location.name), ("mars-north1", get.name.clone()));
    assert_eq!(code(service.locations.get_location(get).await), Code::NotFound);
}

#[tokio::test]
async fn operations_of_a_location_that_the_service_does_not_have_are_an_empty_listing() {
    let mut service = Service::new();
    let name = "projects/p/locations/mars-north1".to_owned();
    let list = ListOperationsRequest { name, ..Default::default() };
    let page = service.operations.list_operations(list).await.expect("a page").into_inner();
    assert!(page.operations.is_empty());
}

#[tokio::test]
async fn a_request_can_be_larger_than_four_mebibytes_and_not_larger_than_ten() {
    let mut service = Service::new();
    let with_uri = |bytes: usize| Channel {
        output: Some(Output { uri: format!("gs://bucket/{}", "x".repeat(bytes)) }),
        ..channel()
    };
    service.create_channel("news", with_uri(6 << 20)).await.expect("small enough");
    let refused = service.create_channel("late", with_uri(11 << 20)).await.expect_err("too large");
    assert_eq!(refused.code(), Code::OutOfRange);
    let logged = service.emulator.requests().pop().expect("it is in the log");
    assert_eq!((logged.method(), logged.code()), ("CreateChannel", Some(Code::OutOfRange)));
    assert!(refused.message().contains("larger than 10 MiB"), "{}", refused.message());
    let mut largest = model::CreateChannelRequest {
        parent: LOCATION.to_owned(),
        channel_id: "largest".to_owned(),
        channel: Some(with_uri(10 << 20)),
        ..Default::default()
    };
    let over = largest.encoded_len() - (10 << 20);
    largest.channel = Some(with_uri((10 << 20) - over));
    assert_eq!(largest.encoded_len(), 10 << 20);
    service.live.create_channel(largest).await.expect("just small enough");
    service.emulator.advance(Duration::from_secs(10));
    // The limit of the generated stub is 4 MiB too.
    service.live = service.live.max_decoding_message_size(usize::MAX);
    assert_eq!(service.channel().await.output.expect("set").uri.len(), (6 << 20) + 12);
}

#[tokio::test]
async fn creating_ten_thousand_clips_is_not_quadratic() {
    let emulator = Emulator::builder()
        .manual_clock()
        .latency(Latency::AcceptClip, Duration::ZERO)
        .latency(Latency::CopyClip, Duration::ZERO)
        .limit(Limit::Clips, 20_000)
        .build();
    let mut service = Service::on(emulator);
    service.stream().await;
    service.emulator.advance(Duration::from_secs(60));
    let clip = service.clip_of(-50, -10);
    let mut times = Vec::new();
    for thousand in 0..10 {
        let begun = Instant::now();
        for n in 0..1000 {
            let request = model::CreateClipRequest {
                parent: CHANNEL.to_owned(),
                clip_id: format!("clip-{thousand}-{n}"),
                clip: Some(clip.clone()),
                ..Default::default()
            };
            service.live.create_clip(request).await.expect("valid");
        }
        times.push(begun.elapsed());
    }
    // Quadratic work takes 19 times as long for the last thousand as for the first.
    let (first, last) = (times[..3].iter().min(), times[7..].iter().min());
    let (first, last) = (first.expect("ten"), last.expect("ten"));
    assert!(*last < *first * 6, "{times:?}");
}

#[tokio::test]
async fn the_newest_clips_are_kept_up_to_the_limit() {
    let builder = Emulator::builder().manual_clock().limit(Limit::Clips, 2);
    let mut service = Service::on(builder.build());
    service.stream().await;
    service.emulator.advance(Duration::from_secs(60));
    let clip = service.clip_of(-50, -10);
    for id in ["a", "b", "c"] {
        let request = model::CreateClipRequest {
            parent: CHANNEL.to_owned(),
            clip_id: id.to_owned(),
            clip: Some(clip.clone()),
            ..Default::default()
        };
        service.live.create_clip(request).await.expect("valid");
    }
    let list = model::ListClipsRequest { parent: CHANNEL.to_owned(), ..Default::default() };
    let clips = service.live.list_clips(list).await.expect("a page").into_inner().clips;
    let ids: Vec<_> = clips.iter().filter_map(|clip: &Clip| clip.name.rsplit('/').next()).collect();
    assert_eq!(ids, ["b", "c"]);
}

#[tokio::test]
async fn records_of_operations_are_capped() {
    let emulator = Emulator::builder()
        .manual_clock()
        .every_latency(Duration::ZERO)
        .limit(Limit::Channels, usize::MAX)
        .build();
    let mut service = Service::on(emulator);
    let first = service.create_channel("first", channel()).await.expect("valid").into_inner().name;
    let get = GetOperationRequest { name: first };
    for n in 1..20_000 {
        service.create_channel(&format!("c{n}"), channel()).await.expect("valid");
    }
    service.operations.get_operation(get.clone()).await.expect("the first of 20,000");
    service.create_channel("last", channel()).await.expect("valid");
    assert_eq!(code(service.operations.get_operation(get).await), Code::NotFound);
    let list = ListOperationsRequest { name: LOCATION.to_owned(), ..Default::default() };
    let page = service.operations.list_operations(list).await.expect("a page").into_inner();
    assert_eq!(page.operations.len(), 50);
}
