//! The short forms of what every program writes: names in maps and files, typed operations, generic
//! calls, constructors, and layers that are not `Clone`.

#![allow(clippy::unwrap_used)]

mod support;

use livestream_client::{
    Call, CallFuture, Callable, Client, Error, LivestreamClient, Operation,
    model::{
        Asset, Channel, CreateChannelRequest, CreateInputRequest, Event, GetChannelRequest, Input,
        ListChannelsRequest, OperationMetadata, RetentionConfig, StartChannelRequest,
        StopChannelRequest,
        asset::{ImageAsset, Resource, VideoAsset},
        channel::StreamingState,
        dvr_session::DvrWindow,
        event::{
            AdBreakTask, InputSwitchTask, MuteTask, ReturnToProgramTask, SlateTask, Task,
            UnmuteTask,
        },
        input::{Tier, Type},
    },
    name::{ChannelName, DvrSessionName, InvalidName, LocationName, OperationName},
    rpc::{Payload, Rpc},
    visionai::{StreamsClient, model::GetClusterRequest},
};
use std::{
    collections::HashMap,
    ops::{Bound, RangeBounds},
    time::{Duration, SystemTime},
};
use support::{
    Observed, Scripted,
    fixture::{Fixture, channel, frequent_polls},
};
use tokio::{task::JoinSet, time::Instant};
use tonic::{Code, Status};
use tower::limit::{ConcurrencyLimitLayer, RateLimitLayer};

const NAME: &str = "projects/p/locations/us-central1/channels/news";

#[test]
fn names_convert_from_and_to_text_and_find_entries_by_text() {
    let name = ChannelName::try_from(NAME).unwrap();
    assert_eq!(ChannelName::try_from(NAME.to_owned()), Ok(name.clone()));
    assert_eq!(String::from(name.clone()), NAME);
    let map = HashMap::from([(name, 1)]);
    assert_eq!(map.get(NAME), Some(&1));
    fn generic<N: TryFrom<String, Error = InvalidName>>(text: &str) -> bool {
        N::try_from(text.to_owned()).is_ok()
    }
    assert!(generic::<ChannelName>(NAME) && !generic::<LocationName>(NAME));
}

#[test]
fn names_are_text_in_serde_formats_and_are_checked_when_they_are_read() {
    let name = ChannelName::try_from(NAME).unwrap();
    let json = serde_json::to_string(&name).unwrap();
    assert_eq!(json, format!("{NAME:?}"));
    assert_eq!(serde_json::from_str::<ChannelName>(&json).unwrap(), name);
    // Text with an escape is not borrowed from the input.
    let escaped = json.replace("news", "n\\u0065ws");
    assert_eq!(serde_json::from_str::<ChannelName>(&escaped).unwrap(), name);
    let error = serde_json::from_str::<DvrSessionName>(&json).unwrap_err().to_string();
    assert!(error.contains("not a DVR session name"), "{error}");
    let error = serde_json::from_str::<ChannelName>("7").unwrap_err().to_string();
    assert!(error.contains("a name of the form `projects/{project}/"), "{error}");
}

#[test]
fn a_resource_returns_its_typed_name() {
    let channel = Channel { name: NAME.to_owned(), ..Default::default() };
    assert_eq!(channel.resource_name().unwrap().as_str(), NAME);
    assert!(Channel::default().resource_name().is_err());
}

#[test]
fn enums_display_the_names_of_the_service_definition() {
    assert_eq!(StreamingState::AwaitingInput.to_string(), "AWAITING_INPUT");
    assert_eq!(format!("{:>4}", Tier::Hd), "  HD");
}

