//! The client for the Live Stream API.
//!
//! There is one method per RPC, in the file of its resource. A method builds a
//! [`Call`](crate::Call). Awaiting the call sends the request.

mod assets;
mod channels;
mod clips;
mod constructors;
mod distributions;
mod dvr_sessions;
pub mod ensure;
mod events;
mod inputs;
pub mod ladder;
pub mod mask;
pub(crate) mod name;
mod pools;
mod recording;
pub mod validation;
pub(crate) mod watch;
mod window;

crate::gax::client::client! {
    /// The client for the [Live Stream API](https://cloud.google.com/livestream/docs). Clones share
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
    LivestreamClient in "livestream_client", "livestream", "LIVESTREAM_EMULATOR_HOST";
    names crate::name::LocationName, crate::name::ProjectName;
    methods crate::methods::classify;

    /// ```
    /// # async fn example(client: livestream_client::LivestreamClient) -> Result<(), livestream_client::Error> {
    /// use livestream_client::model::GetChannelRequest;
    ///
    /// let name = "projects/p/locations/us-central1/channels/c".to_owned();
    /// let channel = client.call(GetChannelRequest { name }).await?;
    /// # Ok(()) }
    /// ```
    call;

    /// ```
    /// # async fn example(client: livestream_client::LivestreamClient) -> Result<(), livestream_client::Error> {
    /// use livestream_client::{model::CreateChannelRequest, name::OperationName};
    ///
    /// let stored = "projects/p/locations/us-central1/operations/operation-1";
    /// let name: OperationName = stored.parse()?;
    /// let channel = client.resume::<CreateChannelRequest>(&name).wait().await?;
    /// # Ok(()) }
    /// ```
    resume;

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
    stack;
}
