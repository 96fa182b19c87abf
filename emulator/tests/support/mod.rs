//! Shared code of the tests: stubs on the emulator's service, and functions that set up a state.
#![allow(dead_code, reason = "no test binary uses all of it")]

pub(crate) mod json;

use livestream_client::{
    model::{
        self, AudioStream, Channel, ElementaryStream, Input, InputAttachment, Manifest, MuxStream,
        RetentionConfig,
        channel::{Output, StreamingState},
        elementary_stream::ElementaryStream as Track,
        livestream_service_client::LivestreamServiceClient,
        manifest::ManifestType,
    },
    proto::google::{
        cloud::location::locations_client::LocationsClient,
        longrunning::{
            CancelOperationRequest, GetOperationRequest, Operation, operation::Result as Outcome,
            operations_client::OperationsClient,
        },
    },
};
use livestream_emulator::{Emulator, EmulatorService};
use prost::Name;
use std::time::Duration;
use tonic::{Code, Response, Status};

pub(crate) const LOCATION: &str = "projects/p/locations/us-central1";
pub(crate) const INPUT: &str = "projects/p/locations/us-central1/inputs/camera";
pub(crate) const CHANNEL: &str = "projects/p/locations/us-central1/channels/news";

/// An emulator with a manual clock, and a stub for each of its services.
pub(crate) struct Service {
    pub(crate) emulator: Emulator,
    pub(crate) live: LivestreamServiceClient<EmulatorService>,
    pub(crate) operations: OperationsClient<EmulatorService>,
    pub(crate) locations: LocationsClient<EmulatorService>,
}

impl Service {
    pub(crate) fn new() -> Self {
        Self::on(Emulator::builder().manual_clock().build())
    }

    pub(crate) fn on(emulator: Emulator) -> Self {
        Self {
            live: LivestreamServiceClient::new(emulator.service()),
            operations: OperationsClient::new(emulator.service()),
            locations: LocationsClient::new(emulator.service()),
            emulator,
        }
    }

    pub(crate) fn create_input_request(&self, id: &str) -> model::CreateInputRequest {
        model::CreateInputRequest {
            parent: LOCATION.to_owned(),
            input_id: id.to_owned(),
            input: Some(input()),
            request_id: String::new(),
        }
    }

    pub(crate) async fn create_channel(
        &mut self,
        id: &str,
        channel: Channel,
    ) -> Result<Response<Operation>, Status> {
        let request = model::CreateChannelRequest {
            parent: LOCATION.to_owned(),
            channel_id: id.to_owned(),
            channel: Some(channel),
            request_id: String::new(),
        };
        self.live.create_channel(request).await
    }

    /// Creates the input `INPUT`.
    pub(crate) async fn make_input(&mut self) {
        let request = self.create_input_request("camera");
        self.live.create_input(request).await.expect("valid");
        self.emulator.advance(Duration::from_secs(180));
    }

    /// Creates the channel `CHANNEL`, attached to `INPUT` as `main`, with a manifest and retention.
    pub(crate) async fn make_channel(&mut self) {
        self.make_input().await;
        let attachment = InputAttachment {
            key: "main".to_owned(),
            input: INPUT.to_owned(),
            automatic_failover: None,
        };
        let channel = Channel { input_attachments: vec![attachment], ..channel() };
        self.create_channel("news", channel).await.expect("valid");
        self.emulator.advance(Duration::from_secs(10));
    }

    /// Creates the same channel, in `STREAMING`.
    pub(crate) async fn stream(&mut self) {
        self.make_channel().await;
        self.live.start_channel(name(CHANNEL)).await.expect("it is stopped");
        self.emulator.advance(Duration::from_secs(605));
        assert_eq!(self.state().await, StreamingState::Streaming);
    }

    pub(crate) async fn channel(&mut self) -> Channel {
        self.live.get_channel(name(CHANNEL)).await.expect("there").into_inner()
    }

    pub(crate) async fn state(&mut self) -> StreamingState {
        self.channel().await.streaming_state()
    }

    pub(crate) async fn operation(&mut self, name: &str) -> Operation {
        let request = GetOperationRequest { name: name.to_owned() };
        self.operations.get_operation(request).await.expect("on record").into_inner()
    }

    /// The response of an operation that is done.
    pub(crate) async fn output<T: Name + Default>(&mut self, name: &str) -> T {
        let operation = self.operation(name).await;
        assert!(operation.done, "{name} is not done");
        match operation.result {
            Some(Outcome::Response(any)) => any.to_msg().expect("of the type asked for"),
            other => panic!("{name} has no response: {other:?}"),
        }
    }

