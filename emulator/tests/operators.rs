//! What operators meet: restarts, times without video, quotas, expiry, unreachable locations.

mod support;

use livestream_client::{
    model::{
        self, Channel, DvrSession, ElementaryStream, MuxStream, VideoStream,
        channel::StreamingState,
        dvr_session,
        elementary_stream::ElementaryStream as Track,
        manifest::ManifestType,
        video_stream::{CodecSettings, H264CodecSettings, H265CodecSettings},
    },
    proto::google::longrunning::{
        CancelOperationRequest, GetOperationRequest, operation::Result as Outcome,
    },
};
use livestream_emulator::{Builder, Emulator, Limit};
use std::time::Duration;
use support::{CHANNEL, INPUT, LOCATION, Service, channel, code, name};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

const HOUR: Duration = Duration::from_secs(3600);

fn manual() -> Builder {
    Emulator::builder().manual_clock()
}

impl Service {
    async fn clip_ends_with(&mut self, id: &str, from: i64, to: i64) -> Result<(), Code> {
        let request = model::CreateClipRequest {
            parent: CHANNEL.to_owned(),
            clip_id: id.to_owned(),
            clip: Some(self.clip_of(from, to)),
            ..Default::default()
        };
        let operation = match self.live.create_clip(request).await {
            Ok(operation) => operation.into_inner(),
            Err(status) => return Err(status.code()),
        };
        self.emulator.advance(Duration::from_secs(32));
        let done = self.operation(&operation.name).await;
        match done.result.expect("done") {
            Outcome::Error(error) => Err(Code::from_i32(error.code)),
            _ => Ok(()),
        }
    }

    async fn dvr(&mut self, id: &str, from: i64, to: i64) -> String {
        let request = model::CreateDvrSessionRequest {
            parent: CHANNEL.to_owned(),
            dvr_session_id: id.to_owned(),
            dvr_session: Some(DvrSession::of_manifest("main", [self.dvr_window(from, to)])),
            ..Default::default()
        };
        self.live.create_dvr_session(request).await.expect("valid");
        format!("{CHANNEL}/dvrSessions/{id}")
    }

    async fn dvr_state(&mut self, session: &str) -> dvr_session::State {
        self.live.get_dvr_session(name(session)).await.expect("there").into_inner().state()
    }
}

#[tokio::test]
async fn a_session_is_restarted_after_24_hours_and_the_channel_streams_again() {
    let mut service = Service::new();
    service.stream().await;
    service.emulator.advance(24 * HOUR - Duration::from_secs(6));
    assert_eq!(service.state().await, StreamingState::Streaming);
    service.emulator.advance(Duration::from_secs(1));
    assert_eq!(service.state().await, StreamingState::AwaitingInput);
    service.emulator.advance(Duration::from_secs(5));
    assert_eq!(service.state().await, StreamingState::Streaming);
    service.emulator.advance(24 * HOUR - Duration::from_secs(5));
    assert_eq!(service.state().await, StreamingState::AwaitingInput, "and again");

    let mut service = Service::on(manual().session_length(None).build());
    service.stream().await;
    service.emulator.advance(24 * HOUR - Duration::from_secs(5));
    assert_eq!(service.state().await, StreamingState::Streaming);
}

#[tokio::test]
async fn the_sessions_of_two_channels_are_restarted_independently() {
    let mut service = Service::new();
    service.stream().await;
    service.emulator.advance(HOUR);
    service.create_channel("late", channel()).await.expect("valid");
    service.emulator.advance(Duration::from_secs(10));
    let late = format!("{LOCATION}/channels/late");
    service.live.start_channel(name(&late)).await.expect("it is stopped");
    service.emulator.advance(23 * HOUR - Duration::from_secs(15));
    assert_eq!(service.state().await, StreamingState::AwaitingInput, "restarted");
    let other = service.live.get_channel(name(&late)).await.expect("there").into_inner();
    assert_eq!(other.streaming_state(), StreamingState::Streaming);
}

#[tokio::test]
async fn a_stopped_channel_is_not_restarted() {
    let mut service = Service::new();
    service.stream().await;
    service.live.stop_channel(name(CHANNEL)).await.expect("it runs");
    service.emulator.advance(25 * HOUR);
    assert_eq!(service.state().await, StreamingState::Stopped);
}

#[tokio::test]
async fn a_clip_needs_video_at_its_times() {
    let mut service = Service::new();
    service.make_channel().await;
    service.emulator.advance(HOUR);
    assert_eq!(service.clip_ends_with("a", -600, -300).await, Err(Code::FailedPrecondition));
    service.live.start_channel(name(CHANNEL)).await.expect("it is stopped");
    service.emulator.advance(Duration::from_secs(605 + 1800));
    assert_eq!(service.clip_ends_with("b", -900, -600).await, Ok(()));
    assert_eq!(service.clip_ends_with("c", -3600, -3000).await, Err(Code::FailedPrecondition));
    assert_eq!(service.clip_ends_with("d", -3000, -600).await, Ok(()), "a part of it");
    service.live.stop_channel(name(CHANNEL)).await.expect("it runs");
    service.emulator.advance(HOUR);
    assert_eq!(service.clip_ends_with("e", -1200, -600).await, Err(Code::FailedPrecondition));

    let mut lenient = Service::on(manual().assume_video().build());
    lenient.make_channel().await;
    lenient.emulator.advance(HOUR);
    assert_eq!(lenient.clip_ends_with("a", -600, -300).await, Ok(()));
}

