//! A client for Vision AI's streams: clusters, and streams, events, series and channels in
//! clusters.
//!
//! **Google has announced the end of this product for 2026-09-30.** This client is for existing
//! backends that use the product next to Live Stream. Do not use it in new programs. It requires
//! the feature `visionai`, which is off by default.
//!
//! A *cluster* is a regional unit that contains the other resources. Cameras send video to
//! *streams*. An *event* is a session that aligns several streams on one clock. A *series* joins
//! one stream to one event. A *channel* carries a stream in an event. All methods that create,
//! update or delete a resource are long-running. Unlike in the Live Stream API, this includes
//! events.
//!
//! The default timeout is 600 s for [`create_cluster`](StreamsClient::create_cluster), and 300 s
//! for [`create_stream`](StreamsClient::create_stream),
//! [`create_event`](StreamsClient::create_event) and
//! [`create_series`](StreamsClient::create_series). These values are from the published
//! configuration of the API and do not depend on the client's timeout. All other calls have the
//! client's timeout, which is 60 s by default. [`Call::timeout`](crate::Call::timeout) sets another
//! timeout.
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
    /// The client for [Vision AI's streams](https://cloud.google.com/vision-ai/docs). Clones share
    /// connections, tokens and the retry budget.
    ///
    /// Google has announced the end of this product for 2026-09-30.
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
