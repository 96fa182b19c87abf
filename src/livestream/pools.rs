//! Methods for pools: the network settings that all inputs and channels of a location share.
//!
//! A location has one pool, `default`, which the service creates with the first input. You cannot
//! create or delete a pool.

use super::LivestreamClient;
use crate::{
    gax::call::Call,
    model::{GetPoolRequest, Pool, UpdatePoolRequest},
    name::PoolName,
};
use prost_types::FieldMask;

impl LivestreamClient {
    /// Gets the pool of a location. Its id is `default`.
    ///
    /// Awaiting the call returns the pool.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the location has not had an input yet, or if the id is not `default`.
    pub fn get_pool(&self, name: &PoolName) -> Call<GetPoolRequest> {
        self.call(GetPoolRequest { name: name.into() })
    }

    /// Updates the network settings of the pool with the name `pool.name`.
    ///
    /// All channels of the location must be stopped. The mask can contain only `network_config`.
    /// With `None`, the request has no mask.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the updated pool.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the pool does not exist.
    /// - `FAILED_PRECONDITION` if a channel is not stopped.
    /// - `INVALID_ARGUMENT` if the mask contains another path.
    /// - `INVALID_ARGUMENT`, before anything is sent, if `pool.name` is not a pool name.
    ///
    /// # Examples
    /// Move the endpoints to a peered network:
    /// ```
    /// # use livestream_client::{LivestreamClient, name::PoolName};
    /// use livestream_client::{
    ///     mask,
    ///     model::{Pool, pool::NetworkConfig},
    /// };
    ///
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     name: PoolName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let network = NetworkConfig {
    ///     peered_network: "projects/123/global/networks/studio".into(),
    ///     ..Default::default()
    /// };
    /// let change = Pool {
    ///     name: name.to_string(),
    ///     network_config: Some(network),
    ///     ..Default::default()
    /// };
    /// let mask = mask::of::<Pool>(["network_config"])?;
    /// let pool = client.update_pool(change, mask).wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_pool(
        &self,
        pool: Pool,
        update_mask: impl Into<Option<FieldMask>>,
    ) -> Call<UpdatePoolRequest> {
        self.call(UpdatePoolRequest {
            update_mask: update_mask.into(),
            pool: Some(pool),
            ..Default::default()
        })
    }
}
