//! Clusters: the regional units that hold everything else.
//!
//! A cluster is `PROVISIONING` for up to half an hour before it is `RUNNING`, and only then can
//! anything be made in it. It is deleted last: the service refuses while anything is left in it.

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
    /// Lists the clusters of one location.
    ///
    /// Awaiting yields one page; [`items`](Call::items) yields all clusters, one by one.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a filter, an order or a page token that the service cannot use.
    pub fn list_clusters(&self, parent: &LocationName) -> Call<ListClustersRequest> {
        self.call(ListClustersRequest { parent: parent.into(), ..Default::default() })
    }

    /// Reads one cluster, with its `state` and the address that stream data is sent to.
    ///
    /// Awaiting yields the cluster.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such cluster.
    pub fn get_cluster(&self, name: &ClusterName) -> Call<GetClusterRequest> {
        self.call(GetClusterRequest { name: name.into() })
    }

    /// Creates a cluster, which is `PROVISIONING` and then `RUNNING`.
    ///
    /// Only `labels` and `annotations` are the caller's. The call may take 600 s unless told
    /// otherwise, and the operation about 30 minutes: give the wait a
    /// [policy](crate::policy::PollPolicy) with a limit above that.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields the cluster.
    ///
    /// # Errors
    /// `ALREADY_EXISTS` where the id is taken. Refused here, before anything is sent: an id that no
    /// document of the API allows.
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

    /// Changes the labels or annotations of the cluster that `cluster.name` says.
    ///
    /// The mask is required and lists the fields to overwrite: `labels`, `annotations` or both. A
    /// field that is listed and left out of `cluster` is cleared.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields the cluster as it is
    /// now.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such cluster, `INVALID_ARGUMENT` for a mask that the service
    /// does not take. Refused here: a `cluster.name` that is not a cluster's name.
    pub fn update_cluster(
        &self,
        cluster: Cluster,
        update_mask: FieldMask,
    ) -> Call<UpdateClusterRequest> {
        self.call(UpdateClusterRequest {
            cluster: Some(cluster),
            update_mask: Some(update_mask),
            ..Default::default()
        })
    }

    /// Deletes a cluster that nothing is left in; it is `STOPPING` meanwhile.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields `()`.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such cluster, `FAILED_PRECONDITION` while it holds anything.
    pub fn delete_cluster(&self, name: &ClusterName) -> Call<DeleteClusterRequest> {
        self.call(DeleteClusterRequest { name: name.into(), ..Default::default() })
    }
}
