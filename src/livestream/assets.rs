//! Methods for assets: videos and images in Cloud Storage that are used as slates and overlays.
//!
//! An asset cannot be updated. For other content, create another asset.

use super::LivestreamClient;
use crate::{
    gax::call::Call,
    model::{Asset, CreateAssetRequest, DeleteAssetRequest, GetAssetRequest, ListAssetsRequest},
    name::{AssetName, LocationName},
};

impl LivestreamClient {
    /// Creates an asset from a video or an image in Cloud Storage, for slates and overlays.
    ///
    /// The field `resource` is required: a video or an image of at most 250 MB. If `crc32c` is set,
    /// it must be the checksum of the file. The service builds the asset's name from `parent` and
    /// `asset_id`. The id has 1 to 63 lower-case letters, digits and hyphens, and does not begin or
    /// end with a hyphen. A location can have at most 10 assets.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the asset.
    ///
    /// # Errors
    /// - `ALREADY_EXISTS` if the id is taken.
    /// - `RESOURCE_EXHAUSTED` if the location has the maximum number of assets.
    /// - `INVALID_ARGUMENT` if the service cannot use the file.
    /// - `INVALID_ARGUMENT`, before anything is sent, if no document of the API allows the id.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::LocationName};
    /// use livestream_client::model::Asset;
    ///
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     location: LocationName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let logo = Asset::image("gs://my-bucket/logo.png");
    /// let asset = client.create_asset(&location, logo, "logo").wait().await?;
    /// println!("{:?}", asset.state());
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_asset(
        &self,
        parent: &LocationName,
        asset: Asset,
        asset_id: impl Into<String>,
    ) -> Call<CreateAssetRequest> {
        self.call(CreateAssetRequest {
            parent: parent.into(),
            asset: Some(asset),
            asset_id: asset_id.into(),
            ..Default::default()
        })
    }

    /// Deletes an asset that is not in use.
    ///
    /// Awaiting the call returns a long-running operation, whose result is `()`.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the asset does not exist.
    /// - `FAILED_PRECONDITION` if the asset is in use.
    pub fn delete_asset(&self, name: &AssetName) -> Call<DeleteAssetRequest> {
        self.call(DeleteAssetRequest { name: name.into(), ..Default::default() })
    }

    /// Gets an asset with its `state`. In the state `ERROR`, the field `error` contains the reason.
    ///
    /// Awaiting the call returns the asset.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the asset does not exist.
    pub fn get_asset(&self, name: &AssetName) -> Call<GetAssetRequest> {
        self.call(GetAssetRequest { name: name.into() })
    }

    /// Lists the assets of a location.
    ///
    /// Awaiting the call returns one page. [`items`](Call::items) returns a stream of all assets.
    ///
    /// # Errors
    /// - `INVALID_ARGUMENT` if the filter or the page token is not valid.
    pub fn list_assets(&self, parent: &LocationName) -> Call<ListAssetsRequest> {
        self.call(ListAssetsRequest { parent: parent.into(), ..Default::default() })
    }
}
