//! Referential integrity: what a channel or an event uses exists, also while operations run.

mod support;

use livestream_client::{
    model::{
        self, Asset, Channel, Event, Input, InputAttachment, OperationMetadata, StaticOverlay,
        asset::{ImageAsset, Resource, State as AssetState},
        dvr_session,
        event::{SlateTask, Task},
    },
    name::{AssetName, DvrSessionName, EventName},
    proto::google::longrunning::Operation,
};
use prost_types::FieldMask;
use std::time::Duration;
use support::{CHANNEL, INPUT, LOCATION, Service, channel, code, name};
use tonic::{Code, Status};

const LOGO: &str = "projects/p/locations/us-central1/assets/logo";
const ELSEWHERE: &str = "projects/p/locations/europe-west1";

fn asset() -> Asset {
    let uri = "gs://bucket/logo.jpg".to_owned();
    Asset { resource: Some(Resource::Image(ImageAsset { uri })), ..Default::default() }
}

fn with_overlay(asset: &str) -> Channel {
    let overlay = StaticOverlay { asset: asset.to_owned(), ..Default::default() };
    Channel { static_overlays: vec![overlay], ..channel() }
}

impl Service {
    async fn make_asset(&mut self, parent: &str) {
        let request = model::CreateAssetRequest {
            parent: parent.to_owned(),
            asset_id: "logo".to_owned(),
            asset: Some(asset()),
            ..Default::default()
        };
        self.live.create_asset(request).await.expect("valid");
        self.emulator.advance(Duration::from_secs(60));
    }

    async fn asset(&mut self) -> Asset {
        self.live.get_asset(name(LOGO)).await.expect("there").into_inner()
    }

    async fn delete_asset(&mut self) -> Result<Operation, Status> {
        self.live.delete_asset(name(LOGO)).await.map(tonic::Response::into_inner)
    }

    async fn update_channel(&mut self, channel: Channel, field: &str) -> Operation {
        let request = model::UpdateChannelRequest {
            channel: Some(Channel { name: CHANNEL.to_owned(), ..channel }),
            update_mask: Some(FieldMask { paths: vec![field.to_owned()] }),
            request_id: String::new(),
        };
        self.live.update_channel(request).await.expect("accepted").into_inner()
    }

    async fn slate(&mut self, asset: &str) -> Result<Event, Status> {
        let request = model::CreateEventRequest {
            parent: CHANNEL.to_owned(),
            event_id: "slate".to_owned(),
            event: Some(Event {
                task: Some(Task::Slate(SlateTask { asset: asset.to_owned(), duration: None })),
                execute_now: true,
                ..Default::default()
            }),
            ..Default::default()
        };
        self.live.create_event(request).await.map(tonic::Response::into_inner)
    }
}

#[tokio::test]
async fn an_update_does_not_attach_an_input_that_was_deleted_meanwhile() {
    let mut service = Service::new();
    service.make_channel().await;
    let mut other = service.create_input_request("other");
    other.input = Some(support::input());
    service.live.create_input(other).await.expect("valid");
    service.emulator.advance(Duration::from_secs(180));
    let other = format!("{LOCATION}/inputs/other");

    service.live.delete_input(name(&other)).await.expect("unused");
    service.emulator.advance(Duration::from_secs(50));
    let before = service.channel().await;
    let attachment =
        InputAttachment { key: "second".to_owned(), input: other, ..Default::default() };
    let new = Channel { input_attachments: vec![attachment], ..Default::default() };
    let update = service.update_channel(new, "input_attachments").await;
    service.emulator.advance(Duration::from_secs(30));
    assert_eq!(service.error(&update.name).await, Code::NotFound);
    assert_eq!(service.channel().await.input_attachments, before.input_attachments);
}

#[tokio::test]
async fn an_input_is_not_deleted_if_a_channel_update_attached_it_meanwhile() {
    let mut service = Service::new();
    service.make_input().await;
    service.create_channel("news", channel()).await.expect("valid");
    service.emulator.advance(Duration::from_secs(10));
    let attachment =
        InputAttachment { key: "main".to_owned(), input: INPUT.to_owned(), ..Default::default() };
    let new = Channel { input_attachments: vec![attachment], ..Default::default() };
    service.update_channel(new, "input_attachments").await;
    let delete = service.live.delete_input(name(INPUT)).await.expect("unused").into_inner();
    service.emulator.advance(Duration::from_secs(60));
    assert_eq!(service.error(&delete.name).await, Code::FailedPrecondition);
    assert!(service.live.get_input(name(INPUT)).await.is_ok());
}

#[tokio::test]
async fn an_asset_is_not_deleted_if_a_channel_was_created_with_it_meanwhile() {
    let mut service = Service::new();
    service.make_asset(LOCATION).await;
    service.create_channel("news", with_overlay(LOGO)).await.expect("valid");
    service.emulator.advance(Duration::from_secs(5));
    let delete = service.delete_asset().await.expect("nothing uses it yet");
    assert_eq!(service.asset().await.state(), AssetState::Deleting);
    service.emulator.advance(Duration::from_secs(10));
    assert_eq!(service.error(&delete.name).await, Code::FailedPrecondition);
    assert_eq!(service.asset().await.state(), AssetState::Active);
    assert_eq!(service.channel().await.static_overlays[0].asset, LOGO);
}

#[tokio::test]
async fn an_asset_is_not_deleted_if_a_slate_event_was_created_with_it_meanwhile() {
    let mut service = Service::new();
    service.stream().await;
    service.make_asset(LOCATION).await;
    let delete = service.delete_asset().await.expect("nothing uses it yet");
    service.slate(LOGO).await.expect("the asset is there");
    service.emulator.advance(Duration::from_secs(10));
    assert_eq!(service.error(&delete.name).await, Code::FailedPrecondition);
    assert_eq!(service.asset().await.state(), AssetState::Active);
}

