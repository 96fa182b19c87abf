//! Methods for clusters: the regional units that contain all other resources.
//!
//! A new cluster is `PROVISIONING` for up to half an hour and then `RUNNING`. You can create
//! resources only in a running cluster, and you can only delete an empty cluster.

use super::{
    StreamsClient,
    model::{
        Cluster, CreateClusterRequest, DeleteClusterRequest, GetClusterRequest,
        ListClustersRequest, UpdateClusterRequest,
    },
    name::ClusterName,
};
use crate::{gax::call::Call, name::LocationName};
use prost_types::FieldMask;

impl StreamsClient {
    /// Lists the clusters of a location.
    ///
    /// Awaiting the call returns one page. [`items`](Call::items) returns a stream of all clusters.
    ///
    /// # Errors
    /// - `INVALID_ARGUMENT` if the filter, the order or the page token is not valid.
    pub fn list_clusters(&self, parent: &LocationName) -> Call<ListClustersRequest> {
        self.call(ListClustersRequest { parent: parent.into(), ..Default::default() })
    }

    /// Gets a cluster with its `state` and the address that receives stream data.
    ///
    /// Awaiting the call returns the cluster.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the cluster does not exist.
    pub fn get_cluster(&self, name: &ClusterName) -> Call<GetClusterRequest> {
        self.call(GetClusterRequest { name: name.into() })
    }

    /// Creates a cluster. The cluster is `PROVISIONING` and then `RUNNING`.
    ///
    /// You can set only `labels` and `annotations`. The default timeout of the call is 600 s. The
    /// operation takes about 30 minutes, so wait with a [policy](crate::policy::PollPolicy) whose
    /// limit is longer.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the cluster.
    ///
    /// # Errors
    /// - `ALREADY_EXISTS` if the id is taken.
    /// - `INVALID_ARGUMENT`, before anything is sent, if no document of the API allows the id.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{name::LocationName, visionai::StreamsClient};
    /// use livestream_client::{
    ///     policy::{Backoff, PollPolicy},
    ///     visionai::model::Cluster,
    /// };
    /// use std::time::Duration;
    ///
    /// # async fn example(
    /// #     client: StreamsClient,
    /// #     location: LocationName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let every = Backoff::new(Duration::from_secs(5), Duration::from_secs(60), 1.5);
    /// let patient = PollPolicy::new(every, Duration::from_secs(3600));
    /// let create = client.create_cluster(&location, Cluster::default(), "shop").await?;
    /// let cluster = create.poll_policy(patient).wait().await?;
    /// println!("cameras send to {}", cluster.dataplane_service_endpoint);
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_cluster(
        &self,
        parent: &LocationName,
        cluster: Cluster,
        cluster_id: impl Into<String>,
    ) -> Call<CreateClusterRequest> {
        self.call(CreateClusterRequest {
            parent: parent.into(),
            cluster: Some(cluster),
            cluster_id: cluster_id.into(),
            ..Default::default()
        })
    }

    /// Updates the labels and annotations of the cluster with the name `cluster.name`.
    ///
    /// The mask is required and lists the fields to overwrite: `labels`, `annotations` or both. The
    /// service clears a listed field that is not set in `cluster`.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the updated cluster.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the cluster does not exist.
    /// - `INVALID_ARGUMENT` if the mask is not valid.
    /// - `INVALID_ARGUMENT`, before anything is sent, if `cluster.name` is not a cluster name.
    pub fn update_cluster(
        &self,
        cluster: Cluster,
        update_mask: impl Into<Option<FieldMask>>,
    ) -> Call<UpdateClusterRequest> {
        self.call(UpdateClusterRequest {
            cluster: Some(cluster),
            update_mask: update_mask.into(),
            ..Default::default()
        })
    }

    /// Deletes an empty cluster. The cluster is `STOPPING` until the operation ends.
    ///
    /// Awaiting the call returns a long-running operation, whose result is `()`.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the cluster does not exist.
    /// - `FAILED_PRECONDITION` if the cluster is not empty.
    pub fn delete_cluster(&self, name: &ClusterName) -> Call<DeleteClusterRequest> {
        self.call(DeleteClusterRequest { name: name.into(), ..Default::default() })
    }
}