#[tokio::test]
async fn content_expires_with_the_retention_window() {
    let mut service = Service::new();
    service.stream().await;
    service.emulator.advance(HOUR);
    service.live.stop_channel(name(CHANNEL)).await.expect("it runs");
    // The channel keeps a day.
    service.emulator.advance(23 * HOUR);
    assert_eq!(service.clip_ends_with("a", -23 * 3600 - 1800, -23 * 3600 - 600).await, Ok(()));
    service.emulator.advance(HOUR);
    let late = service.clip_ends_with("b", -24 * 3600 - 1800, -24 * 3600 - 600).await;
    assert_eq!(late, Err(Code::FailedPrecondition));
}

#[tokio::test]
async fn a_dvr_session_without_video_in_its_windows_fails() {
    let mut service = Service::new();
    service.make_channel().await;
    let silent = service.dvr("silent", 60, 600).await;
    service.emulator.advance(HOUR);
    assert_eq!(service.dvr_state(&silent).await, dvr_session::State::Failed);
    let failed = service.live.get_dvr_session(name(&silent)).await.expect("there").into_inner();
    assert!(failed.error.expect("a reason").message.contains("was not on air"));

    service.live.start_channel(name(CHANNEL)).await.expect("it is stopped");
    service.emulator.advance(Duration::from_secs(700));
    let show = service.dvr("show", 60, 600).await;
    service.emulator.advance(HOUR);
    assert_eq!(service.dvr_state(&show).await, dvr_session::State::Finished);
}

/// The settings of a stream of 1080 lines.
fn h264() -> CodecSettings {
    CodecSettings::H264(H264CodecSettings {
        width_pixels: 1920,
        height_pixels: 1080,
        bitrate_bps: 5_000_000,
        frame_rate: 30.0,
        ..Default::default()
    })
}

/// The settings of a stream of 1080 lines.
fn h265() -> CodecSettings {
    CodecSettings::H265(H265CodecSettings {
        width_pixels: 1920,
        height_pixels: 1080,
        bitrate_bps: 5_000_000,
        frame_rate: 30.0,
        ..Default::default()
    })
}

/// A channel with a number of streams.
fn with_streams(streams: usize, settings: &CodecSettings) -> Channel {
    let track = |n: usize| {
        let video = VideoStream { codec_settings: Some(settings.clone()) };
        ElementaryStream {
            key: format!("v{n}"),
            elementary_stream: Some(Track::VideoStream(video)),
        }
    };
    let mut channel = channel();
    for n in 0..streams {
        channel.elementary_streams.push(track(n));
        channel.mux_streams.push(MuxStream {
            key: format!("v{n}"),
            elementary_streams: vec![format!("v{n}")],
            ..Default::default()
        });
    }
    let mut manifest = support::manifest("video", ManifestType::Hls);
    manifest.mux_streams = channel.mux_streams.iter().map(|mux| mux.key.clone()).collect();
    channel.manifests = vec![manifest];
    channel
}

#[tokio::test]
async fn running_channels_share_a_quota_of_output_streams() {
    for (limit, settings) in [(Limit::HdStreams, h264()), (Limit::HdStreamsH265, h265())] {
        let mut service = Service::on(manual().limit(limit, 5).build());
        for (id, streams) in [("news", 3), ("late", 3), ("small", 2)] {
            let channel = with_streams(streams, &settings);
            service.create_channel(id, channel).await.expect("only running channels count");
        }
        service.emulator.advance(Duration::from_secs(10));
        service.live.start_channel(name(CHANNEL)).await.expect("three of five");
        let late = format!("{LOCATION}/channels/late");
        let refused: Status = service.live.start_channel(name(&late)).await.expect_err("six");
        assert_eq!(refused.code(), Code::ResourceExhausted, "{limit}");
        assert!(refused.get_details_quota_failure().is_some());
        let small = format!("{LOCATION}/channels/small");
        service.live.start_channel(name(&small)).await.expect("five of five");
        service.emulator.advance(Duration::from_secs(605));
        service.live.stop_channel(name(CHANNEL)).await.expect("it runs");
        service.emulator.advance(Duration::from_secs(60));
        service.live.start_channel(name(&late)).await.expect("five of five");
    }
}