#[tokio::test]
async fn an_asset_can_be_deleted_after_its_slate_event_and_beside_events_without_it() {
    let mut service = Service::new();
    service.stream().await;
    service.make_asset(LOCATION).await;
    let request = model::CreateEventRequest {
        parent: CHANNEL.to_owned(),
        event_id: "mute".to_owned(),
        event: Some(Event {
            task: Some(Task::Mute(model::event::MuteTask::default())),
            execute_now: true,
            ..Default::default()
        }),
        ..Default::default()
    };
    service.live.create_event(request).await.expect("it runs");
    service.slate(LOGO).await.expect("the asset is there");
    service.emulator.advance(Duration::from_secs(2));
    assert_eq!(service.delete_asset().await.expect_err("shown").code(), Code::FailedPrecondition);
    let event: EventName = format!("{CHANNEL}/events/slate").parse().expect("a name");
    service.emulator.fail(&event, Status::internal("no")).expect("it runs");
    let delete = service.delete_asset().await.expect("no event shows it");
    service.emulator.advance(Duration::from_secs(10));
    let () = service.output(&delete.name).await;
}

#[tokio::test]
async fn overlays_and_slates_with_an_asset_of_another_location_are_refused() {
    let mut service = Service::new();
    service.make_asset(ELSEWHERE).await;
    let foreign = format!("{ELSEWHERE}/assets/logo");
    let refused = service.create_channel("evening", with_overlay(&foreign)).await;
    assert_eq!(code(refused), Code::InvalidArgument);
    service.stream().await;
    assert_eq!(service.slate(&foreign).await.expect_err("foreign").code(), Code::InvalidArgument);
}

#[tokio::test]
async fn error_is_set_only_while_an_asset_or_a_dvr_session_has_failed() {
    let mut service = Service::new();
    service.make_asset(LOCATION).await;
    let logo: AssetName = LOGO.parse().expect("a name");
    service.emulator.fail(&logo, Status::internal("no")).expect("there");
    assert!(service.asset().await.error.is_some());
    let delete = service.delete_asset().await.expect("unused");
    let deleting = service.asset().await;
    assert_eq!((deleting.state(), deleting.error), (AssetState::Deleting, None));
    service.cancel(&delete.name).await;
    let again = service.asset().await;
    assert_eq!(again.state(), AssetState::Error);
    assert_eq!(again.error.expect("as before").message, "no");

    service.stream().await;
    let session = format!("{CHANNEL}/dvrSessions/Evening_Show");
    let request = model::CreateDvrSessionRequest {
        parent: CHANNEL.to_owned(),
        dvr_session_id: "Evening_Show".to_owned(),
        dvr_session: Some(model::DvrSession::of_manifest("main", [service.dvr_window(60, 600)])),
        ..Default::default()
    };
    service.live.create_dvr_session(request).await.expect("valid");
    service.emulator.advance(Duration::from_secs(5));
    let typed: DvrSessionName = session.parse().expect("a name");
    service.emulator.fail(&typed, Status::internal("no")).expect("there");
    let delete = service.live.delete_dvr_session(name(&session)).await.expect("there").into_inner();
    let deleting = service.live.get_dvr_session(name(&session)).await.expect("there").into_inner();
    assert_eq!((deleting.state(), deleting.error), (dvr_session::State::Deleting, None));
    service.cancel(&delete.name).await;
    let again = service.live.get_dvr_session(name(&session)).await.expect("there").into_inner();
    assert_eq!(again.error.expect("as before").message, "no");
}

#[tokio::test]
async fn the_number_and_the_id_of_a_project_name_one_project() {
    let emulator = livestream_emulator::Emulator::builder();
    let mut service = Service::on(emulator.manual_clock().project("p", 123_456).build());
    let by_number = |name: &str| name.replace("projects/p/", "projects/123456/");
    let mut create = service.create_input_request("camera");
    create.parent = by_number(&create.parent);
    let operation = service.live.create_input(create).await.expect("valid").into_inner();
    assert!(operation.name.starts_with("projects/123456/locations/"), "{}", operation.name);
    let metadata: OperationMetadata =
        operation.metadata.expect("metadata").to_msg().expect("its type");
    assert_eq!(metadata.target, INPUT);
    service.emulator.advance(Duration::from_secs(180));
    let input: Input = service.output(&operation.name).await;
    assert_eq!(input.name, INPUT);
    let by_id = operation.name.replace("projects/123456/", "projects/p/");
    assert!(service.operation(&by_id).await.done);

    let attachment =
        InputAttachment { key: "main".to_owned(), input: by_number(INPUT), ..Default::default() };
    let channel = Channel { input_attachments: vec![attachment], ..channel() };
    service.create_channel("news", channel).await.expect("the same input");
    service.emulator.advance(Duration::from_secs(10));
    assert_eq!(service.channel().await.input_attachments[0].input, INPUT);
    let read = service.live.get_channel(name(&by_number(CHANNEL))).await.expect("there");
    assert_eq!(read.into_inner().name, CHANNEL);
    let list = model::ListInputsRequest { parent: by_number(LOCATION), ..Default::default() };
    assert_eq!(service.live.list_inputs(list).await.expect("a page").into_inner().inputs.len(), 1);
    let other = service.live.get_input(name(&INPUT.replace("/p/", "/999/"))).await;
    assert_eq!(code(other), Code::NotFound);
}
