//! Access to the emulator: one tower service for all gRPC services, and HTTP/2 in front of it.

#[cfg(feature = "http")]
use super::control_proto::control_server::{self, ControlServer};
use super::{
    emulator::Emulator,
    gate::{Connection, Effect, FromJson, LoggedRequest, Reset, Strike},
    net::{self, Patience},
    reflection, status,
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
#[cfg(feature = "visionai")]
use livestream_client::visionai::model::streams_service_server::{self, StreamsServiceServer};
use livestream_client::{
    Builder as ClientBuilder, Client, LivestreamClient,
    model::livestream_service_server::{self, LivestreamServiceServer},
    proto::google::{
        cloud::location::locations_server::{self, LocationsServer},
        longrunning::operations_server::{self, OperationsServer},
    },
};
use std::{
    convert::Infallible,
    fmt,
    future::{pending, ready},
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{io::DuplexStream, net::TcpListener, sync::watch};
use tonic::{Code, Status, body::Body};
use tower::Service;

/// The emulator as a tower service of gRPC requests. [`Emulator::service`] creates it. Clones share
/// one state.
#[derive(Clone)]
pub struct EmulatorService {
    #[cfg(feature = "http")]
    control: ControlServer<Emulator>,
    emulator: Emulator,
    livestream: LivestreamServiceServer<Emulator>,
    operations: OperationsServer<Emulator>,
    locations: LocationsServer<Emulator>,
    #[cfg(feature = "visionai")]
    streams: StreamsServiceServer<Emulator>,
}

impl fmt::Debug for EmulatorService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulatorService").finish_non_exhaustive()
    }
}

impl Service<http::Request<Body>> for EmulatorService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        // The control service is neither logged nor hit by faults.
        #[cfg(feature = "http")]
        if request.uri().path().split('/').nth(1) == Some(control_server::SERVICE_NAME) {
            let path = request.uri().path().to_owned();
            let answer = self.control.call(request);
            return Box::pin(async move { Ok(status::with_message(answer.await?, &path)) });
        }
        let service = self.clone();
        Box::pin(async move { Ok(service.pass(request).await) })
    }
}

/// What a request is answered with if there is no connection that could be closed.
const BROKEN: &str = "the connection was closed by an injected fault";

impl EmulatorService {
    /// Logs a request, injects the faults that hit it, and serves it.
    async fn pass(mut self, request: http::Request<Body>) -> http::Response<Body> {
        let (head, body) = request.into_parts();
        // One byte more than the message, so that the generated server refuses it.
        let read = Limited::new(body, MAX_REQUEST + 6).collect().await;
        let is_read = read.is_ok();
        let body = read.map(|body| body.to_bytes()).unwrap_or_default();
        let path = head.uri.path().to_owned();
        let message = uncompressed(&body);
        let resource =
            message.and_then(|message| reflection::resource(&path, message)).unwrap_or_default();
        let number = self.emulator.log(LoggedRequest {
            number: 0,
            time: self.emulator.present(),
            path: path.clone(),
            resource: resource.clone(),
            headers: head.headers.clone(),
            is_json: head.extensions.get::<FromJson>().is_some(),
            message: message.map(|message| body.slice_ref(message)),
            outcome: None,
            unserved: None,
        });
        if !is_read {
            let limit = MAX_REQUEST / (1024 * 1024);
            let reason = format!("the request cannot be read, or is larger than {limit} MiB");
            self.emulator.log_end(number, Code::OutOfRange, &reason);
            return Status::out_of_range(reason).into_http();
        }
        let Strike { delay, effect } = self.emulator.strike(&path, &resource);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let connection = head.extensions.get::<Connection>().cloned();
        match &effect {
            Some(Effect::Status(status)) => {
                self.emulator.log_end(number, status.code(), status.message());
                return status.clone().into_http();
            }
            Some(Effect::Silence) => pending().await,
            Some(Effect::StreamReset) => {
                let mut response = Status::internal("the stream was reset").into_http();
                response.extensions_mut().insert(Reset);
                return response;
            }
            Some(Effect::ConnectionDropped) => return close(connection).await,
            Some(Effect::GoAway) => {
                if let Some(connection) = &connection {
                    connection.go_away();
                }
            }
            Some(Effect::AnswerLost | Effect::Delay(_)) | None => {}
        }
        let request = http::Request::from_parts(head, Body::new(Full::new(body)));
        let response = match self.route(request).await {
            Ok(response) => status::with_message(response, &path),
            Err(never) => match never {},
        };
        let (code, text) = match Status::from_header_map(response.headers()) {
            Some(status) => (status.code(), status.message().to_owned()),
            None => (Code::Ok, String::new()),
        };
        self.emulator.log_end(number, code, &text);
        match effect {
            Some(Effect::AnswerLost) => close(connection).await,
            _ => response,
        }
    }
}