    /// The error code of an operation that failed.
    pub(crate) async fn error(&mut self, name: &str) -> Code {
        match self.operation(name).await.result {
            Some(Outcome::Error(error)) => Code::from_i32(error.code),
            other => panic!("{name} has no error: {other:?}"),
        }
    }

    /// Cancels an operation, and waits for its end.
    pub(crate) async fn cancel(&mut self, name: &str) {
        let request = CancelOperationRequest { name: name.to_owned() };
        self.operations.cancel_operation(request).await.expect("on record");
        self.emulator.advance(Duration::from_secs(2));
        assert_eq!(self.error(name).await, Code::Cancelled);
    }

    /// A time some seconds from now, or before now.
    pub(crate) fn in_seconds(&self, seconds: i64) -> prost_types::Timestamp {
        let mut time = prost_types::Timestamp::from(self.emulator.now());
        time.seconds += seconds;
        time
    }
}

pub(crate) fn input() -> Input {
    let mut input = Input::default();
    input.set_type(model::input::Type::RtmpPush);
    input
}

/// A small valid channel without inputs: the audio stream `sound` in an HLS manifest `main`.
pub(crate) fn channel() -> Channel {
    let audio = AudioStream { bitrate_bps: 128_000, ..Default::default() };
    let window = prost_types::Duration { seconds: 86_400, nanos: 0 };
    Channel {
        output: Some(Output { uri: "gs://bucket/outputs/".to_owned() }),
        elementary_streams: vec![ElementaryStream {
            key: "sound".to_owned(),
            elementary_stream: Some(Track::AudioStream(audio)),
        }],
        mux_streams: vec![MuxStream {
            key: "sound".to_owned(),
            elementary_streams: vec!["sound".to_owned()],
            ..Default::default()
        }],
        manifests: vec![manifest("main", ManifestType::Hls)],
        retention_config: Some(RetentionConfig { retention_window_duration: Some(window) }),
        ..Default::default()
    }
}

/// A manifest of the mux stream of [`channel`].
pub(crate) fn manifest(key: &str, r#type: ManifestType) -> Manifest {
    Manifest {
        key: key.to_owned(),
        file_name: format!("{key}.m3u8"),
        r#type: r#type.into(),
        mux_streams: vec!["sound".to_owned()],
        ..Default::default()
    }
}

/// A request with a name and nothing else.
pub(crate) fn name<R: Named>(name: &str) -> tonic::Request<R> {
    tonic::Request::new(R::named(name))
}

pub(crate) trait Named {
    fn named(name: &str) -> Self;
}

macro_rules! named {
    ($($request:ident),+ $(,)?) => {
        $(impl Named for model::$request {
            fn named(name: &str) -> Self {
                let mut request = Self::default();
                request.name.push_str(name);
                request
            }
        })+
    };
}

named!(
    GetInputRequest,
    DeleteInputRequest,
    PreviewInputRequest,
    GetChannelRequest,
    DeleteChannelRequest,
    StartChannelRequest,
    StopChannelRequest,
    GetEventRequest,
    DeleteEventRequest,
    GetClipRequest,
    DeleteClipRequest,
    GetDvrSessionRequest,
    DeleteDvrSessionRequest,
    GetAssetRequest,
    DeleteAssetRequest,
    StartDistributionRequest,
    StopDistributionRequest,
);

pub(crate) fn code<T>(answer: Result<Response<T>, Status>) -> Code {
    answer.map(drop).expect_err("a refusal").code()
}

impl Service {
    /// A DVR window between two times, in seconds from now.
    pub(crate) fn dvr_window(&self, start: i64, end: i64) -> model::dvr_session::DvrWindow {
        let interval = model::TimeInterval {
            start_time: Some(self.in_seconds(start)),
            end_time: Some(self.in_seconds(end)),
        };
        let kind = Some(model::dvr_session::dvr_window::Kind::TimeInterval(interval));
        model::dvr_session::DvrWindow { kind }
    }

    /// A clip between two times, in seconds from now.
    pub(crate) fn clip_of(&self, start: i64, end: i64) -> model::Clip {
        let slice = model::clip::TimeSlice {
            markin_time: Some(self.in_seconds(start)),
            markout_time: Some(self.in_seconds(end)),
        };
        let manifest =
            model::clip::ClipManifest { manifest_key: "main".to_owned(), ..Default::default() };
        model::Clip {
            slices: vec![model::clip::Slice {
                kind: Some(model::clip::slice::Kind::TimeSlice(slice)),
            }],
            clip_manifests: vec![manifest],
            ..Default::default()
        }
    }
}
