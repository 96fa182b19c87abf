//! Pools: the network settings that all inputs and channels of a location share.
//!
//! A location has one pool, `default`, made by the service together with the first input; it is
//! neither created nor deleted by a caller.

use super::LivestreamClient;
use crate::{
    gax::call::Call,
    model::{GetPoolRequest, Pool, UpdatePoolRequest},
    name::PoolName,
};
use prost_types::FieldMask;

impl LivestreamClient {
    /// Reads the pool of a location; its id is `default`.
    ///
    /// Awaiting yields the pool.
    ///
    /// # Errors
    /// `NOT_FOUND` until the location has had its first input, and for any other id.
    pub fn get_pool(&self, name: &PoolName) -> Call<GetPoolRequest> {
        self.call(GetPoolRequest { name: name.into() })
    }

    /// Changes the network settings of the pool that `pool.name` says.
    ///
    /// Every channel of the location must be stopped. The one path that the mask may list is
    /// `network_config`; with `None` no mask is sent.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields the pool as it is now.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such pool, `FAILED_PRECONDITION` while a channel runs,
    /// `INVALID_ARGUMENT` for a mask that lists anything else. Refused here, before anything is
    /// sent: a `pool.name` that is not a pool's name.
    ///
    /// # Examples
    /// Moves the endpoints into a peered network:
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
    /// let network = NetworkConfig { peered_network: "projects/123/global/networks/studio".into() };
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
