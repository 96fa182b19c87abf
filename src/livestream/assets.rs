//! Assets: slates and overlays, from a video or an image in Cloud Storage.
//!
//! An asset cannot be changed. For other content, create another one.

use super::LivestreamClient;
use crate::{
    gax::call::Call,
    model::{Asset, CreateAssetRequest, DeleteAssetRequest, GetAssetRequest, ListAssetsRequest},
    name::{AssetName, LocationName},
};

impl LivestreamClient {
    /// Creates an asset from a file in Cloud Storage, for slates and overlays.
    ///
    /// The asset needs its `resource`: a video or an image of up to 250 MB. Where `crc32c` is set,
    /// it must be the file's. The asset's own name follows from `parent` and `asset_id`: 1 to 63
    /// lower-case letters, digits and hyphens, with no hyphen at either end. A location holds at
    /// most 10 assets.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields the asset.
    ///
    /// # Errors
    /// `ALREADY_EXISTS` where the id is taken, `RESOURCE_EXHAUSTED` where the location is full,
    /// `INVALID_ARGUMENT` for a file that cannot be used. Refused here, before anything is sent: an
    /// id that no document of the API allows.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::LocationName};
    /// use livestream_client::model::{Asset, asset::{ImageAsset, Resource}};
    ///
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     location: LocationName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let image = ImageAsset { uri: "gs://my-bucket/logo.png".into() };
    /// let logo = Asset { resource: Some(Resource::Image(image)), ..Default::default() };
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

    /// Deletes an asset that nothing uses.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields `()`.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such asset, `FAILED_PRECONDITION` while it is in use.
    pub fn delete_asset(&self, name: &AssetName) -> Call<DeleteAssetRequest> {
        self.call(DeleteAssetRequest { name: name.into(), ..Default::default() })
    }

    /// Reads one asset: whether it is ready for use and, in state `ERROR`, why not.
    ///
    /// Awaiting yields the asset.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such asset.
    pub fn get_asset(&self, name: &AssetName) -> Call<GetAssetRequest> {
        self.call(GetAssetRequest { name: name.into() })
    }

    /// Lists the assets of one location.
    ///
    /// Awaiting yields one page; [`items`](Call::items) yields all assets, one by one.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a filter or a page token that the service cannot use.
    pub fn list_assets(&self, parent: &LocationName) -> Call<ListAssetsRequest> {
        self.call(ListAssetsRequest { parent: parent.into(), ..Default::default() })
    }
}
