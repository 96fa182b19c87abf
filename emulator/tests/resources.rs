//! The emulator over its own tower service: resources, operations, listings and errors.

mod support;

use livestream_client::{
    model::{
        self, Input, OperationMetadata, Pool,
        channel::StreamingState,
        input::{Tier, Type},
    },
    name::ChannelName,
    proto::google::{
        cloud::location::{GetLocationRequest, ListLocationsRequest},
        longrunning::{
            CancelOperationRequest, DeleteOperationRequest, GetOperationRequest,
            ListOperationsRequest, WaitOperationRequest, operation::Result as Outcome,
        },
    },
};
use livestream_emulator::{Emulator, Latency, Limit};
use prost_types::FieldMask;
use std::{collections::BTreeSet, time::Duration};
use support::{CHANNEL, INPUT, LOCATION, Service, channel, code, name};
use tonic::Code;
use tonic_types::StatusExt as _;

#[tokio::test]
async fn creating_an_input_takes_three_minutes_and_creates_the_pool() {
    let mut service = Service::new();
    let request = service.create_input_request("camera");
    let operation = service.live.create_input(request).await.expect("accepted").into_inner();
    let prefix = format!("{LOCATION}/operations/operation-");
    assert!(operation.name.starts_with(&prefix), "{}", operation.name);
    let metadata: OperationMetadata =
        operation.metadata.as_ref().expect("metadata").to_msg().expect("of its type");
    assert_eq!((&*metadata.verb, &*metadata.target), ("create", INPUT));
    assert_eq!((&*metadata.api_version, metadata.end_time), ("v1", None));

    service.emulator.advance(Duration::from_secs(179));
    assert!(!service.operation(&operation.name).await.done);
    assert_eq!(code(service.live.get_input(name(INPUT)).await), Code::NotFound);
    assert_eq!(code(service.live.get_pool(pool_name()).await), Code::NotFound);

    service.emulator.advance(Duration::from_secs(1));
    let input: Input = service.output(&operation.name).await;
    assert_eq!(input.name, INPUT);
    assert_eq!((input.tier(), input.r#type()), (Tier::Hd, Type::RtmpPush));
    assert!(input.uri.starts_with("rtmp://"), "{}", input.uri);
    assert_eq!(input.create_time, Some(service.emulator.now().into()));
    assert!(service.live.get_pool(pool_name()).await.is_ok());
}

#[tokio::test]
async fn an_srt_input_has_an_srt_address() {
    let mut service = Service::new();
    let mut request = service.create_input_request("camera");
    request.input.as_mut().expect("set").set_type(Type::SrtPush);
    service.live.create_input(request).await.expect("accepted");
    service.emulator.advance(Duration::from_secs(180));
    let input = service.live.get_input(name(INPUT)).await.expect("there").into_inner();
    assert!(input.uri.starts_with("srt://"), "{}", input.uri);
}

fn pool_name() -> model::GetPoolRequest {
    model::GetPoolRequest { name: format!("{LOCATION}/pools/default") }
}

#[tokio::test]
async fn an_id_is_taken_while_its_resource_is_being_created() {
    let mut service = Service::new();
    let request = service.create_input_request("camera");
    service.live.create_input(request.clone()).await.expect("accepted");
    let refusal = service.live.create_input(request.clone()).await.expect_err("being created");
    assert_eq!(refusal.code(), Code::AlreadyExists);
    let info = refusal.get_details_error_info().expect("an ErrorInfo");
    assert_eq!(info.domain, "livestream.googleapis.com");
    assert_eq!(info.reason, "RESOURCE_ALREADY_EXISTS");
    assert_eq!(info.metadata["resource"], INPUT);

    service.emulator.advance(Duration::from_secs(180));
    assert_eq!(code(service.live.create_input(request).await), Code::AlreadyExists);
}

#[tokio::test]
async fn a_channel_goes_from_stopped_to_streaming_and_back() {
    let mut service = Service::new();
    service.make_channel().await;
    let made = service.channel().await;
    assert_eq!(made.streaming_state(), StreamingState::Stopped);
    assert_eq!(made.active_input, "main");

    service.live.start_channel(name(CHANNEL)).await.expect("it is stopped");
    assert_eq!(service.state().await, StreamingState::Starting);
    assert_eq!(code(service.live.start_channel(name(CHANNEL)).await), Code::FailedPrecondition);
    assert_eq!(code(service.live.stop_channel(name(CHANNEL)).await), Code::FailedPrecondition);
    service.emulator.advance(Duration::from_secs(600));
    assert_eq!(service.state().await, StreamingState::AwaitingInput);
    service.emulator.advance(Duration::from_secs(5));
    assert_eq!(service.state().await, StreamingState::Streaming);
    let fed = service.live.get_input(name(INPUT)).await.expect("there").into_inner();
    let property = fed.input_stream_property.expect("fed");
    assert_eq!(property.last_establish_time, Some(service.emulator.now().into()));
    let video = property.video_streams[0].video_format.as_ref().expect("set");
    assert_eq!((&*video.codec, video.height_pixels), ("h264", 1080));
    assert_eq!(property.audio_streams[0].audio_format.as_ref().expect("set").codec, "aac");

    let delete = service.live.delete_channel(name(CHANNEL)).await.expect_err("it runs");
    assert_eq!(delete.code(), Code::FailedPrecondition);
    let details = delete.get_details_precondition_failure().expect("a PreconditionFailure");
    assert_eq!(details.violations[0].subject, CHANNEL);

    let stop = service.live.stop_channel(name(CHANNEL)).await.expect("it runs").into_inner();
    assert_eq!(service.state().await, StreamingState::Stopping);
    service.emulator.advance(Duration::from_secs(60));
    assert_eq!(service.state().await, StreamingState::Stopped);
    let _: model::ChannelOperationResponse = service.output(&stop.name).await;
    assert_eq!(code(service.live.stop_channel(name(CHANNEL)).await), Code::FailedPrecondition);
    let left = service.live.get_input(name(INPUT)).await.expect("there").into_inner();
    assert!(left.input_stream_property.is_none());
}

#[tokio::test]
async fn connect_and_disconnect_encoder_change_the_streaming_state() {
    let emulator = Emulator::builder().manual_clock().encoder_delay(None).build();
    let mut service = Service::on(emulator.clone());
    service.make_channel().await;
    service.live.start_channel(name(CHANNEL)).await.expect("it is stopped");
    emulator.advance(Duration::from_secs(3600));
    assert_eq!(service.state().await, StreamingState::AwaitingInput);

    let channel: ChannelName = CHANNEL.parse().expect("a name");
    emulator.connect_encoder(&channel).expect("there");
    assert_eq!(service.state().await, StreamingState::Streaming);
    emulator.disconnect_encoder(&channel).expect("there");
    emulator.advance(Duration::from_secs(3600));
    assert_eq!(service.state().await, StreamingState::AwaitingInput);
}

#[tokio::test]
async fn a_failed_channel_is_in_streaming_error_until_it_recovers() {
    let mut service = Service::new();
    service.stream().await;
    let channel: ChannelName = CHANNEL.parse().expect("a name");
    let error = tonic::Status::permission_denied("the bucket is not writable");
    service.emulator.fail(&channel, error).expect("it runs");
    let failed = service.channel().await;
    assert_eq!(failed.streaming_state(), StreamingState::StreamingError);
    let error = failed.streaming_error.expect("a reason");
    assert_eq!((error.code, &*error.message), (7, "the bucket is not writable"));

    service.emulator.recover(&channel).expect("it is in error");
    let well = service.channel().await;
    assert_eq!(well.streaming_state(), StreamingState::Streaming);
    assert_eq!(well.streaming_error, None);
    let again = service.emulator.recover(&channel).expect_err("it has recovered");
    assert_eq!(again.code(), Code::FailedPrecondition);

    let state = StreamingState::StreamingNoInput;
    service.emulator.set_streaming_state(&channel, state).expect("there");
    assert_eq!(service.state().await, state);
}

#[tokio::test]
async fn an_input_cannot_be_deleted_while_a_channel_uses_it() {
    let mut service = Service::new();
    service.make_channel().await;
    assert_eq!(code(service.live.delete_input(name(INPUT)).await), Code::FailedPrecondition);
    service.live.delete_channel(name(CHANNEL)).await.expect("it is stopped");
    service.emulator.advance(Duration::from_secs(30));
    assert_eq!(code(service.live.get_channel(name(CHANNEL)).await), Code::NotFound);
    let operation = service.live.delete_input(name(INPUT)).await.expect("unused").into_inner();
    service.emulator.advance(Duration::from_secs(60));
    let () = service.output(&operation.name).await;
    assert_eq!(code(service.live.get_input(name(INPUT)).await), Code::NotFound);
}

#[tokio::test]
async fn a_limit_counts_resources_that_are_being_created() {
    let limit = |limit, most| Emulator::builder().manual_clock().limit(limit, most).build();
    let mut service = Service::on(limit(Limit::Inputs, 2));
    for id in ["a", "b"] {
        service.live.create_input(service.create_input_request(id)).await.expect("room");
    }
    let refusal = service.live.create_input(service.create_input_request("c")).await;
    let refusal = refusal.expect_err("full, although nothing is done yet");
    assert_eq!(refusal.code(), Code::ResourceExhausted);
    let details = refusal.get_details_quota_failure().expect("a QuotaFailure");
    assert_eq!(details.violations[0].subject, LOCATION);
    service.emulator.advance(Duration::from_secs(180));
    let refused = service.live.create_input(service.create_input_request("c")).await;
    assert_eq!(code(refused), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_limit_counts_a_resource_with_an_operation_once() {
    let emulator = Emulator::builder().manual_clock().limit(Limit::Channels, 2).build();
    let mut service = Service::on(emulator);
    service.stream().await;
    let clip = model::CreateClipRequest {
        parent: CHANNEL.to_owned(),
        clip_id: "goal".to_owned(),
        clip: Some(service.clip_of(-1, 0)),
        ..Default::default()
    };
    service.live.create_clip(clip).await.expect("on air");
    service.live.stop_channel(name(CHANNEL)).await.expect("it runs");
    service.create_channel("late", channel()).await.expect("the second of two");
    assert_eq!(code(service.create_channel("more", channel()).await), Code::ResourceExhausted);
}

#[tokio::test]
async fn operations_have_names_of_their_own_also_after_refused_requests() {
    let mut service = Service::new();
    let mut names = BTreeSet::new();
    for id in ["a", "b", "c", "d"] {
        let operation = service.create_channel(id, channel()).await.expect("valid").into_inner();
        names.insert(operation.name);
        assert_eq!(code(service.create_channel(id, channel()).await), Code::AlreadyExists);
    }
    assert_eq!(names.len(), 4);
}

#[tokio::test]
async fn the_default_limit_is_ten_channels_for_a_location() {
    let mut service = Service::new();
    for n in 0..10 {
        service.create_channel(&format!("c{n}"), channel()).await.expect("room");
    }
    assert_eq!(code(service.create_channel("c10", channel()).await), Code::ResourceExhausted);
}

#[tokio::test]
async fn an_input_update_changes_the_fields_of_its_mask_when_it_is_done() {
    let mut service = Service::new();
    service.make_input().await;
    let new = Input { name: INPUT.to_owned(), tier: Tier::Uhd as i32, ..Default::default() };
    let update = |input: &Input, paths: &[&str]| model::UpdateInputRequest {
        input: Some(input.clone()),
        update_mask: Some(FieldMask { paths: paths.iter().map(|&path| path.to_owned()).collect() }),
        request_id: String::new(),
    };
    let refused = service.live.update_input(update(&new, &["labels"])).await;
    assert_eq!(code(refused), Code::InvalidArgument);

    let request = update(&new, &[]);
    let operation = service.live.update_input(request).await.expect("fine").into_inner();
    let before = service.live.get_input(name(INPUT)).await.expect("there").into_inner();
    assert_eq!(before.tier(), Tier::Hd);
    assert_eq!(
        code(service.live.update_input(update(&new, &["tier"])).await),
        Code::FailedPrecondition,
        "one operation at a time",
    );
    service.emulator.advance(Duration::from_secs(30));
    let after: Input = service.output(&operation.name).await;
    assert_eq!((after.tier(), after.r#type()), (Tier::Uhd, Type::RtmpPush));
    assert!(
        after.update_time.map(|time| time.seconds) > before.update_time.map(|time| time.seconds)
    );
    assert_eq!(after.create_time, before.create_time);
}

#[tokio::test]
async fn a_pool_update_needs_all_channels_stopped() {
    let mut service = Service::new();
    service.make_channel().await;
    let network = |name: &str| model::UpdatePoolRequest {
        pool: Some(Pool {
            name: format!("{LOCATION}/pools/default"),
            network_config: Some(model::pool::NetworkConfig { peered_network: name.to_owned() }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let good = network("projects/12345/global/networks/studio");
    assert_eq!(code(service.live.update_pool(network("studio")).await), Code::InvalidArgument);
    service.live.start_channel(name(CHANNEL)).await.expect("it is stopped");
    assert_eq!(code(service.live.update_pool(good.clone()).await), Code::FailedPrecondition);

    let start = service.emulator.operation_on(&CHANNEL.parse::<ChannelName>().expect("a name"));
    service.cancel(start.expect("starting").as_str()).await;
    assert_eq!(service.state().await, StreamingState::Stopped);
    let operation = service.live.update_pool(good).await.expect("stopped").into_inner();
    service.emulator.advance(Duration::from_secs(120));
    let pool: Pool = service.output(&operation.name).await;
    let config = pool.network_config.expect("set");
    assert_eq!(config.peered_network, "projects/12345/global/networks/studio");
}

#[tokio::test]
async fn each_input_preview_has_a_new_uri_and_token() {
    let mut service = Service::new();
    assert_eq!(code(service.live.preview_input(name(INPUT)).await), Code::NotFound);
    service.make_input().await;
    let one = service.live.preview_input(name(INPUT)).await.expect("there").into_inner();
    let other = service.live.preview_input(name(INPUT)).await.expect("there").into_inner();
    assert!(one.uri.starts_with("https://"), "{}", one.uri);
    assert!(!one.bearer_token.is_empty() && one.bearer_token != other.bearer_token);
}

#[tokio::test]
async fn a_repeated_request_id_gets_the_first_response_for_an_hour() {
    let mut service = Service::new();
    let request = model::CreateInputRequest {
        request_id: "7f1d8c1e-6f4f-4c2b-9b39-0c6a4f1f7a01".to_owned(),
        ..service.create_input_request("camera")
    };
    let first = service.live.create_input(request.clone()).await.expect("accepted").into_inner();
    service.emulator.advance(Duration::from_secs(3599));
    let second = service.live.create_input(request.clone()).await.expect("a repeat").into_inner();
    assert_eq!(first, second);

    let other = model::CreateInputRequest { input_id: "other".to_owned(), ..request.clone() };
    assert_eq!(code(service.live.create_input(other).await), Code::InvalidArgument);
    let other_rpc = model::StartChannelRequest {
        name: CHANNEL.to_owned(),
        request_id: request.request_id.to_uppercase(),
    };
    assert_eq!(code(service.live.start_channel(other_rpc).await), Code::InvalidArgument);

    service.emulator.advance(Duration::from_secs(1));
    assert_eq!(code(service.live.create_input(request).await), Code::AlreadyExists);
}

#[tokio::test]
async fn a_refused_request_can_be_corrected_under_the_same_request_id() {
    let mut service = Service::new();
    let mut request = service.create_input_request("Camera");
    request.request_id = "7f1d8c1e-6f4f-4c2b-9b39-0c6a4f1f7a01".to_owned();
    assert_eq!(code(service.live.create_input(request.clone()).await), Code::InvalidArgument);
    request.input_id = "camera".to_owned();
    assert!(service.live.create_input(request).await.is_ok());
}

#[tokio::test]
async fn a_cancelled_operation_ends_with_cancelled_unless_it_is_done_first() {
    let mut service = Service::new();
    let request = service.create_input_request("camera");
    let operation = service.live.create_input(request).await.expect("accepted").into_inner();
    let cancel = CancelOperationRequest { name: operation.name.clone() };
    service.operations.cancel_operation(cancel.clone()).await.expect("it runs");
    let asked = service.operation(&operation.name).await;
    let metadata: OperationMetadata = asked.metadata.expect("metadata").to_msg().expect("its type");
    assert!(metadata.requested_cancellation && !asked.done);

    service.emulator.advance(Duration::from_secs(2));
    let done = service.operation(&operation.name).await;
    assert!(matches!(done.result, Some(Outcome::Error(error)) if error.code == 1));
    service.emulator.advance(Duration::from_secs(600));
    assert_eq!(code(service.live.get_input(name(INPUT)).await), Code::NotFound);

    let request = service.create_input_request("camera");
    let operation = service.live.create_input(request).await.expect("free again").into_inner();
    service.emulator.advance(Duration::from_secs(179));
    let cancel = CancelOperationRequest { name: operation.name.clone() };
    service.operations.cancel_operation(cancel.clone()).await.expect("it runs");
    service.emulator.advance(Duration::from_secs(2));
    let _: Input = service.output(&operation.name).await;
    assert!(
        service.operations.cancel_operation(cancel).await.is_ok(),
        "cancelling an operation that is done is allowed"
    );
}

#[tokio::test]
async fn deleting_an_operation_removes_its_record_and_not_its_work() {
    let mut service = Service::new();
    let request = service.create_input_request("camera");
    let operation = service.live.create_input(request).await.expect("accepted").into_inner();
    let delete = DeleteOperationRequest { name: operation.name.clone() };
    service.operations.delete_operation(delete.clone()).await.expect("there");
    assert_eq!(code(service.operations.delete_operation(delete).await), Code::NotFound);
    let get = GetOperationRequest { name: operation.name };
    assert_eq!(code(service.operations.get_operation(get).await), Code::NotFound);
    service.emulator.advance(Duration::from_secs(180));
    assert!(service.live.get_input(name(INPUT)).await.is_ok());
}

#[tokio::test]
async fn operations_are_listed_for_thirty_days_and_wait_operation_is_unimplemented() {
    let mut service = Service::new();
    service.make_channel().await;
    let list = |name: &str, filter: &str| ListOperationsRequest {
        name: name.to_owned(),
        filter: filter.to_owned(),
        ..Default::default()
    };
    let all = service.operations.list_operations(list(LOCATION, "")).await.expect("a page");
    assert_eq!(all.into_inner().operations.len(), 2);
    let running = service.operations.list_operations(list(LOCATION, "done=false")).await;
    assert!(running.expect("a page").into_inner().operations.is_empty());
    let malformed = service.operations.list_operations(list("projects/p", "")).await;
    assert_eq!(code(malformed), Code::InvalidArgument);
    let waiting = service.operations.wait_operation(WaitOperationRequest::default()).await;
    assert_eq!(code(waiting), Code::Unimplemented);

    service.emulator.advance(Duration::from_secs(31 * 24 * 3600));
    let later = service.operations.list_operations(list(LOCATION, "")).await.expect("a page");
    assert!(later.into_inner().operations.is_empty());
}

#[tokio::test]
async fn channel_listings_have_pages_filters_and_order() {
    let emulator = Emulator::builder()
        .manual_clock()
        .limit(Limit::Channels, 10_000)
        .latency(Latency::CreateChannel, Duration::ZERO)
        .build();
    let mut service = Service::on(emulator);
    for n in 0..120 {
        let mut channel = channel();
        channel.labels.insert("parity".to_owned(), ["even", "odd"][n % 2].to_owned());
        service.create_channel(&format!("c{n:03}"), channel).await.expect("room");
        service.emulator.advance(Duration::from_secs(1));
    }
    let mut request =
        model::ListChannelsRequest { parent: LOCATION.to_owned(), ..Default::default() };
    let mut sizes = Vec::new();
    loop {
        let page = service.live.list_channels(request.clone()).await.expect("a page").into_inner();
        sizes.push(page.channels.len());
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(sizes, [50, 50, 20]);

    let request = model::ListChannelsRequest {
        parent: LOCATION.to_owned(),
        page_size: 1000,
        filter: "labels.parity=odd AND streaming_state=STOPPED".to_owned(),
        order_by: "create_time desc".to_owned(),
        ..Default::default()
    };
    let page = service.live.list_channels(request.clone()).await.expect("a page").into_inner();
    assert_eq!(page.channels.len(), 60);
    assert!(page.channels[0].name.ends_with("c119"));
    let bad = model::ListChannelsRequest { page_token: "x".to_owned(), ..request.clone() };
    assert_eq!(code(service.live.list_channels(bad).await), Code::InvalidArgument);
    let bad = model::ListChannelsRequest { page_size: -1, ..request };
    assert_eq!(code(service.live.list_channels(bad).await), Code::InvalidArgument);
}

#[tokio::test]
async fn operations_and_locations_are_listed_by_pages() {
    let mut service = Service::new();
    let mut expected = Vec::new();
    for n in 0..7 {
        let operation = service.create_channel(&format!("c{n}"), channel()).await.expect("room");
        expected.push(operation.into_inner().name);
        service.emulator.advance(Duration::from_secs(1));
    }
    let mut list =
        ListOperationsRequest { name: LOCATION.to_owned(), page_size: 3, ..Default::default() };
    let (mut sizes, mut names) = (Vec::new(), Vec::new());
    loop {
        let page = service.operations.list_operations(list.clone()).await.expect("a page");
        let page = page.into_inner();
        sizes.push(page.operations.len());
        names.extend(page.operations.into_iter().map(|operation| operation.name));
        list.page_token = page.next_page_token;
        if list.page_token.is_empty() {
            break;
        }
    }
    expected.sort();
    assert_eq!((&*sizes, names), (&[3, 3, 1][..], expected));

    let mut list =
        ListLocationsRequest { name: "projects/p".to_owned(), page_size: 7, ..Default::default() };
    let (mut sizes, mut ids) = (Vec::new(), BTreeSet::new());
    loop {
        let page = service.locations.list_locations(list.clone()).await.expect("a page");
        let page = page.into_inner();
        sizes.push(page.locations.len());
        ids.extend(page.locations.into_iter().map(|location| location.location_id));
        list.page_token = page.next_page_token;
        if list.page_token.is_empty() {
            break;
        }
    }
    assert_eq!((&*sizes, ids.len()), (&[7, 7, 4][..], 18));
}

#[tokio::test]
async fn locations_are_listed_and_read() {
    let mut service = Service::new();
    let list = ListLocationsRequest { name: "projects/p".to_owned(), ..Default::default() };
    let all = service.locations.list_locations(list).await.expect("a page").into_inner();
    let first = &all.locations[0];
    let get = |name: &str| GetLocationRequest { name: name.to_owned() };
    let one = service.locations.get_location(get(&first.name)).await.expect("there").into_inner();
    assert_eq!(&one, first);
    let nowhere = service.locations.get_location(get("projects/p/locations/nowhere")).await;
    assert_eq!(code(nowhere), Code::NotFound);
}
