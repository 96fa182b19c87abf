//! Events: sessions that streams take part in, joined on one clock.
//!
//! An event is no task, as it is in the Live Stream API, and has no state: it is there until it is
//! deleted. Creating and deleting one are long-running.

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
    /// Lists the events of one cluster.
    ///
    /// Awaiting yields one page; [`items`](Call::items) yields all events, one by one.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a filter, an order or a page token that the service cannot use.
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

    /// Reads one event.
    ///
    /// Awaiting yields the event.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such event.
    pub fn get_event(&self, name: &EventName) -> Call<GetEventRequest> {
        self.call(GetEventRequest { name: name.into() })
    }

    /// Creates an event in a cluster that is `RUNNING`. The call may take 300 s unless told
    /// otherwise.
    ///
    /// Long-running, unlike its namesake of the Live Stream API: awaiting yields the operation, and
    /// the operation yields the event.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such cluster, `ALREADY_EXISTS` where the id is taken,
    /// `FAILED_PRECONDITION` unless the cluster runs. Refused here, before anything is sent: an id
    /// that no document of the API allows.
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

    /// Changes the event that `event.name` says.
    ///
    /// The mask is required and lists the fields to overwrite, among `labels`, `annotations`,
    /// `alignment_clock` and `grace_period`. A field that is listed and left out of `event` is
    /// cleared.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields the event as it is now.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such event, `INVALID_ARGUMENT` for a mask that the service does
    /// not take. Refused here: an `event.name` that is not an event's name.
    pub fn update_event(&self, event: Event, update_mask: FieldMask) -> Call<UpdateEventRequest> {
        self.call(UpdateEventRequest {
            event: Some(event),
            update_mask: Some(update_mask),
            ..Default::default()
        })
    }

    /// Deletes an event. Delete the series that join streams to it first.
    ///
    /// The service waits for the event's `grace_period`, and keeps the event where one of its
    /// channels is active meanwhile. Give the wait more than that.
    ///
    /// Long-running, unlike its namesake of the Live Stream API: awaiting yields the operation, and
    /// the operation yields `()`.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such event, `FAILED_PRECONDITION` while a series holds it.
    pub fn delete_event(&self, name: &EventName) -> Call<DeleteEventRequest> {
        self.call(DeleteEventRequest { name: name.into(), ..Default::default() })
    }
}
