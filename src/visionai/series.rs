//! Series: each joins one stream to one event.

use super::{
    StreamsClient,
    model::{
        CreateSeriesRequest, DeleteSeriesRequest, GetSeriesRequest, ListSeriesRequest, Series,
        UpdateSeriesRequest,
    },
    name::{ClusterName, SeriesName},
};
use crate::gax::call::Call;
use prost_types::FieldMask;

impl StreamsClient {
    /// Lists the series of one cluster.
    ///
    /// Awaiting yields one page; [`items`](Call::items) yields all series, one by one.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a filter, an order or a page token that the service cannot use.
    pub fn list_series(&self, parent: &ClusterName) -> Call<ListSeriesRequest> {
        self.call(ListSeriesRequest { parent: parent.into(), ..Default::default() })
    }

    /// Reads one series.
    ///
    /// Awaiting yields the series.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such series.
    pub fn get_series(&self, name: &SeriesName) -> Call<GetSeriesRequest> {
        self.call(GetSeriesRequest { name: name.into() })
    }

    /// Creates a series, which joins `series.stream` to `series.event`: both are required. The call
    /// may take 300 s unless told otherwise.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields the series.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such cluster, stream or event, `ALREADY_EXISTS` where the id is
    /// taken, `FAILED_PRECONDITION` unless the cluster runs. Refused here, before anything is sent:
    /// an id that no document of the API allows.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::visionai::{StreamsClient, name::ClusterName};
    /// use livestream_client::visionai::model::Series;
    ///
    /// # async fn example(
    /// #     client: StreamsClient,
    /// #     cluster: ClusterName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let series = Series {
    ///     stream: cluster.stream("entrance")?.to_string(),
    ///     event: cluster.event("opening-hours")?.to_string(),
    ///     ..Default::default()
    /// };
    /// client.create_series(&cluster, series, "entrance-opening-hours").wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_series(
        &self,
        parent: &ClusterName,
        series: Series,
        series_id: impl Into<String>,
    ) -> Call<CreateSeriesRequest> {
        self.call(CreateSeriesRequest {
            parent: parent.into(),
            series: Some(series),
            series_id: series_id.into(),
            ..Default::default()
        })
    }

    /// Changes the series that `series.name` says.
    ///
    /// The mask is required and lists the fields to overwrite, among `labels`, `annotations`,
    /// `stream` and `event`. A field that is listed and left out of `series` is cleared.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields the series as it is
    /// now.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such series, stream or event, `INVALID_ARGUMENT` for a mask
    /// that the service does not take. Refused here: a `series.name` that is not a series' name.
    pub fn update_series(
        &self,
        series: Series,
        update_mask: FieldMask,
    ) -> Call<UpdateSeriesRequest> {
        self.call(UpdateSeriesRequest {
            series: Some(series),
            update_mask: Some(update_mask),
            ..Default::default()
        })
    }

    /// Deletes a series; its stream and its event stay.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields `()`.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such series.
    pub fn delete_series(&self, name: &SeriesName) -> Call<DeleteSeriesRequest> {
        self.call(DeleteSeriesRequest { name: name.into(), ..Default::default() })
    }
}
