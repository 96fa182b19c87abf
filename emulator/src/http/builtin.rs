//! The services of every gRPC server: reflection and health. They are neither logged nor hit by faults.

use crate::{control_proto, gate::Connection, status};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use livestream_client::proto::FILE_DESCRIPTOR_SET;
use std::{
    convert::Infallible,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll, ready},
};
use tokio::sync::OnceCell;
use tonic::{Status, body::Body};
use tonic_health::ServingStatus;
use tonic_reflection::server::Builder;
use tower::{Service as _, util::BoxCloneSyncService};

type BuiltIn = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// The services that report their health; the empty name stands for the whole server.
const SERVICES: [&str; 4] = [
    "",
    "google.cloud.video.livestream.v1.LivestreamService",
    "google.longrunning.Operations",
    "livestream.emulator.v1.Control",
];

static REFLECTION_V1: LazyLock<BuiltIn> =
    LazyLock::new(|| BuiltIn::new(reflection().build_v1().expect("the descriptors are complete")));

static REFLECTION_V1_ALPHA: LazyLock<BuiltIn> = LazyLock::new(|| {
    BuiltIn::new(reflection().build_v1alpha().expect("the descriptors are complete"))
});

static HEALTH: OnceCell<BuiltIn> = OnceCell::const_new();

fn reflection() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(control_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

async fn health() -> BuiltIn {
    let (reporter, server) = tonic_health::server::health_reporter();
    for service in SERVICES {
        reporter.set_service_status(service, ServingStatus::Serving).await;
    }
    BuiltIn::new(server)
}

/// Answers a request to one of these services; otherwise returns the request.
pub(super) async fn answer(request: Request<Body>) -> Result<Response<Body>, Request<Body>> {
    let path = request.uri().path().to_owned();
    let mut service = match path.split('/').nth(1) {
        Some("grpc.reflection.v1.ServerReflection") => REFLECTION_V1.clone(),
        Some("grpc.reflection.v1alpha.ServerReflection") => REFLECTION_V1_ALPHA.clone(),
        Some("grpc.health.v1.Health") => HEALTH.get_or_init(health).await.clone(),
        _ => return Err(request),
    };
    let connection = request.extensions().get::<Connection>().cloned();
    let response = match service.call(request).await {
        Ok(response) => status::with_message(response, &path),
        Err(never) => match never {},
    };
    Ok(match connection {
        Some(connection) if path == WATCH => response.map(|body| {
            let ending = Box::pin(async move { connection.ending().await });
            Body::new(Endless { body, ending, has_ended: false })
        }),
        _ => response,
    })
}

/// The method whose response has no end of its own.
const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// A response that ends with its connection.
struct Endless {
    body: Body,
    ending: Pin<Box<dyn Future<Output = ()> + Send>>,
    has_ended: bool,
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        ready!(self.ending.as_mut().poll(cx));
        self.has_ended = true;
        let mut trailers = HeaderMap::new();
        let end = Status::unavailable("the server ends").add_header(&mut trailers);
        Poll::Ready(Some(end.map(|()| Frame::trailers(trailers))))
    }
}
