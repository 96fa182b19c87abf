//! Methods for events: ad breaks, slates, input switches and other tasks for a running channel.
//!
//! Unlike most methods of this API, the methods that create and delete events are not long-running.
//! The `state` of an event shows whether it has run.

use super::LivestreamClient;
use crate::{
    gax::call::Call,
    model::{CreateEventRequest, DeleteEventRequest, Event, GetEventRequest, ListEventsRequest},
    name::{ChannelName, EventName},
};

impl LivestreamClient {
    /// Creates an event, which runs a task on a started channel at a given time or immediately.
    ///
    /// The event must have a `task`, and either `execute_now` or an `execution_time` that is at
    /// least 10 seconds in the future. The service builds the event's name from `parent` and
    /// `event_id`. The id has 1 to 63 lower-case letters, digits and hyphens, and does not begin or
    /// end with a hyphen.
    ///
    /// This method is not long-running: awaiting the call returns the event. The service has then
    /// accepted the event but not necessarily run it. Its `state` shows later whether it ran.
    ///
    /// # Errors
    /// - `ALREADY_EXISTS` if the id is taken.
    /// - `FAILED_PRECONDITION` if the channel is not started.
    /// - `INVALID_ARGUMENT` if the execution time is less than 10 seconds in the future.
    /// - `INVALID_ARGUMENT`, before anything is sent, if no document of the API allows the id.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::ChannelName};
    /// use livestream_client::model::Event;
    /// use std::time::Duration;
    ///
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     channel: ChannelName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let ad_break = Event::ad_break(Duration::from_secs(60))?;
    /// let event = client.create_event(&channel, ad_break, "ad-break-1").await?;
    /// println!("{:?}", event.state());
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_event(
        &self,
        parent: &ChannelName,
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

    /// Lists the events of a channel. The service deletes an event 7 days after its execution.
    ///
    /// Awaiting the call returns one page. [`items`](Call::items) returns a stream of all events.
    ///
    /// # Errors
    /// - `INVALID_ARGUMENT` if the filter, the order or the page token is not valid.
    pub fn list_events(&self, parent: &ChannelName) -> Call<ListEventsRequest> {
        self.call(ListEventsRequest { parent: parent.into(), ..Default::default() })
    }

    /// Gets an event with its `state` and, in the state `FAILED`, the error.
    ///
    /// Awaiting the call returns the event.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the event does not exist. The service deletes an event 7 days after its
    ///   execution.
    pub fn get_event(&self, name: &EventName) -> Call<GetEventRequest> {
        self.call(GetEventRequest { name: name.into() })
    }

    /// Deletes an event.
    ///
    /// This method is not long-running: awaiting the call returns `()`.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the event does not exist.
    pub fn delete_event(&self, name: &EventName) -> Call<DeleteEventRequest> {
        self.call(DeleteEventRequest { name: name.into(), ..Default::default() })
    }
}
