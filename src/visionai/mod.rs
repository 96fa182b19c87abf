//! The client of Vision AI's streams: clusters, and streams, events, series and channels in them.
//!
//! **The vendor has announced the end of this product for 2026-09-30.** The client is here for
//! backends that still drive it next to Live Stream, and it stands behind a feature of its own,
//! `visionai`, which is off by default: nobody else compiles any of it. Build nothing new on it.
//!
//! A cluster is the regional unit that the rest lives in. Cameras send to *streams*; an *event* is a
//! session that streams take part in on one clock; a *series* joins one stream to one event; a
//! *channel* carries a stream in an event. Every create, update and delete is long-running, events
//! included: here the API differs from Live Stream.
//!
//! The call that starts an operation may take 60 s, as everywhere, but 600 s for
//! [`create_cluster`](StreamsClient::create_cluster) and 300 s for
//! [`create_stream`](StreamsClient::create_stream), [`create_event`](StreamsClient::create_event)
//! and [`create_series`](StreamsClient::create_series), whatever the client's own timeout is: so the
//! vendor's published configuration has it. [`Call::timeout`](crate::Call::timeout) changes it.
//!
//! ```
//! # async fn example(client: livestream_client::visionai::StreamsClient) -> Result<(), livestream_client::Error> {
//! use livestream_client::{name::LocationName, visionai::model::{Cluster, Stream}};
//!
//! let location = LocationName::new("my-project", "us-central1")?;
//! let cluster = location.cluster("shop")?;
//! client.create_cluster(&location, Cluster::default(), cluster.id()).wait().await?;
//!
//! let camera = Stream { enable_hls_playback: true, ..Default::default() };
//! client.create_stream(&cluster, camera, "entrance").wait().await?;
//! let token = client.generate_stream_hls_token(&cluster.stream("entrance")?).await?;
//! # Ok(()) }
//! ```

mod channels;
mod clusters;
mod events;
pub mod name;
mod series;
mod streams;

#[doc(inline)]
pub use crate::proto::google::cloud::visionai::v1 as model;

crate::gax::client::client! {
    /// The client of [Vision AI's streams](https://cloud.google.com/vision-ai/docs). Clones share
    /// connections, tokens and the retry budget.
    ///
    /// The vendor announced its end for 2026-09-30.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), livestream_client::Error> {
    /// use livestream_client::{name::LocationName, visionai::StreamsClient};
    ///
    /// let client = StreamsClient::new()?;
    /// let location = LocationName::new("my-project", "us-central1")?;
    /// for cluster in client.list_clusters(&location).items().collect().await? {
    ///     println!("{} {:?}", cluster.name, cluster.state());
    /// }
    /// # Ok(()) }
    /// ```
    StreamsClient in "livestream_client::visionai", "visionai", "VISIONAI_EMULATOR_HOST";
    names crate::name::LocationName, crate::name::ProjectName;
    methods crate::methods::classify;

    /// ```
    /// # async fn example(client: livestream_client::visionai::StreamsClient) -> Result<(), livestream_client::Error> {
    /// use livestream_client::visionai::model::GetStreamRequest;
    ///
    /// let name = "projects/p/locations/us-central1/clusters/c/streams/s".to_owned();
    /// let stream = client.call(GetStreamRequest { name }).await?;
    /// # Ok(()) }
    /// ```
    call;

    /// ```
    /// # async fn example(client: livestream_client::visionai::StreamsClient) -> Result<(), livestream_client::Error> {
    /// use livestream_client::{name::OperationName, visionai::model::CreateClusterRequest};
    ///
    /// let stored = "projects/p/locations/us-central1/operations/operation-1";
    /// let name: OperationName = stored.parse()?;
    /// let cluster = client.resume::<CreateClusterRequest>(&name).wait().await?;
    /// # Ok(()) }
    /// ```
    resume;

    /// ```
    /// # async fn example(client: livestream_client::visionai::StreamsClient) -> Result<(), tonic::Status> {
    /// use livestream_client::visionai::model::{
    ///     GetStreamRequest, streams_service_client::StreamsServiceClient,
    /// };
    ///
    /// let mut stub = StreamsServiceClient::new(client.stack());
    /// let name = "projects/p/locations/us-central1/clusters/c/streams/s".to_owned();
    /// let stream = stub.get_stream(GetStreamRequest { name }).await?.into_inner();
    /// # Ok(()) }
    /// ```
    stack;
}
