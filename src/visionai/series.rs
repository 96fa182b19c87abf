//! Methods for series. A series joins one stream to one event.

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
    /// Lists the series of a cluster.
    ///
    /// Awaiting the call returns one page. [`items`](Call::items) returns a stream of all series.
    ///
    /// # Errors
    /// - `INVALID_ARGUMENT` if the filter, the order or the page token is not valid.
    pub fn list_series(&self, parent: &ClusterName) -> Call<ListSeriesRequest> {
        self.call(ListSeriesRequest { parent: parent.into(), ..Default::default() })
    }

    /// Gets a series.
    ///
    /// Awaiting the call returns the series.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the series does not exist.
    pub fn get_series(&self, name: &SeriesName) -> Call<GetSeriesRequest> {
        self.call(GetSeriesRequest { name: name.into() })
    }

    /// Creates a series, which joins `series.stream` to `series.event`. Both fields are required.
    /// The default timeout of the call is 300 s.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the series.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the cluster, the stream or the event does not exist.
    /// - `ALREADY_EXISTS` if the id is taken.
    /// - `FAILED_PRECONDITION` if the cluster is not running.
    /// - `INVALID_ARGUMENT`, before anything is sent, if no document of the API allows the id.
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

    /// Updates the series with the name `series.name`.
    ///
    /// The mask is required and lists the fields to overwrite. It can contain `labels`,
    /// `annotations`, `stream` and `event`. The service clears a listed field that is not set in
    /// `series`.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the updated series.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the series, the stream or the event does not exist.
    /// - `INVALID_ARGUMENT` if the mask is not valid.
    /// - `INVALID_ARGUMENT`, before anything is sent, if `series.name` is not a series name.
    pub fn update_series(
        &self,
        series: Series,
        update_mask: impl Into<Option<FieldMask>>,
    ) -> Call<UpdateSeriesRequest> {
        self.call(UpdateSeriesRequest {
            series: Some(series),
            update_mask: update_mask.into(),
            ..Default::default()
        })
    }

    /// Deletes a series. Its stream and its event are not deleted.
    ///
    /// Awaiting the call returns a long-running operation, whose result is `()`.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the series does not exist.
    pub fn delete_series(&self, name: &SeriesName) -> Call<DeleteSeriesRequest> {
        self.call(DeleteSeriesRequest { name: name.into(), ..Default::default() })
    }
}
