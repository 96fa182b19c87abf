//! Events: ad breaks, slates, input switches and other tasks for a running channel.
//!
//! Creating and deleting one is answered directly: unlike most of this API, no operation stands in
//! between. Whether the event has run is told by its `state`.

use super::LivestreamClient;
use crate::{
    gax::call::Call,
    model::{CreateEventRequest, DeleteEventRequest, Event, GetEventRequest, ListEventsRequest},
    name::{ChannelName, EventName},
};

impl LivestreamClient {
    /// Schedules one task on a channel that has been started, or runs it at once.
    ///
    /// The event needs a `task`, and either `execute_now` or an `execution_time` at least 10
    /// seconds ahead. Its own name follows from `parent` and `event_id`: 1 to 63 lower-case letters,
    /// digits and hyphens, with no hyphen at either end.
    ///
    /// Awaiting yields the event itself: this is not long-running. It means that the event is
    /// accepted; its `state` tells later whether it ran.
    ///
    /// # Errors
    /// `ALREADY_EXISTS` where the id is taken, `FAILED_PRECONDITION` unless the channel has been
    /// started, `INVALID_ARGUMENT` for a time that is too near. Refused here, before anything is
    /// sent: an id that no document of the API allows.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::ChannelName};
    /// use livestream_client::{model::{Event, event::{AdBreakTask, Task}}, time};
    /// use std::time::Duration;
    ///
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     channel: ChannelName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let minute = Some(time::duration(Duration::from_secs(60))?);
    /// let ad_break = Event {
    ///     task: Some(Task::AdBreak(AdBreakTask { duration: minute })),
    ///     execute_now: true,
    ///     ..Default::default()
    /// };
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

    /// Lists the events of one channel, but for those that were executed more than 7 days ago.
    ///
    /// Awaiting yields one page; [`items`](Call::items) yields all events, one by one.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a filter, an order or a page token that the service cannot use.
    pub fn list_events(&self, parent: &ChannelName) -> Call<ListEventsRequest> {
        self.call(ListEventsRequest { parent: parent.into(), ..Default::default() })
    }

    /// Reads one event: whether it is still to come, runs, or has run, and why it failed.
    ///
    /// Awaiting yields the event.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such event, or none any more: events are gone 7 days after
    /// they were executed.
    pub fn get_event(&self, name: &EventName) -> Call<GetEventRequest> {
        self.call(GetEventRequest { name: name.into() })
    }

    /// Deletes an event.
    ///
    /// Awaiting yields `()`: this is not long-running.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such event.
    pub fn delete_event(&self, name: &EventName) -> Call<DeleteEventRequest> {
        self.call(DeleteEventRequest { name: name.into(), ..Default::default() })
    }
}
