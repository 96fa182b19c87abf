//! Methods for events: sessions that align several streams on one clock.
//!
//! Unlike an event of the Live Stream API, an event is not a task. It has no state and exists until
//! you delete it. The methods that create and delete an event are long-running.

use super::{
    StreamsClient,
    model::{
        CreateEventRequest, DeleteEventRequest, Event, GetEventRequest, ListEventsRequest,
        UpdateEventRequest,
    },
    name::{ClusterName, EventName},
};
use crate::gax::call::Call;
use prost_types::FieldMask;

impl StreamsClient {
    /// Lists the events of a cluster.
    ///
    /// Awaiting the call returns one page. [`items`](Call::items) returns a stream of all events.
    ///
    /// # Errors
    /// - `INVALID_ARGUMENT` if the filter, the order or the page token is not valid.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::visionai::{StreamsClient, name::ClusterName};
    /// use tokio_stream::StreamExt;
    ///
    /// # async fn example(
    /// #     client: StreamsClient,
    /// #     cluster: ClusterName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let latest_first = client.list_events(&cluster).order_by("create_time desc");
    /// let mut events = latest_first.items();
    /// while let Some(event) = events.next().await {
    ///     println!("{}", event?.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_events(&self, parent: &ClusterName) -> Call<ListEventsRequest> {
        self.call(ListEventsRequest { parent: parent.into(), ..Default::default() })
    }

    /// Gets an event.
    ///
    /// Awaiting the call returns the event.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the event does not exist.
    pub fn get_event(&self, name: &EventName) -> Call<GetEventRequest> {
        self.call(GetEventRequest { name: name.into() })
    }

    /// Creates an event in a cluster that is `RUNNING`. The default timeout of the call is 300 s.
    ///
    /// Unlike the method of the same name in the Live Stream API, this method is long-running.
    /// Awaiting the call returns a long-running operation, whose result is the event.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the cluster does not exist.
    /// - `ALREADY_EXISTS` if the id is taken.
    /// - `FAILED_PRECONDITION` if the cluster is not running.
    /// - `INVALID_ARGUMENT`, before anything is sent, if no document of the API allows the id.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::visionai::{StreamsClient, name::ClusterName};
    /// use livestream_client::visionai::model::{Event, event::Clock};
    /// use prost_types::Duration;
    ///
    /// # async fn example(
    /// #     client: StreamsClient,
    /// #     cluster: ClusterName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let opening_hours = Event {
    ///     alignment_clock: Clock::Ingest.into(),
    ///     grace_period: Some(Duration { seconds: 600, nanos: 0 }),
    ///     ..Default::default()
    /// };
    /// client.create_event(&cluster, opening_hours, "opening-hours").wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_event(
        &self,
        parent: &ClusterName,
        event: Event,
        event_id: impl Into<String>,
    ) -> Call<CreateEventRequest> {
        self.call(CreateEventRequest {
            parent: parent.into(),
            event: Some(event),
            event_id: event_id.into(),
            ..Default::default()
        })
    }

    /// Updates the event with the name `event.name`.
    ///
    /// The mask is required and lists the fields to overwrite. It can contain `labels`,
    /// `annotations`, `alignment_clock` and `grace_period`. The service clears a listed field that
    /// is not set in `event`.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the updated event.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the event does not exist.
    /// - `INVALID_ARGUMENT` if the mask is not valid.
    /// - `INVALID_ARGUMENT`, before anything is sent, if `event.name` is not an event name.
    pub fn update_event(
        &self,
        event: Event,
        update_mask: impl Into<Option<FieldMask>>,
    ) -> Call<UpdateEventRequest> {
        self.call(UpdateEventRequest {
            event: Some(event),
            update_mask: update_mask.into(),
            ..Default::default()
        })
    }

    /// Deletes an event. You must first delete the series that refer to the event.
    ///
    /// The service waits for the event's `grace_period`. It does not delete the event if one of its
    /// channels is active during this period. Choose a longer limit for the wait than the grace
    /// period.
    ///
    /// Unlike the method of the same name in the Live Stream API, this method is long-running.
    /// Awaiting the call returns a long-running operation, whose result is `()`.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the event does not exist.
    /// - `FAILED_PRECONDITION` if a series refers to the event.
    pub fn delete_event(&self, name: &EventName) -> Call<DeleteEventRequest> {
        self.call(DeleteEventRequest { name: name.into(), ..Default::default() })
    }
}
