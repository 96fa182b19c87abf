//! The client of the Live Stream API.
//!
//! One method per RPC, each in the file of its resource. A method builds a [`Call`]; awaiting the
//! call sends it.

mod assets;
mod channels;
mod checked;
mod clips;
mod distributions;
mod dvr_sessions;
mod events;
mod inputs;
mod listing;
mod locations;
mod operations;
mod pools;

use crate::{
    call::{Call, Core},
    client::{Builder, Client, GrpcStack, grpc_stack, sealed},
    name::{LocationName, OperationName},
    operation::{Operation, SharedWaits},
    rpc::{LongRunning, Rpc},
};
use std::{fmt, sync::Arc};

/// The client of the [Live Stream API](https://cloud.google.com/livestream/docs). Clones share
/// connections, tokens and the retry budget.
///
/// ```no_run
/// # async fn example() -> Result<(), livestream_client::Error> {
/// use livestream_client::{LivestreamClient, name::LocationName};
///
/// let client = LivestreamClient::new()?;
/// let location = LocationName::new("my-project", "us-central1")?;
/// for channel in client.list_channels(&location).items().collect().await? {
///     println!("{} {:?}", channel.name, channel.streaming_state());
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct LivestreamClient {
    pub(crate) core: Arc<Core>,
}

impl LivestreamClient {
    /// A client with Application Default Credentials, or for the emulator that
    /// `LIVESTREAM_EMULATOR_HOST` names (`host:port`, plaintext, no credentials).
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn new() -> Result<Self, crate::Error> {
        Self::builder().build()
    }

    /// Builds a client with settings of your own.
    pub fn builder() -> Builder<Self> {
        Builder::new()
    }

    /// A call of any method by its request message, with all policy applied: what every method
    /// here does.
    ///
    /// ```
    /// # async fn example(client: livestream_client::LivestreamClient) -> Result<(), livestream_client::Error> {
    /// use livestream_client::model::GetChannelRequest;
    ///
    /// let name = "projects/p/locations/us-central1/channels/c".to_owned();
    /// let channel = client.call(GetChannelRequest { name }).await?;
    /// # Ok(()) }
    /// ```
    pub fn call<R: Rpc>(&self, request: R) -> Call<R> {
        Call::new(self.core.clone(), request)
    }

    /// Takes up an operation that a request of type `R` started, here or in another process.
    /// Nothing is sent until it is polled.
    ///
    /// ```
    /// # async fn example(client: livestream_client::LivestreamClient) -> Result<(), livestream_client::Error> {
    /// use livestream_client::{model::CreateChannelRequest, name::OperationName};
    ///
    /// let stored = "projects/p/locations/us-central1/operations/operation-1";
    /// let name: OperationName = stored.parse()?;
    /// let channel = client.resume::<CreateChannelRequest>(&name).wait().await?;
    /// # Ok(()) }
    /// ```
    pub fn resume<R: LongRunning>(
        &self,
        operation: &OperationName,
    ) -> Operation<R::Output, R::Metadata> {
        self.resume_as(operation)
    }

    /// [`resume`](Self::resume) by what the operation yields and what its metadata is, where the
    /// request that started it is not known.
    ///
    /// ```
    /// # async fn example(client: livestream_client::LivestreamClient, stored: livestream_client::name::OperationName) -> Result<(), livestream_client::Error> {
    /// use livestream_client::model::{Channel, OperationMetadata};
    ///
    /// let channel = client.resume_as::<Channel, OperationMetadata>(&stored).wait().await?;
    /// # Ok(()) }
    /// ```
    pub fn resume_as<T, M>(&self, operation: &OperationName) -> Operation<T, M>
    where
        T: prost::Message + prost::Name + Default,
        M: prost::Message + prost::Name + Default,
    {
        Operation::resumed(self.core.clone(), operation.clone())
    }

    /// Waits for many operations of a location with few requests: see [`SharedWaits`].
    pub fn shared_waits(&self, location: &LocationName) -> SharedWaits {
        SharedWaits::new(self.core.clone(), location.clone())
    }

    /// The whole stack as a service for a raw tonic stub, such as
    /// [`LivestreamServiceClient`](crate::model::livestream_service_client::LivestreamServiceClient).
    ///
    /// A stub's message is encoded before the stack sees it: no `request_id` is filled in, so that
    /// mutations are retried only if they surely never arrived, and no routing header is sent.
    ///
    /// ```
    /// # async fn example(client: livestream_client::LivestreamClient) -> Result<(), tonic::Status> {
    /// use livestream_client::model::{
    ///     GetChannelRequest, livestream_service_client::LivestreamServiceClient,
    /// };
    ///
    /// let mut stub = LivestreamServiceClient::new(client.stack());
    /// let name = "projects/p/locations/us-central1/channels/c".to_owned();
    /// let channel = stub.get_channel(GetChannelRequest { name }).await?.into_inner();
    /// # Ok(()) }
    /// ```
    pub fn stack(&self) -> GrpcStack {
        grpc_stack(self.core.stack.clone())
    }
}

impl sealed::Sealed for LivestreamClient {}

impl Client for LivestreamClient {
    const SERVICE: &'static str = "livestream";
    const EMULATOR_VARIABLE: &'static str = "LIVESTREAM_EMULATOR_HOST";

    fn over(core: Arc<Core>) -> Self {
        Self { core }
    }
}

impl fmt::Debug for LivestreamClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LivestreamClient").finish_non_exhaustive()
    }
}