/// The message of a request that is neither compressed nor cut short.
fn uncompressed(body: &Bytes) -> Option<&[u8]> {
    let (head, message) = body.split_at_checked(5)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    (head[0] == 0 && u32::try_from(message.len()) == Ok(length)).then_some(message)
}

async fn close(connection: Option<Connection>) -> http::Response<Body> {
    match connection {
        Some(connection) => {
            connection.close();
            // The task of the connection ends this one.
            pending().await
        }
        None => Status::unavailable(BROKEN).into_http(),
    }
}

type Answer =
    Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send + 'static>>;

impl EmulatorService {
    fn route(&mut self, request: http::Request<Body>) -> Answer {
        let service = request.uri().path().split('/').nth(1).unwrap_or_default();
        match service {
            operations_server::SERVICE_NAME => self.operations.call(request),
            locations_server::SERVICE_NAME => self.locations.call(request),
            livestream_service_server::SERVICE_NAME => self.livestream.call(request),
            #[cfg(feature = "visionai")]
            streams_service_server::SERVICE_NAME => self.streams.call(request),
            _ => {
                let status = status::unimplemented(request.uri().path());
                Box::pin(std::future::ready(Ok(status.into_http())))
            }
        }
    }
}

/// The largest request, in bytes: the limit of Google APIs. tonic's own limit is 4 MiB.
const MAX_REQUEST: usize = 10 * 1024 * 1024;

/// A generated server with the limits and encodings of the service.
macro_rules! server {
    ($server:ident, $emulator:expr) => {{
        let server = $server::new($emulator.clone()).max_decoding_message_size(MAX_REQUEST);
        #[cfg(feature = "http")]
        let server = server.accept_compressed(tonic::codec::CompressionEncoding::Gzip);
        server
    }};
}

impl Emulator {
    /// The emulator as a tower service, without a connection: for generated stubs, and for layers
    /// that inject faults.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tonic::Status> {
    /// use livestream_emulator::Emulator;
    /// use livestream_client::model;
    /// use model::livestream_service_client::LivestreamServiceClient;
    ///
    /// let mut stub = LivestreamServiceClient::new(Emulator::new().service());
    /// let parent = "projects/my-project/locations/us-central1".to_owned();
    /// let request = model::ListChannelsRequest { parent, ..Default::default() };
    /// assert!(stub.list_channels(request).await?.into_inner().channels.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn service(&self) -> EmulatorService {
        EmulatorService {
            #[cfg(feature = "http")]
            control: server!(ControlServer, self),
            emulator: self.clone(),
            livestream: server!(LivestreamServiceServer, self),
            operations: server!(OperationsServer, self),
            locations: server!(LocationsServer, self),
            #[cfg(feature = "visionai")]
            streams: server!(StreamsServiceServer, self),
        }
    }

    /// A client of this emulator, connected within the process.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), livestream_client::Error> {
    /// use livestream_emulator::Emulator;
    /// use livestream_client::name::LocationName;
    ///
    /// let client = Emulator::new().client();
    /// let location = LocationName::new("my-project", "us-central1")?;
    /// assert!(client.list_channels(&location).items().collect().await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn client(&self) -> LivestreamClient {
        self.client_builder().build().expect("the default settings are valid")
    }

    /// Builds a client of this emulator, connected within the process, with settings of your own.
    pub fn client_builder(&self) -> ClientBuilder<LivestreamClient> {
        self.builder_of()
    }

    /// Builds a client of one of the services.
    pub(super) fn builder_of<C: Client>(&self) -> ClientBuilder<C> {
        let emulator = self.clone();
        let connector = tower::service_fn(move |_: http::Uri| {
            std::future::ready(Ok::<_, Infallible>(emulator.connect()))
        });
        C::builder().endpoint("http://emulator.internal").connector(connector)
    }

    /// A connection to the emulator without a network. Returns one end of it; a task serves HTTP
    /// without TLS at the other end for as long as the connection is open.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn connect(&self) -> DuplexStream {
        const BUFFER: usize = 64 * 1024;
        let (near, far) = tokio::io::duplex(BUFFER);
        // Nothing stops it but the end of the connection.
        let (_, stopped) = watch::channel(false);
        tokio::spawn(net::serve_one(self.clone(), far, stopped, Patience::Unlimited));
        near
    }

    /// Serves HTTP/1.1 and HTTP/2 without TLS on a listener, until the future is dropped: gRPC, and
    /// with the feature `http` also JSON.
    ///
    /// There is neither encryption nor authentication, so listen on a loopback address.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.serve_until(listener, pending()).await
    }

    /// [`Emulator::serve`] until `stop` is ready. Open requests then have 10 s to end.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve_until(
        &self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        net::serve(self, listener, |stream| ready(Ok(stream)), stop).await
    }
}