#[test]
fn constructors_build_inputs_assets_events_and_windows() {
    let location = LocationName::new("p", "us-central1").unwrap();
    let slate = location.asset("slate").unwrap();
    let minute = Duration::from_secs(60);
    let now = Event::slate(&slate, minute).unwrap();
    assert!(now.execute_now && now.execution_time.is_none());
    let later = now.at(SystemTime::UNIX_EPOCH + minute).unwrap();
    assert_eq!((later.execute_now, later.execution_time.unwrap().seconds), (false, 60));
    assert!(Event::ad_break(Duration::MAX).is_err());
    assert_eq!(Input::rtmp().r#type(), Type::RtmpPush);
    assert_eq!(Input::srt().r#type(), Type::SrtPush);
    let uri = "gs://b/o".to_owned();
    let video = Resource::Video(VideoAsset { uri: uri.clone() });
    assert_eq!(Asset::video(&uri).resource, Some(video));
    assert_eq!(Asset::image(&uri).resource, Some(Resource::Image(ImageAsset { uri })));

    let duration = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let asset = slate.to_string();
    let tasks = [
        (Event::slate(&slate, minute).unwrap(), Task::Slate(SlateTask { duration, asset })),
        (Event::ad_break(minute).unwrap(), Task::AdBreak(AdBreakTask { duration })),
        (Event::mute(minute).unwrap(), Task::Mute(MuteTask { duration })),
        (Event::mute(Duration::ZERO).unwrap(), Task::Mute(MuteTask { duration: None })),
        (Event::unmute(), Task::Unmute(UnmuteTask {})),
        (Event::return_to_program(), Task::ReturnToProgram(ReturnToProgramTask {})),
        (
            Event::input_switch("backup"),
            Task::InputSwitch(InputSwitchTask { input_key: "backup".to_owned() }),
        ),
    ];
    for (event, task) in tasks {
        assert_eq!((event.task, event.execute_now), (Some(task), true));
    }
    let retention = RetentionConfig::of(minute).unwrap();
    assert_eq!(retention.retention_window_duration, duration);

    let start = SystemTime::UNIX_EPOCH + minute;
    let range = DvrWindow::between(start..start + minute).unwrap().range().unwrap();
    assert!(range.contains(&start) && !range.contains(&(start + minute)));
    let open = DvrWindow::between(..start).unwrap().range().unwrap();
    assert_eq!(open, (Bound::Unbounded, Bound::Excluded(start)));
    assert!(DvrWindow::default().range().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_resumed_operation_of_another_method_fails_at_the_first_poll() {
    let fixture = Fixture::new();
    let Fixture { client, location, channel: name, .. } = &fixture;
    let create = client.create_channel(location, channel(), name.id()).await.unwrap();
    let mut wrong = client.resume::<CreateInputRequest>(create.name());
    let error = wrong.poll().await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(error.operation(), Some(create.name()));
    let message =
        format!("the operation is the \"create\" of {name}: CreateInput did not start it");
    assert_eq!(error.message(), message);
    client.resume::<CreateChannelRequest>(create.name()).wait().await.unwrap();

    // A start and a stop have results of one type.
    let start = client.start_channel(name).await.unwrap();
    let error = client.resume::<StopChannelRequest>(start.name()).wait().await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    client.resume::<StartChannelRequest>(start.name()).wait().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn listed_operations_have_a_typed_view() {
    let fixture = Fixture::new();
    let Fixture { client, location, channel: name, .. } = &fixture;
    fixture.create_channel().await;
    let operations = client.list_operations(location).items().collect().await.unwrap();
    let [operation] = &operations[..] else { panic!("{operations:?}") };
    let metadata = operation.metadata_as::<OperationMetadata>().unwrap().unwrap();
    assert_eq!((&*metadata.verb, &*metadata.target), ("create", name.as_str()));
    let created = operation.result_as::<Channel>().unwrap().unwrap();
    assert_eq!(created.resource_name().unwrap(), *name);
    assert!(operation.result_as::<Input>().unwrap_err().message().contains("not a `google.cloud"));
}

#[tokio::test(start_paused = true)]
async fn the_error_of_a_failed_creation_operation_names_the_new_resource_and_the_operation() {
    let Fixture { client, emulator, location, channel: name, .. } = &Fixture::new();
    let mut create = client.create_channel(location, channel(), name.id()).await.unwrap();
    let limit = frequent_polls().with_limit(Duration::from_secs(1));
    let late = create.clone().poll_policy(limit).wait().await.expect_err("it takes longer");
    assert_eq!((late.resource(), late.operation()), (name.as_str(), Some(create.name())));

    emulator.fail(create.name(), Status::internal("no capacity")).expect("it is under way");
    let shared = client.shared_waits(location);
    let resumed = client.resume::<CreateChannelRequest>(create.name());
    for error in [
        shared.wait(create.clone()).await.expect_err("it has failed"),
        shared.wait(resumed.clone()).await.expect_err("it has failed"),
        resumed.clone().wait().await.expect_err("it has failed"),
        create.wait().await.expect_err("it has failed"),
    ] {
        assert_eq!((error.resource(), error.operation()), (name.as_str(), Some(create.name())));
        let text = format!("{name}: Internal: no capacity [{}]", create.name());
        assert_eq!(error.to_string(), text);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_creation_names_the_new_resource() {
    let fixture = Fixture::new();
    let Fixture { client, location, channel: name, .. } = &fixture;
    fixture.create_channel().await;
    let error = client.create_channel(location, channel(), name.id()).await.unwrap_err();
    assert!(error.is_already_exists());
    assert_eq!(error.resource(), name.as_str());
    assert!(error.to_string().starts_with(&format!("CreateChannel {name}: ")), "{error}");
    let error = client.create_channel(location, channel(), "").await.unwrap_err();
    assert_eq!(error.resource(), location.as_str());
}

/// The result of an operation of the default metadata, without bounds of prost.
async fn finish<T: Payload>(mut operation: Operation<T>) -> Result<T, Error> {
    operation.wait().await
}

async fn send_to<C: Client, R: Callable>(client: &C, request: R) -> Result<R::Answer, Error> {
    client.call(request).await
}

fn resume_on<C: Client>(client: &C, name: &OperationName) -> Operation<Channel> {
    client.resume::<CreateChannelRequest>(name)
}

fn named<R: Callable>(call: Call<R>) -> CallFuture<R> {
    call.send()
}

#[tokio::test(start_paused = true)]
async fn generic_code_calls_and_resumes_over_both_clients() {
    let fixture = Fixture::new();
    let Fixture { emulator, client, location, channel: name, .. } = &fixture;
    let request = CreateChannelRequest {
        parent: location.to_string(),
        channel_id: name.id().to_owned(),
        channel: Some(channel()),
        ..Default::default()
    };
    let operation = send_to(client, request).await.unwrap();
    let channel = finish(resume_on(client, operation.name())).await.unwrap();
    assert_eq!(channel.name, name.as_str());
    let streams: StreamsClient = emulator.streams_client();
    let request = GetClusterRequest { name: format!("{location}/clusters/none") };
    assert!(send_to(&streams, request).await.unwrap_err().is_not_found());
    let request = GetChannelRequest { name: name.to_string() };
    let mut stub =
        livestream_client::model::livestream_service_client::LivestreamServiceClient::new(
            Client::stack(client),
        );
    assert_eq!(stub.get_channel(request).await.unwrap().into_inner().name, name.as_str());
}

#[tokio::test(start_paused = true)]
async fn calls_run_in_a_join_set() {
    let fixture = Fixture::new();
    fixture.create_channel().await;
    let mut reads = JoinSet::new();
    for _ in 0..3 {
        reads.spawn(named(fixture.client.get_channel(&fixture.channel)));
    }
    let read = reads.join_all().await;
    assert!(read.iter().all(|channel| channel.as_ref().unwrap().name == fixture.channel.as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_layer_whose_service_is_not_clone_limits_the_rate_of_all_calls() {
    let service =
        Observed::new(Scripted::new().on(|_: ListChannelsRequest| Ok(Default::default())));
    let limit = RateLimitLayer::new(2, Duration::from_secs(1));
    let client: LivestreamClient = service.client_builder().shared_layer(limit).build().unwrap();
    let location = LocationName::new("p", "us-central1").unwrap();
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..6 {
        calls.spawn(client.list_channels(&location).send());
    }
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    let times = service.log().times(ListChannelsRequest::METHOD);
    let in_first_second = times.iter().filter(|time| **time - begun < Duration::from_secs(1));
    assert_eq!(in_first_second.count(), 2);

    // A call that waits for its turn keeps its deadline.
    let call = || client.list_channels(&location).timeout(Duration::from_millis(500));
    let (one, two, three) = tokio::join!(call().send(), call().send(), call().send());
    let late = [one, two, three].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(!late.is_empty() && late.iter().all(Error::is_deadline_exceeded), "{late:?}");
}

#[tokio::test]
async fn a_concurrency_limit_layer_is_asked_whether_it_is_ready_before_each_call() {
    let service =
        Observed::new(Scripted::new().on(|_: ListChannelsRequest| Ok(Default::default())));
    // This layer panics if it is called without being asked.
    let limit = ConcurrencyLimitLayer::new(1);
    let client: LivestreamClient = service.client_builder().layer(limit).build().unwrap();
    let location = LocationName::new("p", "us-central1").unwrap();
    let list = || client.list_channels(&location).send();
    let outcomes = tokio::join!(list(), list(), list());
    assert!(outcomes.0.is_ok() && outcomes.1.is_ok() && outcomes.2.is_ok());
    assert_eq!(service.log().times(ListChannelsRequest::METHOD).len(), 3);
}
