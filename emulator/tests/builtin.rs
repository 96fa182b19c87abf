//! Reflection and health, for tools and for CI.

mod support;

use livestream_emulator::Emulator;
use std::collections::BTreeSet;
use tokio_stream::StreamExt as _;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

/// A channel of tonic to an emulator in this process.
async fn channel(emulator: &Emulator) -> tonic::transport::Channel {
    let emulator = emulator.clone();
    let connect = tower::service_fn(move |_: http::Uri| {
        let connection = hyper_util::rt::TokioIo::new(emulator.connect());
        async move { Ok::<_, std::io::Error>(connection) }
    });
    let endpoint = tonic::transport::Endpoint::from_static("http://emulator");
    endpoint.connect_with_connector(connect).await.expect("connected")
}

#[tokio::test]
async fn health_is_serving_for_the_server_and_its_services() {
    let emulator = Emulator::new();
    let mut client = HealthClient::new(channel(&emulator).await);
    for service in ["", "google.cloud.video.livestream.v1.LivestreamService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = client.check(request).await.expect("known").into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let unknown = HealthCheckRequest { service: "nonsense".to_owned() };
    assert_eq!(client.check(unknown).await.expect_err("unknown").code(), tonic::Code::NotFound);
    assert!(emulator.requests().is_empty(), "it is not in the log");
}

#[tokio::test]
async fn reflection_lists_the_services_and_describes_their_files() {
    let emulator = Emulator::new();
    let mut client = ServerReflectionClient::new(channel(&emulator).await);
    let ask = |message_request| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message_request),
    };
    let requests = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol("livestream.emulator.v1.Control".to_owned())),
        ask(MessageRequest::FileContainingSymbol(
            "google.cloud.video.livestream.v1.LivestreamService.CreateChannel".to_owned(),
        )),
    ];
    let answers = client.server_reflection_info(tokio_stream::iter(requests)).await;
    let answers = answers.expect("accepted").into_inner();
    let answers: Vec<_> = answers.map(|a| a.expect("an answer").message_response).collect().await;
    let Some(MessageResponse::ListServicesResponse(list)) = &answers[0] else {
        panic!("{answers:?}")
    };
    let names: BTreeSet<_> = list.service.iter().map(|service| &*service.name).collect();
    let expected = [
        "google.cloud.location.Locations",
        "google.cloud.video.livestream.v1.LivestreamService",
        "google.longrunning.Operations",
        "livestream.emulator.v1.Control",
    ];
    assert!(expected.iter().all(|name| names.contains(name)), "{names:?}");
    for answer in &answers[1..] {
        let Some(MessageResponse::FileDescriptorResponse(files)) = answer else {
            panic!("{answer:?}")
        };
        assert!(!files.file_descriptor_proto.is_empty());
    }
}

/// Older tools ask for this version.
#[tokio::test]
async fn reflection_is_there_in_its_alpha_version_too() {
    use tonic_reflection::pb::v1alpha::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let mut client = ServerReflectionClient::new(channel(&Emulator::new()).await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = client.server_reflection_info(tokio_stream::iter([request])).await;
    let answer = answers.expect("accepted").into_inner().next().await.expect("one");
    let answer = answer.expect("an answer").message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    assert!(list.service.iter().any(|service| service.name.ends_with(".LivestreamService")));
}

#[test]
fn the_imported_definitions_are_copies_of_those_of_the_client() {
    // A package has no files of another one.
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("proto/google");
    let client = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/google");
    for file in ["api/http.proto", "api/annotations.proto", "rpc/status.proto"] {
        let read = |folder: &std::path::Path| std::fs::read_to_string(folder.join(file));
        assert_eq!(read(&own).expect("there"), read(&client).expect("there"), "{file}");
    }
}

#[tokio::test]
async fn an_unknown_method_of_each_service_gets_unimplemented_with_a_message() {
    let mut grpc = tonic::client::Grpc::new(channel(&Emulator::new()).await);
    let services = [
        "livestream.emulator.v1.Control",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ];
    for service in services {
        grpc.ready().await.expect("connected");
        let path = format!("/{service}/Fly");
        let codec = tonic_prost::ProstCodec::<(), ()>::default();
        let uri = path.parse().expect("a path");
        let refusal = grpc.unary(tonic::Request::new(()), uri, codec).await.expect_err("unknown");
        assert_eq!(refusal.code(), tonic::Code::Unimplemented);
        assert!(refusal.message().contains(&path), "{service}: {:?}", refusal.message());
    }
}

#[tokio::test(start_paused = true)]
async fn idle_streams_outlast_the_limit_of_silence() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let emulator = Emulator::builder().manual_clock().build();
    tokio::spawn(async move { emulator.serve(listener).await });
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}"));
    let channel = endpoint.expect("a URI").connect().await.expect("listening");

    let watch = HealthClient::new(channel.clone()).watch(HealthCheckRequest::default()).await;
    let mut watch = watch.expect("accepted").into_inner();
    assert!(watch.message().await.expect("open").is_some());
    let (ask, asked) = tokio::sync::mpsc::channel(1);
    let asked = tokio_stream::wrappers::ReceiverStream::new(asked);
    let mut client = ServerReflectionClient::new(channel);
    let mut answers = client.server_reflection_info(asked).await.expect("accepted").into_inner();

    let minutes = std::time::Duration::from_secs(300);
    assert!(tokio::time::timeout(minutes, watch.message()).await.is_err(), "it stays open");
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    ask.send(request).await.expect("open");
    assert!(answers.message().await.expect("open").is_some());
}