#[tokio::test]
async fn ten_channels_of_a_location_run_at_once() {
    let builder = manual().limit(Limit::Channels, 20).every_latency(Duration::ZERO);
    let mut service = Service::on(builder.build());
    let name_of = |n: usize| format!("{LOCATION}/channels/c{n}");
    for n in 0..12 {
        service.create_channel(&format!("c{n}"), channel()).await.expect("room");
    }
    for n in 0..10 {
        service.live.start_channel(name(&name_of(n))).await.expect("at most ten");
    }
    let refused: Status = service.live.start_channel(name(&name_of(10))).await.expect_err("11");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("10 running channels"), "{refused}");
    let info = refused.get_details_error_info().expect("a reason");
    assert_eq!(info.reason, "RESOURCE_LIMIT_EXCEEDED");
    service.live.stop_channel(name(&name_of(3))).await.expect("it runs");
    service.live.start_channel(name(&name_of(10))).await.expect("ten again");
    service.live.start_channel(name(&name_of(11))).await.expect_err("eleven");
}

#[tokio::test]
async fn requests_have_a_quota_a_minute_with_retry_info() {
    let mut service = Service::on(manual().request_quota().build());
    let list = model::ListInputsRequest { parent: LOCATION.to_owned(), ..Default::default() };
    service.emulator.advance(Duration::from_secs(40));
    for _ in 0..300 {
        service.live.list_inputs(list.clone()).await.expect("within the quota");
    }
    let refused = service.live.list_inputs(list.clone()).await.expect_err("the 301st");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let wait = refused.get_details_retry_info().and_then(|info| info.retry_delay);
    assert_eq!(wait, Some(Duration::from_secs(20)));
    let elsewhere = LOCATION.replace("us-central1", "us-east1");
    let other = model::ListInputsRequest { parent: elsewhere, ..Default::default() };
    service.live.list_inputs(other).await.expect("another location");
    assert_eq!(code(service.live.get_input(name(INPUT)).await), Code::NotFound, "another kind");
    service.emulator.advance(wait.expect("set"));
    service.live.list_inputs(list).await.expect("the next minute");
}

#[tokio::test]
async fn reads_mutations_and_requests_for_operations_have_quotas_of_their_own() {
    let mut service = Service::on(manual().request_quota().build());
    let operation = format!("{LOCATION}/operations/absent");
    for _ in 0..1200 {
        assert_eq!(code(service.live.get_input(name(INPUT)).await), Code::NotFound);
        let cancel = CancelOperationRequest { name: operation.clone() };
        assert_eq!(code(service.operations.cancel_operation(cancel).await), Code::NotFound);
    }
    for _ in 0..300 {
        assert_eq!(code(service.live.delete_input(name(INPUT)).await), Code::NotFound);
    }
    let refused = [
        (service.live.get_input(name(INPUT)).await.map(drop), "get requests"),
        (service.live.delete_input(name(INPUT)).await.map(drop), "mutation requests"),
        (
            service
                .operations
                .get_operation(GetOperationRequest { name: operation })
                .await
                .map(drop),
            "operation requests",
        ),
    ];
    for (answer, kind) in refused {
        let refusal = answer.expect_err(kind);
        assert_eq!(refusal.code(), Code::ResourceExhausted, "{kind}");
        assert!(refusal.message().contains(kind), "{}", refusal.message());
    }
}

#[tokio::test]
async fn a_preview_token_is_valid_for_an_hour() {
    let mut service = Service::new();
    service.make_input().await;
    let preview = service.live.preview_input(name(INPUT)).await.expect("there").into_inner();
    let end = service.emulator.preview_token_end(&preview.bearer_token);
    assert_eq!(end, Some(service.emulator.now() + HOUR));
    assert_eq!(service.emulator.preview_token_end("other"), None);
    service.emulator.advance(HOUR / 2);
    let later = service.live.preview_input(name(INPUT)).await.expect("there").into_inner();
    let begun = service.emulator.now();
    assert_eq!(service.emulator.preview_token_end(&preview.bearer_token), end);
    service.emulator.advance(HOUR / 2);
    assert_eq!(service.emulator.preview_token_end(&preview.bearer_token), None);
    assert_eq!(service.emulator.preview_token_end(&later.bearer_token), Some(begun + HOUR));
}

#[tokio::test]
async fn listings_name_unreachable_locations_and_can_begin_with_an_empty_page() {
    let emulator = manual().unreachable("us-east1").empty_pages().build();
    let mut service = Service::on(emulator.clone());
    service.make_input().await;
    let elsewhere = LOCATION.replace("us-central1", "us-east1");
    let list = model::ListInputsRequest { parent: elsewhere.clone(), ..Default::default() };
    let page = service.live.list_inputs(list).await.expect("a page").into_inner();
    assert_eq!((page.inputs.len(), page.unreachable), (0, vec![elsewhere]));

    let mut list = model::ListInputsRequest { parent: LOCATION.to_owned(), ..Default::default() };
    let page = service.live.list_inputs(list.clone()).await.expect("a page").into_inner();
    assert!(page.inputs.is_empty() && !page.next_page_token.is_empty());
    list.page_token = page.next_page_token;
    let page = service.live.list_inputs(list).await.expect("a page").into_inner();
    assert_eq!((page.inputs.len(), &*page.next_page_token), (1, ""));
    let client = emulator.client();
    let location = LOCATION.parse().expect("a name");
    let all = client.list_inputs(&location).order_by("create_time desc").items().collect().await;
    assert_eq!(all.expect("a listing").len(), 1);
}
