//! Access to the emulator: one tower service for all gRPC services, and HTTP/2 in front of it.

use super::{emulator::Emulator, status};
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
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{io::DuplexStream, net::TcpListener};
use tonic::{
    Status,
    body::Body,
    transport::{Error, Server, server::TcpIncoming},
};
use tower::Service;

/// The emulator as a tower service of gRPC requests. [`Emulator::service`] creates it. Clones share
/// one state.
#[derive(Clone)]
pub struct EmulatorService {
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
        let path = request.uri().path().to_owned();
        let answer = self.route(request);
        Box::pin(async move {
            let answer = answer.await?;
            // The generated server has no message for a method that the service does not have.
            let is_unknown = answer.headers().get(Status::GRPC_STATUS).is_some_and(|s| s == "12")
                && !answer.headers().contains_key(Status::GRPC_MESSAGE);
            Ok(if is_unknown { status::unimplemented(&path).into_http() } else { answer })
        })
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

    /// A connection to the emulator without a network. Returns one end of it; a task serves HTTP/2
    /// without TLS at the other end for as long as the connection is open.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn connect(&self) -> DuplexStream {
        const BUFFER: usize = 64 * 1024;
        let (near, far) = tokio::io::duplex(BUFFER);
        let incoming = tokio_stream::once(Ok::<_, std::io::Error>(far));
        let serving = Server::builder().serve_with_incoming(self.service(), incoming);
        // The task ends once the connection has a task of its own.
        tokio::spawn(serving);
        near
    }

    /// Serves HTTP/2 without TLS on a listener, until the future is dropped.
    ///
    /// There is neither encryption nor authentication, so listen on a loopback address.
    ///
    /// # Errors
    /// If the server fails.
    pub async fn serve(&self, listener: TcpListener) -> Result<(), Error> {
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Server::builder().serve_with_incoming(self.service(), incoming).await
    }
}
